//! Mail that is sent: drafts, found again by a link, and submitted (graph.md 3.4 to 3.6).

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderValue, Method, header};
use hybridge_core::{
    address::Address,
    message::InternetMessageId,
    outgoing::{Found, Outgoing, Priority, Recipient},
};
use hybridge_net::Request;
use hybridge_odata::{
    Call, Error,
    query::{Query, literal, segment},
};
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;
use uuid::Uuid;

use crate::{Graph, IMMUTABLE_IDS, Result, user::UserRef};

/// Hybridge's own properties: the link from an item to its record.
const LINK: &str = "String {7c1e0e0a-9a55-4a0c-8b0c-61bb1e7a52d4} Name HybridgeLink";
/// The MAPI properties from which Exchange makes the header fields of a thread (graph.md 3.6).
const IN_REPLY_TO: &str = "String 0x1042";
const REFERENCES: &str = "String 0x1039";
/// The largest file that goes into one request (graph.md 3.5).
const LARGEST_IN_ONE: usize = 3 << 20;
/// The pieces of an upload: a multiple of 320 KiB below 4 MiB (graph.md 3.5).
const PIECE: usize = 320 * 1024 * 10;

/// A message as far as sending needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendItem {
    /// Its immutable id: that of the draft stays when it is sent.
    pub id: String,
    /// Whether it is still a draft.
    pub is_draft: bool,
    /// Its Message-Id.
    pub message_id: Option<InternetMessageId>,
}

impl SendItem {
    /// In the terms of the decision.
    pub fn found(item: Option<&Self>) -> Found {
        match item {
            None => Found::Nothing,
            Some(item) if item.is_draft => Found::Draft,
            Some(_) => Found::Sent,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    id: String,
    is_draft: Option<bool>,
    internet_message_id: Option<String>,
}

impl Wire {
    fn read(self) -> SendItem {
        SendItem {
            id: self.id,
            is_draft: self.is_draft == Some(true),
            message_id: self.internet_message_id.as_deref().and_then(InternetMessageId::new),
        }
    }
}

impl Graph {
    /// The message of a mailbox that carries a link, in any folder. A sent one goes before a draft.
    ///
    /// # Errors
    /// When the mailbox can't be read.
    pub async fn linked_message(&self, user: &UserRef, link: Uuid) -> Result<Option<SendItem>> {
        let filter = format!(
            "singleValueExtendedProperties/Any(ep: ep/id eq {} and ep/value eq {})",
            literal(LINK),
            literal(&link.to_string())
        );
        let query = Query::on(format!("{}/messages", user.path()))
            .option("$select", "id,isDraft,internetMessageId")
            .option("$filter", &filter)
            .build();
        let call = Call::get(query).header("prefer", IMMUTABLE_IDS).counted_against(user.as_str());
        let found = self.service.send(call).await?.page("list of messages")?.entries::<Wire>("message")?;
        let mut found: Vec<SendItem> = found.into_iter().map(Wire::read).collect();
        found.sort_by_key(|item| item.is_draft);
        Ok(found.into_iter().next())
    }

    /// Makes a draft of an email, with its link, and as an answer to an earlier message where it is one.
    ///
    /// # Errors
    /// When the mailbox can't be written to, or Exchange does not take the mail.
    pub async fn create_draft(
        &self,
        user: &UserRef,
        email: &Outgoing,
        link: Uuid,
        answers: Option<&InternetMessageId>,
    ) -> Result<SendItem> {
        let body = draft(email, link, answers);
        let call =
            Call::post(format!("{}/messages", user.path())).header("prefer", IMMUTABLE_IDS).json(&body)?;
        let made: Wire = self.service.send(call.counted_against(user.as_str())).await?.json("draft")?;
        Ok(SendItem { is_draft: true, ..made.read() })
    }

    /// Attaches a file to a draft: in one request, or piece by piece where it is large.
    ///
    /// # Errors
    /// When the mailbox can't be written to, or Exchange does not take the file.
    pub async fn attach(&self, user: &UserRef, draft: &str, file: &Attachment<'_>) -> Result<()> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Session {
            upload_url: String,
        }
        let path = format!("{}/messages/{}/attachments", user.path(), segment(draft));
        if file.bytes.len() < LARGEST_IN_ONE {
            let mut body = file.item();
            body["@odata.type"] = "#microsoft.graph.fileAttachment".into();
            body["contentBytes"] = STANDARD.encode(file.bytes).into();
            let call = Call::post(path).header("prefer", IMMUTABLE_IDS).json(&body)?;
            return self.service.send(call.counted_against(user.as_str())).await.map(drop);
        }
        let mut item = file.item();
        item["attachmentType"] = "file".into();
        item["size"] = file.bytes.len().into();
        let call =
            Call::post(format!("{path}/createUploadSession")).json(&json!({ "AttachmentItem": item }))?;
        let session: Session =
            self.service.send(call.counted_against(user.as_str())).await?.json("upload session")?;
        let total = file.bytes.len();
        let mut from = 0;
        for piece in file.bytes.chunks(PIECE) {
            let to = from + piece.len();
            self.upload_piece(&session.upload_url, piece, &format!("bytes {from}-{}/{total}", to - 1))
                .await?;
            from = to;
        }
        Ok(())
    }

    /// Submits a draft. That it is accepted does not say that it has left.
    ///
    /// # Errors
    /// When the mailbox may not send, or Exchange does not take the mail.
    pub async fn submit(&self, user: &UserRef, draft: &str) -> Result<()> {
        let path = format!("{}/messages/{}/send", user.path(), segment(draft));
        let call = Call::post(path).header("prefer", IMMUTABLE_IDS);
        self.service.send(call.counted_against(user.as_str())).await.map(drop)
    }
}

impl Graph {
    /// One piece of a large file. The address holds a secret of its own.
    async fn upload_piece(&self, address: &str, piece: &[u8], range: &str) -> Result<()> {
        let unusable = |detail: &str| Error::Unreadable { what: "upload session", detail: detail.to_owned() };
        let url: Url = address.parse().map_err(|_| unusable("its address is none"))?;
        let transport = self.uploads.as_ref().ok_or_else(|| unusable("there is no way to its address"))?;
        let range = HeaderValue::from_str(range).map_err(|_| unusable("no range"))?;
        let request = Request::new(Method::PUT, url)
            .body("application/octet-stream", piece.to_vec())
            .header(header::CONTENT_RANGE, range);
        match transport.send(request).await {
            Ok(answer) if answer.status.is_success() => Ok(()),
            Ok(answer) => Err(unusable(&format!("a piece was refused with {}", answer.status))),
            Err(error) => Err(unusable(&error.to_string())),
        }
    }
}

/// A file to attach.
#[derive(Debug, Clone, Copy)]
pub struct Attachment<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its media type.
    pub content_type: &'a str,
    /// The `cid` of an inline image.
    pub content_id: Option<&'a str>,
    /// Its content.
    pub bytes: &'a [u8],
}

impl Attachment<'_> {
    fn item(&self) -> Value {
        let mut item = json!({ "name": self.name, "contentType": self.content_type, "isInline": self.content_id.is_some() });
        if let Some(id) = self.content_id {
            item["contentId"] = id.into();
        }
        item
    }
}

fn recipients(list: &[Recipient]) -> Vec<Value> {
    let named = list.iter().filter_map(|recipient| Some((recipient, recipient.address.as_ref()?)));
    named.map(|(recipient, address)| party(&recipient.name, address)).collect()
}

fn party(name: &str, address: &Address) -> Value {
    let mut party = json!({ "emailAddress": { "address": address.as_str() } });
    if !name.is_empty() {
        party["emailAddress"]["name"] = name.into();
    }
    party
}

fn draft(email: &Outgoing, link: Uuid, answers: Option<&InternetMessageId>) -> Value {
    let mut properties = vec![json!({ "id": LINK, "value": link.to_string() })];
    for property in [IN_REPLY_TO, REFERENCES] {
        properties.extend(answers.map(|id| json!({ "id": property, "value": id.as_str() })));
    }
    json!({
        "subject": email.subject,
        "body": { "contentType": "html", "content": email.html },
        "toRecipients": recipients(&email.to),
        "ccRecipients": recipients(&email.cc),
        "bccRecipients": recipients(&email.bcc),
        "importance": match email.importance {
            Priority::Low => "low",
            Priority::Normal => "normal",
            Priority::High => "high",
        },
        "isReadReceiptRequested": email.read_receipt,
        "isDeliveryReceiptRequested": email.delivery_receipt,
        "singleValueExtendedProperties": properties,
    })
}
