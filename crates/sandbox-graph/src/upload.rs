//! Upload sessions for large attachments (graph.md 3.5).

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{Method, StatusCode};
use hybridge_sandbox_kit::Call;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use uuid::Uuid;

use crate::{
    attachments::SMALL_FILE_LIMIT,
    census::AppWrite,
    graph::Tenant,
    mailbox::{
        edit,
        ids::{IdCodec, IdForm, ItemNumber},
        message::{Attachment, AttachmentKind},
    },
    messages::draft::{boolean, invalid, next_attachment_number, text},
    session::Session,
    state::State,
    web::{
        answer::{Answer, Fault, date_time},
        auth::Need,
    },
};

const LARGEST_FILE: usize = 150 * 1024 * 1024;

/// How long a session that nobody uses lives.
const LIFETIME: SignedDuration = SignedDuration::from_hours(1);

/// The first path segment of the pre-authenticated addresses.
const PREFIX: &str = "/upload/";

/// The sessions that are open.
#[derive(Debug, Default)]
pub(crate) struct Uploads(BTreeMap<Uuid, Upload>);

#[derive(Debug)]
struct Upload {
    app_id: Uuid,
    user: Uuid,
    item: ItemNumber,
    form: IdForm,
    name: String,
    content_type: Option<String>,
    content_id: Option<String>,
    is_inline: bool,
    size: usize,
    received: Vec<u8>,
    expires: Timestamp,
}

impl Uploads {
    /// Who pays for a chunk sent to an address.
    pub(crate) fn meter_key(&self, call: &Call) -> Option<(Uuid, Uuid)> {
        let upload = self.0.get(&session_id(call)?)?;
        Some((upload.app_id, upload.user))
    }
}

pub(crate) fn is_upload(call: &Call) -> bool {
    call.url.path().starts_with(PREFIX)
}

fn session_id(call: &Call) -> Option<Uuid> {
    Uuid::parse_str(call.url.path().strip_prefix(PREFIX)?).ok()
}

impl Session<'_> {
    /// `POST …/attachments/createUploadSession`.
    pub(crate) fn create_upload(&mut self, position: usize) -> Result<Answer, Fault> {
        let user = self.mailbox_owner(Need::Write)?;
        self.require_space(user)?;
        let item = self.addressed(user, position)?;
        let json = self.request.json()?;
        let file = json.get("AttachmentItem").or_else(|| json.get("attachmentItem"));
        let file = file.ok_or_else(|| invalid("AttachmentItem"))?;
        let size = file.get("size").and_then(serde_json::Value::as_u64).ok_or_else(|| invalid("size"))?;
        let size = usize::try_from(size).map_err(|_| invalid("size"))?;
        if size < SMALL_FILE_LIMIT {
            return Err(Fault::bad_request(
                "ErrorAttachmentSizeShouldNotBeLessThanMinimumSize",
                "The attachment size should not be less than the minimum size 3145728.",
            ));
        }
        if size > LARGEST_FILE.min(self.state.options.message_size_limit) {
            return Err(Fault::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "ErrorAttachmentSizeLimitExceeded",
                "The size of the attachment exceeds the allowed limit.",
            ));
        }
        let id = self.tenant.dice.uuid();
        let upload = Upload {
            app_id: self.caller.app_id,
            user,
            item,
            form: self.request.prefer.id_form,
            name: text(file, "name")?.filter(|name| !name.is_empty()).ok_or_else(|| invalid("name"))?,
            content_type: text(file, "contentType")?,
            content_id: text(file, "contentId")?,
            is_inline: boolean(file, "isInline")?.unwrap_or(false),
            size,
            received: Vec::new(),
            expires: self.now.checked_add(LIFETIME).unwrap_or(self.now),
        };
        let expires = date_time(upload.expires);
        self.state.uploads.0.insert(id, upload);
        let token = self.tenant.dice.uuid().simple();
        let origin = self.state.options.upload_origin.as_ref().unwrap_or(&self.tenant.origins.graph);
        let url = format!("{origin}upload/{id}?authtoken={token}");
        let body = json!({
            "uploadUrl": url,
            "expirationDateTime": expires,
            "nextExpectedRanges": ["0-"],
        });
        Ok(Answer::created(self.with_context("microsoft.graph.uploadSession", body)))
    }
}

impl State {
    /// A call to a pre-authenticated address: a chunk, a question for progress, or a cancellation.
    pub(crate) fn upload(&mut self, call: &Call, now: Timestamp, tenant: &Tenant) -> Result<Answer, Fault> {
        if call.headers.contains_key("authorization") && self.options.refuse_upload_authorization {
            return Err(Fault::new(
                StatusCode::UNAUTHORIZED,
                "InvalidAuthenticationToken",
                "The upload address is pre-authenticated: it must be called without an Authorization header.",
            ));
        }
        self.uploads.0.retain(|_, upload| upload.expires > now);
        let id = session_id(call).filter(|id| self.uploads.0.contains_key(id)).ok_or_else(session_gone)?;
        match call.method {
            Method::PUT => self.upload_chunk(id, call, now, tenant),
            Method::GET => {
                let upload = self.uploads.0.get(&id).ok_or_else(session_gone)?;
                Ok(Answer::ok(progress(upload)))
            }
            Method::DELETE => {
                self.uploads.0.remove(&id);
                Ok(Answer::empty(StatusCode::NO_CONTENT))
            }
            _ => Err(Fault::method_not_allowed()),
        }
    }

    fn upload_chunk(
        &mut self,
        id: Uuid,
        call: &Call,
        now: Timestamp,
        tenant: &Tenant,
    ) -> Result<Answer, Fault> {
        let upload = self.uploads.0.get_mut(&id).ok_or_else(session_gone)?;
        let range = call.header("content-range").and_then(ContentRange::read).ok_or_else(|| {
            Fault::bad_request("InvalidContentRange", "The Content-Range header is missing or malformed.")
        })?;
        if range.total != upload.size || range.length() != Some(call.body.len()) {
            return Err(Fault::bad_request(
                "InvalidContentRange",
                "The Content-Range header does not match the size of the content or of the session.",
            ));
        }
        if range.first != upload.received.len() {
            return Err(Fault::new(
                StatusCode::RANGE_NOT_SATISFIABLE,
                "InvalidRange",
                format!(
                    "The uploaded fragment is out of order: expected to begin at {}.",
                    upload.received.len()
                ),
            ));
        }
        upload.received.extend_from_slice(&call.body);
        upload.expires = now.checked_add(LIFETIME).unwrap_or(now);
        if upload.received.len() < upload.size {
            return Ok(Answer::ok(progress(upload)));
        }
        self.finish_upload(id, now, tenant)
    }

    fn finish_upload(&mut self, id: Uuid, now: Timestamp, tenant: &Tenant) -> Result<Answer, Fault> {
        let upload = self.uploads.0.remove(&id).ok_or_else(session_gone)?;
        let mailbox = self.mailbox(upload.user);
        let message = mailbox.message(upload.item).ok_or_else(Fault::item_not_found)?;
        let number = next_attachment_number(&message.content);
        let attachment = Attachment {
            number,
            name: upload.name,
            content_type: upload.content_type,
            content_id: upload.content_id,
            content_location: None,
            is_inline: upload.is_inline,
            modified: now,
            kind: AttachmentKind::File(Bytes::from(upload.received)),
        };
        let message_id = mailbox.codec.item(upload.form, message.item, message.stay);
        mailbox.update(upload.item, now, |message| edit(message).attachments.push(attachment));
        self.publish(upload.user, now, tenant);
        self.writes.push(AppWrite {
            at: now,
            app_id: upload.app_id,
            user_id: Some(upload.user),
            method: Method::PUT.to_string(),
            path: format!("upload/{id}"),
            status: StatusCode::CREATED.as_u16(),
        });
        let location = format!(
            "{}api/v2.0/Users('{}')/Messages('{message_id}')/Attachments('{}')",
            tenant.origins.graph,
            upload.user,
            IdCodec::attachment(&message_id, number),
        );
        Ok(Answer::empty(StatusCode::CREATED).with_header("location", location))
    }
}

/// The back end behind the address is not Graph: its property names begin with capitals.
fn progress(upload: &Upload) -> serde_json::Value {
    json!({
        "ExpirationDateTime": date_time(upload.expires),
        "nextExpectedRanges": [upload.received.len().to_string()],
    })
}

fn session_gone() -> Fault {
    Fault::new(StatusCode::NOT_FOUND, "ErrorItemNotFound", "The upload session was not found or has expired.")
}

#[derive(Debug, PartialEq, Eq)]
struct ContentRange {
    first: usize,
    last: usize,
    total: usize,
}

impl ContentRange {
    /// `bytes 0-2097151/3483322`.
    fn read(value: &str) -> Option<Self> {
        let (range, total) = value.trim().strip_prefix("bytes")?.trim().split_once('/')?;
        let (first, last) = range.split_once('-')?;
        Some(Self { first: first.parse().ok()?, last: last.parse().ok()?, total: total.parse().ok()? })
    }

    fn length(&self) -> Option<usize> {
        self.last.checked_sub(self.first)?.checked_add(1)
    }
}
