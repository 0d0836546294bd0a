//! Reads delta pages and sorts their entries: new, known, gone, unreadable (server-side-sync.md 2.2,
//! graph.md 3.3).

use std::collections::BTreeMap;

use hybridge_core::{
    candidate::NotACandidate,
    decision::{Decision, Outcome},
    ids::ItemId,
    message::MessageHeader,
    trouble::{Class, Trouble},
};
use hybridge_graph::{Entry, Place, Round, UserRef};
use hybridge_store::{Cursor, Position};

use super::{
    Incoming,
    candidate::{Candidate, unjudged},
};
use crate::error::LaneError;

/// Graph ends a filtered round after this many messages.
const FILTERED_CAP: u64 = 5_000;
const SMALLEST_PAGE: u32 = 1;

impl Incoming<'_> {
    /// Reads and works off the next page; whether there is another one now.
    pub(super) async fn read_page(&mut self, user: &UserRef) -> Result<bool, LaneError> {
        let cursor = self.cursor().await?;
        let round = match self.fetch(user, &cursor).await {
            Ok(round) => round,
            Err(error) => {
                let trouble = hybridge_graph::trouble(&error);
                if trouble.class == Class::CursorLost && cursor.position != Position::Start {
                    tracing::info!(lane = %self.lane, "the cursor is lost: the Inbox is read again and compared");
                    self.set_cursor(Cursor { listed: 0, position: Position::Start, ..cursor });
                    self.commit().await?;
                    return Ok(true);
                }
                if trouble.class == Class::Transient && self.page_size > SMALLEST_PAGE {
                    // Over-large pages time out (graph.md 7.3); a smaller one may pass.
                    self.page_size = (self.page_size / 4).max(SMALLEST_PAGE);
                    return Ok(true);
                }
                return Err(LaneError::Trouble(trouble));
            }
        };
        let listed = cursor.listed + u64::try_from(round.entries.len()).unwrap_or(u64::MAX);
        let candidates = self.sort(user, round.entries).await?;
        self.promote(user, candidates).await?;
        let (next, more) = after(&cursor, listed, round.place);
        self.pending.caught_up = matches!(next.position, Position::Settled(_));
        self.set_cursor(next);
        self.commit().await?;
        Ok(more)
    }

    /// The stored cursor, or a new one; a new one also when mail older than what was asked for is wanted
    /// now.
    async fn cursor(&self) -> Result<Cursor, LaneError> {
        let floor = self.mailbox.floor;
        let fresh = Cursor { floor, filtered: floor.is_some(), listed: 0, position: Position::Start };
        let Some(stored) = self.engine.store.cursor(self.lane).await? else { return Ok(fresh) };
        let reaches_further_back = match (floor, stored.floor) {
            (None, Some(_)) => true,
            (Some(wanted), Some(asked)) => wanted < asked,
            (_, None) => false,
        };
        // A later date is kept too: going back from it later has to be noticed.
        Ok(if reaches_further_back { fresh } else { Cursor { floor, ..stored } })
    }

    async fn fetch(&self, user: &UserRef, cursor: &Cursor) -> hybridge_graph::Result<Round> {
        let graph = &self.engine.graph;
        match &cursor.position {
            Position::Start => {
                let floor = cursor.floor.filter(|_| cursor.filtered);
                graph.delta_begin(user, "inbox", floor, self.page_size).await
            }
            Position::Listing(link) | Position::Following(link) | Position::Settled(link) => {
                graph.delta_follow(user, link, self.page_size).await
            }
        }
    }

    /// Sorts entries: the result is what has to be put before the organization.
    async fn sort(&mut self, user: &UserRef, entries: Vec<Entry>) -> Result<Vec<Candidate>, LaneError> {
        let entries = last_of_each(entries);
        let ids: Vec<ItemId> = entries.iter().filter_map(|entry| id_of(entry).cloned()).collect();
        let mut known: BTreeMap<ItemId, Decision> = self
            .engine
            .store
            .decisions(self.lane, &ids)
            .await?
            .into_iter()
            .map(|decision| (decision.item.clone(), decision))
            .collect();
        let mut candidates = Vec::new();
        let mut vanished = Vec::new();
        for entry in entries {
            match entry {
                Entry::Message(header) => {
                    let before = known.remove(&header.id);
                    candidates.extend(self.arrived(*header, before));
                }
                Entry::Removed(id) => match known.remove(&id) {
                    Some(decision) => self.left(decision),
                    None => vanished.push(id),
                },
                Entry::Unreadable { id, detail } => {
                    let before = id.as_ref().and_then(|id| known.remove(id));
                    self.unreadable(id, before, &detail);
                }
            }
        }
        candidates.extend(self.still_there(user, &vanished).await?);
        Ok(candidates)
    }

    /// A message is in the Inbox: is it to be judged?
    fn arrived(&mut self, header: MessageHeader, before: Option<Decision>) -> Option<Candidate> {
        let now = self.now();
        if let Some(mut decision) = before {
            let returned = !decision.in_inbox;
            if self.is_new_enough_now(&decision, &header) {
                decision.in_inbox = true;
                decision.note(
                    now,
                    "The date from which mail is processed is earlier now, so it is looked at again.",
                );
                return Some(Candidate::new(header, Some(decision), self.lane, self.engine.tenant, now));
            }
            if !returned || !decision.outcome.reconsidered_on_return() {
                // A changed flag or category, a replay, or the return of what is a record already.
                if returned {
                    decision.in_inbox = true;
                    self.pending.decisions.push(decision);
                }
                return None;
            }
            decision.in_inbox = true;
            decision.attempts = 0;
            decision.note(now, "It was moved back into the Inbox, so it is looked at again.");
            return Some(Candidate::new(header, Some(decision), self.lane, self.engine.tenant, now));
        }
        Some(Candidate::new(header, None, self.lane, self.engine.tenant, now))
    }

    /// Whether a message was too old and is not any more, because the date was moved.
    fn is_new_enough_now(&self, decision: &Decision, header: &MessageHeader) -> bool {
        matches!(decision.outcome, Outcome::Skipped { reason: NotACandidate::TooOld })
            && self.mailbox.floor.is_none_or(|floor| header.received >= floor)
    }

    /// A message that was decided about has left the Inbox: the record stays (server-side-sync.md 2.10).
    fn left(&mut self, mut decision: Decision) {
        if decision.in_inbox {
            decision.in_inbox = false;
            self.pending.decisions.push(decision);
        }
    }

    /// Entries that are reported as removed but were never seen: a message that was moved out and back
    /// between two rounds is reported so, although it is there (graph.md 3.3). Each is looked up.
    async fn still_there(&mut self, user: &UserRef, ids: &[ItemId]) -> Result<Vec<Candidate>, LaneError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let graph = &self.engine.graph;
        let inbox = graph.folder(user, "inbox").await.map_err(|error| LaneError::graph(&error))?.id;
        let headers = graph.headers(user, ids).await.map_err(|error| LaneError::graph(&error))?;
        let mut candidates = Vec::new();
        for (id, header) in ids.iter().zip(headers) {
            match header {
                Ok(header) if header.folder == inbox => candidates.extend(self.arrived(header, None)),
                Ok(_) => {}
                Err(error) => {
                    let trouble = hybridge_graph::trouble(&error);
                    if trouble.class != Class::Gone {
                        let decision = unjudged(id.clone(), self.lane, self.now());
                        self.set_aside(decision, trouble);
                    }
                }
            }
        }
        Ok(candidates)
    }

    /// An entry that can't be read is set aside; its page goes on (promise 6).
    fn unreadable(&mut self, id: Option<ItemId>, before: Option<Decision>, detail: &str) {
        if before.as_ref().is_some_and(|before| before.outcome.record().is_some()) {
            // It is a record already; what changed since does not matter.
            return;
        }
        let item = id.unwrap_or_else(|| ItemId(format!("unreadable: {detail}")));
        let decision = before.unwrap_or_else(|| unjudged(item, self.lane, self.now()));
        let trouble = Trouble::new(
            Class::Protocol,
            format!("Exchange's description of the message can't be read: {detail}"),
            "Open the message in Outlook; if it is damaged there too, delete it or forward it as an attachment. Otherwise keep \
             this line for a support case.",
        );
        self.set_aside(decision, trouble);
    }
}

/// The cursor after a page, and whether there is another page now.
fn after(cursor: &Cursor, listed: u64, place: Place) -> (Cursor, bool) {
    let listing = matches!(cursor.position, Position::Start | Position::Listing(_));
    match place {
        Place::More(link) if listing => {
            (Cursor { listed, position: Position::Listing(link), ..cursor.clone() }, true)
        }
        Place::More(link) => (Cursor { position: Position::Following(link), ..cursor.clone() }, true),
        // The service stopped at its cap, so there may be more: everything is listed without the filter.
        Place::Over(_) if listing && cursor.filtered && listed >= FILTERED_CAP => {
            (Cursor { filtered: false, listed: 0, position: Position::Start, ..cursor.clone() }, true)
        }
        Place::Over(link) => (Cursor { position: Position::Settled(link), ..cursor.clone() }, false),
    }
}

fn id_of(entry: &Entry) -> Option<&ItemId> {
    match entry {
        Entry::Message(header) => Some(&header.id),
        Entry::Removed(id) => Some(id),
        Entry::Unreadable { id, .. } => id.as_ref(),
    }
}

/// Of several entries about one item the last one counts (graph.md 3.3).
fn last_of_each(entries: Vec<Entry>) -> Vec<Entry> {
    let mut last: BTreeMap<ItemId, usize> = BTreeMap::new();
    for (index, entry) in entries.iter().enumerate() {
        if let Some(id) = id_of(entry) {
            last.insert(id.clone(), index);
        }
    }
    entries
        .into_iter()
        .enumerate()
        .filter(|(index, entry)| id_of(entry).is_none_or(|id| last.get(id) == Some(index)))
        .map(|(_, entry)| entry)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hybridge_core::ids::DeltaLink;

    fn cursor(filtered: bool, position: Position) -> Cursor {
        Cursor { floor: None, filtered, listed: 0, position }
    }

    fn link(text: &str) -> DeltaLink {
        DeltaLink(text.into())
    }

    #[test]
    fn a_filtered_listing_that_hits_the_cap_is_done_again_without_the_filter() {
        let (next, more) = after(&cursor(true, Position::Listing(link("n"))), 5_000, Place::Over(link("d")));
        assert_eq!((next.filtered, next.listed, next.position, more), (false, 0, Position::Start, true));
        let (next, more) = after(&cursor(true, Position::Listing(link("n"))), 4_999, Place::Over(link("d")));
        assert_eq!((next.position, more), (Position::Settled(link("d")), false));
        let (next, _) = after(&cursor(false, Position::Start), 80_000, Place::Over(link("d")));
        assert_eq!(next.position, Position::Settled(link("d")));
    }

    #[test]
    fn changes_are_followed_to_the_end_of_their_round() {
        let (next, more) = after(&cursor(false, Position::Settled(link("d"))), 1, Place::More(link("n")));
        assert_eq!((next.position, more), (Position::Following(link("n")), true));
    }

    #[test]
    fn ids_that_differ_in_case_are_two_items_and_the_last_entry_of_each_counts() {
        let removed = |id: &str| Entry::Removed(ItemId(id.into()));
        let unreadable = |id: &str| Entry::Unreadable { id: Some(ItemId(id.into())), detail: "x".into() };
        let kept = last_of_each(vec![unreadable("AAk"), removed("AAK"), removed("AAk")]);
        assert_eq!(kept, [removed("AAK"), removed("AAk")]);
    }
}
