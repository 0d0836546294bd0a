//! Mailboxes follow their users and queues (dynamics.md 4.2, server-side-sync.md 1.2).

use uuid::Uuid;

use crate::{
    cell::{Cell, Reference},
    fault::{Fault, INVALID_ARGUMENT, Outcome},
    odata::write::{Changes, Purpose},
    rows::Row,
    schema::{self, Table},
    state::{Session, State},
};

/// The columns that a user or queue and his mailbox both have.
const MIRRORED: &[&str] =
    &["incomingemaildeliverymethod", "outgoingemaildeliverymethod", "emailrouteraccessapproval"];

/// Creates the mailbox (and for a user the settings) that the server makes with every user and queue.
pub(crate) fn give_mailbox(
    state: &mut State,
    session: &Session,
    table: &'static Table,
    id: Uuid,
) -> Outcome<()> {
    let (Some(mailboxes), Some(settings)) = (schema::table("mailbox"), schema::table("usersettings")) else {
        return Ok(());
    };
    let Some(row) = state.store.get(table, id).cloned() else { return Ok(()) };
    let is_user = table.name == "systemuser";
    let address = row.text(if is_user { "internalemailaddress" } else { "emailaddress" }).to_owned();
    let owner = if is_user { Some(Reference { table, id }) } else { row.lookup("ownerid") };
    let mut changes = Changes::default();
    changes.set(mailboxes, "name", Cell::text(row.text(table.title)));
    changes.set(mailboxes, "emailaddress", Some(Cell::text(&address)).filter(|_| !address.is_empty()));
    changes.set(mailboxes, "regardingobjectid", Cell::Lookup(Reference { table, id }));
    changes.set(mailboxes, "isforwardmailbox", Cell::Boolean(false));
    changes.set(mailboxes, "ownerid", owner.map(Cell::Lookup));
    changes.set(
        mailboxes,
        "emailserverprofile",
        state.organization().lookup("defaultemailserverprofileid").map(Cell::Lookup),
    );
    for column in MIRRORED {
        changes.set(mailboxes, column, row.get(column).cloned().or(Some(Cell::Integer(0))));
    }
    let mailbox = super::create_row(state, session, mailboxes, changes, Purpose::System)?;
    let mut row = (*row).clone();
    row.set("defaultmailbox", Cell::Lookup(Reference { table: mailboxes, id: mailbox }));
    state.store.put(table, id, row);
    if is_user {
        let mut changes = Changes { id: Some(id), ..Changes::default() };
        // The default of personal options: only what answers an email of the organization.
        changes.set(settings, "incomingemailfilteringmethod", Cell::Integer(1));
        changes.set(settings, "autocreatecontactonpromote", Cell::Integer(0));
        super::create_row(state, session, settings, changes, Purpose::System)?;
    }
    Ok(())
}

/// A mailbox made by a client is a forward mailbox.
pub(super) fn before_create(table: &'static Table, changes: &mut Changes, purpose: Purpose) {
    if purpose == Purpose::Create {
        changes.set(table, "isforwardmailbox", Cell::Boolean(true));
    }
    let defaults = [
        ("incomingemaildeliverymethod", 0),
        ("outgoingemaildeliverymethod", 0),
        ("actdeliverymethod", 2),
        ("emailrouteraccessapproval", 0),
    ];
    for (column, value) in defaults {
        if !changes.mentions(column) {
            changes.set(table, column, Cell::Integer(value));
        }
    }
    for column in ["enabledforincomingemail", "enabledforoutgoingemail", "enabledforact"] {
        if !changes.mentions(column) {
            changes.set(table, column, Cell::Boolean(true));
        }
    }
}

pub(super) fn before_update(old: &Row, changes: &Changes) -> Outcome<()> {
    let moves = changes.mentions("emailaddress") && changes.get("emailaddress") != old.get("emailaddress");
    if moves && old.lookup("regardingobjectid").is_some() {
        return Err(Fault::bad(
            0x8005_e208,
            "You can't change the email address of a mailbox that belongs to a user or queue.",
        ));
    }
    Ok(())
}

/// Approving an address takes the privilege to approve addresses (dynamics.md 4.5, server-side-sync.md 1.4).
pub(super) fn refuse_approval(state: &State, session: &Session, old: &Row, changes: &Changes) -> Outcome<()> {
    let column = "emailrouteraccessapproval";
    let judged = matches!(changes.integer(column), Some(1 | 3)) && changes.get(column) != old.get(column);
    if !judged {
        return Ok(());
    }
    if !state.options.approves_by_web_api {
        return Err(Fault::bad(
            INVALID_ARGUMENT,
            "The email address can't be approved by an update: use the command Approve Email.",
        ));
    }
    crate::access::demand_named(state, session, "prvApproveRejectEmailAddress", None)
}

/// Remembers when a mailbox's test was asked for.
pub(super) fn note_test(state: &mut State, table: &'static Table, id: Uuid, changes: &Changes) {
    if table.name != "mailbox" {
        return;
    }
    if let Some(Cell::Boolean(wanted)) = changes.get("testemailconfigurationscheduled") {
        if *wanted {
            let now = state.now();
            state.tests.insert(id, now);
        } else {
            state.tests.remove(&id);
        }
    }
}

/// What is changed on one side shows on the other.
pub(super) fn mirror(state: &mut State, table: &'static Table, id: Uuid, changes: &Changes) {
    let Some(row) = state.store.get(table, id) else { return };
    let other = match table.name {
        "mailbox" => row.lookup("regardingobjectid"),
        "systemuser" | "queue" => row.lookup("defaultmailbox"),
        _ => None,
    };
    let Some(other) = other else { return };
    let Some(old) = state.store.get(other.table, other.id) else { return };
    let mut new = (**old).clone();
    let mut differs = false;
    let mut copy = |column: &'static str, cell: Option<Cell>| {
        if new.get(column) != cell.as_ref() {
            new.set(column, cell);
            differs = true;
        }
    };
    for column in MIRRORED {
        if changes.mentions(column) {
            copy(column, changes.get(column).cloned());
        }
    }
    let address = if table.name == "systemuser" { "internalemailaddress" } else { "emailaddress" };
    if table.name != "mailbox" {
        if changes.mentions(address) {
            copy("emailaddress", changes.get(address).cloned());
        }
        // A mailbox is inactive as long as its user or queue is.
        let inactive = match (changes.get("isdisabled"), changes.integer("statecode")) {
            (Some(Cell::Boolean(disabled)), _) => Some(*disabled),
            (_, Some(state)) => Some(state != 0),
            _ => None,
        };
        if let Some(inactive) = inactive {
            copy("statecode", Some(Cell::Integer(i64::from(inactive))));
            copy("statuscode", Some(Cell::Integer(1 + i64::from(inactive))));
        }
    }
    if differs {
        state.store.put(other.table, other.id, new);
    }
}
