//! One mailbox: its folders, its messages and everything that ever changed in it.
//!
//! Every change takes the next number of the mailbox's sequence. The sequence is what delta queries
//! read, what change keys show, and what [`crate::CensusEntry::sequence`] reports.

pub(crate) mod cursor;
pub(crate) mod folder;
mod folders;
pub(crate) mod ids;
pub(crate) mod message;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

pub(crate) use self::folders::FolderError;
use self::{
    cursor::CursorCache,
    folder::{DELETED_ITEMS, FIRST_OWN, OwnFolder, RECOVERABLE_ITEMS},
    ids::{FolderNumber, IdCodec, ItemId, ItemNumber, StayNumber},
    message::{Message, NewMessage},
};

/// A message left a folder: moved elsewhere or gone for good.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Departure {
    pub(crate) item: ItemNumber,
    pub(crate) stay: StayNumber,
    pub(crate) folder: FolderNumber,
    pub(crate) arrived: u64,
}

/// What happened to a message, as change notifications tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChangeKind {
    Created,
    Updated,
    Moved { from: FolderNumber, old_stay: StayNumber },
    Deleted,
}

/// One change that subscribers have not been told about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Change {
    pub(crate) kind: ChangeKind,
    pub(crate) item: ItemNumber,
    pub(crate) stay: StayNumber,
    pub(crate) folder: FolderNumber,
    pub(crate) sequence: u64,
    /// Became read or unread, for subscriptions that filter on `isRead`.
    pub(crate) read_changed: Option<bool>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    total: usize,
    unread: usize,
}

/// A mailbox. Empty ones hold no allocation.
#[derive(Debug)]
pub(crate) struct Mailbox {
    pub(crate) codec: IdCodec,
    pub(crate) cursors: CursorCache,
    messages: BTreeMap<ItemNumber, Message>,
    stays: BTreeMap<StayNumber, ItemNumber>,
    latest: BTreeMap<u64, ItemNumber>,
    departures: BTreeMap<u64, Departure>,
    own_folders: BTreeMap<FolderNumber, OwnFolder>,
    gone_folders: BTreeMap<u64, FolderNumber>,
    counts: BTreeMap<FolderNumber, Counts>,
    sequence: u64,
    next_item: u64,
    next_stay: u64,
    next_folder: u32,
    unpublished: Vec<Change>,
    lag: SignedDuration,
    recent: VecDeque<(Timestamp, u64)>,
    visible: u64,
}

impl Mailbox {
    /// An empty mailbox whose changes become visible to delta queries after `lag`.
    pub(crate) fn new(user: Uuid, lag: SignedDuration, cursor_limit: usize) -> Self {
        Self {
            codec: IdCodec::new(user),
            cursors: CursorCache::new(cursor_limit),
            messages: BTreeMap::new(),
            stays: BTreeMap::new(),
            latest: BTreeMap::new(),
            departures: BTreeMap::new(),
            own_folders: BTreeMap::new(),
            gone_folders: BTreeMap::new(),
            counts: BTreeMap::new(),
            sequence: 0,
            next_item: 0,
            next_stay: 0,
            next_folder: FIRST_OWN,
            unpublished: Vec::new(),
            lag,
            recent: VecDeque::new(),
            visible: 0,
        }
    }

    pub(crate) fn messages(&self) -> impl DoubleEndedIterator<Item = &Message> {
        self.messages.values()
    }

    pub(crate) fn message(&self, item: ItemNumber) -> Option<&Message> {
        self.messages.get(&item)
    }

    /// The message that an id of either form names.
    pub(crate) fn find(&self, id: &str) -> Option<&Message> {
        let item = match self.codec.parse_item(id)? {
            ItemId::Immutable(item) => item,
            ItemId::Default(stay) => *self.stays.get(&stay)?,
        };
        self.messages.get(&item)
    }

    /// A number for an item that is not in a folder yet.
    pub(crate) fn reserve(&mut self) -> ItemNumber {
        self.next_item += 1;
        ItemNumber(self.next_item)
    }

    pub(crate) fn insert(&mut self, new: NewMessage, now: Timestamp) -> ItemNumber {
        let item = self.reserve();
        self.insert_as(item, new, now);
        item
    }

    /// Puts a message into a folder under a number that it had before: a sent draft keeps its
    /// immutable id (graph.md 3.4).
    pub(crate) fn insert_as(&mut self, item: ItemNumber, new: NewMessage, now: Timestamp) {
        let sequence = self.advance(now);
        let stay = self.new_stay(item);
        self.latest.insert(sequence, item);
        self.count(new.folder, !new.is_read, true);
        let message = Message {
            item,
            stay,
            folder: new.folder,
            arrived: sequence,
            sequence,
            created: now,
            modified: now,
            received: new.received,
            is_read: new.is_read,
            is_draft: new.is_draft,
            is_focused: true,
            categories: Vec::new(),
            flag: message::Flag::default(),
            properties: BTreeMap::new(),
            content: new.content,
        };
        self.publish(ChangeKind::Created, &message, None);
        self.messages.insert(item, message);
    }

    /// Changes a message in place. Returns false when there is none.
    pub(crate) fn update(
        &mut self,
        item: ItemNumber,
        now: Timestamp,
        change: impl FnOnce(&mut Message),
    ) -> bool {
        let Some(mut message) = self.messages.remove(&item) else { return false };
        let was_read = message.is_read;
        self.latest.remove(&message.sequence);
        change(&mut message);
        message.sequence = self.advance(now);
        message.modified = now;
        self.latest.insert(message.sequence, item);
        if was_read != message.is_read {
            self.count(message.folder, !was_read, false);
            self.count(message.folder, !message.is_read, true);
        }
        let read_changed = (was_read != message.is_read).then_some(message.is_read);
        self.publish(ChangeKind::Updated, &message, read_changed);
        self.messages.insert(item, message);
        true
    }

    /// Moves a message: its default id changes. Returns false when there is none.
    pub(crate) fn relocate(&mut self, item: ItemNumber, folder: FolderNumber, now: Timestamp) -> bool {
        let Some(mut message) = self.messages.remove(&item) else { return false };
        self.leave(&message, now);
        let kind = ChangeKind::Moved { from: message.folder, old_stay: message.stay };
        message.sequence = self.advance(now);
        message.arrived = message.sequence;
        message.stay = self.new_stay(item);
        message.folder = folder;
        message.modified = now;
        self.latest.insert(message.sequence, item);
        self.count(folder, !message.is_read, true);
        self.publish(kind, &message, None);
        self.messages.insert(item, message);
        true
    }

    /// Deletes as a user does: to Deleted Items, and from there to the recoverable items.
    pub(crate) fn soft_delete(&mut self, item: ItemNumber, now: Timestamp) -> bool {
        let Some(message) = self.messages.get(&item) else { return false };
        match message.folder {
            DELETED_ITEMS => self.relocate(item, RECOVERABLE_ITEMS, now),
            RECOVERABLE_ITEMS => self.remove(item, now).is_some(),
            _ => self.relocate(item, DELETED_ITEMS, now),
        }
    }

    /// Removes for good.
    pub(crate) fn remove(&mut self, item: ItemNumber, now: Timestamp) -> Option<Message> {
        let mut message = self.messages.remove(&item)?;
        self.leave(&message, now);
        message.sequence = self.sequence;
        self.publish(ChangeKind::Deleted, &message, None);
        Some(message)
    }

    /// The changes that nobody was told about so far. What was made and changed by one operation was
    /// made.
    pub(crate) fn take_unpublished(&mut self) -> Vec<Change> {
        let mut changes = std::mem::take(&mut self.unpublished);
        let mut made = Vec::new();
        changes.retain(|change| {
            let repeats = change.kind == ChangeKind::Updated && made.contains(&change.item);
            if change.kind == ChangeKind::Created {
                made.push(change.item);
            }
            !repeats
        });
        changes
    }

    /// The latest change that delta queries may see at `now`.
    pub(crate) fn horizon(&mut self, now: Timestamp) -> u64 {
        if self.lag.is_zero() {
            return self.sequence;
        }
        while let Some((at, sequence)) = self.recent.front().copied() {
            if at.duration_until(now) < self.lag {
                break;
            }
            self.visible = sequence;
            self.recent.pop_front();
        }
        self.visible
    }

    /// The messages whose latest change lies after `base` and not after `end`, oldest change first.
    pub(crate) fn changed_between(&self, base: u64, end: u64) -> impl Iterator<Item = &Message> {
        self.latest
            .range(base + 1..=end.max(base + 1))
            .filter_map(move |(sequence, item)| (*sequence <= end).then(|| self.messages.get(item)).flatten())
    }

    /// The departures after `base` and not after `end`.
    pub(crate) fn departed_between(&self, base: u64, end: u64) -> impl Iterator<Item = &Departure> {
        self.departures
            .range(base + 1..=end.max(base + 1))
            .filter_map(move |(sequence, departure)| (*sequence <= end).then_some(departure))
    }

    fn leave(&mut self, message: &Message, now: Timestamp) {
        let sequence = self.advance(now);
        self.latest.remove(&message.sequence);
        self.stays.remove(&message.stay);
        self.count(message.folder, !message.is_read, false);
        self.departures.insert(
            sequence,
            Departure {
                item: message.item,
                stay: message.stay,
                folder: message.folder,
                arrived: message.arrived,
            },
        );
    }

    fn publish(&mut self, kind: ChangeKind, message: &Message, read_changed: Option<bool>) {
        self.unpublished.push(Change {
            kind,
            item: message.item,
            stay: message.stay,
            folder: message.folder,
            sequence: message.sequence,
            read_changed,
        });
    }

    fn new_stay(&mut self, item: ItemNumber) -> StayNumber {
        self.next_stay += 1;
        let stay = StayNumber(self.next_stay);
        self.stays.insert(stay, item);
        stay
    }

    fn advance(&mut self, now: Timestamp) -> u64 {
        self.sequence += 1;
        if !self.lag.is_zero() {
            self.recent.push_back((now, self.sequence));
        }
        self.sequence
    }

    fn count(&mut self, folder: FolderNumber, unread: bool, arrives: bool) {
        let counts = self.counts.entry(folder).or_default();
        if arrives {
            counts.total += 1;
            counts.unread += usize::from(unread);
        } else {
            counts.total = counts.total.saturating_sub(1);
            counts.unread = counts.unread.saturating_sub(usize::from(unread));
        }
    }
}

/// Lets a shared content be changed in one mailbox only.
pub(crate) fn edit(message: &mut Message) -> &mut message::Content {
    let content = Arc::make_mut(&mut message.content);
    content.mime = None;
    content
}

#[cfg(test)]
mod tests;
