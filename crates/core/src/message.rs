//! What is known of a message before its body is read.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    address::Address,
    ids::{ItemId, TenantId},
};

/// A Message-Id, the identity of an email across mailboxes and systems: `<left@right>`.
///
/// Compared byte for byte, as Dynamics' `messageid` lookup gets it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct InternetMessageId(String);

/// Dynamics keeps at most this many characters of a Message-Id (server-side-sync.md 5.2).
const LONGEST_MESSAGE_ID: usize = 320;

impl InternetMessageId {
    /// A Message-Id as a header or Graph gives it; `None` when there is none or when Dynamics could
    /// not store it whole (it would then not be found again).
    pub fn new(text: &str) -> Option<Self> {
        let trimmed = text.trim();
        (!trimmed.is_empty() && trimmed.chars().count() <= LONGEST_MESSAGE_ID)
            .then(|| Self(trimmed.to_owned()))
    }

    /// The identity of a message that has no (usable) Message-Id of its own: computed from what every
    /// copy of the message has in common, so that copies in two mailboxes, or in two runs, meet.
    pub fn computed(tenant: TenantId, header: &MessageHeader) -> Self {
        let sender =
            header.from.as_ref().map_or_else(String::new, |party| party.address.as_str().to_lowercase());
        let sent = header.sent.unwrap_or(header.received);
        let key = format!("{sender}\n{sent}\n{}\n{}", header.subject, header.conversation_index);
        Self(format!("<{}@hybridge.invalid>", Uuid::new_v5(&tenant.0, key.as_bytes())))
    }

    /// As written, with its angle brackets.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for InternetMessageId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A sender or recipient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Party {
    /// The display name, may be empty.
    pub name: String,
    /// The address.
    pub address: Address,
}

/// Dynamics' priority codes (`email.prioritycode`, dynamics.md 4.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Importance {
    /// 0.
    Low,
    /// 1.
    #[default]
    Normal,
    /// 2.
    High,
}

/// How private its sender marked a message (`PidTagSensitivity`, the header `Sensitivity` of RFC 2156).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sensitivity {
    /// 0: not marked.
    #[default]
    Normal,
    /// 1.
    Personal,
    /// 2.
    Private,
    /// 3: company confidential.
    Confidential,
}

impl Sensitivity {
    /// From the number of the MAPI property; what is unknown is not marked.
    pub fn from_code(code: i64) -> Self {
        match code {
            1 => Self::Personal,
            2 => Self::Private,
            3 => Self::Confidential,
            _ => Self::Normal,
        }
    }

    /// From the header field: `Personal`, `Private`, `Company-Confidential`.
    pub fn from_header(value: &str) -> Self {
        let letters: String = value.chars().filter(char::is_ascii_alphabetic).collect();
        match letters.to_ascii_lowercase().as_str() {
            "personal" => Self::Personal,
            "private" => Self::Private,
            "companyconfidential" | "confidential" => Self::Confidential,
            _ => Self::Normal,
        }
    }
}

impl fmt::Display for Sensitivity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Normal => "normal",
            Self::Personal => "personal",
            Self::Private => "private",
            Self::Confidential => "confidential",
        })
    }
}

/// The kinds of item that lie in mail folders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum MessageKind {
    /// An ordinary message.
    #[default]
    Message,
    /// A meeting request, response or cancellation.
    Meeting,
}

/// What a delta page tells of a message: all that the verdict needs, no body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageHeader {
    /// The immutable id.
    pub id: ItemId,
    /// The Message-Id, where the message has a usable one.
    pub message_id: Option<InternetMessageId>,
    /// Ordinary message or meeting message.
    pub kind: MessageKind,
    /// The subject, may be empty.
    pub subject: String,
    /// The `From` mailbox.
    pub from: Option<Party>,
    /// The `To` recipients.
    pub to: Vec<Party>,
    /// The `Cc` recipients.
    pub cc: Vec<Party>,
    /// The `Bcc` recipients (only a sent copy has them).
    pub bcc: Vec<Party>,
    /// When Exchange received it.
    pub received: Timestamp,
    /// When its sender sent it.
    pub sent: Option<Timestamp>,
    /// Its importance.
    pub importance: Importance,
    /// How private its sender marked it.
    #[serde(default)]
    pub sensitivity: Sensitivity,
    /// Whether a mail rule forwarded it by itself (`PidTagAutoForwarded`).
    #[serde(default)]
    pub auto_forwarded: bool,
    /// Whether it is protected by rights management (IRM; content class `rpmsg.message`).
    #[serde(default)]
    pub rights_protected: bool,
    /// Whether it is an unsent draft.
    pub is_draft: bool,
    /// Graph's conversation id: messages that share it belong to one thread. May be empty.
    pub conversation: String,
    /// The conversation index (base64), as `PR_CONVERSATION_INDEX` has it. May be empty.
    pub conversation_index: String,
    /// The Message-Id that it answers (`In-Reply-To`). May be empty.
    pub in_reply_to: String,
    /// The folder it lies in now.
    pub folder: String,
}

impl MessageHeader {
    /// The message's identity: its own Message-Id, else the computed one.
    pub fn identity(&self, tenant: TenantId) -> InternetMessageId {
        self.message_id.clone().unwrap_or_else(|| InternetMessageId::computed(tenant, self))
    }

    /// All recipients, in the order To, Cc, Bcc.
    pub fn recipients(&self) -> impl Iterator<Item = &Party> {
        self.to.iter().chain(&self.cc).chain(&self.bcc)
    }
}

/// Joins parties as the organization's messages want them: SMTP addresses with `;` between
/// (dynamics.md section 5).
pub fn address_list<'a>(parties: impl IntoIterator<Item = &'a Party>) -> String {
    let addresses: Vec<&str> = parties.into_iter().map(|party| party.address.as_str()).collect();
    addresses.join(";")
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn party(address: &str) -> Party {
        Party { name: String::new(), address: Address::new(address).unwrap() }
    }

    pub(crate) fn header(from: &str, to: &[&str]) -> MessageHeader {
        MessageHeader {
            id: ItemId("AAkALg-1".into()),
            message_id: InternetMessageId::new("<1@example.com>"),
            kind: MessageKind::Message,
            subject: "Quote".into(),
            from: Address::new(from).map(|address| Party { name: String::new(), address }),
            to: to.iter().map(|address| party(address)).collect(),
            cc: Vec::new(),
            bcc: Vec::new(),
            received: "2026-11-01T10:00:00Z".parse().unwrap(),
            sent: Some("2026-11-01T09:59:58Z".parse().unwrap()),
            importance: Importance::Normal,
            sensitivity: Sensitivity::Normal,
            auto_forwarded: false,
            rights_protected: false,
            is_draft: false,
            conversation: "c1".into(),
            conversation_index: "AQHb".into(),
            in_reply_to: String::new(),
            folder: "inbox".into(),
        }
    }

    #[test]
    fn copies_of_a_message_without_message_id_have_one_identity() {
        let tenant = TenantId(Uuid::from_u128(1));
        let mut first = header("Anna@example.com", &["sales@contoso.test"]);
        first.message_id = None;
        let mut copy = first.clone();
        copy.id = ItemId("AAkALg-2".into());
        copy.received = "2026-11-01T10:00:09Z".parse().unwrap();
        copy.from = Some(party("anna@EXAMPLE.com"));
        assert_eq!(first.identity(tenant), copy.identity(tenant));

        let mut other = first.clone();
        other.sent = Some("2026-11-01T09:59:59Z".parse().unwrap());
        assert_ne!(first.identity(tenant), other.identity(tenant));
        assert_ne!(first.identity(tenant), first.identity(TenantId(Uuid::from_u128(2))));
    }

    #[test]
    fn a_message_id_that_dynamics_would_cut_is_not_used() {
        let long = format!("<{}@example.com>", "x".repeat(320));
        assert_eq!(InternetMessageId::new(&long), None);
        assert_eq!(InternetMessageId::new("  "), None);
        assert_eq!(InternetMessageId::new(" <a@b> ").unwrap().as_str(), "<a@b>");
    }

    #[test]
    fn sensitivity_is_read_from_property_and_header() {
        for (code, header, expected) in [
            (0, "", Sensitivity::Normal),
            (1, "personal", Sensitivity::Personal),
            (2, " Private ", Sensitivity::Private),
            (3, "Company-Confidential", Sensitivity::Confidential),
            (9, "Secret", Sensitivity::Normal),
        ] {
            assert_eq!(Sensitivity::from_code(code), expected);
            assert_eq!(Sensitivity::from_header(header), expected, "{header}");
        }
    }

    #[test]
    fn addresses_are_joined_with_semicolons() {
        assert_eq!(address_list(&[party("a@x"), party("b@y")]), "a@x;b@y");
        assert_eq!(address_list(&[]), "");
    }
}
