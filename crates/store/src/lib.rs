//! What must survive: mailboxes, lanes, cursors, intents, decisions, links and subscriptions.
//!
//! [`Store`] is the contract; the module `contract` is its test, which every implementation passes:
//! [`SqliteStore`] (one file, for one node) and [`MemoryStore`] (for the simulation).
//!
//! Three rules hold in every implementation:
//!
//! - **One transaction.** [`Store::commit`] moves a cursor together with all that was learnt from it, or
//!   neither (design.md, promise 5).
//! - **Fencing.** Each run of a lane has an epoch; what a run with an older epoch wants to write is
//!   refused ([`Error::Fenced`]), so a slow run can't commit over its successor.
//! - **Case matters.** Item ids are compared byte for byte.

#[cfg(test)]
mod contract;
mod error;
mod lookup;
mod memory;
mod model;
mod sqlite;

use async_trait::async_trait;
use hybridge_core::{
    decision::Decision,
    ids::{ItemId, RecordId},
    lane::LaneId,
};
use jiff::Timestamp;

pub use error::Error;
pub use memory::MemoryStore;
pub use model::{
    Commit, Cursor, Epoch, Health, Installation, Intent, Lane, Link, MailboxRow, Position, RunEnd, Search,
    Subscription, Tally,
};
pub use sqlite::{SqliteMode, SqliteStore};

/// The result of a store operation.
pub type Result<T> = std::result::Result<T, Error>;

/// Keeps what must survive a crash.
#[async_trait]
pub trait Store: Send + Sync + std::fmt::Debug {
    /// Binds the store to an organization and a tenant: the first call writes the pair down, a later
    /// one with another pair fails with [`Error::OtherInstallation`] (a copy of production must not
    /// take over production's mailboxes, server-side-sync.md 5.3).
    async fn bind(&self, installation: &Installation) -> Result<()>;

    /// What the store is bound to.
    async fn installation(&self) -> Result<Option<Installation>>;

    /// Replaces what is known of the mailboxes; lanes, cursors and decisions of mailboxes that are no
    /// longer listed are kept.
    async fn put_mailboxes(&self, mailboxes: &[MailboxRow]) -> Result<()>;

    /// All mailboxes, by name.
    async fn mailboxes(&self) -> Result<Vec<MailboxRow>>;

    /// All lanes that ever ran, with their health, by id.
    async fn lanes(&self) -> Result<Vec<Lane>>;

    /// One lane.
    async fn lane(&self, lane: LaneId) -> Result<Option<Lane>>;

    /// Begins a run: makes the lane where it does not exist and returns the new, higher epoch.
    async fn begin_run(&self, lane: LaneId, now: Timestamp) -> Result<Epoch>;

    /// Ends a run: its result becomes the lane's health.
    async fn end_run(&self, lane: LaneId, epoch: Epoch, end: &RunEnd) -> Result<()>;

    /// Where the lane's reading stands.
    async fn cursor(&self, lane: LaneId) -> Result<Option<Cursor>>;

    /// Writes down what is about to be done, before it is done. An intent for the same item replaces
    /// the older one.
    async fn record_intents(&self, lane: LaneId, epoch: Epoch, intents: &[Intent]) -> Result<()>;

    /// The intents whose outcome is not known yet, oldest first.
    async fn open_intents(&self, lane: LaneId) -> Result<Vec<Intent>>;

    /// In one transaction: stores decisions and links (each replaces the older one about the same item
    /// of the same lane), closes intents, moves the cursor. What belongs to another lane is
    /// refused with [`Error::OtherLane`].
    async fn commit(&self, lane: LaneId, epoch: Epoch, commit: &Commit) -> Result<()>;

    /// The decisions about the given items, in no particular order; items never decided are left out.
    async fn decisions(&self, lane: LaneId, items: &[ItemId]) -> Result<Vec<Decision>>;

    /// Up to `limit` waiting decisions whose time has come, longest overdue first.
    async fn due(&self, lane: LaneId, now: Timestamp, limit: u32) -> Result<Vec<Decision>>;

    /// The earliest instant at which a waiting decision of the lane becomes due.
    async fn next_due(&self, lane: LaneId) -> Result<Option<Timestamp>>;

    /// Decisions that match, newest first, up to 100.
    async fn search(&self, search: &Search) -> Result<Vec<Decision>>;

    /// The links of a record, oldest first.
    async fn links_of(&self, record: RecordId) -> Result<Vec<Link>>;

    /// How many decisions of each outcome there are, of one lane or of all.
    async fn tally(&self, lane: Option<LaneId>) -> Result<Tally>;

    /// A small remembered fact (a capability that was probed once, say).
    async fn fact(&self, key: &str) -> Result<Option<String>>;

    /// Remembers a fact; `None` forgets it.
    async fn put_fact(&self, key: &str, value: Option<&str>) -> Result<()>;

    /// All change-notification subscriptions.
    async fn subscriptions(&self) -> Result<Vec<Subscription>>;

    /// One subscription, by Graph's id.
    async fn subscription(&self, id: &str) -> Result<Option<Subscription>>;

    /// Stores a subscription in place of the lane's former one.
    async fn put_subscription(&self, subscription: &Subscription) -> Result<()>;

    /// Forgets a subscription.
    async fn remove_subscription(&self, id: &str) -> Result<()>;
}
