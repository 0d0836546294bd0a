//! The rules of `activitymimeattachment` (dynamics.md 4.8).

use uuid::Uuid;

use crate::{
    cell::Cell,
    email::attachments,
    fault::{Fault, INVALID_ARGUMENT, Outcome},
    odata::write::Changes,
    rows::Row,
    schema::{self, Table},
    state::State,
};

pub(super) fn before_create(state: &State, table: &'static Table, changes: &mut Changes) -> Outcome<()> {
    let Some(Cell::Lookup(parent)) = changes.get("objectid").cloned() else {
        return Err(Fault::bad(INVALID_ARGUMENT, "The required field 'objectid' is missing."));
    };
    let email = state.store.get(parent.table, parent.id).ok_or_else(|| Fault::no_row("email", parent.id))?;
    if !state.options.attachments_on_closed {
        super::activity::refuse_closed(email)?;
    }
    let name = match changes.get("filename") {
        Some(Cell::Text(name)) => name.to_string(),
        _ => return Err(Fault::bad(0x8004_4a08, "The attachment has an invalid file name.")),
    };
    let organization = state.organization();
    if attachments::is_blocked(&organization, &name) {
        return Err(Fault::bad(
            0x8004_3e09,
            format!("The attachment '{name}' is blocked: its type is not allowed."),
        ));
    }
    let bytes = match changes.get("body") {
        Some(Cell::File(bytes)) => bytes.len(),
        _ => 0,
    };
    if attachments::is_too_large(&organization, bytes) {
        return Err(Fault::bad(0x8004_4a02, "Attachment file size is too big."));
    }
    changes.set(table, "filesize", Cell::Integer(i64::try_from(bytes).unwrap_or(i64::MAX)));
    changes.set(table, "activitysubject", Cell::text(email.text("subject")));
    if !changes.mentions("objecttypecode") {
        changes.set(table, "objecttypecode", Cell::text(parent.table.name));
    }
    if !changes.mentions("attachmentnumber") {
        let number = state.store.find_rows(table, "objectid", &Cell::Id(parent.id)).count() + 1;
        changes.set(table, "attachmentnumber", Cell::Integer(i64::try_from(number).unwrap_or(i64::MAX)));
    }
    Ok(())
}

/// Keeps `attachmentcount` of the parent true.
pub(super) fn recount(state: &mut State, table: &'static Table, id: Uuid) {
    if let Some(row) = state.store.get(table, id).cloned() {
        recount_parent(state, &row);
    }
}

/// As [`recount`], for an attachment that is gone already.
pub(super) fn recount_parent(state: &mut State, attachment: &Row) {
    let (Some(table), Some(parent)) =
        (schema::table("activitymimeattachment"), attachment.lookup("objectid"))
    else {
        return;
    };
    let count = state.store.find_rows(table, "objectid", &Cell::Id(parent.id)).count();
    if let Some(email) = state.store.get(parent.table, parent.id) {
        let mut email = (**email).clone();
        email.set("attachmentcount", Cell::Integer(i64::try_from(count).unwrap_or(i64::MAX)));
        state.store.put(parent.table, parent.id, email);
    }
}
