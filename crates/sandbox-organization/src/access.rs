//! Who may do what: security roles hold privileges, users hold roles (dynamics.md 3.11, 3.13, 6.5).
//!
//! A privilege is an operation on a kind of record, `prvReadContact`; all activities share one kind. The organization has
//! one business unit, so that a privilege's depth makes no difference here and is only kept.

use http::StatusCode;
use serde_json::{Map, Value as Json};
use uuid::Uuid;

use crate::{
    cell::Cell,
    fault::{Fault, Outcome},
    rows::Row,
    schema::{self, Table},
    state::{Session, State},
};

/// The namespace of the privileges' ids, which are the same in every organization.
const PRIVILEGES: Uuid = Uuid::from_u128(0x8a1f_52c6_3b0e_4d7b_9c55_1d2e_66f0_aa01);
/// A role with this name holds every privilege, whatever its rows say.
pub(crate) const ADMINISTRATOR: &str = "System Administrator";
/// The depth mask of an organization-wide privilege.
pub(crate) const GLOBAL: i64 = 8;

/// What can be done to a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Right {
    Create,
    Read,
    Write,
    Delete,
    Append,
    AppendTo,
    Assign,
    Share,
}

const RIGHTS: [Right; 8] = [
    Right::Create,
    Right::Read,
    Right::Write,
    Right::Delete,
    Right::Append,
    Right::AppendTo,
    Right::Assign,
    Right::Share,
];

impl Right {
    fn name(self) -> &'static str {
        match self {
            Self::Create => "Create",
            Self::Read => "Read",
            Self::Write => "Write",
            Self::Delete => "Delete",
            Self::Append => "Append",
            Self::AppendTo => "AppendTo",
            Self::Assign => "Assign",
            Self::Share => "Share",
        }
    }

    /// The bit of `privilege.accessright`.
    fn bit(self) -> i64 {
        match self {
            Self::Read => 1,
            Self::Write => 2,
            Self::Append => 4,
            Self::AppendTo => 16,
            Self::Create => 32,
            Self::Delete => 0x1_0000,
            Self::Share => 0x4_0000,
            Self::Assign => 0x8_0000,
        }
    }
}

/// The kind of record in the names of a table's privileges.
fn kind(table: &Table) -> &'static str {
    match table.name {
        "account" => "Account",
        "annotation" => "Note",
        "businessunit" => "BusinessUnit",
        "contact" => "Contact",
        "emailserverprofile" => "EmailServerProfile",
        "exchangesyncidmapping" => "ExchangeSyncIdMapping",
        "lead" => "Lead",
        "mailbox" => "Mailbox",
        "organization" => "Organization",
        "queue" => "Queue",
        "queueitem" => "QueueItem",
        "role" | "roletemplate" | "privilege" | "roleprivileges" | "systemuserroles" => "Role",
        "systemuser" => "User",
        "usersettings" => "UserSettings",
        "tracelog" => "TraceLog",
        // Emails, tasks, their parties and their files.
        _ => "Activity",
    }
}

/// Privileges that are not about one kind of record.
const OTHERS: [&str; 6] = [
    "prvActOnBehalfOfAnotherUser",
    "prvSendAsUser",
    "prvReadEntity",
    "prvWriteEntity",
    "prvPublishCustomization",
    "prvApproveRejectEmailAddress",
];

/// Every privilege of this build: name and access right.
pub(crate) fn privileges() -> Vec<(String, i64)> {
    let mut all: Vec<(String, i64)> = schema::TABLES
        .iter()
        .flat_map(|table| RIGHTS.map(|right| (format!("prv{}{}", right.name(), kind(table)), right.bit())))
        .chain(OTHERS.map(|name| (name.to_owned(), 0)))
        .collect();
    all.sort();
    all.dedup();
    all
}

/// The id of a privilege.
pub(crate) fn privilege_id(name: &str) -> Uuid {
    Uuid::new_v5(&PRIVILEGES, name.as_bytes())
}

/// The id of the row that gives a privilege to a role.
pub(crate) fn grant_id(role: Uuid, privilege: Uuid) -> Uuid {
    Uuid::new_v5(&role, privilege.as_bytes())
}

/// Refuses a caller who may not do this to rows of the table; somebody who acts for another needs the right as well
/// as that other one.
pub(crate) fn demand(state: &State, session: &Session, table: &Table, right: Right) -> Outcome<()> {
    // What privileges there are is the same in every organization.
    if right == Right::Read && table.name == "privilege" {
        return Ok(());
    }
    demand_named(state, session, &format!("prv{}{}", right.name(), kind(table)), Some(table))
}

/// Refuses a caller without this privilege.
pub(crate) fn demand_named(
    state: &State,
    session: &Session,
    privilege: &str,
    table: Option<&Table>,
) -> Outcome<()> {
    for user in [Some(session.caller), session.delegate].into_iter().flatten() {
        if !holds(state, user, privilege) {
            return Err(missing(state, user, privilege, table));
        }
    }
    Ok(())
}

/// Whether a user has a privilege through any of his roles.
pub(crate) fn holds(state: &State, user: Uuid, privilege: &str) -> bool {
    let privilege = privilege_id(privilege);
    user == state.identity.system
        || roles_of(state, user).any(|(role, row)| {
            row.text("name") == ADMINISTRATOR
                || schema::table("roleprivileges")
                    .is_some_and(|table| state.store.get(table, grant_id(role, privilege)).is_some())
        })
}

/// The roles of a user.
pub(crate) fn roles_of(state: &State, user: Uuid) -> impl Iterator<Item = (Uuid, &Row)> {
    let tables = schema::table("systemuserroles").zip(schema::table("role"));
    let by_user = Cell::Id(user);
    let mut found = Vec::new();
    if let Some((links, roles)) = tables {
        let held = state.store.find_rows(links, "systemuserid", &by_user);
        found.extend(held.filter_map(|(_, link)| {
            let role = link.lookup("roleid")?;
            state.store.get(roles, role.id).map(|row| (role.id, &**row))
        }));
    }
    found.into_iter()
}

fn missing(state: &State, user: Uuid, privilege: &str, table: Option<&Table>) -> Fault {
    let roles: Vec<Uuid> = roles_of(state, user).map(|(role, _)| role).collect();
    let held = schema::table("roleprivileges").map_or(0, |table| {
        roles.iter().map(|role| state.store.find_rows(table, "roleid", &Cell::Id(*role)).count()).sum()
    });
    let mode = schema::table("systemuser")
        .and_then(|users| state.store.get(users, user))
        .and_then(|row| row.integer("accessmode"))
        .unwrap_or_default();
    let on =
        table.map_or_else(String::new, |table| format!(" on OTC={} for entity '{}'", table.code, table.name));
    Fault::new(
        StatusCode::FORBIDDEN,
        0x8004_0220,
        format!(
            "Principal user (Id={user}, type=8, roleCount={}, privilegeCount={held}, accessMode='{mode}') is missing \
             {privilege} privilege (Id={}){on}.",
            roles.len(),
            privilege_id(privilege),
        ),
    )
}

/// What a body writes beside the row itself: a lookup needs the right to append on one side and to be appended to on
/// the other, another owner the right to assign.
pub(crate) fn demand_body(
    state: &State,
    session: &Session,
    table: &'static Table,
    body: &Map<String, Json>,
) -> Outcome<()> {
    for navigation in body.keys().filter_map(|name| name.strip_suffix("@odata.bind")) {
        demand_link(state, session, table, navigation)?;
    }
    Ok(())
}

/// What setting a lookup needs.
pub(crate) fn demand_link(
    state: &State,
    session: &Session,
    table: &'static Table,
    navigation: &str,
) -> Outcome<()> {
    let Some((attribute, target)) = table.navigation(navigation) else { return Ok(()) };
    if attribute.name == "ownerid" {
        return demand(state, session, table, Right::Assign);
    }
    demand(state, session, table, Right::Append)?;
    match schema::table(target.table) {
        Some(target) => demand(state, session, target, Right::AppendTo),
        None => Ok(()),
    }
}
