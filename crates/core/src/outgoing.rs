//! What becomes of an email that waits to be sent (server-side-sync.md 3).
//!
//! The record itself carries the protocol, so that no crash and no lost database can make a second mail of it: it is
//! claimed (Pending Send becomes Sending), its draft in Exchange carries a link that is computed from the record, and
//! its number of attempts is raised just before the draft is submitted. Whoever finds it in Sending looks for the link
//! first ([`after_interruption`]).

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    address::Address,
    ids::{OrganizationId, RecordId},
    message::InternetMessageId,
    trouble::{Class, Trouble},
};

/// The most recipients that Exchange takes in one mail (graph.md 3.4).
pub const MOST_RECIPIENTS: usize = 500;
/// How long a mail that was submitted may still look like a draft.
pub const SETTLES: SignedDuration = SignedDuration::from_mins(2);
/// How long a mail may be on its way through Exchange's transport before it is no longer waited for.
pub const IN_TRANSIT: SignedDuration = SignedDuration::from_mins(10);

/// How urgent a mail is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Priority {
    /// 0.
    Low,
    /// 1.
    Normal,
    /// 2.
    High,
}

/// Somebody who gets a mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    /// As shown; may be empty.
    pub name: String,
    /// The address; `None` where the record has none that can be used.
    pub address: Option<Address>,
}

/// An email record that waits to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// The record.
    pub record: RecordId,
    /// Its version: a claim holds only for the row that was read.
    pub version: String,
    /// It is in Sending: somebody has claimed it and not come to an end.
    pub begun: bool,
    /// How often its draft was submitted since it was claimed.
    pub attempts: u32,
    /// When the row was changed last.
    pub modified: Option<Timestamp>,
    /// The subject, with its tracking token.
    pub subject: String,
    /// The body, HTML.
    pub html: String,
    /// To.
    pub to: Vec<Recipient>,
    /// Cc.
    pub cc: Vec<Recipient>,
    /// Bcc.
    pub bcc: Vec<Recipient>,
    /// How urgent the reader is told it is.
    pub importance: Priority,
    /// In what order mails of one mailbox leave.
    pub delivery: Priority,
    /// A receipt is wanted when it is read.
    pub read_receipt: bool,
    /// A receipt is wanted when it is delivered.
    pub delivery_receipt: bool,
    /// Send Later.
    pub not_before: Option<Timestamp>,
    /// The email that it answers.
    pub answers: Option<RecordId>,
    /// Its Message-Id, where it has one already.
    pub message_id: Option<InternetMessageId>,
}

impl Outgoing {
    /// Everybody who gets it.
    pub fn recipients(&self) -> impl Iterator<Item = &Recipient> {
        self.to.iter().chain(&self.cc).chain(&self.bcc)
    }
}

/// What is to be done with an email in Pending Send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Departure {
    /// Send it.
    Now,
    /// Its time has not come.
    Later(Timestamp),
    /// It can't be sent as it is: it becomes Failed, with this reason.
    Never(Trouble),
}

/// Whether an email can be sent now.
pub fn departure(email: &Outgoing, now: Timestamp) -> Departure {
    if let Some(time) = email.not_before.filter(|time| *time > now) {
        return Departure::Later(time);
    }
    let never = |what: String, remedy: &str| Departure::Never(Trouble::new(Class::Denied, what, remedy));
    let count = email.recipients().count();
    if count == 0 {
        return never("it has no recipient".to_owned(), "Add a recipient and send it again.");
    }
    if count > MOST_RECIPIENTS {
        return never(
            format!("it has {count} recipients; Exchange Online takes {MOST_RECIPIENTS}"),
            "Send it to fewer recipients at a time.",
        );
    }
    if let Some(without) = email.recipients().find(|recipient| recipient.address.is_none()) {
        return never(
            format!("the recipient {:?} has no email address", without.name),
            "Enter the address on the record (of a contact only the first one counts) and send it again.",
        );
    }
    Departure::Now
}

/// The link by which the draft of a record is found again: a `UUIDv5` of organization and record.
pub fn link(organization: OrganizationId, record: RecordId) -> Uuid {
    Uuid::new_v5(&organization.0, format!("sent/{record}").as_bytes())
}

/// What was found in the mailbox of an email in Sending, by its link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// Nothing.
    Nothing,
    /// A draft.
    Draft,
    /// A mail that was sent.
    Sent,
}

/// How an interrupted sending goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// From the beginning; a draft that is there was never submitted and is not whole for sure.
    Anew,
    /// Submit the draft that is there.
    Submit,
    /// It was sent.
    Settle,
    /// It may be on its way: look again then.
    Look(Timestamp),
    /// It was submitted and is nowhere: it may have been sent, so it is not sent again.
    Unknown,
}

/// How an interrupted sending goes on. A mail is submitted only where it is certain that it was not sent.
pub fn after_interruption(email: &Outgoing, found: Found, now: Timestamp) -> Next {
    match (found, email.attempts) {
        (Found::Sent, _) => Next::Settle,
        (Found::Nothing | Found::Draft, 0) => Next::Anew,
        (Found::Draft, _) => look_until(SETTLES, email, now).map_or(Next::Submit, Next::Look),
        (Found::Nothing, _) => look_until(IN_TRANSIT, email, now).map_or(Next::Unknown, Next::Look),
    }
}

/// The end of a time since the email was changed last, as long as it lies ahead.
fn look_until(time: SignedDuration, email: &Outgoing, now: Timestamp) -> Option<Timestamp> {
    let until = email.modified.unwrap_or(now).checked_add(time).unwrap_or(now);
    (now < until).then_some(until)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-11-23T12:00:00Z".parse().unwrap()
    }

    fn email() -> Outgoing {
        let kim = Recipient { name: "Kim".into(), address: Address::new("kim@example.org") };
        Outgoing {
            record: RecordId(Uuid::from_u128(1)),
            version: String::new(),
            begun: false,
            attempts: 0,
            modified: Some(now()),
            subject: "Offer CRM:0001042".into(),
            html: String::new(),
            to: vec![kim],
            cc: Vec::new(),
            bcc: Vec::new(),
            importance: Priority::Normal,
            delivery: Priority::Normal,
            read_receipt: false,
            delivery_receipt: false,
            not_before: None,
            answers: None,
            message_id: None,
        }
    }

    #[test]
    fn s3_2_what_can_be_sent() {
        assert_eq!(departure(&email(), now()), Departure::Now);
        let later = now() + SignedDuration::from_mins(5);
        let email_later = Outgoing { not_before: Some(later), ..email() };
        assert_eq!(departure(&email_later, now()), Departure::Later(later));
        assert_eq!(departure(&email_later, later), Departure::Now);
        let nobody = Recipient { name: "No One".into(), address: None };
        for (email, words) in [
            (Outgoing { to: Vec::new(), ..email() }, "no recipient"),
            (Outgoing { cc: vec![nobody], ..email() }, "\"No One\" has no email address"),
            (Outgoing { bcc: vec![email().to[0].clone(); 500], ..email() }, "501 recipients"),
        ] {
            match departure(&email, now()) {
                Departure::Never(trouble) => assert!(trouble.what.contains(words), "{trouble:?}"),
                other => panic!("{words}: {other:?}"),
            }
        }
    }

    #[test]
    fn s3_5_an_interrupted_sending_never_makes_a_second_mail() {
        let tried = |attempts| Outgoing { begun: true, attempts, ..email() };
        let long_after = now() + IN_TRANSIT;
        for (attempts, found, at, next) in [
            (0, Found::Nothing, now(), Next::Anew),
            (0, Found::Draft, now(), Next::Anew),
            (1, Found::Draft, now(), Next::Look(now() + SETTLES)),
            (1, Found::Draft, now() + SETTLES, Next::Submit),
            (1, Found::Nothing, now(), Next::Look(long_after)),
            (1, Found::Nothing, long_after, Next::Unknown),
            (0, Found::Sent, now(), Next::Settle),
            (2, Found::Sent, long_after, Next::Settle),
        ] {
            assert_eq!(after_interruption(&tried(attempts), found, at), next, "{attempts} {found:?}");
        }
    }
}
