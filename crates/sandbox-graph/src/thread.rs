//! Conversations: which messages belong together, and how replies say so.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use uuid::Uuid;

use crate::{
    mailbox::{
        Mailbox,
        message::{Content, Thread},
    },
    mime::read::message_ids,
};

/// 100-nanosecond steps between 1601 (`FILETIME`) and 1970.
const FILETIME_OF_UNIX_EPOCH: i128 = 116_444_736_000_000_000;

/// Puts a new message into its conversation: by `Thread-Index`, else by the message it answers, else
/// it begins one.
pub(crate) fn place(content: &mut Content, mailbox: Option<&Mailbox>, now: Timestamp) {
    if let Some(thread) = content.header("Thread-Index").and_then(from_header) {
        content.thread = thread;
        return;
    }
    let ancestors: Vec<String> = ["References", "In-Reply-To"]
        .into_iter()
        .filter_map(|name| content.header(name))
        .flat_map(message_ids)
        .collect();
    let parent = mailbox.filter(|_| !ancestors.is_empty()).and_then(|mailbox| {
        let known = mailbox.messages().rev().find(|message| {
            let id = message.content.internet_message_id.as_deref();
            id.is_some_and(|id| ancestors.iter().any(|ancestor| id.trim_matches(['<', '>']) == ancestor))
        });
        known.map(|message| message.content.thread.clone())
    });
    content.thread = match parent {
        Some(parent) => reply_to(&parent, now),
        None => begin(ancestors.first().map(String::as_str).or(content.internet_message_id.as_deref()), now),
    };
}

/// The thread of an answer to a message.
pub(crate) fn reply_to(parent: &Thread, now: Timestamp) -> Thread {
    let mut index = parent.index.clone();
    let ticks = filetime(now).to_be_bytes();
    index.extend_from_slice(ticks.get(3..8).unwrap_or_default());
    Thread { root: parent.root, index }
}

fn begin(root_message_id: Option<&str>, now: Timestamp) -> Thread {
    let name = root_message_id.map_or_else(|| now.to_string(), |id| id.trim_matches(['<', '>']).to_owned());
    let root = Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes());
    let ticks = filetime(now).to_be_bytes();
    let mut index = vec![1];
    index.extend_from_slice(ticks.get(1..6).unwrap_or_default());
    index.extend_from_slice(root.as_bytes());
    Thread { root, index }
}

fn from_header(value: &str) -> Option<Thread> {
    let index = STANDARD.decode(value.trim()).ok()?;
    let root = index.get(6..22)?.try_into().ok()?;
    Some(Thread { root: Uuid::from_bytes(root), index })
}

fn filetime(now: Timestamp) -> u64 {
    u64::try_from(now.as_nanosecond() / 100 + FILETIME_OF_UNIX_EPOCH).unwrap_or(0)
}

/// Sets the header fields that make `answer` an answer to `original` (RFC 5322, 3.6.4).
pub(crate) fn answer(answer: &mut Content, original: &Content, now: Timestamp) {
    answer.thread = reply_to(&original.thread, now);
    let Some(id) = &original.internet_message_id else { return };
    let known = original.header("References").or_else(|| original.header("In-Reply-To"));
    let references = known.map_or_else(|| id.clone(), |known| format!("{known} {id}"));
    answer.set_header("In-Reply-To", id.clone());
    answer.set_header("References", references);
}
