//! Where the organization's options and the administrator's rules enter: before the organization is asked, in the question, and after the answer.

use hybridge_core::{
    address::Address,
    candidate::{NotACandidate, judge},
    eligibility::Mailbox,
    message::{InternetMessageId, MessageHeader},
    rules::Ruling,
    verdict::ReasonCode,
};
use hybridge_dynamics::Envelope;
use jiff::Timestamp;

use crate::engine::Engine;

impl Engine {
    /// Whether a message is put before the organization at all.
    pub(crate) fn judge(
        &self,
        header: &MessageHeader,
        own_address: &Address,
        floor: Option<Timestamp>,
    ) -> Result<(), NotACandidate> {
        judge(header, own_address, floor)?;
        if header.rights_protected && self.organization_options().restricts_irm() {
            return Err(NotACandidate::RightsProtected);
        }
        Ok(())
    }

    /// The rule that keeps a message out before anybody is asked about it.
    pub(crate) fn forbids(&self, mailbox: &Mailbox, header: &MessageHeader) -> Option<Ruling> {
        self.options.rules.forbids(header, mailbox.into())
    }

    /// What keeps a message out although the organization wants it.
    pub(crate) fn overrules(
        &self,
        mailbox: &Mailbox,
        header: &MessageHeader,
        reason: ReasonCode,
    ) -> Option<Ruling> {
        self.options.rules.overrules(header, mailbox.into(), reason)
    }

    /// The address that the organization is told as the only recipient, where no other recipient's option is to
    /// count (server-side-sync.md 2.3).
    pub(crate) fn only_recipient(&self, mailbox: &Mailbox) -> Option<String> {
        let only = self.options.rules.only_own_option(mailbox.into());
        mailbox.address.as_ref().filter(|_| only).map(ToString::to_string)
    }

    /// The question about a message. The delivery has the true recipients, whoever was named here.
    pub(crate) fn question(
        &self,
        mailbox: &Mailbox,
        header: &MessageHeader,
        message_id: InternetMessageId,
    ) -> Envelope {
        let envelope = Envelope::of(header, message_id);
        match self.only_recipient(mailbox) {
            Some(to) => Envelope { to, cc: String::new(), bcc: String::new(), ..envelope },
            None => envelope,
        }
    }
}
