use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use jiff::Timestamp;
use uuid::Uuid;

use crate::{
    mailbox::ids::{FolderNumber, ItemNumber, StayNumber},
    mime::html,
};

/// A person or mailbox: a name and an SMTP address.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EmailAddress {
    /// The display name; empty when there is none.
    pub name: String,
    /// The SMTP address.
    pub address: String,
}

impl EmailAddress {
    /// An address with a display name.
    pub fn named(name: impl Into<String>, address: impl Into<String>) -> Self {
        Self { name: name.into(), address: address.into() }
    }
}

impl From<&str> for EmailAddress {
    fn from(address: &str) -> Self {
        Self { name: String::new(), address: address.to_owned() }
    }
}

/// How a body is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BodyType {
    /// Plain text.
    Text,
    /// HTML.
    #[default]
    Html,
}

/// The body of a message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Body {
    /// How `content` is written.
    pub body_type: BodyType,
    /// The text.
    pub content: String,
}

impl Body {
    /// A plain text body.
    pub fn text(content: impl Into<String>) -> Self {
        Self { body_type: BodyType::Text, content: content.into() }
    }

    /// An HTML body.
    pub fn html(content: impl Into<String>) -> Self {
        Self { body_type: BodyType::Html, content: content.into() }
    }

    pub(crate) fn as_text(&self) -> String {
        match self.body_type {
            BodyType::Text => self.content.clone(),
            BodyType::Html => html::to_text(&self.content),
        }
    }

    pub(crate) fn as_html(&self) -> String {
        match self.body_type {
            BodyType::Text => html::from_text(&self.content),
            BodyType::Html => self.content.clone(),
        }
    }
}

/// How urgent the sender says a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Importance {
    /// Low.
    Low,
    /// Normal.
    #[default]
    Normal,
    /// High.
    High,
}

/// One field of a message's header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderField {
    /// The name.
    pub name: String,
    /// The unfolded value.
    pub value: String,
}

/// Which entity type of Graph a message is an instance of (graph.md 3.1).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum MessageKind {
    #[default]
    Mail,
    Meeting(Box<Meeting>),
}

/// What a meeting message is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MeetingMessage {
    Request,
    Cancellation,
    Accepted,
    TentativelyAccepted,
    Declined,
}

/// The meeting that a message is about, as its iCalendar part says. Times keep the form that Graph
/// shows: local date and time, and the name of the zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Meeting {
    pub(crate) message: MeetingMessage,
    pub(crate) start: Option<(String, String)>,
    pub(crate) end: Option<(String, String)>,
    pub(crate) all_day: bool,
    pub(crate) location: String,
}

/// What is attached.
#[derive(Debug, Clone)]
pub(crate) enum AttachmentKind {
    File(Bytes),
    Item(Arc<Content>),
}

/// An attachment of a message.
#[derive(Debug, Clone)]
pub(crate) struct Attachment {
    pub(crate) number: u32,
    pub(crate) name: String,
    pub(crate) content_type: Option<String>,
    pub(crate) content_id: Option<String>,
    pub(crate) content_location: Option<String>,
    pub(crate) is_inline: bool,
    pub(crate) modified: Timestamp,
    pub(crate) kind: AttachmentKind,
}

impl Attachment {
    /// The size that Graph shows: the content with about 4.5 % of overhead (graph.md 3.5).
    pub(crate) fn shown_size(&self) -> usize {
        let size = self.content_size();
        size + size * 45 / 1000 + 200
    }

    pub(crate) fn content_size(&self) -> usize {
        match &self.kind {
            AttachmentKind::File(bytes) => bytes.len(),
            AttachmentKind::Item(content) => content.size(),
        }
    }
}

/// Where a message stands in its conversation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Thread {
    pub(crate) root: Uuid,
    /// `PidTagConversationIndex`: 22 bytes, then 5 for each reply.
    pub(crate) index: Vec<u8>,
}

/// What travels: the part of a message that is the same for its sender and every recipient, and
/// that the copies in their mailboxes share until one of them is changed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Content {
    pub(crate) kind: MessageKind,
    pub(crate) subject: String,
    pub(crate) body: Body,
    pub(crate) preview: String,
    pub(crate) from: Option<EmailAddress>,
    pub(crate) sender: Option<EmailAddress>,
    pub(crate) to: Vec<EmailAddress>,
    pub(crate) cc: Vec<EmailAddress>,
    pub(crate) bcc: Vec<EmailAddress>,
    pub(crate) reply_to: Vec<EmailAddress>,
    pub(crate) internet_message_id: Option<String>,
    pub(crate) headers: Vec<HeaderField>,
    pub(crate) thread: Thread,
    pub(crate) importance: Importance,
    pub(crate) sent: Option<Timestamp>,
    pub(crate) delivery_receipt: bool,
    pub(crate) read_receipt: bool,
    pub(crate) attachments: Vec<Attachment>,
    /// The message as it came over the wire, as long as nothing in it was changed.
    pub(crate) mime: Option<Bytes>,
}

impl Content {
    /// Replaces the body and what is derived from it.
    pub(crate) fn set_body(&mut self, body: Body) {
        let text = body.as_text();
        let words = text.split_whitespace().take(256).collect::<Vec<_>>().join(" ");
        self.preview = words.chars().take(255).collect();
        self.body = body;
    }

    /// False when only inline images are attached.
    pub(crate) fn has_attachments(&self) -> bool {
        self.attachments.iter().any(|attachment| !attachment.is_inline)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|field| field.name.eq_ignore_ascii_case(name))
            .map(|field| field.value.as_str())
    }

    pub(crate) fn set_header(&mut self, name: &str, value: impl Into<String>) {
        self.headers.retain(|field| !field.name.eq_ignore_ascii_case(name));
        self.headers.push(HeaderField { name: name.to_owned(), value: value.into() });
    }

    pub(crate) fn recipients(&self) -> impl Iterator<Item = &EmailAddress> {
        self.to.iter().chain(&self.cc).chain(&self.bcc)
    }

    /// Approximate size in bytes.
    pub(crate) fn size(&self) -> usize {
        self.mime.as_ref().map_or_else(
            || {
                let attached: usize = self.attachments.iter().map(Attachment::content_size).sum();
                self.body.content.len() + attached + 1_000
            },
            Bytes::len,
        )
    }
}

/// A follow-up flag. Dates are kept as Graph's `dateTimeTimeZone` pairs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Flag {
    pub(crate) status: FlagStatus,
    pub(crate) start: Option<(String, String)>,
    pub(crate) due: Option<(String, String)>,
    pub(crate) completed: Option<(String, String)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum FlagStatus {
    #[default]
    NotFlagged,
    Flagged,
    Complete,
}

/// One copy of a message in one mailbox.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) item: ItemNumber,
    pub(crate) stay: StayNumber,
    pub(crate) folder: FolderNumber,
    /// The change with which it came into its folder.
    pub(crate) arrived: u64,
    /// Its latest change; also its change key.
    pub(crate) sequence: u64,
    pub(crate) created: Timestamp,
    pub(crate) modified: Timestamp,
    pub(crate) received: Timestamp,
    pub(crate) is_read: bool,
    pub(crate) is_draft: bool,
    pub(crate) is_focused: bool,
    pub(crate) categories: Vec<String>,
    pub(crate) flag: Flag,
    pub(crate) properties: BTreeMap<String, String>,
    pub(crate) content: Arc<Content>,
}

/// What a message starts with when it is put into a folder.
#[derive(Debug, Clone)]
pub(crate) struct NewMessage {
    pub(crate) folder: FolderNumber,
    pub(crate) received: Timestamp,
    pub(crate) is_read: bool,
    pub(crate) is_draft: bool,
    pub(crate) content: Arc<Content>,
}
