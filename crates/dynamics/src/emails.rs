use hybridge_core::{address::Address, ids::RecordId, message::InternetMessageId};
use hybridge_odata::{
    Call,
    multipart::{self, Part},
    query::{Query, literal},
};
use jiff::Timestamp;
use serde::Deserialize;
use uuid::Uuid;

use crate::{Dynamics, Result, organization::record};

const FIELDS: &str = "activityid,messageid,subject,directioncode,createdon,submittedby";

/// An email record.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "Wire")]
pub struct EmailRow {
    /// The record.
    pub id: RecordId,
    /// Its Message-Id.
    pub message_id: Option<InternetMessageId>,
    /// The subject.
    pub subject: String,
    /// Whether it came in (as opposed to being sent).
    pub incoming: bool,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// The mailbox that it was delivered from (the `SubmittedBy` of the delivery), where the record says it.
    pub submitted_by: Option<Address>,
}

#[derive(Deserialize)]
struct Wire {
    activityid: Uuid,
    messageid: Option<String>,
    subject: Option<String>,
    directioncode: Option<bool>,
    createdon: Option<Timestamp>,
    submittedby: Option<String>,
}

impl From<Wire> for EmailRow {
    fn from(wire: Wire) -> Self {
        Self {
            id: record(wire.activityid),
            message_id: wire.messageid.as_deref().and_then(InternetMessageId::new),
            subject: wire.subject.unwrap_or_default(),
            incoming: wire.directioncode == Some(false),
            created: wire.createdon,
            submitted_by: wire.submittedby.as_deref().and_then(Address::new),
        }
    }
}

impl Dynamics {
    /// Looks emails up by Message-Id, in batches; `None` where there is none that the service account may
    /// read. An incoming email goes before an outgoing one with the same Message-Id.
    pub async fn emails_by_message_id(
        &self,
        ids: &[InternetMessageId],
    ) -> Result<Vec<Result<Option<EmailRow>>>> {
        let mut found = Vec::with_capacity(ids.len());
        for chunk in ids.chunks(multipart::MOST_PARTS) {
            let parts: Vec<Part> = chunk
                .iter()
                .map(|id| {
                    let filter = format!("messageid eq {}", literal(id.as_str()));
                    Part::get(
                        Query::on("emails").option("$select", FIELDS).option("$filter", &filter).build(),
                    )
                })
                .collect();
            for answer in multipart::send(&self.web_api, &parts, true).await? {
                found.push(answer.and_then(|answer| {
                    let mut rows = answer.page("list of emails")?.entries::<EmailRow>("email")?;
                    rows.sort_by_key(|row| (!row.incoming, row.created));
                    Ok(rows.into_iter().next())
                }));
            }
        }
        Ok(found)
    }

    /// One email record; `None` when it does not exist or may not be read.
    pub async fn email(&self, id: RecordId) -> Result<Option<EmailRow>> {
        let query = Query::on(format!("emails({id})")).option("$select", FIELDS).build();
        match self.web_api.send(Call::get(query)).await {
            Ok(answer) => answer.json("email").map(Some),
            Err(error) if error.failure().is_some_and(|failure| failure.status.as_u16() == 404) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
