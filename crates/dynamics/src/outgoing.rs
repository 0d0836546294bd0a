//! Emails that wait to be sent (server-side-sync.md 3, dynamics.md 4.7 and 6.4).

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{Method, StatusCode};
use hybridge_core::{
    address::Address,
    ids::{MailboxId, RecordId},
    message::InternetMessageId,
    outgoing::{Outgoing, Priority, Recipient},
    trouble::Class,
};
use hybridge_odata::{
    Call, Error, Target,
    multipart::{self, Part},
    query::Query,
};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{AttachmentFile, Dynamics, Result, organization::record};

const PENDING_SEND: i32 = 6;
const SENDING: i32 = 7;
const SENT: i32 = 3;
const FAILED: i32 = 8;

/// Whether a claim still holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Submission {
    /// It does.
    Mine {
        /// The Message-Id is on the record.
        threaded: bool,
    },
    /// Somebody else has changed the row.
    Lost,
}

#[derive(Deserialize)]
struct WireEmail {
    #[serde(rename = "@odata.etag")]
    version: String,
    activityid: Uuid,
    subject: Option<String>,
    description: Option<String>,
    statuscode: Option<i32>,
    deliveryattempts: Option<u32>,
    modifiedon: Option<Timestamp>,
    prioritycode: Option<i32>,
    deliveryprioritycode: Option<i32>,
    readreceiptrequested: Option<bool>,
    deliveryreceiptrequested: Option<bool>,
    delayedemailsendtime: Option<Timestamp>,
    messageid: Option<String>,
    #[serde(rename = "_parentactivityid_value")]
    parent: Option<Uuid>,
    #[serde(skip)]
    parties: Vec<WireParty>,
}

#[derive(Deserialize)]
struct WireParty {
    participationtypemask: Option<i32>,
    addressused: Option<String>,
    unresolvedpartyname: Option<String>,
}

#[derive(Deserialize)]
struct WireFile {
    filename: Option<String>,
    mimetype: Option<String>,
    attachmentcontentid: Option<String>,
    body: Option<String>,
}

fn priority(code: Option<i32>) -> Priority {
    match code {
        Some(0) => Priority::Low,
        Some(2) => Priority::High,
        _ => Priority::Normal,
    }
}

impl WireEmail {
    fn read(self) -> Outgoing {
        let with = |role: i32| -> Vec<Recipient> {
            let parties = self.parties.iter().filter(|party| party.participationtypemask == Some(role));
            parties
                .map(|party| Recipient {
                    name: party.unresolvedpartyname.clone().unwrap_or_default(),
                    address: party.addressused.as_deref().and_then(Address::new),
                })
                .collect()
        };
        Outgoing {
            to: with(2),
            cc: with(3),
            bcc: with(4),
            record: record(self.activityid),
            version: self.version,
            begun: self.statuscode == Some(SENDING),
            attempts: self.deliveryattempts.unwrap_or(0),
            modified: self.modifiedon,
            subject: self.subject.unwrap_or_default(),
            html: self.description.unwrap_or_default(),
            importance: priority(self.prioritycode),
            delivery: priority(self.deliveryprioritycode),
            read_receipt: self.readreceiptrequested == Some(true),
            delivery_receipt: self.deliveryreceiptrequested == Some(true),
            not_before: self.delayedemailsendtime,
            answers: self.parent.map(record),
            message_id: self.messageid.as_deref().and_then(InternetMessageId::new),
        }
    }
}

/// So many emails are seen at once by [`Dynamics::outbox`].
pub const MOST_IN_OUTBOX: usize = 1000;

/// An email that waits to be sent, whoever's it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InOutbox {
    /// The record.
    pub record: RecordId,
    /// The mailbox of its sender, where it has one.
    pub mailbox: Option<MailboxId>,
    /// Its subject.
    pub subject: String,
}

impl Dynamics {
    /// The emails of the whole organization in Pending Send and Sending whose time has come, the oldest ones first, up to
    /// [`MOST_IN_OUTBOX`].
    ///
    /// # Errors
    /// When the organization can't be asked.
    pub async fn outbox(&self, now: Timestamp) -> Result<Vec<InOutbox>> {
        #[derive(Deserialize)]
        struct Wire {
            activityid: Uuid,
            subject: Option<String>,
            #[serde(rename = "_sendermailboxid_value")]
            mailbox: Option<Uuid>,
        }
        let query = Query::on("emails")
            .option("$select", "activityid,subject,_sendermailboxid_value")
            .option(
                "$filter",
                &format!("(statuscode eq {PENDING_SEND} or statuscode eq {SENDING}) and (delayedemailsendtime eq null or delayedemailsendtime le {now})"),
            )
            .option("$orderby", "modifiedon asc")
            .option("$top", &MOST_IN_OUTBOX.to_string())
            .build();
        let rows = self.web_api.send(Call::get(query)).await?.page("emails")?.entries::<Wire>("email")?;
        let read = |row: Wire| InOutbox {
            record: record(row.activityid),
            mailbox: row.mailbox.map(MailboxId),
            subject: row.subject.unwrap_or_default(),
        };
        Ok(rows.into_iter().map(read).collect())
    }

    /// The emails of a mailbox in Pending Send and Sending: the urgent ones first, then by their age. By their status code,
    /// never by their state, which is Completed already.
    ///
    /// # Errors
    /// When the organization can't be asked.
    pub async fn waiting_to_be_sent(&self, mailbox: MailboxId) -> Result<Vec<Outgoing>> {
        let query = Query::on("emails")
            .option(
                "$select",
                "activityid,subject,description,statuscode,deliveryattempts,modifiedon,prioritycode,deliveryprioritycode,\
                 readreceiptrequested,deliveryreceiptrequested,delayedemailsendtime,messageid,_parentactivityid_value",
            )
            .option(
                "$filter",
                &format!(
                    "_sendermailboxid_value eq {mailbox} and (statuscode eq {PENDING_SEND} or statuscode eq {SENDING})"
                ),
            )
            .option("$orderby", "modifiedon asc")
            .build();
        let mut rows = self.rows::<WireEmail>(query, "email").await?;
        self.with_parties(&mut rows).await?;
        let mut emails: Vec<Outgoing> = rows.into_iter().map(WireEmail::read).collect();
        emails.sort_by_key(|email| (std::cmp::Reverse(email.delivery), email.modified));
        Ok(emails)
    }

    /// Reads the parties of emails: a list does not expand them (dynamics.md 3.5), a single row does.
    async fn with_parties(&self, emails: &mut [WireEmail]) -> Result<()> {
        #[derive(Deserialize)]
        struct Wire {
            #[serde(default, rename = "email_activity_parties")]
            parties: Vec<WireParty>,
        }
        for chunk in emails.chunks_mut(multipart::MOST_PARTS) {
            let parts: Vec<Part> = chunk
                .iter()
                .map(|email| {
                    let query = Query::on(format!("emails({})", email.activityid))
                        .option("$select", "activityid")
                        .option(
                            "$expand",
                            "email_activity_parties($select=participationtypemask,addressused,unresolvedpartyname)",
                        );
                    Part::get(query.build())
                })
                .collect();
            let answers = multipart::send(&self.web_api, &parts, true).await?;
            for (email, answer) in chunk.iter_mut().zip(answers) {
                email.parties = answer?.json::<Wire>("email")?.parties;
            }
        }
        Ok(())
    }

    /// Claims an email for sending, unless its row was changed since it was read; its new version.
    ///
    /// # Errors
    /// When the organization can't be asked or refuses.
    pub async fn claim(&self, email: &Outgoing) -> Result<Option<String>> {
        let changes = json!({ "statuscode": SENDING, "deliveryattempts": 0 });
        self.change_email(email.record, &email.version, &changes).await
    }

    /// Says that the draft of a claimed email is about to be submitted, unless somebody else has claimed it since. Its
    /// Message-Id goes onto the record with it, so that answers are recognised by it.
    ///
    /// # Errors
    /// When the organization can't be asked or refuses.
    pub async fn about_to_submit(
        &self,
        record: RecordId,
        version: &str,
        attempt: u32,
        message_id: Option<&InternetMessageId>,
    ) -> Result<Submission> {
        // A closed email refuses ordinary edits; which columns are excepted is not documented (dynamics.md 4.7).
        const CLOSED: &str = "0x80043500";
        let mut changes = json!({ "deliveryattempts": attempt });
        if let Some(id) = message_id {
            changes["messageid"] = id.as_str().into();
            match self.change_email(record, version, &changes).await {
                Ok(Some(_)) => return Ok(Submission::Mine { threaded: true }),
                Ok(None) => return Ok(Submission::Lost),
                Err(error) if error.failure().is_some_and(|failure| failure.has_code(CLOSED)) => {}
                Err(error) => return Err(error),
            }
        }
        match self.change_email(record, version, &json!({ "deliveryattempts": attempt })).await? {
            Some(_) => Ok(Submission::Mine { threaded: false }),
            None => Ok(Submission::Lost),
        }
    }

    /// It was sent.
    ///
    /// # Errors
    /// When the organization can't be asked or refuses.
    pub async fn was_sent(&self, record: RecordId) -> Result<()> {
        self.change_email(record, "*", &json!({ "statecode": 1, "statuscode": SENT })).await.map(drop)
    }

    /// It can't be sent as it is; its user can mend it and send it again.
    ///
    /// # Errors
    /// When the organization can't be asked or refuses.
    pub async fn was_not_sent(&self, record: RecordId) -> Result<()> {
        self.change_email(record, "*", &json!({ "statecode": 0, "statuscode": FAILED })).await.map(drop)
    }

    /// Writes a note onto an email, unless the same one is there; its user reads there why it was not sent.
    ///
    /// # Errors
    /// When the organization can't be asked or refuses.
    pub async fn note_on_email(&self, email: RecordId, title: &str, text: &str) -> Result<()> {
        // The same words are the same note, however often they are written.
        let id = Uuid::new_v5(&email.0, text.as_bytes());
        let body = json!({
            "annotationid": id, "subject": title, "notetext": text,
            "objectid_email@odata.bind": format!("/emails({email})"),
        });
        match self.web_api.send(Call::post("annotations").json(&body)?).await {
            Err(error) if crate::trouble(&error).class == Class::Exists => Ok(()),
            other => other.map(drop),
        }
    }

    /// It waits again.
    ///
    /// # Errors
    /// When the organization can't be asked or refuses.
    pub async fn release(&self, record: RecordId) -> Result<()> {
        self.change_email(record, "*", &json!({ "statuscode": PENDING_SEND })).await.map(drop)
    }

    /// The Message-Id of an email, where it exists and has one.
    ///
    /// # Errors
    /// When the organization can't be asked.
    pub async fn message_id_of(&self, email: RecordId) -> Result<Option<InternetMessageId>> {
        #[derive(Deserialize)]
        struct Wire {
            messageid: Option<String>,
        }
        let query = Query::on(format!("emails({email})")).option("$select", "messageid").build();
        match self.web_api.send(Call::get(query)).await {
            Ok(answer) => {
                let wire: Wire = answer.json("email")?;
                Ok(wire.messageid.as_deref().and_then(InternetMessageId::new))
            }
            Err(error) if status(&error) == Some(StatusCode::NOT_FOUND) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The attachments of an email with their content.
    ///
    /// # Errors
    /// When the organization can't be asked, or a content is not base64.
    pub async fn files_of(&self, email: RecordId) -> Result<Vec<AttachmentFile>> {
        let query = Query::on("activitymimeattachments")
            .option("$select", "filename,mimetype,attachmentcontentid,body")
            .option("$filter", &format!("_objectid_value eq {email}"))
            .build();
        let files = self.rows::<WireFile>(query, "attachment").await?;
        let read = |file: WireFile| {
            let bytes = STANDARD
                .decode(file.body.unwrap_or_default())
                .map_err(|error| Error::Unreadable { what: "attachment", detail: error.to_string() })?;
            Ok(AttachmentFile {
                name: file.filename.unwrap_or_default(),
                content_type: file.mimetype.unwrap_or_else(|| "application/octet-stream".to_owned()),
                content_id: file.attachmentcontentid,
                bytes: bytes.into(),
            })
        };
        files.into_iter().map(read).collect()
    }

    /// Changes an email in this version; its new version, `None` where it has another one by now.
    async fn change_email(&self, record: RecordId, version: &str, changes: &Value) -> Result<Option<String>> {
        #[derive(Deserialize)]
        struct Wire {
            #[serde(rename = "@odata.etag")]
            version: String,
        }
        let path = Query::on(format!("emails({record})")).option("$select", "activityid").build();
        let call = Call::new(Method::PATCH, Target::Path(path))
            .header("if-match", version)
            .header("prefer", "return=representation")
            .json(changes)?;
        // With any version the same change may be made twice.
        let call = if version == "*" { call.repeatable() } else { call };
        match self.web_api.send(call).await {
            Ok(answer) => Ok(Some(answer.json::<Wire>("email")?.version)),
            Err(error) if status(&error) == Some(StatusCode::PRECONDITION_FAILED) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn status(error: &Error) -> Option<StatusCode> {
    error.failure().map(|failure| failure.status)
}
