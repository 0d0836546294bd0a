//! What the asynchronous service of the server needs to know and to write, which happens outside this crate: the
//! servers and Exchange are not here.

use jiff::Timestamp;
use serde_json::{Map, Value as Json};
use uuid::Uuid;

use crate::{organization::Organization, rows::Row, schema, schema::Table};

impl Organization {
    /// Whether the server processes email itself, and no router does (`emailconnectionchannel`).
    pub fn processes_email_itself(&self) -> bool {
        self.lock().organization().integer("emailconnectionchannel") == Some(0)
    }

    /// The mailboxes whose test was asked for (`testemailconfigurationscheduled`), and when.
    pub fn tests_asked_for(&self) -> Vec<(Uuid, Timestamp)> {
        let state = self.lock();
        let Some(mailboxes) = schema::table("mailbox") else { return Vec::new() };
        let wanted = |id: &Uuid| {
            let row = state.store.get(mailboxes, *id);
            row.and_then(|row| row.boolean("testemailconfigurationscheduled")) == Some(true)
        };
        state.tests.iter().filter(|(id, _)| wanted(id)).map(|(id, asked)| (*id, *asked)).collect()
    }

    /// A row with all its columns that are not null, as the Web API names them; `None` where there is none.
    pub fn row(&self, table: &str, id: Uuid) -> Option<Map<String, Json>> {
        let table = schema::table(table)?;
        let state = self.lock();
        state.store.get(table, id).map(|row| shown(table, row))
    }

    /// All rows of a table, as [`Organization::row`] shows them.
    pub fn rows(&self, table: &str) -> Vec<(Uuid, Map<String, Json>)> {
        let Some(table) = schema::table(table) else { return Vec::new() };
        let state = self.lock();
        state.store.rows(table).map(|(id, row)| (id, shown(table, row))).collect()
    }
}

fn shown(table: &'static Table, row: &Row) -> Map<String, Json> {
    table
        .readable()
        .filter_map(|attribute| Some((attribute.property_name(), row.get(attribute.name)?.json())))
        .collect()
}
