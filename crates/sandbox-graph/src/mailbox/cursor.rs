//! The sync states behind delta tokens.
//!
//! Exchange keeps a bounded number of them for each mailbox and forgets the oldest (graph.md 3.3):
//! a token is only the name of a state, so a forgotten one cannot be used any more.

use std::{collections::BTreeMap, sync::Arc};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use uuid::Uuid;

use super::ids::{FolderNumber, ItemNumber, StayNumber};
use crate::web::view::View;

/// What a delta query tracks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tracked {
    Messages(FolderNumber),
    Folders,
}

/// The options that the first call of a delta query gave: they hold for all later ones.
#[derive(Debug, Clone)]
pub(crate) struct DeltaQuery {
    pub(crate) tracked: Tracked,
    pub(crate) view: View,
    pub(crate) received_from: Option<ReceivedFrom>,
    pub(crate) change_types: ChangeTypes,
    /// `$top`.
    pub(crate) page_size: Option<usize>,
}

/// `$filter=receivedDateTime ge|gt …`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReceivedFrom {
    pub(crate) instant: Timestamp,
    pub(crate) inclusive: bool,
}

impl ReceivedFrom {
    pub(crate) fn admits(self, received: Timestamp) -> bool {
        if self.inclusive { received >= self.instant } else { received > self.instant }
    }
}

/// Which changes the rounds after the first report (`changeType`).
#[derive(Debug, Clone, Copy)]
pub(crate) struct ChangeTypes {
    pub(crate) created: bool,
    pub(crate) updated: bool,
    pub(crate) deleted: bool,
}

/// One line of a round that is yet to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entry {
    Message(ItemNumber),
    MessageRemoved(ItemNumber, StayNumber),
    Folder(FolderNumber),
    FolderRemoved(FolderNumber),
}

/// One round of a delta query.
#[derive(Debug, Clone)]
pub(crate) struct Cursor {
    pub(crate) query: Arc<DeltaQuery>,
    /// The changes up to here were told in earlier rounds.
    pub(crate) base: u64,
    /// The changes up to here are told when the round has ended.
    pub(crate) end: u64,
    pub(crate) entries: Arc<[Entry]>,
    used: u64,
}

impl Cursor {
    pub(crate) fn new(query: Arc<DeltaQuery>, base: u64, end: u64, entries: Vec<Entry>) -> Self {
        Self { query, base, end, entries: entries.into(), used: 0 }
    }
}

/// The sync states of one mailbox.
#[derive(Debug)]
pub(crate) struct CursorCache {
    cursors: BTreeMap<u64, Cursor>,
    limit: usize,
    next: u64,
    uses: u64,
}

impl CursorCache {
    pub(crate) fn new(limit: usize) -> Self {
        Self { cursors: BTreeMap::new(), limit, next: 0, uses: 0 }
    }

    /// Keeps a state, at the cost of the one that was not used for longest.
    pub(crate) fn keep(&mut self, mut cursor: Cursor) -> u64 {
        self.next += 1;
        self.uses += 1;
        cursor.used = self.uses;
        self.cursors.insert(self.next, cursor);
        if self.cursors.len() > self.limit {
            let oldest = self.cursors.iter().min_by_key(|(_, cursor)| cursor.used).map(|(number, _)| *number);
            oldest.and_then(|number| self.cursors.remove(&number));
        }
        self.next
    }

    /// The state with that number, counted as used now.
    pub(crate) fn recall(&mut self, number: u64) -> Option<Cursor> {
        self.uses += 1;
        let cursor = self.cursors.get_mut(&number)?;
        cursor.used = self.uses;
        Some(cursor.clone())
    }

    /// Like [`Self::recall`], without counting as use.
    pub(crate) fn look(&self, number: u64) -> Option<&Cursor> {
        self.cursors.get(&number)
    }

    pub(crate) fn forget_all(&mut self) {
        self.cursors.clear();
    }
}

/// What a `$skiptoken` or `$deltatoken` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DeltaToken {
    pub(crate) mailbox: Uuid,
    pub(crate) cursor: u64,
    /// Where the next page begins; `None` when the round has ended.
    pub(crate) offset: Option<u32>,
}

impl DeltaToken {
    pub(crate) fn write(self) -> String {
        let mut bytes = Vec::with_capacity(29);
        bytes.push(u8::from(self.offset.is_some()) + 1);
        bytes.extend_from_slice(self.mailbox.as_bytes());
        bytes.extend_from_slice(&self.cursor.to_be_bytes());
        bytes.extend_from_slice(&self.offset.unwrap_or(0).to_be_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    pub(crate) fn read(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok()?;
        let (kind, rest) = bytes.split_first()?;
        let (mailbox, rest) = rest.split_first_chunk::<16>()?;
        let (cursor, rest) = rest.split_first_chunk::<8>()?;
        let offset = u32::from_be_bytes(rest.try_into().ok()?);
        let offset = match kind {
            1 => None,
            2 => Some(offset),
            _ => return None,
        };
        Some(Self { mailbox: Uuid::from_bytes(*mailbox), cursor: u64::from_be_bytes(*cursor), offset })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_token_reads_back_and_other_text_does_no_harm(
            mailbox: u128,
            cursor: u64,
            offset: Option<u32>,
            other: String,
        ) {
            let token = DeltaToken { mailbox: Uuid::from_u128(mailbox), cursor, offset };
            prop_assert_eq!(DeltaToken::read(&token.write()), Some(token));
            let _ = DeltaToken::read(&other);
        }
    }
}
