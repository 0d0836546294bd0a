//! The rules of `queueitem` (dynamics.md 4.4).

use crate::{
    cell::Cell,
    fault::{Fault, Outcome},
    odata::write::Changes,
    schema::Table,
    state::State,
};

pub(super) fn before_create(state: &State, table: &'static Table, changes: &mut Changes) -> Outcome<()> {
    let Some(Cell::Lookup(queue)) = changes.get("queueid").cloned() else {
        return Err(Fault::bad(0x8004_0528, "The queue is missing in the request."));
    };
    let Some(Cell::Lookup(object)) = changes.get("objectid").cloned() else {
        return Err(Fault::bad(0x8004_0529, "The item is missing in the request."));
    };
    let there = state
        .store
        .find_rows(table, "objectid", &Cell::Id(object.id))
        .any(|(_, item)| item.lookup("queueid").is_some_and(|known| known == queue));
    if there {
        return Err(Fault::bad(0x8004_0523, "This item is already in the queue."));
    }
    let activity = state.store.get(object.table, object.id);
    let subject = activity.map(|row| row.text("subject").to_owned()).unwrap_or_default();
    changes.set(table, "title", Cell::text(subject));
    changes.set(table, "objecttypecode", Cell::Integer(i64::from(object.table.code)));
    changes.set(table, "enteredon", Cell::time(state.now()));
    Ok(())
}
