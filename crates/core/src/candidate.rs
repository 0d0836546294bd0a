//! Which messages of the Inbox are put before the organization (server-side-sync.md 2.1, 2.2, 6.3).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    address::Address,
    message::{MessageHeader, MessageKind},
};

/// Why a message is not put before the organization at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NotACandidate {
    /// An unsent draft.
    Draft,
    /// Received before the mailbox's "Process Email From".
    TooOld,
    /// A meeting request, response or cancellation.
    Meeting,
    /// Sent by this mailbox and not addressed to it: a sent message that lies in the Inbox.
    OwnSentMail,
    /// It has no sender address that Dynamics could take.
    NoSender,
    /// Protected by rights management, and the organization wants none of that (`RestrictIRMEmailItems`).
    RightsProtected,
}

impl NotACandidate {
    /// For an administrator.
    pub fn words(self) -> &'static str {
        match self {
            Self::Draft => "it is a draft that nobody has sent yet",
            Self::TooOld => {
                "it was received before the date from which this mailbox's email is processed \
                             (\"Process Email From\" on the mailbox or its email server profile)"
            }
            Self::Meeting => "it is a meeting request or response; those belong to the calendar",
            Self::OwnSentMail => "it was sent from this mailbox itself and is not addressed to it",
            Self::NoSender => "it has no sender address in the form name@domain, and Dynamics needs one",
            Self::RightsProtected => {
                "it is protected by rights management (IRM), and the option RestrictIRMEmailItems leaves such mail alone"
            }
        }
    }

    /// What would have made it different, where an administrator or user can do something.
    pub fn remedy(self) -> Option<&'static str> {
        match self {
            Self::TooOld => Some(
                "Set an earlier \"Process Email From\" on the mailbox record (and on its email server profile); \
                 Hybridge then looks at older mail at its next run.",
            ),
            Self::Draft => Some("Nothing: once it is sent, the recipients' copies are looked at."),
            Self::RightsProtected => Some(
                "Set RestrictIRMEmailItems to false in OrgDbOrgSettings, or in [options] of Hybridge's configuration, and move \
                 the message out of the Inbox and back.",
            ),
            Self::Meeting | Self::OwnSentMail | Self::NoSender => None,
        }
    }
}

/// Whether a message is a candidate for promotion.
///
/// `floor` is the effective start: the later of the profile's and the mailbox's date (2.2).
pub fn judge(
    header: &MessageHeader,
    own_address: &Address,
    floor: Option<Timestamp>,
) -> Result<(), NotACandidate> {
    if header.is_draft {
        return Err(NotACandidate::Draft);
    }
    if floor.is_some_and(|floor| header.received < floor) {
        return Err(NotACandidate::TooOld);
    }
    if header.kind == MessageKind::Meeting {
        return Err(NotACandidate::Meeting);
    }
    let Some(from) = header.from.as_ref().filter(|from| from.address.looks_deliverable()) else {
        return Err(NotACandidate::NoSender);
    };
    let addressed_to_itself = header.recipients().any(|party| party.address == *own_address);
    if from.address == *own_address && !addressed_to_itself {
        return Err(NotACandidate::OwnSentMail);
    }
    Ok(())
}

/// The effective start of a mailbox: the later of the two dates (2.2).
pub fn effective_floor(profile: Option<Timestamp>, mailbox: Option<Timestamp>) -> Option<Timestamp> {
    profile.max(mailbox)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::tests::{header, party};

    fn own() -> Address {
        Address::new("anna@contoso.test").unwrap()
    }

    #[test]
    fn an_ordinary_message_is_a_candidate_however_it_reached_the_mailbox() {
        assert_eq!(judge(&header("kim@example.com", &["anna@contoso.test"]), &own(), None), Ok(()));
        // By Bcc, list or alias the own address is nowhere on the message; the organization decides.
        assert_eq!(judge(&header("kim@example.com", &["all@lists.example"]), &own(), None), Ok(()));
    }

    #[test]
    fn the_floor_is_inclusive_and_the_later_of_the_two_dates_counts() {
        let message = header("kim@example.com", &["anna@contoso.test"]);
        let at = |text: &str| Some(text.parse::<Timestamp>().unwrap());
        assert_eq!(judge(&message, &own(), at("2026-11-01T10:00:00Z")), Ok(()));
        assert_eq!(judge(&message, &own(), at("2026-11-01T10:00:01Z")), Err(NotACandidate::TooOld));
        assert_eq!(
            effective_floor(at("2026-11-01T00:00:00Z"), at("2026-11-02T00:00:00Z")),
            at("2026-11-02T00:00:00Z")
        );
        assert_eq!(effective_floor(at("2026-11-01T00:00:00Z"), None), at("2026-11-01T00:00:00Z"));
        assert_eq!(effective_floor(None, None), None);
    }

    #[test]
    fn what_the_mailbox_sent_itself_is_not_incoming_unless_it_is_addressed_to_itself() {
        let sent = header("Anna@Contoso.test", &["kim@example.com"]);
        assert_eq!(judge(&sent, &own(), None), Err(NotACandidate::OwnSentMail));
        let mut note_to_self = sent;
        note_to_self.cc.push(party("anna@contoso.test"));
        assert_eq!(judge(&note_to_self, &own(), None), Ok(()));
    }

    #[test]
    fn drafts_meetings_and_senderless_items_are_set_aside_with_their_reason() {
        let mut draft = header("kim@example.com", &["anna@contoso.test"]);
        draft.is_draft = true;
        assert_eq!(judge(&draft, &own(), None), Err(NotACandidate::Draft));
        let mut meeting = header("kim@example.com", &["anna@contoso.test"]);
        meeting.kind = MessageKind::Meeting;
        assert_eq!(judge(&meeting, &own(), None), Err(NotACandidate::Meeting));
        let mut nobody = header("kim@example.com", &["anna@contoso.test"]);
        nobody.from = None;
        assert_eq!(judge(&nobody, &own(), None), Err(NotACandidate::NoSender));
    }
}
