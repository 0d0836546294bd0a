//! The rows of the organization: one row version counter for all tables, indexes, tombstones for
//! change tracking, and a journal that takes a failed change set back.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jiff::Timestamp;
use uuid::Uuid;

use crate::{
    cell::{Cell, IndexKey, Reference},
    schema::{self, Table},
};

/// A row: its columns that are not null, in the order of their names.
#[derive(Debug, Clone, Default)]
pub(crate) struct Row(Vec<(&'static str, Cell)>);

impl Row {
    pub(crate) fn get(&self, column: &str) -> Option<&Cell> {
        let at = self.0.binary_search_by(|(name, _)| (*name).cmp(column)).ok()?;
        self.0.get(at).map(|(_, cell)| cell)
    }

    pub(crate) fn set(&mut self, column: &'static str, cell: impl Into<Option<Cell>>) {
        let place = self.0.binary_search_by(|(name, _)| (*name).cmp(column));
        match (place, cell.into()) {
            (Ok(at), Some(cell)) => {
                if let Some((_, old)) = self.0.get_mut(at) {
                    *old = cell;
                }
            }
            (Ok(at), None) => drop(self.0.remove(at)),
            (Err(at), Some(cell)) => self.0.insert(at, (column, cell)),
            (Err(_), None) => {}
        }
    }

    pub(crate) fn text(&self, column: &str) -> &str {
        match self.get(column) {
            Some(Cell::Text(text)) => text,
            _ => "",
        }
    }

    pub(crate) fn integer(&self, column: &str) -> Option<i64> {
        match self.get(column) {
            Some(Cell::Integer(number)) => Some(*number),
            _ => None,
        }
    }

    pub(crate) fn boolean(&self, column: &str) -> Option<bool> {
        match self.get(column) {
            Some(Cell::Boolean(value)) => Some(*value),
            _ => None,
        }
    }

    pub(crate) fn time(&self, column: &str) -> Option<Timestamp> {
        match self.get(column) {
            Some(Cell::Time(instant)) => Some(*instant),
            _ => None,
        }
    }

    pub(crate) fn lookup(&self, column: &str) -> Option<Reference> {
        match self.get(column) {
            Some(Cell::Lookup(reference)) => Some(*reference),
            _ => None,
        }
    }

    pub(crate) fn version(&self) -> i64 {
        self.integer("versionnumber").unwrap_or_default()
    }
}

type Rows = BTreeMap<Uuid, Arc<Row>>;
type Index = BTreeMap<IndexKey, BTreeSet<Uuid>>;

/// A row that was deleted, for change tracking.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tombstone {
    pub(crate) id: Uuid,
    pub(crate) version: i64,
}

#[derive(Debug)]
enum Undo {
    Row(&'static Table, Uuid, Option<Arc<Row>>),
    Tombstone(&'static str),
}

/// All rows.
#[derive(Debug, Default)]
pub(crate) struct Store {
    tables: BTreeMap<&'static str, Rows>,
    indexes: BTreeMap<(&'static str, &'static str), Index>,
    tombstones: BTreeMap<&'static str, Vec<Tombstone>>,
    version: i64,
    journal: Option<Vec<Undo>>,
}

impl Store {
    /// The next row version; one counter for the whole organization.
    pub(crate) fn next_version(&mut self) -> i64 {
        self.version += 1;
        self.version
    }

    pub(crate) fn version(&self) -> i64 {
        self.version
    }

    pub(crate) fn get(&self, table: &Table, id: Uuid) -> Option<&Arc<Row>> {
        if table.view_of.is_empty() {
            return self.tables.get(table.name)?.get(&id);
        }
        table.view_of.iter().find_map(|part| self.tables.get(part)?.get(&id))
    }

    /// The table that really holds a row of a table or view.
    pub(crate) fn home(&self, table: &'static Table, id: Uuid) -> Option<&'static Table> {
        if table.view_of.is_empty() {
            return Some(table);
        }
        let part = table
            .view_of
            .iter()
            .find(|part| self.tables.get(**part).is_some_and(|rows| rows.contains_key(&id)))?;
        schema::table(part)
    }

    /// The rows of a table or view, in the order of their keys (within each part of a view).
    pub(crate) fn rows(&self, table: &'static Table) -> impl Iterator<Item = (Uuid, &Arc<Row>)> {
        let own = [table.name];
        let parts: Vec<&'static str> =
            if table.view_of.is_empty() { own.to_vec() } else { table.view_of.to_vec() };
        parts
            .into_iter()
            .filter_map(|part| self.tables.get(part))
            .flat_map(|rows| rows.iter().map(|(id, row)| (*id, row)))
    }

    /// The rows whose indexed column equals a key; `None` when the column has no index.
    pub(crate) fn find(&self, table: &'static Table, column: &str, key: &IndexKey) -> Option<BTreeSet<Uuid>> {
        let attribute = table.attribute(column).filter(|attribute| attribute.indexed)?;
        let index = self.indexes.get(&(table.name, attribute.name));
        Some(index.and_then(|index| index.get(key)).cloned().unwrap_or_default())
    }

    /// The rows of a table found by an indexed column.
    pub(crate) fn find_rows(
        &self,
        table: &'static Table,
        column: &str,
        value: &Cell,
    ) -> impl Iterator<Item = (Uuid, &Arc<Row>)> {
        let ids = value.index_key().and_then(|key| self.find(table, column, &key)).unwrap_or_default();
        ids.into_iter().filter_map(move |id| self.get(table, id).map(|row| (id, row)))
    }

    /// Writes a row and gives it the next version.
    pub(crate) fn put(&mut self, table: &'static Table, id: Uuid, mut row: Row) {
        row.set("versionnumber", Cell::Integer(self.next_version()));
        row.set(table.key, Cell::Id(id));
        self.place(table, id, Some(&Arc::new(row)));
    }

    /// Removes a row, leaving a tombstone.
    pub(crate) fn remove(&mut self, table: &'static Table, id: Uuid) -> bool {
        if self.get(table, id).is_none() {
            return false;
        }
        self.place(table, id, None);
        let version = self.next_version();
        self.tombstones.entry(table.name).or_default().push(Tombstone { id, version });
        if let Some(journal) = &mut self.journal {
            journal.push(Undo::Tombstone(table.name));
        }
        true
    }

    pub(crate) fn tombstones(&self, table: &Table) -> &[Tombstone] {
        self.tombstones.get(table.name).map_or(&[], Vec::as_slice)
    }

    /// Starts to note changes, so that [`Store::roll_back`] can take them back. False when an outer
    /// change is being noted already.
    pub(crate) fn begin(&mut self) -> bool {
        let starts = self.journal.is_none();
        if starts {
            self.journal = Some(Vec::new());
        }
        starts
    }

    /// Keeps what was changed since [`Store::begin`].
    pub(crate) fn commit(&mut self) {
        self.journal = None;
    }

    /// Takes back what was changed since [`Store::begin`]. Row versions are not given out again.
    pub(crate) fn roll_back(&mut self) {
        for undo in self.journal.take().unwrap_or_default().into_iter().rev() {
            match undo {
                Undo::Row(table, id, old) => self.place(table, id, old.as_ref()),
                Undo::Tombstone(table) => drop(self.tombstones.entry(table).or_default().pop()),
            }
        }
    }

    fn place(&mut self, table: &'static Table, id: Uuid, new: Option<&Arc<Row>>) {
        let rows = self.tables.entry(table.name).or_default();
        let old = match new {
            Some(row) => rows.insert(id, Arc::clone(row)),
            None => rows.remove(&id),
        };
        for attribute in table.attributes.iter().filter(|attribute| attribute.indexed) {
            let key = |row: &Arc<Row>| row.get(attribute.name).and_then(Cell::index_key);
            let (before, after) = (old.as_ref().and_then(key), new.and_then(key));
            if before == after {
                continue;
            }
            let index = self.indexes.entry((table.name, attribute.name)).or_default();
            if let Some(ids) = before.as_ref().and_then(|key| index.get_mut(key)) {
                ids.remove(&id);
                if let (true, Some(key)) = (ids.is_empty(), &before) {
                    index.remove(key);
                }
            }
            if let Some(key) = after {
                index.entry(key).or_default().insert(id);
            }
        }
        if let Some(journal) = &mut self.journal {
            journal.push(Undo::Row(table, id, old));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contact() -> &'static Table {
        schema::table("contact").unwrap()
    }

    #[test]
    fn a_roll_back_takes_rows_and_index_entries_back() {
        let mut store = Store::default();
        let (ana, bea) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let with = |address: &str| {
            let mut row = Row::default();
            row.set("emailaddress1", Cell::text(address));
            row
        };
        store.put(contact(), ana, with("ana@example.org"));
        assert!(store.begin());
        store.put(contact(), ana, with("other@example.org"));
        store.put(contact(), bea, with("bea@example.org"));
        store.remove(contact(), ana);
        store.roll_back();

        let found = |address: &str| store.find_rows(contact(), "emailaddress1", &Cell::text(address)).count();
        assert_eq!((found("ANA@example.org"), found("bea@example.org")), (1, 0));
        assert!(store.tombstones(contact()).is_empty());
        assert!(store.next_version() > 3, "versions are never given out twice");
    }

    #[test]
    fn a_null_column_takes_no_place() {
        let mut row = Row::default();
        row.set("b", Cell::Integer(2));
        row.set("a", Cell::Integer(1));
        row.set("b", None);
        assert_eq!((row.integer("a"), row.integer("b"), row.0.len()), (Some(1), None, 1));
    }
}
