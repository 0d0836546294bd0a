//! The store of the simulation: plain maps behind a lock.
//!
//! No operation awaits anything, so each is atomic even when its future is dropped, and a simulation on a
//! paused clock stays deterministic. All maps are ordered for the same reason.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use hybridge_core::{
    decision::Decision,
    ids::{ItemId, MailboxId, RecordId},
    lane::LaneId,
};
use jiff::Timestamp;

use crate::{
    Commit, Cursor, Epoch, Error, Health, Installation, Intent, Lane, Link, MailboxRow, Result, RunEnd,
    Search, Store, Subscription, Tally,
    lookup::{self, MOST_FOUND},
};

/// A store in memory.
///
/// A clone is another handle to the same state: a simulation that kills the engine starts a new one
/// over a clone.
#[derive(Clone, Default)]
pub struct MemoryStore(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    installation: Option<Installation>,
    mailboxes: BTreeMap<MailboxId, MailboxRow>,
    lanes: BTreeMap<LaneId, LaneState>,
    facts: BTreeMap<String, String>,
    subscriptions: BTreeMap<LaneId, Subscription>,
}

#[derive(Default)]
struct LaneState {
    epoch: Epoch,
    health: Health,
    cursor: Option<Cursor>,
    intents: BTreeMap<ItemId, Intent>,
    decisions: BTreeMap<ItemId, Decision>,
    links: BTreeMap<ItemId, Link>,
}

impl MemoryStore {
    fn state(&self) -> MutexGuard<'_, State> {
        // Whoever panicked while holding the lock can't have left half a change: no operation fails
        // after its first write.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The lane, if the run is still its latest.
    fn run(&mut self, lane: LaneId, epoch: Epoch) -> Result<&mut LaneState> {
        self.lanes.get_mut(&lane).filter(|state| state.epoch == epoch).ok_or(Error::Fenced { lane, epoch })
    }

    fn decisions(&self) -> impl Iterator<Item = &Decision> {
        self.lanes.values().flat_map(|lane| lane.decisions.values())
    }
}

impl LaneState {
    fn waiting(&self) -> impl Iterator<Item = (Timestamp, &Decision)> {
        self.decisions.values().filter_map(|decision| Some((lookup::due(decision)?, decision)))
    }

    fn shown(&self, id: LaneId) -> Lane {
        Lane { id, epoch: self.epoch, health: self.health.clone() }
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn bind(&self, installation: &Installation) -> Result<()> {
        let bound = *self.state().installation.get_or_insert(*installation);
        if bound == *installation {
            Ok(())
        } else {
            Err(Error::OtherInstallation { bound, asked: *installation })
        }
    }

    async fn installation(&self) -> Result<Option<Installation>> {
        Ok(self.state().installation)
    }

    async fn put_mailboxes(&self, mailboxes: &[MailboxRow]) -> Result<()> {
        self.state().mailboxes = mailboxes.iter().map(|row| (row.mailbox.id, row.clone())).collect();
        Ok(())
    }

    async fn mailboxes(&self) -> Result<Vec<MailboxRow>> {
        let mut rows: Vec<_> = self.state().mailboxes.values().cloned().collect();
        rows.sort_by(|one, other| one.mailbox.name.cmp(&other.mailbox.name));
        Ok(rows)
    }

    async fn lanes(&self) -> Result<Vec<Lane>> {
        Ok(self.state().lanes.iter().map(|(id, lane)| lane.shown(*id)).collect())
    }

    async fn lane(&self, lane: LaneId) -> Result<Option<Lane>> {
        Ok(self.state().lanes.get(&lane).map(|state| state.shown(lane)))
    }

    async fn begin_run(&self, lane: LaneId, now: Timestamp) -> Result<Epoch> {
        let mut state = self.state();
        let lane = state.lanes.entry(lane).or_default();
        lane.epoch = lane.epoch.next();
        lane.health.begun(now);
        Ok(lane.epoch)
    }

    async fn end_run(&self, lane: LaneId, epoch: Epoch, end: &RunEnd) -> Result<()> {
        self.state().run(lane, epoch)?.health.ended(end);
        Ok(())
    }

    async fn cursor(&self, lane: LaneId) -> Result<Option<Cursor>> {
        Ok(self.state().lanes.get(&lane).and_then(|state| state.cursor.clone()))
    }

    async fn record_intents(&self, lane: LaneId, epoch: Epoch, intents: &[Intent]) -> Result<()> {
        let new = intents.iter().map(|intent| (intent.item.clone(), intent.clone()));
        self.state().run(lane, epoch)?.intents.extend(new);
        Ok(())
    }

    async fn open_intents(&self, lane: LaneId) -> Result<Vec<Intent>> {
        let state = self.state();
        let mut intents: Vec<_> =
            state.lanes.get(&lane).map_or_else(Vec::new, |lane| lane.intents.values().cloned().collect());
        intents.sort_by_key(|intent| intent.at);
        Ok(intents)
    }

    async fn commit(&self, lane: LaneId, epoch: Epoch, commit: &Commit) -> Result<()> {
        commit.stays_in(lane)?;
        let mut state = self.state();
        let lane = state.run(lane, epoch)?;
        for decision in &commit.decisions {
            lane.decisions.insert(decision.item.clone(), decision.clone());
        }
        for link in &commit.links {
            lane.links.insert(link.item.clone(), link.clone());
        }
        for item in &commit.closed {
            lane.intents.remove(item);
        }
        if let Some(cursor) = &commit.cursor {
            lane.cursor = Some(cursor.clone());
        }
        lane.health.caught_up |= commit.caught_up;
        Ok(())
    }

    async fn decisions(&self, lane: LaneId, items: &[ItemId]) -> Result<Vec<Decision>> {
        let state = self.state();
        let Some(lane) = state.lanes.get(&lane) else { return Ok(Vec::new()) };
        let mut decisions: Vec<_> =
            items.iter().filter_map(|item| lane.decisions.get(item)).cloned().collect();
        decisions.sort_by(|one, other| one.item.cmp(&other.item));
        decisions.dedup_by(|one, other| one.item == other.item);
        Ok(decisions)
    }

    async fn due(&self, lane: LaneId, now: Timestamp, limit: u32) -> Result<Vec<Decision>> {
        let state = self.state();
        let Some(lane) = state.lanes.get(&lane) else { return Ok(Vec::new()) };
        let mut due: Vec<_> = lane.waiting().filter(|(until, _)| *until <= now).collect();
        due.sort_by_key(|(until, _)| *until);
        due.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(due.into_iter().map(|(_, decision)| decision.clone()).collect())
    }

    async fn next_due(&self, lane: LaneId) -> Result<Option<Timestamp>> {
        let state = self.state();
        Ok(state.lanes.get(&lane).and_then(|lane| lane.waiting().map(|(until, _)| until).min()))
    }

    async fn search(&self, search: &Search) -> Result<Vec<Decision>> {
        let state = self.state();
        let mut found: Vec<_> = state.decisions().filter(|decision| search.matches(decision)).collect();
        found.sort_by_key(|decision| std::cmp::Reverse(decision.decided));
        found.truncate(MOST_FOUND);
        Ok(found.into_iter().cloned().collect())
    }

    async fn links_of(&self, record: RecordId) -> Result<Vec<Link>> {
        let state = self.state();
        let all = state.lanes.values().flat_map(|lane| lane.links.values());
        let mut links: Vec<_> = all.filter(|link| link.record == record).cloned().collect();
        links.sort_by_key(|link| link.at);
        Ok(links)
    }

    async fn tally(&self, lane: Option<LaneId>) -> Result<Tally> {
        let state = self.state();
        let counted = state.decisions().filter(|decision| lane.is_none_or(|lane| decision.lane == lane));
        let mut tally = Tally::new();
        for decision in counted {
            *tally.entry(decision.outcome.name().to_owned()).or_default() += 1;
        }
        Ok(tally)
    }

    async fn fact(&self, key: &str) -> Result<Option<String>> {
        Ok(self.state().facts.get(key).cloned())
    }

    async fn put_fact(&self, key: &str, value: Option<&str>) -> Result<()> {
        let mut state = self.state();
        match value {
            Some(value) => state.facts.insert(key.to_owned(), value.to_owned()),
            None => state.facts.remove(key),
        };
        Ok(())
    }

    async fn subscriptions(&self) -> Result<Vec<Subscription>> {
        Ok(self.state().subscriptions.values().cloned().collect())
    }

    async fn subscription(&self, id: &str) -> Result<Option<Subscription>> {
        Ok(self.state().subscriptions.values().find(|subscription| subscription.id == id).cloned())
    }

    async fn put_subscription(&self, subscription: &Subscription) -> Result<()> {
        let mut state = self.state();
        state.subscriptions.retain(|_, other| other.id != subscription.id);
        state.subscriptions.insert(subscription.lane, subscription.clone());
        Ok(())
    }

    async fn remove_subscription(&self, id: &str) -> Result<()> {
        self.state().subscriptions.retain(|_, subscription| subscription.id != id);
        Ok(())
    }
}

// The whole state would fill pages.
impl fmt::Debug for MemoryStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("MemoryStore").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{
        samples::{at, lane},
        suite,
    };

    suite!(async { (MemoryStore::default(), ()) });

    #[tokio::test]
    async fn a_clone_is_another_handle_to_the_same_state() {
        let store = MemoryStore::default();
        let epoch = store.begin_run(lane(1), at(0)).await.unwrap();
        let after_the_crash = store.clone();
        drop(store);
        assert!(after_the_crash.begin_run(lane(1), at(1)).await.unwrap() > epoch);
    }
}
