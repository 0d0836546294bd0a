//! What clients write into messages.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::StatusCode;
use jiff::Timestamp;
use serde_json::Value;

use super::render::property_key;
use crate::{
    mailbox::{
        edit,
        message::{
            Attachment, AttachmentKind, Body, BodyType, Content, EmailAddress, Flag, FlagStatus, HeaderField,
            Importance, Message,
        },
    },
    web::answer::Fault,
};

/// Custom header fields of one message at most (graph.md 3.6).
const MOST_HEADERS: usize = 5;

/// Properties that can only be changed while a message is a draft (graph.md 3.1).
const DRAFT_ONLY: [&str; 9] = [
    "subject",
    "body",
    "replyTo",
    "internetMessageId",
    "toRecipients",
    "ccRecipients",
    "bccRecipients",
    "from",
    "sender",
];

/// Writes the properties that travel with a message.
pub(crate) fn write_content(content: &mut Content, json: &Value, now: Timestamp) -> Result<(), Fault> {
    if let Some(subject) = text(json, "subject")? {
        content.subject = subject;
    }
    if let Some(body) = json.get("body").filter(|body| body.is_object()) {
        content.set_body(read_body(body)?);
    }
    for (name, list) in [
        ("toRecipients", &mut content.to),
        ("ccRecipients", &mut content.cc),
        ("bccRecipients", &mut content.bcc),
        ("replyTo", &mut content.reply_to),
    ] {
        if let Some(value) = json.get(name) {
            *list = recipients(name, value)?;
        }
    }
    if let Some(from) = json.get("from").filter(|value| !value.is_null()) {
        content.from = Some(recipient("from", from)?);
    }
    if let Some(sender) = json.get("sender").filter(|value| !value.is_null()) {
        content.sender = Some(recipient("sender", sender)?);
    }
    if let Some(id) = text(json, "internetMessageId")? {
        content.internet_message_id = Some(id);
    }
    if let Some(importance) = text(json, "importance")? {
        content.importance = match importance.to_ascii_lowercase().as_str() {
            "low" => Importance::Low,
            "normal" => Importance::Normal,
            "high" => Importance::High,
            _ => return Err(invalid("importance")),
        };
    }
    if let Some(requested) = boolean(json, "isDeliveryReceiptRequested")? {
        content.delivery_receipt = requested;
    }
    if let Some(requested) = boolean(json, "isReadReceiptRequested")? {
        content.read_receipt = requested;
    }
    if let Some(fields) = json.get("internetMessageHeaders").and_then(Value::as_array) {
        content.headers.extend(header_fields(fields)?);
    }
    if let Some(attachments) = json.get("attachments").and_then(Value::as_array) {
        for attachment in attachments {
            let number = next_attachment_number(content);
            content.attachments.push(read_attachment(attachment, number, now)?);
        }
    }
    Ok(())
}

/// Writes the properties that belong to one mailbox's copy.
pub(crate) fn write_copy(message: &mut Message, json: &Value) -> Result<(), Fault> {
    if let Some(read) = boolean(json, "isRead")? {
        message.is_read = read;
    }
    if let Some(categories) = json.get("categories") {
        let list = categories.as_array().ok_or_else(|| invalid("categories"))?;
        message.categories = list.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    }
    if let Some(classification) = text(json, "inferenceClassification")? {
        message.is_focused = classification.eq_ignore_ascii_case("focused");
    }
    if let Some(flag) = json.get("flag").filter(|flag| flag.is_object()) {
        message.flag = read_flag(flag)?;
    }
    if let Some(list) = json.get("singleValueExtendedProperties").and_then(Value::as_array) {
        for property in list {
            let id = text(property, "id")?.ok_or_else(|| invalid("singleValueExtendedProperties"))?;
            match text(property, "value")? {
                Some(value) => message.properties.insert(property_key(&id), value),
                None => message.properties.remove(&property_key(&id)),
            };
        }
    }
    Ok(())
}

/// Applies a `PATCH`.
pub(crate) fn patch(
    message: &mut Message,
    json: &Value,
    protect_received: bool,
    now: Timestamp,
) -> Result<(), Fault> {
    if json.get("internetMessageHeaders").is_some() {
        return Err(read_only("internetMessageHeaders"));
    }
    let touches = |names: &[&str]| names.iter().any(|name| json.get(*name).is_some());
    if !message.is_draft && protect_received && touches(&DRAFT_ONLY) {
        return Err(Fault::new(
            StatusCode::FORBIDDEN,
            "ErrorAccessDenied",
            "Only draft messages can be changed in this way: the app needs Mail-Advanced.ReadWrite.",
        ));
    }
    if touches(&DRAFT_ONLY)
        || touches(&["importance", "isDeliveryReceiptRequested", "isReadReceiptRequested"])
    {
        let mut changed = message.content.as_ref().clone();
        write_content(&mut changed, json, now)?;
        changed.mime = None;
        message.content = Arc::new(changed);
    }
    write_copy(message, json)
}

/// MAPI properties at creation that make an import of what is not a draft (graph.md 3.4, 3.6).
pub(crate) fn apply_import_properties(message: &mut Message) {
    const UNSENT: i64 = 0x8;
    const READ: i64 = 0x1;
    let property = |id: &str| message.properties.get(&property_key(id)).cloned();
    let flags = property("Integer 0x0E07").and_then(|value| value.parse::<i64>().ok());
    let delivered = property("SystemTime 0x0E06").and_then(|value| value.parse().ok());
    let submitted: Option<Timestamp> = property("SystemTime 0x0039").and_then(|value| value.parse().ok());
    let fields = [("In-Reply-To", property("String 0x1042")), ("References", property("String 0x1039"))];
    let message_id = property("String 0x1035");
    if let Some(flags) = flags {
        message.is_draft = flags & UNSENT != 0;
        message.is_read = flags & READ != 0;
    }
    message.received = delivered.unwrap_or(message.received);
    if submitted.is_some() || message_id.is_some() || fields.iter().any(|(_, value)| value.is_some()) {
        let content = edit(message);
        content.sent = submitted.or(content.sent);
        content.internet_message_id = message_id.or_else(|| content.internet_message_id.take());
        for (name, value) in fields {
            if let Some(value) = value {
                content.set_header(name, value);
            }
        }
    }
}

pub(crate) fn read_attachment(json: &Value, number: u32, now: Timestamp) -> Result<Attachment, Fault> {
    let kind = text(json, "@odata.type")?.unwrap_or_default();
    let name = text(json, "name")?.filter(|name| !name.is_empty()).ok_or_else(|| invalid("name"))?;
    let content = match kind.trim_start_matches('#').to_ascii_lowercase().as_str() {
        "microsoft.graph.fileattachment" => {
            let bytes = text(json, "contentBytes")?.ok_or_else(|| invalid("contentBytes"))?;
            let bytes = STANDARD.decode(bytes).map_err(|_| invalid("contentBytes"))?;
            AttachmentKind::File(Bytes::from(bytes))
        }
        "microsoft.graph.itemattachment" => {
            let mut item = Content::default();
            write_content(&mut item, json.get("item").ok_or_else(|| invalid("item"))?, now)?;
            AttachmentKind::Item(item.into())
        }
        _ => return Err(invalid("@odata.type")),
    };
    Ok(Attachment {
        number,
        name,
        content_type: text(json, "contentType")?,
        content_id: text(json, "contentId")?,
        content_location: text(json, "contentLocation")?,
        is_inline: boolean(json, "isInline")?.unwrap_or(false),
        modified: now,
        kind: content,
    })
}

pub(crate) fn next_attachment_number(content: &Content) -> u32 {
    content.attachments.iter().map(|attachment| attachment.number).max().unwrap_or(0) + 1
}

pub(crate) fn recipients(name: &str, value: &Value) -> Result<Vec<EmailAddress>, Fault> {
    let list = value.as_array().ok_or_else(|| invalid(name))?;
    list.iter().map(|entry| recipient(name, entry)).collect()
}

fn recipient(property: &str, value: &Value) -> Result<EmailAddress, Fault> {
    let entry = value.get("emailAddress").ok_or_else(|| invalid(property))?;
    let address = text(entry, "address")?.unwrap_or_default();
    Ok(EmailAddress::named(text(entry, "name")?.unwrap_or_default(), address))
}

fn header_fields(fields: &[Value]) -> Result<Vec<HeaderField>, Fault> {
    if fields.len() > MOST_HEADERS {
        return Err(Fault::bad_request(
            "InvalidInternetMessageHeaderCollection",
            format!(
                "Maximum number of headers in one message should be less than or equal to {MOST_HEADERS}."
            ),
        ));
    }
    fields
        .iter()
        .map(|field| {
            let name = text(field, "name")?.unwrap_or_default();
            if !name.to_ascii_lowercase().starts_with("x-") {
                return Err(Fault::bad_request(
                    "InvalidInternetMessageHeader",
                    format!("The internet message header name '{name}' should start with 'x-' or 'X-'."),
                ));
            }
            Ok(HeaderField { name, value: text(field, "value")?.unwrap_or_default() })
        })
        .collect()
}

pub(crate) fn read_body(json: &Value) -> Result<Body, Fault> {
    let content = text(json, "content")?.unwrap_or_default();
    let body_type = match text(json, "contentType")?.unwrap_or_default().to_ascii_lowercase().as_str() {
        "html" => BodyType::Html,
        "text" | "" => BodyType::Text,
        _ => return Err(invalid("contentType")),
    };
    Ok(Body { body_type, content })
}

fn read_flag(json: &Value) -> Result<Flag, Fault> {
    let status = match text(json, "flagStatus")?.unwrap_or_default().to_ascii_lowercase().as_str() {
        "flagged" => FlagStatus::Flagged,
        "complete" => FlagStatus::Complete,
        "notflagged" | "" => FlagStatus::NotFlagged,
        _ => return Err(invalid("flagStatus")),
    };
    let date = |name: &str| {
        let value = json.get(name)?;
        let instant = value.get("dateTime")?.as_str()?.to_owned();
        let zone = value.get("timeZone").and_then(Value::as_str).unwrap_or("UTC").to_owned();
        Some((instant, zone))
    };
    Ok(Flag {
        status,
        start: date("startDateTime"),
        due: date("dueDateTime"),
        completed: date("completedDateTime"),
    })
}

/// A text property; absent and null are the same, another type is a bad request.
pub(crate) fn text(json: &Value, name: &str) -> Result<Option<String>, Fault> {
    match json.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(invalid(name)),
    }
}

pub(crate) fn boolean(json: &Value, name: &str) -> Result<Option<bool>, Fault> {
    match json.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(value)) => Ok(Some(*value)),
        Some(_) => Err(invalid(name)),
    }
}

pub(crate) fn invalid(property: &str) -> Fault {
    Fault::bad_request(
        "ErrorInvalidPropertyValue",
        format!("The value of property '{property}' is missing or invalid."),
    )
}

fn read_only(property: &str) -> Fault {
    Fault::bad_request("ErrorInvalidPropertySet", format!("Set action is invalid for property '{property}'."))
}
