//! Columns that the server computes from others: full names.

use crate::{cell::Cell, odata::write::Changes, rows::Row, schema::Table};

pub(super) fn complete(table: &'static Table, changes: &mut Changes, old: Option<&Row>) {
    if table.title != "fullname" || changes.mentions("fullname") {
        return;
    }
    if !["firstname", "lastname"].iter().any(|column| changes.mentions(column)) && old.is_some() {
        return;
    }
    let part = |column: &str| match changes.get(column) {
        Some(Cell::Text(text)) => text.to_string(),
        Some(_) => String::new(),
        None if changes.mentions(column) => String::new(),
        None => old.map(|row| row.text(column).to_owned()).unwrap_or_default(),
    };
    let full = [part("firstname"), part("lastname")].join(" ").trim().to_owned();
    changes.set(table, "fullname", Cell::text(full));
}
