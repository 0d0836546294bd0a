//! What the email messages are given.

use bytes::Bytes;
use jiff::Timestamp;

use super::address::{Address, list};

/// What a verdict is based on: the headers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Envelope {
    pub(crate) message_id: String,
    pub(crate) subject: String,
    pub(crate) from: Option<Address>,
    pub(crate) to: Vec<Address>,
    pub(crate) cc: Vec<Address>,
    pub(crate) bcc: Vec<Address>,
    pub(crate) thread: Thread,
    /// The mailbox that the message is read from, where the message tells (`SubmittedBy`).
    pub(crate) submitted_by: Option<Address>,
}

impl Envelope {
    /// Reads the address strings.
    pub(crate) fn new(message_id: &str, subject: &str, [from, to, cc, bcc]: [&str; 4]) -> Self {
        Self {
            message_id: message_id.trim().to_owned(),
            subject: subject.to_owned(),
            from: list(from).into_iter().next(),
            to: list(to),
            cc: list(cc),
            bcc: list(bcc),
            ..Self::default()
        }
    }

    /// To, Cc and Bcc, in this order.
    pub(crate) fn recipients(&self) -> impl Iterator<Item = &Address> {
        self.to.iter().chain(&self.cc).chain(&self.bcc)
    }
}

/// The headers that tie a message to its thread (`ExtraProperties`).
#[derive(Debug, Clone, Default)]
pub(crate) struct Thread {
    pub(crate) in_reply_to: String,
    /// Base64, as in the header `Thread-Index`.
    pub(crate) conversation_index: String,
}

/// A whole message to deliver.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) envelope: Envelope,
    pub(crate) received: Option<Timestamp>,
    pub(crate) importance: String,
    pub(crate) body: String,
    pub(crate) files: Vec<File>,
}

/// An attachment to deliver.
#[derive(Debug, Clone)]
pub(crate) struct File {
    pub(crate) name: String,
    pub(crate) content_type: String,
    pub(crate) content_id: Option<String>,
    pub(crate) bytes: Bytes,
}
