use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use hybridge_core::{
    attachment::{AttachmentInfo, AttachmentKind},
    ids::ItemId,
    message::MessageHeader,
};
use hybridge_odata::{
    Call, Error,
    json_batch::{self, Part, PartAnswer},
    query::{Query, segment},
};
use serde::Deserialize;

use crate::{
    Graph, IMMUTABLE_IDS, Result,
    user::UserRef,
    wire::{HEADER_EXPANSION, HEADER_FIELDS, WireMessage, null_as_empty},
};

/// A header field of a message.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct HeaderField {
    /// The name.
    pub name: String,
    /// The value; none for a field that stands there empty.
    #[serde(default)]
    pub value: Option<String>,
}

/// A whole message, but for the bytes of its attachments.
#[derive(Debug, Clone)]
pub struct Content {
    /// What the delta page told, as it is now.
    pub header: MessageHeader,
    /// The body, HTML or text as Exchange has it.
    pub body: String,
    /// The transport header fields.
    pub fields: Vec<HeaderField>,
    /// The attachments.
    pub attachments: Vec<AttachmentInfo>,
}

impl Content {
    /// The first header field of a name.
    pub fn field(&self, name: &str) -> Option<&str> {
        let field = self.fields.iter().find(|field| field.name.eq_ignore_ascii_case(name))?;
        field.value.as_deref().map(str::trim)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireContent {
    #[serde(flatten)]
    header: WireMessage,
    #[serde(default)]
    body: Option<WireBody>,
    #[serde(default, deserialize_with = "null_as_empty")]
    internet_message_headers: Vec<HeaderField>,
    #[serde(default, deserialize_with = "null_as_empty")]
    attachments: Vec<WireAttachment>,
}

#[derive(Deserialize)]
struct WireBody {
    #[serde(default)]
    content: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireAttachment {
    id: String,
    #[serde(rename = "@odata.type", default)]
    kind: Option<String>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    content_type: Option<String>,
    #[serde(default)]
    size: Option<u64>,
    #[serde(default)]
    content_id: Option<String>,
    #[serde(default)]
    content_bytes: Option<String>,
}

impl WireAttachment {
    fn info(self) -> AttachmentInfo {
        let kind = match self.kind.as_deref() {
            Some("#microsoft.graph.itemAttachment") => AttachmentKind::Item,
            Some("#microsoft.graph.referenceAttachment") => AttachmentKind::Reference,
            _ => AttachmentKind::File,
        };
        let mut name =
            self.name.filter(|name| !name.trim().is_empty()).unwrap_or_else(|| "attachment".to_owned());
        let mut content_type = self.content_type.unwrap_or_default();
        if kind == AttachmentKind::Item {
            // An attached Outlook item is carried over as the .eml file that Exchange renders.
            if !name.to_lowercase().ends_with(".eml") {
                name.push_str(".eml");
            }
            "message/rfc822".clone_into(&mut content_type);
        } else if content_type.is_empty() {
            "application/octet-stream".clone_into(&mut content_type);
        }
        AttachmentInfo {
            id: self.id,
            name,
            content_type,
            size_bytes: self.size.unwrap_or(0),
            content_id: self.content_id.filter(|id| !id.is_empty()),
            kind,
        }
    }
}

impl Graph {
    /// Reads whole messages, in batches. A message that can't be read has its error in its place.
    pub async fn contents(&self, user: &UserRef, ids: &[ItemId]) -> Result<Vec<Result<Content>>> {
        let select = format!("{HEADER_FIELDS},body,internetMessageHeaders");
        // `contentId` belongs to file attachments only, so it is named with its type.
        let expand = format!(
            "attachments($select=id,name,contentType,size,isInline,microsoft.graph.fileAttachment/contentId),\
             {HEADER_EXPANSION}"
        );
        let parts: Vec<Part> = ids
            .iter()
            .map(|id| Part {
                path: Query::on(message_path(user, id))
                    .option("$select", &select)
                    .option("$expand", &expand)
                    .build(),
                prefer: Some(IMMUTABLE_IDS),
            })
            .collect();
        let answers = json_batch::read(&self.service, user.as_str(), &parts).await?;
        Ok(answers.into_iter().map(|answer| read_content(&answer?)).collect())
    }

    /// Reads the headers of messages, wherever in the mailbox they lie, in batches.
    pub async fn headers(&self, user: &UserRef, ids: &[ItemId]) -> Result<Vec<Result<MessageHeader>>> {
        let parts: Vec<Part> = ids
            .iter()
            .map(|id| Part {
                path: Query::on(message_path(user, id))
                    .option("$select", HEADER_FIELDS)
                    .option("$expand", HEADER_EXPANSION)
                    .build(),
                prefer: Some(IMMUTABLE_IDS),
            })
            .collect();
        let answers = json_batch::read(&self.service, user.as_str(), &parts).await?;
        Ok(answers
            .into_iter()
            .map(|answer| {
                answer?
                    .json::<WireMessage>("message")?
                    .header()
                    .map_err(|detail| unreadable(detail.to_owned()))
            })
            .collect())
    }

    /// Reads the bytes of small file attachments, in batches: (message, attachment) pairs.
    pub async fn small_attachments(
        &self,
        user: &UserRef,
        wanted: &[(ItemId, String)],
    ) -> Result<Vec<Result<Bytes>>> {
        let parts: Vec<Part> = wanted
            .iter()
            .map(|(message, attachment)| Part {
                path: format!("{}/attachments/{}", message_path(user, message), segment(attachment)),
                prefer: Some(IMMUTABLE_IDS),
            })
            .collect();
        let answers = json_batch::read(&self.service, user.as_str(), &parts).await?;
        Ok(answers.into_iter().map(|answer| decode(&answer?)).collect())
    }

    /// Reads the bytes of one attachment by themselves: a large file, or an item as `.eml`.
    pub async fn attachment(
        &self,
        user: &UserRef,
        message: &ItemId,
        attachment: &str,
        at_most: usize,
    ) -> Result<Bytes> {
        let path = format!("{}/attachments/{}/$value", message_path(user, message), segment(attachment));
        let call = Call::get(path)
            .header("prefer", IMMUTABLE_IDS)
            .header("accept", "*/*")
            .counted_against(user.as_str())
            .at_most(at_most);
        Ok(self.service.send(call).await?.body)
    }
}

fn message_path(user: &UserRef, id: &ItemId) -> String {
    format!("{}/messages/{}", user.path(), segment(&id.0))
}

fn unreadable(detail: String) -> Error {
    Error::Unreadable { what: "message", detail }
}

fn read_content(answer: &PartAnswer) -> Result<Content> {
    let wire: WireContent = answer.json("message")?;
    Ok(Content {
        header: wire.header.header().map_err(|detail| unreadable(detail.to_owned()))?,
        body: wire.body.and_then(|body| body.content).unwrap_or_default(),
        fields: wire.internet_message_headers,
        attachments: wire.attachments.into_iter().map(WireAttachment::info).collect(),
    })
}

fn decode(answer: &PartAnswer) -> Result<Bytes> {
    let encoded = answer.json::<WireAttachment>("attachment")?.content_bytes.unwrap_or_default();
    let bytes = STANDARD
        .decode(encoded)
        .map_err(|error| Error::Unreadable { what: "attachment", detail: error.to_string() })?;
    Ok(bytes.into())
}
