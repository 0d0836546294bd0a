//! From a stored message to an internet message.

use std::borrow::Cow;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use mail_builder::{
    MessageBuilder,
    headers::{HeaderType, address::Address, content_type::ContentType, date::Date, raw::Raw, text::Text},
    mime::{BodyPart, MimePart},
};

use crate::mailbox::message::{
    Attachment, AttachmentKind, BodyType, Content, EmailAddress, HeaderField, Importance,
};

/// Header fields that are made from the message's properties rather than copied.
const DERIVED: [&str; 13] = [
    "from",
    "sender",
    "to",
    "cc",
    "bcc",
    "reply-to",
    "subject",
    "date",
    "message-id",
    "mime-version",
    "importance",
    "thread-index",
    "thread-topic",
];

/// The message as it goes over the wire: as it came when nothing in it was changed, else built anew.
pub(crate) fn write(content: &Content) -> Bytes {
    content.mime.clone().unwrap_or_else(|| Bytes::from(build(content)))
}

/// The fields that the header of a built message begins with, as a recipient's mailbox shows them.
pub(crate) fn header(content: &Content) -> Vec<HeaderField> {
    let raw = build(&Content { headers: Vec::new(), attachments: Vec::new(), mime: None, ..content.clone() });
    super::read::header_of(&raw)
}

fn build(content: &Content) -> Vec<u8> {
    let mut builder = MessageBuilder::new()
        .header("Message-ID", Raw::new(content.internet_message_id.clone().unwrap_or_default()))
        .header("Date", Date::new(content.sent.map_or(0, jiff::Timestamp::as_second)))
        .header("Subject", Text::new(content.subject.as_str()))
        .header("Thread-Topic", Text::new(content.subject.as_str()))
        .header("Thread-Index", Raw::new(STANDARD.encode(&content.thread.index)))
        .header("MIME-Version", Raw::new("1.0"));
    let parties = [
        ("From", content.from.as_slice()),
        ("Sender", content.sender.as_slice()),
        ("To", &content.to),
        ("Cc", &content.cc),
        ("Bcc", &content.bcc),
        ("Reply-To", &content.reply_to),
    ];
    for (name, addresses) in parties {
        if !addresses.is_empty() {
            builder = builder.header(name, address_list(addresses));
        }
    }
    match content.importance {
        Importance::Normal => {}
        Importance::High => builder = builder.header("Importance", Raw::new("high")),
        Importance::Low => builder = builder.header("Importance", Raw::new("low")),
    }
    for field in &content.headers {
        let name = field.name.to_ascii_lowercase();
        if !DERIVED.contains(&name.as_str()) && !name.starts_with("content-") {
            builder = builder.header(field.name.as_str(), Raw::new(field.value.as_str()));
        }
    }
    builder.body(body(content)).write_to_vec().unwrap_or_default()
}

fn address_list(addresses: &[EmailAddress]) -> HeaderType<'_> {
    let list = addresses
        .iter()
        .map(|entry| {
            let name = (!entry.name.is_empty()).then_some(Cow::Borrowed(entry.name.as_str()));
            Address::new_address(name, entry.address.as_str())
        })
        .collect();
    HeaderType::Address(Address::new_list(list))
}

fn body(content: &Content) -> MimePart<'_> {
    let readable = match content.body.body_type {
        BodyType::Text => MimePart::new("text/plain", content.body.content.as_str()),
        BodyType::Html => multipart(
            "multipart/alternative",
            "alternative",
            vec![
                MimePart::new("text/plain", content.body.as_text()),
                MimePart::new("text/html", content.body.content.as_str()),
            ],
        ),
    };
    let (inline, attached): (Vec<_>, Vec<_>) =
        content.attachments.iter().partition(|attachment| attachment.is_inline);
    let related = wrap("multipart/related", "related", readable, &inline);
    wrap("multipart/mixed", "mixed", related, &attached)
}

fn wrap<'a>(
    content_type: &'static str,
    boundary: &str,
    first: MimePart<'a>,
    others: &[&'a Attachment],
) -> MimePart<'a> {
    if others.is_empty() {
        return first;
    }
    let parts = std::iter::once(first).chain(others.iter().map(|attachment| part(attachment))).collect();
    multipart(content_type, boundary, parts)
}

/// The library would make a boundary from the machine's clock; this one is always the same.
fn multipart<'a>(content_type: &'static str, label: &str, parts: Vec<MimePart<'a>>) -> MimePart<'a> {
    let boundary = format!("_=_{label}_8d5e1c_hybridge_sandbox_=_");
    MimePart::new(ContentType::new(content_type).attribute("boundary", boundary), BodyPart::Multipart(parts))
}

fn part(attachment: &Attachment) -> MimePart<'_> {
    let part = match &attachment.kind {
        AttachmentKind::File(bytes) => {
            let content_type = attachment.content_type.as_deref().unwrap_or("application/octet-stream");
            MimePart {
                headers: vec![("Content-Type".into(), ContentType::new(content_type).into())],
                contents: BodyPart::Text(lines_of_base64(bytes).into()),
            }
            .transfer_encoding("base64")
        }
        AttachmentKind::Item(content) => {
            MimePart::new("message/rfc822", BodyPart::Binary(write(content).to_vec().into()))
                .transfer_encoding("8bit")
        }
    };
    let part = if attachment.is_inline { part.inline() } else { part.attachment(attachment.name.as_str()) };
    match &attachment.content_id {
        Some(id) => part.cid(id.as_str()),
        None => part,
    }
}

/// Files are always base64, whatever their type: a text file must not have its line ends rewritten.
fn lines_of_base64(bytes: &[u8]) -> String {
    let encoded = STANDARD.encode(bytes);
    let mut lines = String::with_capacity(encoded.len() + encoded.len() / 38);
    for (index, letter) in encoded.chars().enumerate() {
        if index > 0 && index % 76 == 0 {
            lines.push_str("\r\n");
        }
        lines.push(letter);
    }
    lines
}
