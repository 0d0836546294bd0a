//! The organization's verdict on a message: `CheckIncomingEmail`'s answer, in words
//! (server-side-sync.md section 0, dynamics.md section 5).

use serde::{Deserialize, Serialize};

/// Why the organization accepts or refuses a message (`ReasonCode`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReasonCode {
    /// 0: an email with this Message-Id exists.
    Duplicate,
    /// 1: no CRM recipient accepts it, as it answers no CRM email.
    NoCorrelationMatch,
    /// 2: it answers a CRM email.
    CorrelationMatch,
    /// 3: no recipient is a user or queue of the organization.
    NoRecipientMatch,
    /// 4: mail between colleagues that the organization does not want twice.
    InternalEmailReject,
    /// 5: the sender is a record that a recipient's option accepts.
    SenderMatch,
    /// 6: a recipient accepts all messages.
    AcceptAll,
    /// 7: the sender is missing or unusable.
    InvalidSender,
    /// Any other code, -1 (unknown) included.
    Other(
        /// The code.
        i32,
    ),
}

impl ReasonCode {
    /// From the number on the wire.
    pub fn from_code(code: i32) -> Self {
        match code {
            0 => Self::Duplicate,
            1 => Self::NoCorrelationMatch,
            2 => Self::CorrelationMatch,
            3 => Self::NoRecipientMatch,
            4 => Self::InternalEmailReject,
            5 => Self::SenderMatch,
            6 => Self::AcceptAll,
            7 => Self::InvalidSender,
            other => Self::Other(other),
        }
    }

    /// For an administrator: completes "the organization answered that …".
    pub fn words(self) -> String {
        match self {
            Self::Duplicate => "it already has an email with this Message-Id".to_owned(),
            Self::NoCorrelationMatch => {
                "none of its users or queues on the message takes mail that does not answer a Dynamics email \
                 (NoCorrelationMatch)"
                    .to_owned()
            }
            Self::CorrelationMatch => "it answers an email in Dynamics (CorrelationMatch)".to_owned(),
            Self::NoRecipientMatch => {
                "no recipient on To or Cc is the address of a user or queue that takes it (NoRecipientMatch)".to_owned()
            }
            Self::InternalEmailReject => {
                "it is mail between colleagues that Dynamics holds already as a sent email (InternalEmailReject)".to_owned()
            }
            Self::SenderMatch => "its sender is a record that a recipient takes mail from (SenderMatch)".to_owned(),
            Self::AcceptAll => "a recipient takes all messages (AcceptAll)".to_owned(),
            Self::InvalidSender => "its sender address is missing or unusable (InvalidSender)".to_owned(),
            Self::Other(code) => format!("it gave a reason that Hybridge does not know (code {code})"),
        }
    }

    /// What an administrator can change so that such a message is promoted (server-side-sync.md 2.3).
    pub fn remedy(self) -> Option<&'static str> {
        match self {
            Self::NoCorrelationMatch => Some(
                "If such mail should be tracked: in the user's personal options (Email tab) or on the queue, set which \
                 messages to track to \"from leads, contacts and accounts\", \"from email enabled records\" or \"all\". If the \
                 sender should have been recognised, check that the address stands on a contact, account or lead.",
            ),
            Self::NoRecipientMatch => Some(
                "The message came by Bcc, a distribution list or an alias that Dynamics does not know. Store the alias in an \
                 email field of the user or queue, or set its option to \"all messages\".",
            ),
            Self::InternalEmailReject => Some(
                "If both copies are wanted, switch on \"Track emails sent between Dynamics users as two activities\" in the \
                 system settings (Email tab).",
            ),
            Self::InvalidSender => Some("Nothing in Dynamics: the message itself names no usable sender."),
            _ => None,
        }
    }
}

/// The organization's answer about one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// Whether it wants the message as an email record.
    pub deliver: bool,
    /// Why.
    pub reason: ReasonCode,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_documented_code_has_its_own_meaning() {
        let reasons: Vec<ReasonCode> = (0..=7).map(ReasonCode::from_code).collect();
        for (index, reason) in reasons.iter().enumerate() {
            assert!(!matches!(reason, ReasonCode::Other(_)));
            assert!(!reasons[..index].contains(reason));
        }
        assert_eq!(ReasonCode::from_code(-1), ReasonCode::Other(-1));
        assert!(ReasonCode::from_code(-1).words().contains("-1"));
    }
}
