//! The ground truth for proofs: what the organization holds, past all rights and protocols.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use crate::{
    cell::{Cell, Reference},
    organization::Organization,
    rows::{Row, Store},
    schema::{self, TABLES},
};

/// A record by table and id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct RecordRef {
    /// The logical name of the table.
    pub table: String,
    /// The id.
    pub id: Uuid,
}

impl From<Reference> for RecordRef {
    fn from(reference: Reference) -> Self {
        Self { table: reference.table.name.to_owned(), id: reference.id }
    }
}

/// A party of an email.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct PartyFacts {
    /// `participationtypemask`: 1 sender, 2 to, 3 cc, 4 bcc.
    pub role: i64,
    /// The record, if the address was resolved.
    pub record: Option<RecordRef>,
    /// The address used.
    pub address: String,
}

/// An attachment of an email.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct AttachmentFacts {
    /// The file name.
    pub name: String,
    /// The size in bytes.
    pub bytes: usize,
}

/// An email.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EmailFacts {
    /// `activityid`.
    pub id: Uuid,
    /// The internet message id, empty when there is none.
    pub message_id: String,
    /// The subject.
    pub subject: String,
    /// Whether it is an outgoing email (`directioncode`).
    pub outgoing: bool,
    /// `statuscode`; 4 is Received.
    pub status: i64,
    /// The owner.
    pub owner: Option<Uuid>,
    /// The regarding record.
    pub regarding: Option<RecordRef>,
    /// How it was correlated (`correlationmethod`); 0 is not at all.
    pub correlation_method: i64,
    /// The email it answers.
    pub parent: Option<Uuid>,
    /// `notifications`: 1 attachments dropped, 2 text truncated.
    pub notifications: i64,
    /// The length of the body in bytes.
    pub body_bytes: usize,
    /// When it was created.
    pub created: Option<Timestamp>,
    /// Sorted.
    pub parties: Vec<PartyFacts>,
    /// Sorted.
    pub attachments: Vec<AttachmentFacts>,
}

/// A queue item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct QueueItemFacts {
    /// `queueitemid`.
    pub id: Uuid,
    /// The queue.
    pub queue: Option<Uuid>,
    /// The activity in it.
    pub object: Option<RecordRef>,
}

/// How many rows each table has, without empty tables.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Census {
    /// By logical name.
    pub rows: BTreeMap<String, usize>,
    /// Message ids that more than one email of a direction has: always empty in a sound organization.
    pub doubled_message_ids: Vec<String>,
    /// The last row version given out.
    pub version: i64,
}

impl Organization {
    /// Every email, in the order of their ids.
    pub fn emails(&self) -> Vec<EmailFacts> {
        let state = self.lock();
        let Some(table) = schema::table("email") else { return Vec::new() };
        state.store.rows(table).map(|(id, row)| email(&state.store, id, row)).collect()
    }

    /// Every queue item, in the order of their ids.
    pub fn queue_items(&self) -> Vec<QueueItemFacts> {
        let state = self.lock();
        let Some(table) = schema::table("queueitem") else { return Vec::new() };
        let fact = |(id, row): (Uuid, &std::sync::Arc<Row>)| QueueItemFacts {
            id,
            queue: row.lookup("queueid").map(|queue| queue.id),
            object: row.lookup("objectid").map(RecordRef::from),
        };
        state.store.rows(table).map(fact).collect()
    }

    /// What there is, counted.
    pub fn census(&self) -> Census {
        let state = self.lock();
        let rows = TABLES
            .iter()
            .filter(|table| table.view_of.is_empty())
            .map(|table| (table.name.to_owned(), state.store.rows(table).count()))
            .filter(|(_, count)| *count > 0)
            .collect();
        let mut seen: BTreeMap<(String, bool), usize> = BTreeMap::new();
        if let Some(table) = schema::table("email") {
            for (_, row) in state.store.rows(table) {
                let id = row.text("messageid").to_lowercase();
                if !id.is_empty() {
                    *seen.entry((id, row.boolean("directioncode").unwrap_or(true))).or_default() += 1;
                }
            }
        }
        let doubled_message_ids =
            seen.into_iter().filter(|(_, count)| *count > 1).map(|((id, _), _)| id).collect();
        Census { rows, doubled_message_ids, version: state.store.version() }
    }
}

fn email(store: &Store, id: Uuid, row: &Row) -> EmailFacts {
    let members = |table: &str, column: &str| -> Vec<std::sync::Arc<Row>> {
        schema::table(table)
            .map(|table| store.find_rows(table, column, &Cell::Id(id)).map(|(_, row)| row.clone()).collect())
            .unwrap_or_default()
    };
    let mut parties: Vec<PartyFacts> = members("activityparty", "activityid")
        .iter()
        .map(|party| PartyFacts {
            role: party.integer("participationtypemask").unwrap_or_default(),
            record: party.lookup("partyid").map(RecordRef::from),
            address: party.text("addressused").to_owned(),
        })
        .collect();
    parties.sort();
    let mut attachments: Vec<AttachmentFacts> = members("activitymimeattachment", "objectid")
        .iter()
        .map(|file| AttachmentFacts {
            name: file.text("filename").to_owned(),
            bytes: file.integer("filesize").and_then(|size| usize::try_from(size).ok()).unwrap_or_default(),
        })
        .collect();
    attachments.sort();
    EmailFacts {
        id,
        message_id: row.text("messageid").to_owned(),
        subject: row.text("subject").to_owned(),
        outgoing: row.boolean("directioncode").unwrap_or(true),
        status: row.integer("statuscode").unwrap_or_default(),
        owner: row.lookup("ownerid").map(|owner| owner.id),
        regarding: row.lookup("regardingobjectid").map(RecordRef::from),
        correlation_method: row.integer("correlationmethod").unwrap_or_default(),
        parent: row.lookup("parentactivityid").map(|parent| parent.id),
        notifications: row.integer("notifications").unwrap_or_default(),
        body_bytes: row.text("description").len(),
        created: row.time("createdon"),
        parties,
        attachments,
    }
}
