//! Security roles over the Web API: a user's roles, and the privileges of a role (`ReplacePrivilegesRole` and its
//! sisters in the Web API action reference).

use http::{Method, StatusCode};
use hybridge_sandbox_kit::Reply;
use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

use super::{
    read::complex,
    request::{Request, reply},
};
use crate::{
    access::{self, ADMINISTRATOR, GLOBAL, Right},
    cell::{Cell, Reference},
    fault::{Fault, INVALID_ARGUMENT, Outcome},
    odata::{
        annotate::render,
        literal::Literal,
        path::{Arguments, Segment},
        query::Options,
        write::resolve_url,
    },
    rows::Row,
    schema::{self, Table},
    state::{Session, State},
};

/// The depths by their masks.
const DEPTHS: [(i64, &str); 4] = [(1, "Basic"), (2, "Local"), (4, "Deep"), (GLOBAL, "Global")];

fn tables() -> Outcome<(&'static Table, &'static Table)> {
    let missing = || Fault::no_segment("roles");
    Ok((schema::table("role").ok_or_else(missing)?, schema::table("systemuserroles").ok_or_else(missing)?))
}

/// `GET systemusers(id)/systemuserroles_association`: the user's roles.
pub(super) fn of_user(state: &State, session: &Session, request: &Request, user: Uuid) -> Outcome<Reply> {
    let (roles, _) = tables()?;
    access::demand(state, session, roles, Right::Read)?;
    let options = Options::read(roles, &request.options())?;
    let rows: Vec<Json> = access::roles_of(state, user)
        .map(|(id, row)| {
            Json::from(render(&state.store, session, roles, (id, row), options.select.as_deref()))
        })
        .collect();
    let context = format!("{}$metadata#roles", session.base);
    Ok(reply(StatusCode::OK, Some(&json!({ "@odata.context": context, "value": rows }))))
}

/// `POST` and `DELETE` of `systemusers(id)/systemuserroles_association…/$ref`.
pub(super) fn refer(
    state: &mut State,
    session: &Session,
    request: &Request,
    user: Uuid,
    segment: &Segment,
) -> Outcome<Reply> {
    let (roles, links) = tables()?;
    access::demand_named(state, session, "prvAssignRole", Some(roles))?;
    match request.method {
        Method::POST => {
            let body = request.json()?;
            let url = body.get("@odata.id").and_then(Json::as_str);
            let url = url.ok_or_else(|| Fault::unreadable("The body must hold '@odata.id'."))?;
            let role = resolve_url(state, session, url)?;
            if role.table.name != "role" || state.store.get(roles, role.id).is_none() {
                return Err(Fault::no_row("role", role.id));
            }
            link(state, user, role.id)?;
        }
        Method::DELETE => {
            let Some(Arguments::Key(Literal::Id(role))) = &segment.arguments else {
                return Err(Fault::unreadable("The role is not named."));
            };
            state.store.remove(links, link_id(user, *role));
            let others: Vec<Uuid> = state
                .store
                .find_rows(links, "systemuserid", &Cell::Id(user))
                .filter(|(_, row)| row.lookup("roleid").is_some_and(|found| found.id == *role))
                .map(|(id, _)| id)
                .collect();
            for id in others {
                state.store.remove(links, id);
            }
        }
        _ => return Err(Fault::no_method("$ref does not support this method here.")),
    }
    Ok(reply(StatusCode::NO_CONTENT, None))
}

fn link_id(user: Uuid, role: Uuid) -> Uuid {
    Uuid::new_v5(&user, role.as_bytes())
}

/// Gives a role to a user who does not have it.
pub(crate) fn link(state: &mut State, user: Uuid, role: Uuid) -> Outcome<()> {
    let (roles, links) = tables()?;
    if access::roles_of(state, user).any(|(found, _)| found == role) {
        return Ok(());
    }
    let users = schema::table("systemuser").ok_or_else(|| Fault::no_segment("systemusers"))?;
    let mut row = Row::default();
    row.set("systemuserid", Cell::Lookup(Reference { table: users, id: user }));
    row.set("roleid", Cell::Lookup(Reference { table: roles, id: role }));
    state.store.put(links, link_id(user, role), row);
    Ok(())
}

/// An action bound to a role.
pub(super) fn act(
    state: &mut State,
    session: &Session,
    request: &Request,
    (table, role): (&'static Table, Uuid),
    name: &str,
) -> Outcome<Reply> {
    if request.method != Method::POST {
        return Err(Fault::no_method("An action is called with POST."));
    }
    let row = state.store.get(table, role).ok_or_else(|| Fault::no_row(table.name, role))?;
    if row.text("name") == ADMINISTRATOR {
        return Err(Fault::bad(0x8004_1413, "The System Administrator role can't be changed."));
    }
    let body = request.json()?;
    match name.trim_start_matches("Microsoft.Dynamics.CRM.") {
        "AddPrivilegesRole" => {
            access::demand(state, session, table, Right::Write)?;
            let grants = grants(state, &body)?;
            give(state, role, &grants)?;
        }
        "ReplacePrivilegesRole" => {
            access::demand(state, session, table, Right::Write)?;
            let grants = grants(state, &body)?;
            forget(state, role, None)?;
            give(state, role, &grants)?;
        }
        "RemovePrivilegeRole" => {
            access::demand(state, session, table, Right::Write)?;
            let id = body.get("Privilege").and_then(|privilege| privilege.get("privilegeid"));
            let id = id.and_then(Json::as_str).and_then(|id| id.parse().ok());
            let id: Uuid =
                id.ok_or_else(|| Fault::bad(INVALID_ARGUMENT, "The parameter 'Privilege' is missing."))?;
            forget(state, role, Some(id))?;
        }
        _ => return Err(Fault::no_segment(name)),
    }
    Ok(reply(StatusCode::NO_CONTENT, None))
}

/// The privileges in an action's parameters, with their depth masks.
fn grants(state: &State, body: &Map<String, Json>) -> Outcome<Vec<(Uuid, i64)>> {
    let wrong = || Fault::bad(INVALID_ARGUMENT, "The parameter 'Privileges' can't be read.");
    let known = schema::table("privilege").ok_or_else(wrong)?;
    let listed = body.get("Privileges").and_then(Json::as_array).ok_or_else(wrong)?;
    listed
        .iter()
        .map(|one| {
            let text = |name: &str| one.get(name).and_then(Json::as_str);
            let id: Uuid = text("PrivilegeId").and_then(|id| id.parse().ok()).ok_or_else(wrong)?;
            let depth = DEPTHS.iter().find(|(_, name)| text("Depth") == Some(name)).ok_or_else(wrong)?.0;
            state.store.get(known, id).ok_or_else(|| Fault::no_row("privilege", id))?;
            Ok((id, depth))
        })
        .collect()
}

/// Writes rows that give privileges to a role.
pub(crate) fn give(state: &mut State, role: Uuid, grants: &[(Uuid, i64)]) -> Outcome<()> {
    let table = schema::table("roleprivileges").ok_or_else(|| Fault::no_segment("roleprivileges"))?;
    for (privilege, depth) in grants {
        let mut row = Row::default();
        row.set("roleid", Cell::Id(role));
        row.set("privilegeid", Cell::Id(*privilege));
        row.set("privilegedepthmask", Cell::Integer(*depth));
        state.store.put(table, access::grant_id(role, *privilege), row);
    }
    Ok(())
}

/// Takes one privilege from a role, or all of them.
pub(crate) fn forget(state: &mut State, role: Uuid, privilege: Option<Uuid>) -> Outcome<()> {
    let table = schema::table("roleprivileges").ok_or_else(|| Fault::no_segment("roleprivileges"))?;
    let held: Vec<Uuid> = match privilege {
        Some(privilege) => vec![access::grant_id(role, privilege)],
        None => state.store.find_rows(table, "roleid", &Cell::Id(role)).map(|(id, _)| id).collect(),
    };
    for id in held {
        state.store.remove(table, id);
    }
    Ok(())
}

/// `RetrieveRolePrivilegesRole(RoleId=…)`.
pub(super) fn privileges(state: &State, session: &Session, role: Option<&Literal>) -> Outcome<Reply> {
    let (roles, _) = tables()?;
    access::demand(state, session, roles, Right::Read)?;
    let role = match role {
        Some(Literal::Id(id)) => Some(*id),
        Some(Literal::Text(text)) => text.parse().ok(),
        _ => None,
    };
    let role = role.ok_or_else(|| Fault::unreadable("Request message has unresolved parameters."))?;
    let row = state.store.get(roles, role).ok_or_else(|| Fault::no_row("role", role))?;
    let unit = state.identity.business_unit;
    let held: Vec<(Uuid, i64)> = if row.text("name") == ADMINISTRATOR {
        access::privileges().iter().map(|(name, _)| (access::privilege_id(name), GLOBAL)).collect()
    } else {
        let table = schema::table("roleprivileges").ok_or_else(|| Fault::no_segment("roleprivileges"))?;
        let by_role = Cell::Id(role);
        let held = state.store.find_rows(table, "roleid", &by_role);
        held.filter_map(|(_, row)| {
            let Some(Cell::Id(privilege)) = row.get("privilegeid") else { return None };
            Some((*privilege, row.integer("privilegedepthmask").unwrap_or(GLOBAL)))
        })
        .collect()
    };
    let listed: Vec<Json> = held
        .into_iter()
        .map(|(privilege, mask)| {
            let depth = DEPTHS.iter().find(|(known, _)| *known == mask).map_or("Global", |(_, name)| name);
            json!({ "Depth": depth, "PrivilegeId": privilege, "BusinessUnitId": unit })
        })
        .collect();
    let body = complex(session, "RetrieveRolePrivilegesRoleResponse", json!({ "RolePrivileges": listed }));
    Ok(reply(StatusCode::OK, Some(&body)))
}
