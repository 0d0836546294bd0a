//! The promises (design.md, "What must always hold"), checked against what the sandbox knows to be true.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use hybridge_core::{
    decision::{Decision, Outcome},
    ids::{ItemId, RecordId},
    lane::{LaneId, LaneKind},
};
use hybridge_sandbox::{Sandbox, graph::CensusEntry, organization::EmailFacts};
use hybridge_store::{MemoryStore, Position, Store};
use serde::Serialize;
use uuid::Uuid;

/// A promise that did not hold, and on what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Broken {
    /// The promise's number in the design.
    pub promise: u8,
    /// What was found.
    pub found: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "promise {} is broken: {}", self.promise, self.found)
    }
}

fn broken(promise: u8, found: impl Into<String>) -> Broken {
    Broken { promise, found: found.into() }
}

/// The lane of each Graph user, by the address of the mailbox record.
async fn lanes(sandbox: &Sandbox, store: &MemoryStore) -> BTreeMap<Uuid, LaneId> {
    let mailboxes = store.mailboxes().await.unwrap_or_default();
    mailboxes
        .into_iter()
        .filter(|row| row.ineligible.is_none())
        .filter_map(|row| {
            let user = sandbox.graph().find_user(row.mailbox.address?.as_str())?;
            Some((user, LaneId { mailbox: row.mailbox.id, kind: LaneKind::IncomingEmail }))
        })
        .collect()
}

/// Promise 5: what a stored cursor has passed is known to the store.
pub(crate) async fn cursors_follow_data(sandbox: &Sandbox, store: &MemoryStore) -> Vec<Broken> {
    let mut found = Vec::new();
    let census = sandbox.graph().census();
    for (user, lane) in lanes(sandbox, store).await {
        let Ok(Some(cursor)) = store.cursor(lane).await else { continue };
        let (Position::Listing(link) | Position::Following(link) | Position::Settled(link)) = cursor.position
        else {
            continue;
        };
        // A cursor that has expired leads to a full reading, which can't miss anything.
        let Some(position) = sandbox.graph().delta_position(&link.0) else { continue };
        for entry in census.iter().filter(|entry| entry.user_id == user && entry.folder == "inbox") {
            if entry.arrived <= position.sequence {
                let item = ItemId(entry.immutable_id.clone());
                let known = store.decisions(lane, std::slice::from_ref(&item)).await.unwrap_or_default();
                if known.is_empty() {
                    found.push(broken(
                        5,
                        format!(
                            "the cursor of {lane} has passed {:?}, of which the store knows nothing",
                            entry.subject
                        ),
                    ));
                }
            }
        }
    }
    found
}

/// Promises 1, 2, 3 and 6, when nothing happens any more. `before` are the records that were there before
/// Hybridge came.
pub(crate) async fn at_rest(
    sandbox: &Sandbox,
    store: &MemoryStore,
    sick: Option<Uuid>,
    before: &BTreeSet<Uuid>,
    unaskable: bool,
) -> Vec<Broken> {
    let mut found = nothing_doubled(sandbox);
    found.extend(no_echo(sandbox));
    found.extend(no_subscription_is_forgotten(sandbox, store).await);
    found.extend(each_written_one_was_sent_once(sandbox, sick));
    let lanes = lanes(sandbox, store).await;
    let emails: BTreeMap<RecordId, EmailFacts> =
        sandbox.organization().emails().into_iter().map(|email| (RecordId(email.id), email)).collect();
    let made = emails.values().filter(|email| !email.outgoing && !before.contains(&email.id));
    found.extend(each_is_accounted_for(store, made).await);
    found.extend(nothing_is_open(store, lanes.values()).await);
    for entry in sandbox.graph().census() {
        if entry.folder != "inbox" || sick == Some(entry.user_id) {
            continue;
        }
        let Some(lane) = lanes.get(&entry.user_id) else {
            found.push(broken(6, format!("the mailbox {} is not read at all", entry.user_id)));
            continue;
        };
        let item = ItemId(entry.immutable_id.clone());
        let known = store.decisions(*lane, std::slice::from_ref(&item)).await.unwrap_or_default();
        match known.first() {
            None => found
                .push(broken(1, format!("{:?} lies in an Inbox and was never decided about", entry.subject))),
            Some(decision) => {
                // What can't even be asked about waits for as long as that lasts, and says so.
                let stuck = unaskable && decision.subject.contains(crate::weather::POISON);
                let waits = stuck && matches!(decision.outcome, Outcome::Waiting { .. });
                found.extend(judge(&entry, decision, &emails).filter(|_| !waits));
            }
        }
    }
    found
}

/// Each record that was made was made of one message: one item says so, the others are duplicates of it.
async fn each_is_accounted_for(store: &MemoryStore, made: impl Iterator<Item = &EmailFacts>) -> Vec<Broken> {
    let mut found = Vec::new();
    for email in made {
        let mut makers = 0;
        for link in store.links_of(RecordId(email.id)).await.unwrap_or_default() {
            let known =
                store.decisions(link.lane, std::slice::from_ref(&link.item)).await.unwrap_or_default();
            makers += known.iter().filter(|known| matches!(known.outcome, Outcome::Promoted { .. })).count();
        }
        if makers != 1 {
            found.push(broken(
                2,
                format!(
                    "{makers} messages are said to have become record {} ({:?})",
                    email.id, email.subject
                ),
            ));
        }
    }
    found
}

/// What was intended has been settled.
async fn nothing_is_open(store: &MemoryStore, lanes: impl Iterator<Item = &LaneId>) -> Vec<Broken> {
    let mut found = Vec::new();
    for lane in lanes {
        for intent in store.open_intents(*lane).await.unwrap_or_default() {
            found.push(broken(2, format!("the delivery of {:?} was never settled", intent.draft.subject)));
        }
    }
    found
}

/// A decision at rest is final; a record it names exists, with every attachment that is not said to be left
/// out, each once.
fn judge(
    entry: &CensusEntry,
    decision: &Decision,
    emails: &BTreeMap<RecordId, EmailFacts>,
) -> Option<Broken> {
    match &decision.outcome {
        Outcome::Promoted { record, .. } | Outcome::Duplicate { record: Some(record) }
            if !emails.contains_key(record) =>
        {
            Some(broken(
                1,
                format!("{:?} is said to be record {record}, which does not exist", decision.subject),
            ))
        }
        Outcome::Promoted { record, left_out, .. } => {
            let stored = emails.get(record).into_iter().flat_map(|email| &email.attachments);
            let mut accounted: Vec<&str> = stored
                .map(|attachment| attachment.name.as_str())
                .chain(left_out.iter().map(|missing| missing.name.as_str()))
                .collect();
            let mut sent: Vec<&str> = entry.attachments.iter().map(String::as_str).collect();
            accounted.sort_unstable();
            sent.sort_unstable();
            (accounted != sent).then(|| {
                broken(
                    1,
                    format!("{:?} has attachments {sent:?}, its record {accounted:?}", decision.subject),
                )
            })
        }
        Outcome::Waiting { trouble, .. } => Some(broken(
            1,
            format!("{:?} still waits after hours of calm: {}", decision.subject, trouble.what),
        )),
        Outcome::Failed { trouble } if !decision.subject.contains(crate::weather::POISON) => Some(broken(
            1,
            format!("{:?} has failed, which only poison may: {}", decision.subject, trouble.what),
        )),
        Outcome::Gone => {
            Some(broken(1, format!("{:?} is said to be gone and lies in the Inbox", decision.subject)))
        }
        _ => None,
    }
}

/// Promise 2.
fn nothing_doubled(sandbox: &Sandbox) -> Vec<Broken> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for email in sandbox.organization().emails().into_iter().filter(|email| !email.outgoing) {
        *counts.entry(email.message_id).or_default() += 1;
    }
    counts
        .into_iter()
        .filter(|(_, count)| *count > 1)
        .map(|(id, count)| broken(2, format!("{count} records were made of {id}")))
        .collect()
}

/// Promises 1 and 2: what users wrote in Dynamics has left once, or says why not.
fn each_written_one_was_sent_once(sandbox: &Sandbox, sick: Option<Uuid>) -> Vec<Broken> {
    const SENT: i64 = 3;
    const FAILED: i64 = 8;
    let mut left: BTreeMap<String, usize> = BTreeMap::new();
    for mail in sandbox.graph().sent_mail() {
        *left.entry(mail.subject).or_default() += 1;
    }
    let mut found = Vec::new();
    for email in sandbox.organization().emails() {
        if !email.outgoing || !email.subject.starts_with("written ") {
            continue;
        }
        let count = left.get(&email.subject).copied().unwrap_or_default();
        let told = || format!("{:?} has status {} and left {count} times", email.subject, email.status);
        match (email.status, count) {
            (SENT, 1) | (FAILED, 0 | 1) => {}
            (_, 2..) => found.push(broken(2, told())),
            (_, 0) if sick.is_some() => {}
            _ => found.push(broken(1, told())),
        }
    }
    found
}

/// Promise 3: Hybridge writes nothing to Exchange but its subscriptions, and the mails that it sends.
fn no_echo(sandbox: &Sandbox) -> Vec<Broken> {
    sandbox
        .graph()
        .writes_by_app(sandbox.app().client_id)
        .into_iter()
        .filter(|write| !write.path.starts_with("subscriptions") && write.path != "$batch")
        .filter(|write| {
            let sends = ["/messages", "/attachments", "/send", "/createUploadSession", "/permanentDelete"];
            let uploads = write.method == "PUT" && write.path.starts_with("upload/");
            !(uploads || write.method == "POST" && sends.iter().any(|end| write.path.ends_with(end)))
        })
        .map(|write| broken(3, format!("{} {} was written to Exchange", write.method, write.path)))
        .collect()
}

/// What Hybridge leaves in Exchange it knows of: a subscription whose secret is lost would only be refused
/// and never renewed.
async fn no_subscription_is_forgotten(sandbox: &Sandbox, store: &MemoryStore) -> Vec<Broken> {
    let known: BTreeSet<String> =
        store.subscriptions().await.unwrap_or_default().into_iter().map(|known| known.id).collect();
    let living = sandbox.graph().subscription_ids();
    living
        .into_iter()
        .filter(|id| !known.contains(&id.to_string()))
        .map(|id| broken(3, format!("subscription {id} lives in Graph and nobody knows it")))
        .collect()
}
