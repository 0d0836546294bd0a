//! The rules of emails and tasks: states, closed rows, unique message ids, the poisonous plug-in
//! (dynamics.md 4.7).

use http::StatusCode;
use uuid::Uuid;

use crate::{
    cell::{Cell, Reference},
    email::smart,
    fault::{CLOSED_ACTIVITY, DUPLICATE, Fault, Outcome},
    odata::write::{Changes, Purpose},
    rows::Row,
    schema::{self, Table},
    state::State,
};

/// The state that each status belongs to, the default status of a state first.
const EMAIL_STATES: &[(i64, i64)] = &[(1, 0), (2, 1), (5, 2), (3, 1), (4, 1), (6, 1), (7, 1), (8, 0)];
const TASK_STATES: &[(i64, i64)] = &[(2, 0), (5, 1), (6, 2), (3, 0), (4, 0), (7, 0)];

/// What may be changed on a closed activity.
const OPEN_WHEN_CLOSED: &[&str] = &[
    "regardingobjectid",
    "ownerid",
    "statecode",
    "statuscode",
    "exchangeitemid",
    "exchangeweblink",
    "deliveryattempts",
    "actualend",
    "attachmentopencount",
    "opencount",
    "trackingtoken",
    "baseconversationindexhash",
];

fn states(table: &Table) -> &'static [(i64, i64)] {
    if table.name == "email" { EMAIL_STATES } else { TASK_STATES }
}

pub(super) fn before_create(
    state: &State,
    table: &'static Table,
    changes: &mut Changes,
    purpose: Purpose,
) -> Outcome<()> {
    let status = changes.integer("statuscode").unwrap_or_default();
    if purpose == Purpose::Create {
        if !states(table).contains(&(status, 0)) {
            return Err(Fault::bad(
                0x8004_8408,
                format!("{status} is not a valid status code for state code {}State.Open.", table.name),
            ));
        }
    } else if let Some((_, of_status)) = states(table).iter().find(|(known, _)| *known == status) {
        changes.set(table, "statecode", Cell::Integer(*of_status));
    }
    changes.set(table, "activitytypecode", Cell::text(table.name));
    if table.name != "email" {
        return Ok(());
    }
    for (column, value) in [("directioncode", Cell::Boolean(true)), ("prioritycode", Cell::Integer(1))] {
        if !changes.mentions(column) {
            changes.set(table, column, value);
        }
    }
    for column in ["attachmentcount", "correlationmethod", "notifications"] {
        if !changes.mentions(column) {
            changes.set(table, column, Cell::Integer(0));
        }
    }
    if let (Some(Cell::Text(id)), Some(Cell::Boolean(outgoing))) =
        (changes.get("messageid"), changes.get("directioncode"))
        && email_with_message_id(state, id, *outgoing).is_some()
    {
        return Err(Fault::new(
            StatusCode::PRECONDITION_FAILED,
            DUPLICATE,
            "A record with matching key values already exists.",
        ));
    }
    if purpose == Purpose::Create
        && let Some(Cell::Text(subject)) = changes.get("subject")
    {
        refuse_poisoned(state, subject)?;
    }
    Ok(())
}

/// The email of a direction with a message id; the organization keeps at most one.
pub(super) fn email_with_message_id(state: &State, message_id: &str, outgoing: bool) -> Option<Uuid> {
    if message_id.is_empty() {
        return None;
    }
    let emails = schema::table("email")?;
    state
        .store
        .find_rows(emails, "messageid", &Cell::text(message_id))
        .find(|(_, row)| row.boolean("directioncode").unwrap_or(true) == outgoing)
        .map(|(id, _)| id)
}

/// A synchronous plug-in that aborts the creation of some emails.
pub(crate) fn refuse_poisoned(state: &State, subject: &str) -> Outcome<()> {
    match &state.options.poison {
        Some(poison) if subject.contains(&poison.subject) => Err(Fault::new(
            poison.status,
            0x8004_0265,
            "ISV code aborted the operation.: the plug-in refuses this subject.",
        )),
        _ => Ok(()),
    }
}

/// Files a new email for smart matching, and counts it.
pub(super) fn after_create(state: &mut State, table: &'static Table, id: Uuid) {
    state.emails_created += 1;
    let hash = state
        .store
        .get(table, id)
        .and_then(|row| smart::subject_hash(&state.organization(), row.text("subject")));
    if let Some(row) = state.store.get(table, id) {
        let mut row = (**row).clone();
        row.set("subjecthash", hash.map(Cell::text));
        state.store.put(table, id, row);
    }
}

/// A closed activity takes no ordinary edits.
pub(super) fn refuse_closed(row: &Row) -> Outcome<()> {
    if row.integer("statecode").unwrap_or_default() == 0 {
        return Ok(());
    }
    Err(Fault::bad(
        CLOSED_ACTIVITY,
        "The object cannot be updated because it is read-only. The activity is closed or canceled.",
    ))
}

pub(super) fn before_update(table: &'static Table, old: &Row, changes: &mut Changes) -> Outcome<()> {
    let ordinary = changes.cells.iter().any(|(attribute, _)| !OPEN_WHEN_CLOSED.contains(&attribute.name));
    if ordinary && changes.integer("statecode") != Some(0) {
        refuse_closed(old)?;
    }
    let wanted = (changes.integer("statecode"), changes.integer("statuscode"));
    let old_state = old.integer("statecode").unwrap_or_default();
    let (new_state, status) = match wanted {
        (None, None) => return Ok(()),
        (Some(state), None) => {
            let status = states(table).iter().find(|(_, of)| *of == state).map(|(status, _)| *status);
            (state, status.unwrap_or_default())
        }
        (state, Some(status)) => (state.unwrap_or(old_state), status),
    };
    if !states(table).contains(&(status, new_state)) {
        return Err(Fault::bad(
            0x8004_8408,
            format!("{status} is not a valid status code for state code {new_state} on {}.", table.name),
        ));
    }
    changes.set(table, "statecode", Cell::Integer(new_state));
    changes.set(table, "statuscode", Cell::Integer(status));
    Ok(())
}

/// The address that mail to a party goes to.
pub(crate) fn address_of(state: &State, party: &Cell) -> Option<String> {
    let Cell::Lookup(Reference { table, id }) = party else { return None };
    let row = state.store.get(table, *id)?;
    let column = match table.name {
        "systemuser" => "internalemailaddress",
        "queue" => "emailaddress",
        _ => "emailaddress1",
    };
    Some(row.text(column).to_owned()).filter(|address| !address.is_empty())
}
