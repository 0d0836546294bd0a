use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use hybridge_core::{
    attachment::encoded_bytes,
    ids::RecordId,
    message::{Importance, InternetMessageId, MessageHeader},
};
use hybridge_odata::{
    Error,
    http::Method,
    multipart::{self, Part},
};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value as Json, json};
use uuid::Uuid;

use crate::{
    Dynamics, Result,
    attachments::AttachmentFile,
    envelope::Envelope,
    organization::record,
    route::{Route, lacks_operation},
    soap::{self, Request, Value},
};

/// A message that is handed over to become an email record.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// What was asked about it.
    pub envelope: Envelope,
    /// When Exchange received it.
    pub received: Timestamp,
    /// The address of the mailbox it was read from.
    pub submitted_by: String,
    /// Its importance.
    pub importance: Importance,
    /// The body.
    pub body: String,
    /// The attachments that travel inside.
    pub attachments: Vec<AttachmentFile>,
}

impl Delivery {
    /// A delivery of a message, without attachments.
    pub fn of(
        header: &MessageHeader,
        message_id: InternetMessageId,
        submitted_by: &str,
        body: String,
    ) -> Self {
        Self {
            envelope: Envelope::of(header, message_id),
            received: header.received,
            submitted_by: submitted_by.to_owned(),
            importance: header.importance,
            body,
            attachments: Vec::new(),
        }
    }

    /// About how many bytes it takes in a request.
    pub fn bytes(&self) -> u64 {
        let text = self.body.len() + self.envelope.bytes() + 2_000;
        let files: u64 =
            self.attachments.iter().map(|file| encoded_bytes(file.bytes.len() as u64) + 300).sum();
        text as u64 + files
    }

    fn importance(&self) -> &'static str {
        match self.importance {
            Importance::Low => "low",
            Importance::Normal => "normal",
            Importance::High => "high",
        }
    }

    fn web_api(&self, with_thread: bool) -> Result<Part> {
        let attachments: Vec<Json> = self.attachments.iter().map(AttachmentFile::json).collect();
        let mut parameters = json!({
            "ReceivedOn": self.received.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            "SubmittedBy": self.submitted_by,
            "Importance": self.importance(),
            "Body": self.body,
            "Attachments": attachments,
        });
        if let Some(parameters) = parameters.as_object_mut() {
            parameters
                .extend(self.envelope.parameters().map(|(name, value)| (name.to_owned(), Json::from(value))));
            if with_thread && !self.envelope.thread.is_empty() {
                parameters.insert("ExtraProperties".to_owned(), self.envelope.thread.json());
            }
        }
        let body = serde_json::to_vec(&parameters)
            .map_err(|error| Error::Unwritable { what: "delivery", detail: error.to_string() })?;
        let path = "emails/Microsoft.Dynamics.CRM.DeliverIncomingEmail".to_owned();
        Ok(Part { method: Method::POST, path, body: Some(Bytes::from(body)) })
    }

    fn soap(&self, with_thread: bool) -> Request {
        self.envelope
            .soap("DeliverIncomingEmail")
            .with("ReceivedOn", Value::Instant(self.received))
            .with("SubmittedBy", Value::text(&self.submitted_by))
            .with("Importance", Value::text(self.importance()))
            .with("Body", Value::text(&self.body))
            .with(
                "Attachments",
                Value::Entities {
                    name: "activitymimeattachment",
                    rows: self.attachments.iter().map(AttachmentFile::attributes).collect(),
                },
            )
            .with_some("ExtraProperties", self.envelope.thread.soap().filter(|_| with_thread))
    }
}

impl AttachmentFile {
    pub(crate) fn json(&self) -> Json {
        let mut json = json!({
            "@odata.type": "Microsoft.Dynamics.CRM.activitymimeattachment",
            "filename": self.name,
            "mimetype": self.content_type,
            "body": STANDARD.encode(&self.bytes),
        });
        if let (Some(content_id), Some(json)) = (&self.content_id, json.as_object_mut()) {
            json.insert("attachmentcontentid".to_owned(), Json::from(content_id.clone()));
        }
        json
    }

    fn attributes(&self) -> Vec<(&'static str, Value)> {
        let mut attributes = vec![
            ("filename", Value::text(&self.name)),
            ("mimetype", Value::text(&self.content_type)),
            ("body", Value::Text(STANDARD.encode(&self.bytes))),
        ];
        attributes.extend(self.content_id.as_deref().map(|id| ("attachmentcontentid", Value::text(id))));
        attributes
    }
}

impl Dynamics {
    /// Hands messages over, in one batch and in order; the records they became, in order.
    ///
    /// Not repeated by itself: where the whole batch or one answer is lost, the caller asks by Message-Id
    /// what happened ([`Dynamics::emails_by_message_id`]).
    ///
    /// # Errors
    /// When the batch as a whole fails. A single delivery's failure stands in its place.
    pub async fn deliver(&self, deliveries: &[Delivery]) -> Result<Vec<Result<RecordId>>> {
        if self.routes.known() == Some(Route::Soap) {
            return self.deliver_by_soap(deliveries).await;
        }
        let with_thread = self.routes.thread_is_taken();
        let parts =
            deliveries.iter().map(|delivery| delivery.web_api(with_thread)).collect::<Result<Vec<Part>>>()?;
        let answers = multipart::send(&self.web_api, &parts, false).await?;
        if answers.iter().any(|answer| answer.as_ref().is_err_and(lacks_operation)) {
            self.routes.learn(Route::Soap);
            return self.deliver_by_soap(deliveries).await;
        }
        Ok(answers
            .into_iter()
            .map(|answer| {
                #[derive(Deserialize)]
                struct Wire {
                    activityid: Uuid,
                }
                Ok(record(answer?.json::<Wire>("DeliverIncomingEmail answer")?.activityid))
            })
            .collect())
    }

    async fn deliver_by_soap(&self, deliveries: &[Delivery]) -> Result<Vec<Result<RecordId>>> {
        let with_thread = self.routes.thread_is_taken();
        let requests: Vec<Request> = deliveries.iter().map(|delivery| delivery.soap(with_thread)).collect();
        let answers = soap::execute_multiple(&self.soap, &requests, false).await?;
        Ok(answers
            .into_iter()
            .map(|answer| {
                answer?.guid("EmailId").map(record).ok_or_else(|| Error::Unreadable {
                    what: "DeliverIncomingEmail answer",
                    detail: "it names no email".to_owned(),
                })
            })
            .collect())
    }
}
