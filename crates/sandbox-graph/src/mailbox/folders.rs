//! The folders of a mailbox.

use jiff::Timestamp;

use super::{
    Mailbox,
    folder::{self, FolderView, OwnFolder, ROOT, WELL_KNOWN},
    ids::FolderNumber,
};

/// Why a folder could not be made, renamed or deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FolderError {
    /// A sibling has that name.
    Exists,
    /// It is one of the folders that every mailbox has.
    Protected,
    /// There is none.
    NotFound,
}

impl Mailbox {
    /// The folder that a well-known name or an id addresses.
    pub(crate) fn find_folder(&self, name_or_id: &str) -> Option<FolderNumber> {
        if let Some(known) = folder::by_name(name_or_id) {
            return Some(known.number);
        }
        let number = self.codec.parse_folder(name_or_id)?;
        self.folder_exists(number).then_some(number)
    }

    pub(crate) fn folder_exists(&self, number: FolderNumber) -> bool {
        folder::well_known(number).is_some() || self.own_folders.contains_key(&number)
    }

    pub(crate) fn folder(&self, number: FolderNumber) -> Option<FolderView> {
        let counts = self.counts.get(&number).copied().unwrap_or_default();
        let (display_name, parent, hidden) = if let Some(known) = folder::well_known(number) {
            (known.display_name.to_owned(), known.parent, known.hidden)
        } else {
            let own = self.own_folders.get(&number)?;
            (own.display_name.clone(), Some(own.parent), own.hidden)
        };
        Some(FolderView {
            number,
            display_name,
            parent,
            hidden,
            child_folders: self.child_folders(number, false).count(),
            total_items: counts.total,
            unread_items: counts.unread,
        })
    }

    /// The folders directly below one, the well-known ones first.
    pub(crate) fn child_folders(
        &self,
        parent: FolderNumber,
        with_hidden: bool,
    ) -> impl Iterator<Item = FolderNumber> {
        let known = WELL_KNOWN
            .iter()
            .filter(move |folder| folder.parent == Some(parent) && (with_hidden || !folder.hidden))
            .map(|folder| folder.number);
        let own = self
            .own_folders
            .iter()
            .filter(move |(_, folder)| folder.parent == parent && (with_hidden || !folder.hidden))
            .map(|(number, _)| *number);
        known.chain(own)
    }

    /// Every visible folder except the root.
    pub(crate) fn all_folders(&self) -> impl Iterator<Item = FolderNumber> {
        let known = WELL_KNOWN.iter().filter(|folder| !folder.hidden && folder.number != ROOT);
        known.map(|folder| folder.number).chain(self.own_folders.keys().copied())
    }

    pub(crate) fn create_folder(
        &mut self,
        parent: FolderNumber,
        display_name: &str,
        hidden: bool,
        now: Timestamp,
    ) -> Result<FolderNumber, FolderError> {
        if !self.folder_exists(parent) {
            return Err(FolderError::NotFound);
        }
        if self.has_child_named(parent, display_name) {
            return Err(FolderError::Exists);
        }
        let number = FolderNumber(self.next_folder);
        self.next_folder += 1;
        let sequence = self.advance(now);
        let own = OwnFolder { display_name: display_name.to_owned(), parent, hidden, sequence };
        self.own_folders.insert(number, own);
        Ok(number)
    }

    pub(crate) fn rename_folder(
        &mut self,
        number: FolderNumber,
        display_name: &str,
        now: Timestamp,
    ) -> Result<(), FolderError> {
        if folder::well_known(number).is_some() {
            return Err(FolderError::Protected);
        }
        let parent = self.own_folders.get(&number).ok_or(FolderError::NotFound)?.parent;
        if self.has_child_named(parent, display_name) {
            return Err(FolderError::Exists);
        }
        self.change_folder(number, now, |own| display_name.clone_into(&mut own.display_name))
    }

    pub(crate) fn move_folder(
        &mut self,
        number: FolderNumber,
        parent: FolderNumber,
        now: Timestamp,
    ) -> Result<(), FolderError> {
        let name = self.own_folders.get(&number).ok_or(FolderError::Protected)?.display_name.clone();
        let mut ancestor = Some(parent);
        while let Some(current) = ancestor {
            if current == number {
                return Err(FolderError::Protected);
            }
            ancestor = self.own_folders.get(&current).map(|own| own.parent);
        }
        if self.has_child_named(parent, &name) {
            return Err(FolderError::Exists);
        }
        self.change_folder(number, now, |own| own.parent = parent)
    }

    /// Removes a folder, what lies below it and all messages in it.
    pub(crate) fn delete_folder(&mut self, number: FolderNumber, now: Timestamp) -> Result<(), FolderError> {
        if folder::well_known(number).is_some() {
            return Err(FolderError::Protected);
        }
        self.own_folders.remove(&number).ok_or(FolderError::NotFound)?;
        let sequence = self.advance(now);
        self.gone_folders.insert(sequence, number);
        let inside: Vec<_> =
            self.messages.values().filter(|message| message.folder == number).map(|m| m.item).collect();
        for item in inside {
            self.remove(item, now);
        }
        let below: Vec<_> = self.child_folders(number, true).collect();
        below.into_iter().try_for_each(|child| self.delete_folder(child, now))
    }

    /// The folders made or changed after `base`, and those removed after it.
    pub(crate) fn folder_changes(&self, base: u64) -> (Vec<FolderNumber>, Vec<FolderNumber>) {
        let changed = self.own_folders.iter().filter(|(_, own)| own.sequence > base);
        let gone = self.gone_folders.range(base + 1..).map(|(_, number)| *number);
        (changed.map(|(number, _)| *number).collect(), gone.collect())
    }

    fn change_folder(
        &mut self,
        number: FolderNumber,
        now: Timestamp,
        change: impl FnOnce(&mut OwnFolder),
    ) -> Result<(), FolderError> {
        let sequence = self.advance(now);
        let own = self.own_folders.get_mut(&number).ok_or(FolderError::NotFound)?;
        change(own);
        own.sequence = sequence;
        Ok(())
    }

    fn has_child_named(&self, parent: FolderNumber, display_name: &str) -> bool {
        self.child_folders(parent, true).any(|child| {
            let name = match folder::well_known(child) {
                Some(known) => Some(known.display_name),
                None => self.own_folders.get(&child).map(|own| own.display_name.as_str()),
            };
            name.is_some_and(|name| name.eq_ignore_ascii_case(display_name))
        })
    }
}
