//! What clients see of a message.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};

use crate::{
    mailbox::{
        Mailbox,
        ids::{IdCodec, IdForm},
        message::{
            Attachment, AttachmentKind, Body, BodyType, Content, EmailAddress, Flag, FlagStatus, Importance,
            Meeting, MeetingMessage, Message, MessageKind,
        },
    },
    mime::html,
    session::{change_key, etag},
    web::{
        answer::date_time,
        prefer::Prefer,
        view::{ExpandAttachments, View},
    },
};

/// How messages are to be shown to one client.
#[derive(Debug, Clone)]
pub(crate) struct Rendering<'a> {
    pub(crate) view: &'a View,
    pub(crate) prefer: &'a Prefer,
    /// Without this (`Mail.ReadBasic`) there are no bodies, attachments and extended properties.
    pub(crate) everything: bool,
}

/// Collects the properties that a view shows.
struct Shown<'a> {
    view: &'a View,
    object: Map<String, Value>,
}

impl Shown<'_> {
    fn put(&mut self, name: &str, value: impl FnOnce() -> Value) {
        if self.view.shows(name) {
            self.object.insert(name.to_owned(), value());
        }
    }

    fn put_if_asked(&mut self, name: &str, value: impl FnOnce() -> Value) {
        if self.view.asks_for(name) {
            self.object.insert(name.to_owned(), value());
        }
    }
}

impl Rendering<'_> {
    pub(crate) fn message(&self, mailbox: &Mailbox, message: &Message) -> Value {
        let content = &message.content;
        let id = mailbox.codec.item(self.prefer.id_form, message.item, message.stay);
        let mut shown = Shown { view: self.view, object: Map::new() };
        shown.object.insert("@odata.etag".to_owned(), json!(etag(message.sequence)));
        shown.put("createdDateTime", || json!(date_time(message.created)));
        shown.put("lastModifiedDateTime", || json!(date_time(message.modified)));
        shown.put("changeKey", || json!(change_key(message.sequence)));
        shown.put("categories", || json!(message.categories));
        shown.put("receivedDateTime", || json!(date_time(message.received)));
        shown.put("parentFolderId", || json!(mailbox.codec.folder(message.folder)));
        shown.put("conversationId", || json!(mailbox.codec.conversation(content.thread.root)));
        shown.put("conversationIndex", || json!(STANDARD.encode(&content.thread.index)));
        shown.put("isRead", || json!(message.is_read));
        shown.put("isDraft", || json!(message.is_draft));
        shown.put("webLink", || {
            json!(format!(
                "https://outlook.office365.com/owa/?ItemID={id}&exvsurl=1&viewmodel=ReadMessageItem"
            ))
        });
        shown.put("inferenceClassification", || json!(if message.is_focused { "focused" } else { "other" }));
        shown.put("flag", || flag(&message.flag));
        self.content(&mut shown, content);
        let mut object = shown.object;
        object.insert("id".to_owned(), json!(id));
        if self.everything {
            self.navigation(&mut object, &id, message);
        }
        Value::Object(object)
    }

    /// The properties that a message has wherever it is, also inside another one.
    fn content(&self, shown: &mut Shown<'_>, content: &Content) {
        if let MessageKind::Meeting(meeting) = &content.kind {
            meeting_properties(shown, meeting);
        }
        shown.put("sentDateTime", || json!(content.sent.map(date_time)));
        shown.put("hasAttachments", || json!(content.has_attachments()));
        shown.put("internetMessageId", || json!(content.internet_message_id));
        shown.put("subject", || json!(content.subject));
        shown.put("importance", || json!(importance(content.importance)));
        shown.put("isDeliveryReceiptRequested", || json!(content.delivery_receipt));
        shown.put("isReadReceiptRequested", || json!(content.read_receipt));
        shown.put("sender", || json!(content.sender.as_ref().map(recipient)));
        shown.put("from", || json!(content.from.as_ref().map(recipient)));
        shown.put("toRecipients", || recipients(&content.to));
        shown.put("ccRecipients", || recipients(&content.cc));
        shown.put("bccRecipients", || recipients(&content.bcc));
        shown.put("replyTo", || recipients(&content.reply_to));
        shown.put_if_asked("internetMessageHeaders", || {
            let fields = content.headers.iter();
            fields.map(|field| json!({"name": field.name, "value": field.value})).collect()
        });
        if self.everything {
            shown.put("bodyPreview", || json!(content.preview));
            shown.put("body", || self.body(&content.body));
            shown.put_if_asked("uniqueBody", || self.body(&content.body));
        }
    }

    fn body(&self, body: &Body) -> Value {
        let wanted = self.prefer.body_type.unwrap_or(body.body_type);
        let content = match (wanted, self.prefer.unsafe_html) {
            (BodyType::Text, _) => body.as_text(),
            (BodyType::Html, true) => body.as_html(),
            (BodyType::Html, false) => html::without_scripts(&body.as_html()),
        };
        let content_type = match wanted {
            BodyType::Text => "text",
            BodyType::Html => "html",
        };
        json!({"contentType": content_type, "content": content})
    }

    fn navigation(&self, object: &mut Map<String, Value>, id: &str, message: &Message) {
        if let Some(expand) = &self.view.attachments {
            let attachments = message.content.attachments.iter();
            let shown: Value =
                attachments.map(|attachment| self.attachment(id, attachment, expand)).collect();
            object.insert("attachments".to_owned(), shown);
        }
        let found = extended_properties(message, &self.view.extended_properties);
        if !found.is_empty() {
            object.insert("singleValueExtendedProperties".to_owned(), Value::Array(found));
        }
    }

    pub(crate) fn attachment(
        &self,
        message_id: &str,
        attachment: &Attachment,
        expand: &ExpandAttachments,
    ) -> Value {
        let view = View { select: expand.select.clone(), ..View::default() };
        let mut shown = Shown { view: &view, object: Map::new() };
        shown.put("lastModifiedDateTime", || json!(date_time(attachment.modified)));
        shown.put("name", || json!(attachment.name));
        shown.put("contentType", || json!(attachment.content_type));
        shown.put("size", || json!(attachment.shown_size()));
        shown.put("isInline", || json!(attachment.is_inline));
        let kind = match &attachment.kind {
            AttachmentKind::File(bytes) => {
                shown.put("contentId", || json!(attachment.content_id));
                shown.put("contentLocation", || json!(attachment.content_location));
                shown.put("contentBytes", || json!(STANDARD.encode(bytes)));
                let media_type = attachment.content_type.as_deref().unwrap_or("application/octet-stream");
                shown.object.insert("@odata.mediaContentType".to_owned(), json!(media_type));
                "#microsoft.graph.fileAttachment"
            }
            AttachmentKind::Item(content) => {
                if expand.with_item {
                    shown.object.insert("item".to_owned(), self.item(content));
                }
                "#microsoft.graph.itemAttachment"
            }
        };
        let mut object = shown.object;
        object.insert("@odata.type".to_owned(), json!(kind));
        object.insert("id".to_owned(), json!(IdCodec::attachment(message_id, attachment.number)));
        Value::Object(object)
    }

    fn item(&self, content: &Content) -> Value {
        let view = View::default();
        let mut shown = Shown { view: &view, object: Map::new() };
        shown.object.insert("@odata.type".to_owned(), json!("#microsoft.graph.message"));
        shown.object.insert("id".to_owned(), json!(""));
        shown.object.insert("isRead".to_owned(), json!(true));
        shown.object.insert("isDraft".to_owned(), json!(false));
        self.content(&mut shown, content);
        Value::Object(shown.object)
    }
}

/// A message whose default id form is wanted regardless of what the client prefers.
pub(crate) fn id_of(mailbox: &Mailbox, form: IdForm, message: &Message) -> String {
    mailbox.codec.item(form, message.item, message.stay)
}

fn extended_properties(message: &Message, wanted: &[String]) -> Vec<Value> {
    wanted
        .iter()
        .filter_map(|id| {
            let key = property_key(id);
            let value =
                message.properties.get(&key).cloned().or_else(|| of_header(&message.content, &key))?;
            Some(json!({"id": id, "value": value}))
        })
        .collect()
}

/// MAPI properties that Exchange fills from the header of an arriving message ([MS-OXCMAIL] 2.2.3).
fn of_header(content: &Content, key: &str) -> Option<String> {
    let field = |name: &str| content.header(name).map(|value| value.trim().to_owned());
    match key {
        "string 0x1042" => field("In-Reply-To"),
        "string 0x1039" => field("References"),
        "integer 0x36" | "integer 0x0036" => {
            let code = match field("Sensitivity").unwrap_or_default().to_ascii_lowercase().as_str() {
                "personal" => 1,
                "private" => 2,
                "company-confidential" => 3,
                _ => 0,
            };
            Some(code.to_string())
        }
        "string {00020386-0000-0000-c000-000000000046} Name content-class" => field("Content-Class"),
        "boolean 0x5" | "boolean 0x0005" => {
            let value = field("X-MS-Exchange-Organization-AutoForwarded")?;
            Some(value.eq_ignore_ascii_case("true").to_string())
        }
        _ => None,
    }
}

/// Types, GUIDs and tags are the same in any case; the name of a named property is not.
pub(crate) fn property_key(id: &str) -> String {
    match id.split_once(" Name ") {
        Some((head, name)) => format!("{} Name {name}", head.to_lowercase()),
        None => id.to_lowercase(),
    }
}

fn meeting_properties(shown: &mut Shown<'_>, meeting: &Meeting) {
    let (entity, kind) = match meeting.message {
        MeetingMessage::Request => ("eventMessageRequest", "meetingRequest"),
        MeetingMessage::Cancellation => ("eventMessage", "meetingCancelled"),
        MeetingMessage::Accepted => ("eventMessageResponse", "meetingAccepted"),
        MeetingMessage::TentativelyAccepted => ("eventMessageResponse", "meetingTenativelyAccepted"),
        MeetingMessage::Declined => ("eventMessageResponse", "meetingDeclined"),
    };
    shown.object.insert("@odata.type".to_owned(), json!(format!("#microsoft.graph.{entity}")));
    shown.put("meetingMessageType", || json!(kind));
    shown.put("type", || json!("singleInstance"));
    shown.put("startDateTime", || date_time_zone(meeting.start.as_ref()));
    shown.put("endDateTime", || date_time_zone(meeting.end.as_ref()));
    shown.put("isAllDay", || json!(meeting.all_day));
    shown.put("isOutOfDate", || json!(false));
    shown.put("isDelegated", || json!(false));
    shown.put("location", || json!({"displayName": meeting.location, "locationType": "default"}));
    match meeting.message {
        MeetingMessage::Request => {
            shown.put("meetingRequestType", || json!("newMeetingRequest"));
            shown.put("responseRequested", || json!(true));
            shown.put("allowNewTimeProposals", || json!(true));
        }
        MeetingMessage::Accepted => shown.put("responseType", || json!("accepted")),
        MeetingMessage::TentativelyAccepted => {
            shown.put("responseType", || json!("tentativelyAccepted"));
        }
        MeetingMessage::Declined => shown.put("responseType", || json!("declined")),
        MeetingMessage::Cancellation => {}
    }
}

fn date_time_zone(pair: Option<&(String, String)>) -> Value {
    match pair {
        Some((instant, zone)) => json!({"dateTime": instant, "timeZone": zone}),
        None => Value::Null,
    }
}

fn flag(flag: &Flag) -> Value {
    let status = match flag.status {
        FlagStatus::NotFlagged => "notFlagged",
        FlagStatus::Flagged => "flagged",
        FlagStatus::Complete => "complete",
    };
    let mut object = Map::new();
    object.insert("flagStatus".to_owned(), json!(status));
    let dates =
        [("startDateTime", &flag.start), ("dueDateTime", &flag.due), ("completedDateTime", &flag.completed)];
    for (name, date) in dates {
        if date.is_some() {
            object.insert(name.to_owned(), date_time_zone(date.as_ref()));
        }
    }
    Value::Object(object)
}

fn importance(importance: Importance) -> &'static str {
    match importance {
        Importance::Low => "low",
        Importance::Normal => "normal",
        Importance::High => "high",
    }
}

fn recipient(address: &EmailAddress) -> Value {
    let name = if address.name.is_empty() { &address.address } else { &address.name };
    json!({"emailAddress": {"name": name, "address": address.address}})
}

fn recipients(addresses: &[EmailAddress]) -> Value {
    addresses.iter().map(recipient).collect()
}
