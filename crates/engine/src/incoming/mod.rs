//! The lane of incoming email: one run of it.
//!
//! The way of a message (design.md, "A record's way"): a delta page brings headers ([`listing`]); `core`
//! says which are candidates and the organization which it wants ([`judging`]); for those, and only for
//! those, bodies and attachments are read ([`fetching`]), an intent is stored, the batch is delivered and
//! its outcome settled ([`delivering`]); then decisions, links and the cursor are committed together.
//! [`recovering`] finds out what became of a run that was killed in between; [`adopting`] tells whose a record
//! is that is there already; [`afterwards`] does what follows when a message is a record.

mod adopting;
mod afterwards;
mod candidate;
mod delivering;
mod fetching;
mod judging;
mod listing;
mod recovering;
mod settling;

use std::collections::BTreeMap;

use hybridge_core::{
    decision::{Decision, Outcome},
    eligibility::Mailbox,
    ids::{ItemId, RecordId},
    lane::LaneId,
};
use hybridge_graph::UserRef;
use hybridge_store::{Commit, Cursor, Epoch, Link};
use jiff::Timestamp;

use crate::{engine::Engine, error::LaneError};

/// How many messages had which outcome, by its name.
pub(crate) type Tally = BTreeMap<&'static str, u64>;

/// One run of a mailbox's incoming email lane.
pub(crate) struct Incoming<'a> {
    engine: &'a Engine,
    lane: LaneId,
    epoch: Epoch,
    mailbox: &'a Mailbox,
    /// What the current page has led to and is not committed yet.
    pending: Commit,
    page_size: u32,
    began: Timestamp,
    pub(crate) tally: Tally,
}

impl<'a> Incoming<'a> {
    pub(crate) fn new(engine: &'a Engine, lane: LaneId, epoch: Epoch, mailbox: &'a Mailbox) -> Self {
        let page_size = engine.options.page_size;
        let began = engine.clock.now();
        Self {
            engine,
            lane,
            epoch,
            mailbox,
            pending: Commit::default(),
            page_size,
            began,
            tally: Tally::new(),
        }
    }

    /// Recovers what an interrupted run left, tries again what is due, then reads until nothing is left.
    pub(crate) async fn run(&mut self) -> Result<(), LaneError> {
        let user = self.engine.user(self.mailbox).await?;
        let result = self.work(&user).await;
        if let Err(LaneError::Trouble(_)) = &result {
            // What was settled before the trouble is kept; the cursor stays, so the rest comes again.
            self.pending.cursor = None;
            self.commit().await?;
        }
        result
    }

    async fn work(&mut self, user: &UserRef) -> Result<(), LaneError> {
        self.recover(user).await?;
        self.try_again(user).await?;
        while self.read_page(user).await? {}
        // Only a mailbox that can be read is worth a subscription. What came between the reading and a new
        // subscription is read right after it.
        if self.engine.keep_subscribed(self.lane, user).await? {
            while self.read_page(user).await? {}
        }
        Ok(())
    }

    fn now(&self) -> Timestamp {
        self.engine.clock.now()
    }

    /// Concludes something about a message, which settles its intent; stored with the next commit.
    fn conclude(&mut self, decision: Decision, outcome: Outcome) {
        self.pending.closed.push(decision.item.clone());
        self.decide(decision, outcome);
    }

    /// Decides something about a message for now; stored with the next commit.
    fn decide(&mut self, mut decision: Decision, outcome: Outcome) {
        decision.outcome = outcome;
        decision.decided = self.now();
        let words = decision.conclusion();
        let at = decision.decided;
        decision.note(at, words);
        if let Some(record) = decision.outcome.record() {
            self.link(decision.item.clone(), record);
        }
        self.pending.decisions.push(decision);
    }

    fn link(&mut self, item: ItemId, record: RecordId) {
        let at = self.now();
        self.pending.links.push(Link { lane: self.lane, item, record, at });
    }

    /// Commits what is pending, in one transaction, and tells about it.
    async fn commit(&mut self) -> Result<(), LaneError> {
        let commit = std::mem::take(&mut self.pending);
        if commit == Commit::default() {
            return Ok(());
        }
        self.engine.store.commit(self.lane, self.epoch, &commit).await?;
        // That a message was moved since is stored with its decision, and decides nothing anew.
        for decision in commit.decisions.iter().filter(|decision| decision.decided >= self.began) {
            *self.tally.entry(decision.outcome.name()).or_default() += 1;
            self.engine.metrics.decided(decision);
            self.engine.observer.decided(decision);
        }
        Ok(())
    }

    fn set_cursor(&mut self, cursor: Cursor) {
        self.pending.cursor = Some(cursor);
    }
}
