//! From an internet message to what Exchange stores of it.
//!
//! Nothing that arrives is refused: what cannot be understood becomes text.

use std::{collections::BTreeSet, sync::Arc};

use bytes::Bytes;
use jiff::Timestamp;
use mail_parser::{
    Address, Encoding, HeaderValue, Message, MessageParser, MessagePart, MimeHeaders, PartType,
    decoders::{base64::base64_decode, quoted_printable::quoted_printable_decode},
};

use super::calendar;
use crate::mailbox::message::{
    Attachment, AttachmentKind, Body, Content, EmailAddress, HeaderField, Importance, MessageKind,
};

/// Messages in messages are followed that deep; what lies deeper stays an opaque file.
const MAXIMUM_DEPTH: usize = 8;

/// Reads a message. The result has no `internet_message_id` when the header has none.
pub(crate) fn read(raw: &Bytes, now: Timestamp) -> Content {
    let mut content = match MessageParser::default().parse(raw.as_ref()) {
        Some(message) => Reader { now }.content(&message, MAXIMUM_DEPTH),
        None => unreadable(raw),
    };
    content.mime = Some(raw.clone());
    content
}

/// The header fields of a message, in order.
pub(crate) fn header_of(raw: &[u8]) -> Vec<HeaderField> {
    let message = MessageParser::default().parse_headers(raw);
    message.map(|message| header_fields(&message)).unwrap_or_default()
}

fn unreadable(raw: &[u8]) -> Content {
    let mut content = Content::default();
    content.set_body(Body::text(String::from_utf8_lossy(raw)));
    content
}

struct Reader {
    now: Timestamp,
}

impl Reader {
    fn content(&self, message: &Message<'_>, depth: usize) -> Content {
        let mut content = Content {
            subject: message.subject().unwrap_or_default().to_owned(),
            from: addresses(message.from()).into_iter().next(),
            sender: addresses(message.sender()).into_iter().next(),
            to: addresses(message.to()),
            cc: addresses(message.cc()),
            bcc: addresses(message.bcc()),
            reply_to: addresses(message.reply_to()),
            internet_message_id: message.message_id().map(|id| format!("<{id}>")),
            headers: header_fields(message),
            sent: sent(message),
            kind: kind(message),
            ..Content::default()
        };
        content.sender = content.sender.or_else(|| content.from.clone());
        content.importance = importance(&content);
        content.read_receipt = content.header("Disposition-Notification-To").is_some();
        content.delivery_receipt = content.header("Return-Receipt-To").is_some();
        content.set_body(body(message));
        content.attachments = match secured(message) {
            Some(attachment) => vec![self.sealed(attachment)],
            None => self.attachments(message, &content.body, depth),
        };
        content
    }

    /// S/MIME stays closed: the message has one attachment, `smime.p7m`, with all of it.
    fn sealed(&self, (content_type, bytes): (String, Bytes)) -> Attachment {
        Attachment {
            number: 1,
            name: "smime.p7m".to_owned(),
            content_type: Some(content_type),
            content_id: None,
            content_location: None,
            is_inline: false,
            modified: self.now,
            kind: AttachmentKind::File(bytes),
        }
    }

    fn attachments(&self, message: &Message<'_>, body: &Body, depth: usize) -> Vec<Attachment> {
        let in_body = message.html_body.iter().chain(&message.text_body).filter(|number| {
            message
                .part(**number)
                .is_some_and(|part| !matches!(part.body, PartType::Text(_) | PartType::Html(_)))
        });
        let numbers: BTreeSet<u32> = message.attachments.iter().chain(in_body).copied().collect();
        let parts = numbers.into_iter().filter_map(|number| message.part(number));
        (1..).zip(parts).map(|(number, part)| self.attachment(number, message, part, body, depth)).collect()
    }

    fn attachment(
        &self,
        number: u32,
        message: &Message<'_>,
        part: &MessagePart<'_>,
        body: &Body,
        depth: usize,
    ) -> Attachment {
        let content_type = part.content_type().map(|content_type| match content_type.subtype() {
            Some(subtype) => format!("{}/{subtype}", content_type.ctype()),
            None => content_type.ctype().to_owned(),
        });
        let content_id = part.content_id().map(str::to_owned);
        let kind = match &part.body {
            PartType::Message(nested) if depth > 0 => {
                let mut content = self.content(nested, depth - 1);
                content.mime = Some(Bytes::copy_from_slice(nested.raw_message()));
                AttachmentKind::Item(Arc::new(content))
            }
            _ => AttachmentKind::File(decoded(message, part)),
        };
        let name = match (&kind, part.attachment_name()) {
            (_, Some(name)) if !name.is_empty() => name.to_owned(),
            (AttachmentKind::Item(content), _) if !content.subject.is_empty() => content.subject.clone(),
            (AttachmentKind::Item(_), _) => "Untitled".to_owned(),
            _ => format!("ATT{number:05}.{}", extension(content_type.as_deref())),
        };
        let declared_inline = part.content_disposition().is_some_and(mail_parser::ContentType::is_inline);
        let is_inline = content_id
            .as_ref()
            .is_some_and(|id| declared_inline || body.content.contains(&format!("cid:{id}")));
        Attachment {
            number,
            name,
            content_type,
            content_id,
            content_location: part.content_location().map(str::to_owned),
            is_inline,
            modified: self.now,
            kind,
        }
    }
}

fn addresses(address: Option<&Address<'_>>) -> Vec<EmailAddress> {
    let Some(address) = address else { return Vec::new() };
    address
        .iter()
        .filter_map(|entry| {
            let smtp = entry.address()?;
            Some(EmailAddress::named(entry.name().unwrap_or(smtp), smtp))
        })
        .collect()
}

fn header_fields(message: &Message<'_>) -> Vec<HeaderField> {
    message
        .headers_raw()
        .map(|(name, value)| HeaderField {
            name: name.to_owned(),
            value: value.split(['\r', '\n']).map(str::trim).collect::<Vec<_>>().join(" ").trim().to_owned(),
        })
        .collect()
}

fn sent(message: &Message<'_>) -> Option<Timestamp> {
    let date = message.date().filter(|date| date.is_valid())?;
    Timestamp::from_second(date.to_timestamp()).ok()
}

fn importance(content: &Content) -> Importance {
    let value = content
        .header("Importance")
        .or_else(|| content.header("X-Priority"))
        .or_else(|| content.header("Priority"))
        .unwrap_or_default()
        .to_ascii_lowercase();
    match value.chars().next() {
        Some('h' | '1' | '2' | 'u') => Importance::High,
        Some('l' | '4' | '5') => Importance::Low,
        _ if value == "non-urgent" => Importance::Low,
        _ => Importance::Normal,
    }
}

fn kind(message: &Message<'_>) -> MessageKind {
    let meeting = message.parts.iter().find_map(|part| match &part.body {
        PartType::Text(text) if part.is_content_type("text", "calendar") => calendar::read(text),
        _ => None,
    });
    meeting.map_or(MessageKind::Mail, |meeting| MessageKind::Meeting(Box::new(meeting)))
}

fn body(message: &Message<'_>) -> Body {
    let html_parts: Vec<_> =
        message.html_body.iter().filter_map(|number| message.part(*number)).map(|part| &part.body).collect();
    if html_parts.iter().any(|part| matches!(part, PartType::Html(_))) {
        let html: String = html_parts
            .into_iter()
            .filter_map(|part| match part {
                PartType::Html(html) => Some(html.to_string()),
                PartType::Text(text) => Some(super::html::from_text(text)),
                _ => None,
            })
            .collect();
        return Body::html(html);
    }
    let texts: Vec<_> = message
        .text_body
        .iter()
        .filter_map(|number| match &message.part(*number)?.body {
            PartType::Text(text) => Some(text.as_ref()),
            _ => None,
        })
        .collect();
    Body::text(texts.join("\r\n"))
}

/// The one attachment that Exchange shows of a signed or encrypted message ([MS-OXOSMIME]).
fn secured(message: &Message<'_>) -> Option<(String, Bytes)> {
    let root = message.parts.first()?;
    let content_type = root.content_type()?;
    let name = format!("{}/{}", content_type.ctype(), content_type.subtype().unwrap_or_default())
        .to_ascii_lowercase();
    match name.as_str() {
        "application/pkcs7-mime" | "application/x-pkcs7-mime" => Some((name, decoded(message, root))),
        "multipart/signed" => {
            let protocol = content_type.attribute("protocol").unwrap_or_default();
            if !protocol.to_ascii_lowercase().contains("pkcs7") {
                return None;
            }
            let header = message.header_raw("Content-Type")?.trim();
            let mut entity = format!("Content-Type: {header}\r\n\r\n").into_bytes();
            entity.extend_from_slice(raw_body(message, root));
            Some((name, Bytes::from(entity)))
        }
        _ => None,
    }
}

fn raw_body<'a>(message: &'a Message<'_>, part: &MessagePart<'_>) -> &'a [u8] {
    let range = usize::try_from(part.raw_body_offset()).ok().zip(usize::try_from(part.raw_end_offset()).ok());
    range.and_then(|(begin, end)| message.raw_message().get(begin..end)).unwrap_or_default()
}

/// A part's bytes without its transfer encoding, in the charset it came in.
fn decoded(message: &Message<'_>, part: &MessagePart<'_>) -> Bytes {
    match (&part.body, part.encoding) {
        (PartType::Text(_) | PartType::Html(_), Encoding::Base64) => base64_decode(raw_body(message, part)),
        (PartType::Text(_) | PartType::Html(_), Encoding::QuotedPrintable) => {
            quoted_printable_decode(raw_body(message, part))
        }
        (PartType::Text(_) | PartType::Html(_), Encoding::None) => Some(raw_body(message, part).to_vec()),
        _ => None,
    }
    .map_or_else(|| Bytes::copy_from_slice(part.contents()), Bytes::from)
}

fn extension(content_type: Option<&str>) -> &'static str {
    match content_type.unwrap_or_default().to_ascii_lowercase().as_str() {
        "text/plain" => "txt",
        "text/html" => "htm",
        "text/calendar" => "ics",
        "image/png" => "png",
        "image/jpeg" => "jpg",
        "image/gif" => "gif",
        "application/pdf" => "pdf",
        _ => "bin",
    }
}

/// The message ids of a header field, without angle brackets, in order.
pub(crate) fn message_ids(field: &str) -> Vec<String> {
    let raw = format!("References: {field}\r\n\r\n");
    let parsed = MessageParser::default().parse(raw.as_bytes());
    let Some(message) = parsed else { return Vec::new() };
    match message.references() {
        HeaderValue::Text(id) => vec![id.to_string()],
        HeaderValue::TextList(ids) => ids.iter().map(ToString::to_string).collect(),
        _ => Vec::new(),
    }
}
