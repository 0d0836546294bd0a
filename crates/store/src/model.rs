use std::{collections::BTreeMap, fmt};

use hybridge_core::{
    decision::{AttachmentLeftOut, Decision},
    eligibility::{Ineligible, Mailbox},
    ids::{DeltaLink, ItemId, OrganizationId, RecordId, TenantId},
    lane::LaneId,
    message::InternetMessageId,
    trouble::Trouble,
    verdict::ReasonCode,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// The two sides that a store serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Installation {
    /// The organization.
    pub organization: OrganizationId,
    /// The tenant.
    pub tenant: TenantId,
}

/// A mailbox as it was last read from the organization, and whether it takes part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailboxRow {
    /// The record.
    pub mailbox: Mailbox,
    /// Why it takes no part in incoming email, if so.
    pub ineligible: Option<Ineligible>,
    /// Why it takes no part in outgoing email, if so.
    #[serde(default)]
    pub does_not_send: Option<Ineligible>,
    /// When it was read.
    pub read: Timestamp,
}

/// The number of a lane's run; each run has a higher one than the run before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(pub i64);

impl Epoch {
    /// The epoch of the run that comes after.
    pub(crate) fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// A lane and how it fares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lane {
    /// The lane.
    pub id: LaneId,
    /// The epoch of its latest run.
    pub epoch: Epoch,
    /// How it fares.
    pub health: Health,
}

/// How a lane fares.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// When its latest run began.
    pub last_started: Option<Timestamp>,
    /// When a run last ended well.
    pub last_succeeded: Option<Timestamp>,
    /// How many runs failed since then.
    pub failures: u32,
    /// What went wrong last; `None` when the latest run ended well.
    pub trouble: Option<Trouble>,
    /// When it is due again.
    pub next_due: Option<Timestamp>,
    /// Whether its first full reading of the mailbox is done.
    pub caught_up: bool,
}

impl Health {
    /// A run begins.
    pub(crate) fn begun(&mut self, now: Timestamp) {
        self.last_started = Some(now);
    }

    /// A run ended.
    pub(crate) fn ended(&mut self, end: &RunEnd) {
        if end.trouble.is_some() {
            self.failures = self.failures.saturating_add(1);
        } else {
            self.failures = 0;
            self.last_succeeded = Some(end.at);
        }
        self.trouble.clone_from(&end.trouble);
        self.next_due = Some(end.next_due);
    }
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunEnd {
    /// When.
    pub at: Timestamp,
    /// What went wrong, if anything.
    pub trouble: Option<Trouble>,
    /// When the lane is due again.
    pub next_due: Timestamp,
}

/// Where the reading of a folder stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// Messages received before this instant were not asked for.
    pub floor: Option<Timestamp>,
    /// Whether the round was asked for with the floor as a filter (Graph then ends after 5,000
    /// messages, graph.md 3.3).
    pub filtered: bool,
    /// How many messages the present full round has brought.
    pub listed: u64,
    /// The place.
    pub position: Position,
}

/// A place in the stream of changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "at", content = "link", rename_all = "kebab-case")]
pub enum Position {
    /// Nothing read yet.
    Start,
    /// A full round is under way; the link leads to its next page.
    Listing(DeltaLink),
    /// A round of changes is under way; the link leads to its next page.
    Following(DeltaLink),
    /// All is read; the link brings what changed since.
    Settled(DeltaLink),
}

/// A delivery that is about to be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// The message.
    pub item: ItemId,
    /// The key by which the organization is asked whether the delivery took place.
    pub message_id: InternetMessageId,
    /// When it was written down.
    pub at: Timestamp,
    /// Why the organization wanted the message.
    pub reason: ReasonCode,
    /// What was known and concluded about the message by then; it becomes the decision.
    pub draft: Decision,
    /// Attachments (Graph ids) that are to be added after the delivery.
    pub attachments_after: Vec<String>,
    /// Attachments that are not carried over.
    pub left_out: Vec<AttachmentLeftOut>,
}

/// The durable pair of a record and an item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// The lane whose mailbox holds the item.
    pub lane: LaneId,
    /// The item.
    pub item: ItemId,
    /// The record.
    pub record: RecordId,
    /// When they were linked.
    pub at: Timestamp,
}

/// What one transaction changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Commit {
    /// The new cursor, where it moves.
    pub cursor: Option<Cursor>,
    /// New decisions.
    pub decisions: Vec<Decision>,
    /// New links.
    pub links: Vec<Link>,
    /// Items whose intents are settled.
    pub closed: Vec<ItemId>,
    /// The first full reading is done.
    pub caught_up: bool,
}

impl Commit {
    /// Refuses what belongs to another lane: the epoch that is checked says nothing about that one.
    pub(crate) fn stays_in(&self, lane: LaneId) -> Result<(), Error> {
        let decided = self.decisions.iter().map(|decision| decision.lane);
        let linked = self.links.iter().map(|link| link.lane);
        match decided.chain(linked).find(|other| *other != lane) {
            Some(other) => Err(Error::OtherLane { lane, other }),
            None => Ok(()),
        }
    }
}

/// What to look for among the decisions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Search {
    /// A Message-Id, with or without its angle brackets.
    MessageId(String),
    /// An item's immutable id.
    Item(ItemId),
    /// A record.
    Record(RecordId),
    /// A part of a subject or sender, without regard to case.
    Text(String),
    /// Everything with an outcome of this name, of one lane or of all.
    Outcome(String, Option<LaneId>),
}

/// How many decisions of each outcome, by the outcome's name.
pub type Tally = BTreeMap<String, u64>;

/// A change-notification subscription on a mailbox.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    /// Graph's id.
    pub id: String,
    /// The lane that a notification wakes.
    pub lane: LaneId,
    /// The secret that each notification must carry.
    pub client_state: String,
    /// When Graph ends it.
    pub expires: Timestamp,
    /// The address that notifications go to.
    pub notification_url: String,
}

// The client state is a secret.
impl fmt::Debug for Subscription {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Subscription")
            .field("id", &self.id)
            .field("lane", &self.lane)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}
