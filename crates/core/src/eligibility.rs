//! Which mailboxes take part in incoming email (server-side-sync.md 1.2, 1.4, 2.1 step 1).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    address::Address,
    ids::{MailboxId, QueueId},
};

/// Whose mailbox it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MailboxOwner {
    /// A user.
    User,
    /// A queue.
    Queue,
    /// Nobody's: a forward mailbox.
    Forward,
}

/// `incomingemaildeliverymethod`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IncomingMethod {
    /// 0.
    None,
    /// 1: Dynamics 365 for Outlook.
    Outlook,
    /// 2: server-side synchronization or Email Router, which is where Hybridge stands in.
    Synchronizer,
    /// 3: a forward mailbox.
    ForwardMailbox,
}

/// `emailrouteraccessapproval`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Approval {
    /// 0.
    Empty,
    /// 1.
    Approved,
    /// 2.
    Pending,
    /// 3.
    Rejected,
}

/// A mailbox record as the organization has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mailbox {
    /// The record.
    pub id: MailboxId,
    /// Its name.
    pub name: String,
    /// Its address; Graph is asked for the user with this address.
    pub address: Option<Address>,
    /// Whose it is.
    pub owner: MailboxOwner,
    /// Whether the record is active.
    pub active: bool,
    /// How incoming email is processed.
    pub incoming: IncomingMethod,
    /// Whether its address is approved.
    pub approval: Approval,
    /// Whether its email server profile is active; `None` without a profile.
    pub profile_active: Option<bool>,
    /// The effective "Process Email From".
    pub floor: Option<Timestamp>,
    /// Whether its outgoing email is left to server-side synchronization or Email Router
    /// (`outgoingemaildeliverymethod` 2).
    #[serde(default)]
    pub sends: bool,
    /// The queue whose mailbox it is.
    #[serde(default)]
    pub queue: Option<QueueId>,
    /// "Delete Emails After Processing" (`processanddeleteemails`), which counts for queue and forward mailboxes only.
    #[serde(default)]
    pub deletes: bool,
}

impl Mailbox {
    /// Whether mail is deleted once it is a record (2.10); `said` is what the configuration says instead of the
    /// mailbox. The mail of users stays, whatever is set.
    pub fn deletes_after_processing(&self, said: Option<bool>) -> bool {
        matches!(self.owner, MailboxOwner::Queue | MailboxOwner::Forward) && said.unwrap_or(self.deletes)
    }
}

/// The organization's "process email only for approved" switches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApprovalRules {
    /// `requireapprovalforuseremail`.
    pub users: bool,
    /// `requireapprovalforqueueemail`.
    pub queues: bool,
}

/// Why a mailbox takes no part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ineligible {
    /// The record is deactivated.
    Inactive,
    /// Its incoming method is another one.
    OtherMethod(IncomingMethod),
    /// Its address is not approved.
    NotApproved(Approval),
    /// It has no address.
    NoAddress,
    /// Its email server profile is deactivated.
    ProfileInactive,
    /// Forward mailboxes hold other people's mail as attachments.
    ForwardMailbox,
    /// Its outgoing method is another one.
    DoesNotSend,
}

impl Ineligible {
    /// For an administrator.
    pub fn words(self) -> String {
        match self {
            Self::Inactive => "the mailbox record is deactivated".into(),
            Self::OtherMethod(IncomingMethod::None) => "its incoming email method is None".into(),
            Self::OtherMethod(IncomingMethod::Outlook) => {
                "its incoming email is left to Dynamics 365 for Outlook".into()
            }
            Self::OtherMethod(_) => "its incoming email comes through a forward mailbox".into(),
            Self::NotApproved(_) => "its email address is not approved".into(),
            Self::NoAddress => "it has no email address".into(),
            Self::ProfileInactive => "its email server profile is deactivated".into(),
            Self::ForwardMailbox => "it is a forward mailbox".into(),
            Self::DoesNotSend => "its outgoing email method is another one".into(),
        }
    }
}

/// Whether a mailbox takes part in incoming email.
///
/// `enabledforincomingemail` is not asked on purpose: it is the run-time switch of Dynamics' own
/// synchronization, which clears it when EWS fails, and EWS failing is why Hybridge is there.
pub fn judge(mailbox: &Mailbox, rules: ApprovalRules) -> Result<&Address, Ineligible> {
    if !mailbox.active {
        return Err(Ineligible::Inactive);
    }
    if mailbox.owner == MailboxOwner::Forward {
        return Err(Ineligible::ForwardMailbox);
    }
    if mailbox.incoming != IncomingMethod::Synchronizer {
        return Err(Ineligible::OtherMethod(mailbox.incoming));
    }
    approved(mailbox, rules)
}

/// Whether a mailbox takes part in outgoing email (server-side-sync.md 3.2). Until it does, its mails stay in Pending Send.
pub fn judge_outgoing(mailbox: &Mailbox, rules: ApprovalRules) -> Result<&Address, Ineligible> {
    if !mailbox.active {
        return Err(Ineligible::Inactive);
    }
    if mailbox.owner == MailboxOwner::Forward {
        return Err(Ineligible::ForwardMailbox);
    }
    if !mailbox.sends {
        return Err(Ineligible::DoesNotSend);
    }
    approved(mailbox, rules)
}

fn approved(mailbox: &Mailbox, rules: ApprovalRules) -> Result<&Address, Ineligible> {
    let must_be_approved = match mailbox.owner {
        MailboxOwner::Queue => rules.queues,
        MailboxOwner::User | MailboxOwner::Forward => rules.users,
    };
    if must_be_approved && mailbox.approval != Approval::Approved {
        return Err(Ineligible::NotApproved(mailbox.approval));
    }
    if mailbox.profile_active == Some(false) {
        return Err(Ineligible::ProfileInactive);
    }
    mailbox.address.as_ref().ok_or(Ineligible::NoAddress)
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn mailbox() -> Mailbox {
        Mailbox {
            id: MailboxId(Uuid::from_u128(7)),
            name: "Anna Berg".into(),
            address: Address::new("anna@contoso.test"),
            owner: MailboxOwner::User,
            active: true,
            incoming: IncomingMethod::Synchronizer,
            approval: Approval::Approved,
            profile_active: Some(true),
            floor: None,
            sends: true,
            queue: None,
            deletes: false,
        }
    }

    const STRICT: ApprovalRules = ApprovalRules { users: true, queues: true };
    const LAX: ApprovalRules = ApprovalRules { users: false, queues: false };

    #[test]
    fn an_approved_mailbox_on_the_synchronizer_takes_part() {
        assert!(judge(&mailbox(), STRICT).is_ok());
        assert!(judge(&Mailbox { profile_active: None, ..mailbox() }, STRICT).is_ok());
    }

    #[test]
    fn approval_counts_only_where_the_organization_asks_for_it() {
        let pending = Mailbox { approval: Approval::Pending, ..mailbox() };
        assert_eq!(judge(&pending, STRICT), Err(Ineligible::NotApproved(Approval::Pending)));
        assert!(judge(&pending, LAX).is_ok());
        let queue = Mailbox { owner: MailboxOwner::Queue, ..pending };
        assert!(judge(&queue, ApprovalRules { users: true, queues: false }).is_ok());
        assert!(judge(&queue, ApprovalRules { users: false, queues: true }).is_err());
    }

    #[test]
    fn everything_else_is_refused_with_its_reason() {
        let refused = |mailbox: Mailbox| judge(&mailbox, STRICT).err();
        assert_eq!(refused(Mailbox { active: false, ..mailbox() }), Some(Ineligible::Inactive));
        assert_eq!(
            refused(Mailbox { incoming: IncomingMethod::Outlook, ..mailbox() }),
            Some(Ineligible::OtherMethod(IncomingMethod::Outlook))
        );
        assert_eq!(refused(Mailbox { address: None, ..mailbox() }), Some(Ineligible::NoAddress));
        assert_eq!(
            refused(Mailbox { profile_active: Some(false), ..mailbox() }),
            Some(Ineligible::ProfileInactive)
        );
        assert_eq!(
            refused(Mailbox { owner: MailboxOwner::Forward, ..mailbox() }),
            Some(Ineligible::ForwardMailbox)
        );
    }

    #[test]
    fn s2_10_only_the_mail_of_queues_and_forward_mailboxes_is_deleted_after_processing() {
        let deletes =
            |owner, deletes, said| Mailbox { owner, deletes, ..mailbox() }.deletes_after_processing(said);
        assert!(deletes(MailboxOwner::Queue, true, None) && deletes(MailboxOwner::Forward, true, None));
        assert!(!deletes(MailboxOwner::User, true, None) && !deletes(MailboxOwner::User, true, Some(true)));
        assert!(
            !deletes(MailboxOwner::Queue, false, None) && !deletes(MailboxOwner::Queue, true, Some(false))
        );
        assert!(deletes(MailboxOwner::Queue, false, Some(true)));
    }
}
