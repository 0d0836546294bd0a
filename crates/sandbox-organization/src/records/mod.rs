//! Creating, updating and deleting rows with the rules of their tables.

mod activity;
mod attachment;
mod mailbox;
mod names;
pub(crate) mod orgdborg;
mod profile;
mod queue_item;

use http::StatusCode;
use serde_json::{Map, Value as Json};
use uuid::Uuid;

use crate::{
    cell::{Cell, Reference},
    fault::{DUPLICATE, Fault, INVALID_ARGUMENT, Outcome},
    odata::write::{Changes, Purpose, resolve_url},
    rows::Row,
    schema::{self, Collection, Kind, Table},
    state::{Session, State},
};
pub(crate) use {
    activity::{address_of, refuse_poisoned},
    mailbox::give_mailbox,
};

/// Creates a row with its children, whole or not at all.
pub(crate) fn create(
    state: &mut State,
    session: &Session,
    table: &'static Table,
    body: &Map<String, Json>,
    purpose: Purpose,
) -> Outcome<Uuid> {
    state.atomically(|state| {
        let changes = Changes::read(state, session, table, body, purpose)?;
        create_row(state, session, table, changes, purpose)
    })
}

/// Creates a row from changes that were read already. The caller holds the journal open.
pub(crate) fn create_row(
    state: &mut State,
    session: &Session,
    table: &'static Table,
    mut changes: Changes,
    purpose: Purpose,
) -> Outcome<Uuid> {
    let id = changes.id.unwrap_or_else(|| state.dice.uuid());
    if is_taken(state, table, id) {
        return Err(Fault::new(
            StatusCode::PRECONDITION_FAILED,
            DUPLICATE,
            "A record with matching key values already exists.",
        ));
    }
    let children = std::mem::take(&mut changes.children);
    defaults(state, session, table, &mut changes);
    names::complete(table, &mut changes, None);
    match table.name {
        "email" | "task" => activity::before_create(state, table, &mut changes, purpose)?,
        "activitymimeattachment" if purpose == Purpose::Create => {
            attachment::before_create(state, table, &mut changes)?;
        }
        "queueitem" => queue_item::before_create(state, table, &mut changes)?,
        "mailbox" => mailbox::before_create(table, &mut changes, purpose),
        "emailserverprofile" => profile::before_create(table, &mut changes)?,
        _ => {}
    }
    let mut row = Row::default();
    for (attribute, cell) in changes.cells {
        row.set(attribute.name, cell);
    }
    let now = Cell::time(state.now());
    for column in ["createdon", "modifiedon"] {
        if row.get(column).is_none() {
            row.set(column, now.clone());
        }
    }
    let user = |id: Uuid| schema::table("systemuser").map(|table| Cell::Lookup(Reference { table, id }));
    for column in ["createdby", "modifiedby"] {
        row.set(column, user(session.caller));
    }
    for column in ["createdonbehalfby", "modifiedonbehalfby"] {
        row.set(column, session.delegate.and_then(user));
    }
    state.store.put(table, id, row);
    for (collection, rows) in children {
        for child in rows {
            create_child(state, session, table, id, collection, &child)?;
        }
    }
    match table.name {
        "email" => activity::after_create(state, table, id),
        "systemuser" | "queue" if purpose == Purpose::Create => give_mailbox(state, session, table, id)?,
        "activitymimeattachment" => attachment::recount(state, table, id),
        _ => {}
    }
    Ok(id)
}

/// Creates a row of a collection-valued navigation property (deep insert, dynamics.md 3.6).
pub(crate) fn create_child(
    state: &mut State,
    session: &Session,
    parent: &'static Table,
    parent_id: Uuid,
    collection: &'static Collection,
    body: &Map<String, Json>,
) -> Outcome<Uuid> {
    let table = schema::table(collection.table).ok_or_else(|| Fault::no_segment(collection.name))?;
    let mut changes = Changes::read(state, session, table, body, Purpose::Create)?;
    changes.set(table, collection.by, Cell::Lookup(Reference { table: parent, id: parent_id }));
    if table.name == "activityparty" && changes.mentions("partyid") && changes.get("addressused").is_none() {
        let address = changes.get("partyid").and_then(|party| address_of(state, party));
        changes.set(table, "addressused", address.map(Cell::text));
    }
    create_row(state, session, table, changes, Purpose::Create)
}

fn is_taken(state: &State, table: &'static Table, id: Uuid) -> bool {
    // Activities share their ids: one activity id names one activity of any kind.
    let activities = schema::table("activitypointer").filter(|view| view.view_of.contains(&table.name));
    state.store.get(activities.unwrap_or(table), id).is_some()
}

fn defaults(state: &State, session: &Session, table: &'static Table, changes: &mut Changes) {
    for column in ["statecode", "statuscode"] {
        let Some(attribute) = table.attribute(column) else { continue };
        if let (Kind::Choice([(first, _), ..]), false) = (attribute.kind, changes.mentions(column)) {
            changes.set(table, column, Cell::Integer(*first));
        }
    }
    if table.attribute("ownerid").is_some_and(|owner| owner.create)
        && !changes.mentions("ownerid")
        && let Some(users) = schema::table("systemuser")
    {
        changes.set(table, "ownerid", Cell::Lookup(Reference { table: users, id: session.caller }));
    }
    if table.name == "systemuser" && !changes.mentions("isdisabled") {
        changes.set(table, "isdisabled", Cell::Boolean(false));
    }
    if matches!(table.name, "systemuser" | "role")
        && !changes.mentions("businessunitid")
        && let Some(units) = schema::table("businessunit")
    {
        let root = Reference { table: units, id: state.identity.business_unit };
        changes.set(table, "businessunitid", Cell::Lookup(root));
    }
}

/// Changes a row.
pub(crate) fn update(
    state: &mut State,
    session: &Session,
    table: &'static Table,
    id: Uuid,
    body: &Map<String, Json>,
    purpose: Purpose,
) -> Outcome<()> {
    state.atomically(|state| {
        let changes = Changes::read(state, session, table, body, purpose)?;
        update_row(state, session, table, id, changes, purpose)
    })
}

/// Changes a row by changes that were read already.
pub(crate) fn update_row(
    state: &mut State,
    session: &Session,
    table: &'static Table,
    id: Uuid,
    mut changes: Changes,
    purpose: Purpose,
) -> Outcome<()> {
    let old = state.store.get(table, id).cloned().ok_or_else(|| Fault::no_row(table.name, id))?;
    if purpose == Purpose::Update {
        match table.name {
            "email" | "task" => activity::before_update(table, &old, &mut changes)?,
            "mailbox" => mailbox::before_update(&old, &changes)?,
            _ => {}
        }
        mailbox::refuse_approval(state, session, &old, &changes)?;
    }
    if table.name == "emailserverprofile" {
        profile::before_update(&old, &changes)?;
    }
    names::complete(table, &mut changes, Some(&old));
    let mut row = (*old).clone();
    for (attribute, cell) in &changes.cells {
        row.set(attribute.name, cell.clone());
    }
    row.set("modifiedon", Cell::time(state.now()));
    if let Some(table) = schema::table("systemuser") {
        row.set("modifiedby", Cell::Lookup(Reference { table, id: session.caller }));
        row.set("modifiedonbehalfby", session.delegate.map(|id| Cell::Lookup(Reference { table, id })));
    }
    state.store.put(table, id, row);
    mailbox::mirror(state, table, id, &changes);
    mailbox::note_test(state, table, id, &changes);
    Ok(())
}

/// Deletes a row with what belongs to it.
pub(crate) fn delete(state: &mut State, table: &'static Table, id: Uuid) -> Outcome<()> {
    let row = state.store.get(table, id).cloned().ok_or_else(|| Fault::no_row(table.name, id))?;
    if table.name == "mailbox" && row.lookup("regardingobjectid").is_some() {
        return Err(Fault::bad(0x8005_e200, "You can't delete the mailbox of a user or a queue."));
    }
    if table.name == "role" {
        for (members, column) in [("roleprivileges", "roleid"), ("systemuserroles", "roleid")] {
            let Some(members) = schema::table(members) else { continue };
            let ids: Vec<Uuid> =
                state.store.find_rows(members, column, &Cell::Id(id)).map(|(id, _)| id).collect();
            for id in ids {
                state.store.remove(members, id);
            }
        }
    }
    for collection in table.collections {
        let belongs = matches!(collection.table, "activityparty" | "activitymimeattachment" | "queueitem");
        let Some(members) = schema::table(collection.table).filter(|_| belongs) else { continue };
        let ids: Vec<Uuid> =
            state.store.find_rows(members, collection.by, &Cell::Id(id)).map(|(id, _)| id).collect();
        for id in ids {
            state.store.remove(members, id);
        }
    }
    state.store.remove(table, id);
    if table.name == "activitymimeattachment" {
        attachment::recount_parent(state, &row);
    }
    Ok(())
}

/// Sets one lookup from a URL (`PUT …/<nav>/$ref`), or clears it.
pub(crate) fn set_reference(
    state: &mut State,
    session: &Session,
    (table, id): (&'static Table, Uuid),
    navigation: &str,
    url: Option<&str>,
) -> Outcome<()> {
    let (attribute, _) = table.navigation(navigation).ok_or_else(|| Fault::no_segment(navigation))?;
    if !attribute.update {
        return Err(Fault::bad(INVALID_ARGUMENT, format!("'{}' can't be updated.", attribute.name)));
    }
    let reference = url.map(|url| resolve_url(state, session, url)).transpose()?;
    let fits =
        |target: &schema::Target| reference.is_none_or(|reference| target.table == reference.table.name);
    if !attribute.targets().unwrap_or_default().iter().any(fits) {
        return Err(Fault::bad(INVALID_ARGUMENT, format!("'{navigation}' can't refer to that row.")));
    }
    let mut changes = Changes::default();
    changes.set(table, attribute.name, reference.map(Cell::Lookup));
    state.atomically(|state| update_row(state, session, table, id, changes, Purpose::Update))
}

/// Replaces all rows of a collection (`PUT` of `email_activity_parties`, dynamics.md 3.6).
pub(crate) fn replace_parties(
    state: &mut State,
    session: &Session,
    (table, id): (&'static Table, Uuid),
    collection: &'static Collection,
    rows: &[Map<String, Json>],
) -> Outcome<()> {
    state.atomically(|state| {
        let row = state.store.get(table, id).cloned().ok_or_else(|| Fault::no_row(table.name, id))?;
        activity::refuse_closed(&row)?;
        let members = schema::table(collection.table).ok_or_else(|| Fault::no_segment(collection.name))?;
        let old: Vec<Uuid> =
            state.store.find_rows(members, collection.by, &Cell::Id(id)).map(|(id, _)| id).collect();
        for party in old {
            state.store.remove(members, party);
        }
        for row in rows {
            create_child(state, session, table, id, collection, row)?;
        }
        update_row(state, session, table, id, Changes::default(), Purpose::System)?;
        if table.name == "email" {
            activity::after_create(state, table, id);
        }
        Ok(())
    })
}
