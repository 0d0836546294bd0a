//! Requests on one row: read, update, upsert, delete, its properties and references
//! (dynamics.md 3.2, 3.8).

use bytes::Bytes;
use http::{Method, Response, StatusCode};
use hybridge_sandbox_kit::{Reply, text_reply};
use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

use super::{
    message, read,
    request::{Request, reply, set},
    roles,
};
use crate::{
    access::{self, Right},
    cell::Cell,
    fault::{DOES_NOT_EXIST, DUPLICATE, Fault, Outcome},
    odata::{
        annotate,
        path::{Arguments, Segment},
        write::Purpose,
    },
    records,
    schema::{Kind, Table},
    state::{Session, State},
};

/// `POST` to a set.
pub(super) fn create(
    state: &mut State,
    session: &Session,
    request: &Request,
    table: &'static Table,
) -> Outcome<Reply> {
    if !table.verbs.create {
        return Err(Fault::no_method(format!(
            "The 'Create' method does not support entities of type '{}'.",
            table.name
        )));
    }
    let body = request.json()?;
    access::demand(state, session, table, Right::Create)?;
    access::demand_body(state, session, table, &body)?;
    refuse_strangers(state, table, &body)?;
    let id = records::create(state, session, table, &body, Purpose::Create)?;
    created(state, session, request, (table, id))
}

/// A user is made of an account of the domain.
fn refuse_strangers(state: &State, table: &Table, body: &Map<String, Json>) -> Outcome<()> {
    let Some(accounts) = state.options.domain_accounts.as_ref().filter(|_| table.name == "systemuser") else {
        return Ok(());
    };
    let name = body.get("domainname").and_then(Json::as_str).unwrap_or_default();
    if accounts.iter().any(|account| account.eq_ignore_ascii_case(name)) {
        return Ok(());
    }
    Err(Fault::bad(0x8004_0502, format!("The specified Active Directory account '{name}' does not exist.")))
}

fn created(
    state: &State,
    session: &Session,
    request: &Request,
    (table, id): (&'static Table, Uuid),
) -> Outcome<Reply> {
    if session.prefer.representation {
        return representation(state, session, request, (table, id), StatusCode::CREATED);
    }
    Ok(without_content(session, table, id))
}

fn without_content(session: &Session, table: &Table, id: Uuid) -> Reply {
    let mut answer = reply(StatusCode::NO_CONTENT, None);
    let url = format!("{}{}({id})", session.base, table.set);
    set(&mut answer, "odata-entityid", &url);
    set(&mut answer, "location", &url);
    answer
}

fn representation(
    state: &State,
    session: &Session,
    request: &Request,
    row: (&'static Table, Uuid),
    status: StatusCode,
) -> Outcome<Reply> {
    // Of the query options only $select counts.
    let select: Vec<_> = request.options().into_iter().filter(|(name, _)| name == "$select").collect();
    let (body, etag) = read::single(state, session, row, &select)?;
    let mut answer = reply(status, Some(&Json::from(body)));
    set(&mut answer, "etag", &etag);
    Ok(answer)
}

/// A request on a row or below it.
pub(super) fn answer(
    state: &mut State,
    session: &Session,
    request: &Request,
    row: (&'static Table, Uuid),
    rest: &[Segment],
) -> Outcome<Reply> {
    let (table, id) = row;
    match rest {
        [] => match request.method {
            Method::GET => get(state, session, request, row),
            Method::PATCH => patch(state, session, request, row),
            Method::DELETE => {
                if !table.verbs.delete {
                    return Err(Fault::no_method(format!(
                        "The 'Delete' method does not support entities of type '{}'.",
                        table.name
                    )));
                }
                access::demand(state, session, table, Right::Delete)?;
                match_version(state, request, row)?;
                state.atomically(|state| records::delete(state, table, id))?;
                Ok(reply(StatusCode::NO_CONTENT, None))
            }
            _ => Err(Fault::no_method("The requested resource does not support this method.")),
        },
        [action] if action.name.starts_with("Microsoft.Dynamics.CRM.") => {
            message::on_row(state, session, request, row, &action.name)
        }
        [roles] if is_roles(table, roles) && request.method == Method::GET => {
            roles::of_user(state, session, request, id)
        }
        [roles, reference] if is_roles(table, roles) && reference.name == "$ref" => {
            roles::refer(state, session, request, id, roles)
        }
        [property] => {
            let right = if request.method == Method::GET { Right::Read } else { Right::Write };
            access::demand(state, session, table, right)?;
            below(state, session, request, row, property)
        }
        [property, value] if value.name == "$value" => {
            access::demand(state, session, table, Right::Read)?;
            raw(state, row, &property.name)
        }
        [navigation, reference] if reference.name == "$ref" => {
            refer(state, session, request, row, navigation)
        }
        [_, segment, ..] => Err(Fault::no_segment(&segment.name)),
    }
}

/// The collection of a user's roles, which is no lookup of the roles but a table of pairs.
fn is_roles(table: &Table, segment: &Segment) -> bool {
    table.name == "systemuser" && segment.name == "systemuserroles_association"
}

fn get(state: &State, session: &Session, request: &Request, row: (&'static Table, Uuid)) -> Outcome<Reply> {
    access::demand(state, session, row.0, Right::Read)?;
    let (body, etag) = read::single(state, session, row, &request.options())?;
    let mut answer = if request.header("if-none-match") == Some(etag.as_str()) {
        reply(StatusCode::NOT_MODIFIED, None)
    } else {
        reply(StatusCode::OK, Some(&Json::from(body)))
    };
    set(&mut answer, "etag", &etag);
    Ok(answer)
}

/// Refuses a request whose `If-Match` names another version.
fn match_version(state: &State, request: &Request, (table, id): (&'static Table, Uuid)) -> Outcome<()> {
    let Some(wanted) = request.header("if-match").filter(|wanted| *wanted != "*") else { return Ok(()) };
    let row = state.store.get(table, id).ok_or_else(|| Fault::no_row(table.name, id))?;
    if annotate::etag(row) == wanted {
        return Ok(());
    }
    Err(Fault::new(
        StatusCode::PRECONDITION_FAILED,
        0x8006_0882,
        "The version of the existing record doesn't match the RowVersion property provided.",
    ))
}

/// Update, or create where there is no such row and the headers do not forbid it.
fn patch(
    state: &mut State,
    session: &Session,
    request: &Request,
    (table, id): (&'static Table, Uuid),
) -> Outcome<Reply> {
    let body = request.json()?;
    if state.store.get(table, id).is_some() {
        if request.header("if-none-match") == Some("*") {
            return Err(Fault::new(
                StatusCode::PRECONDITION_FAILED,
                DUPLICATE,
                "A record with matching key values already exists.",
            ));
        }
        if !table.verbs.update {
            return Err(Fault::no_method(format!(
                "The 'Update' method does not support entities of type '{}'.",
                table.name
            )));
        }
        access::demand(state, session, table, Right::Write)?;
        access::demand_body(state, session, table, &body)?;
        match_version(state, request, (table, id))?;
        records::update(state, session, table, id, &body, Purpose::Update)?;
        if session.prefer.representation {
            return representation(state, session, request, (table, id), StatusCode::OK);
        }
        return Ok(without_content(session, table, id));
    }
    if request.header("if-match").is_some() || !table.verbs.create {
        return Err(Fault::new(
            StatusCode::NOT_FOUND,
            DOES_NOT_EXIST,
            format!("{} With Id = {id} Does Not Exist", table.name),
        ));
    }
    access::demand(state, session, table, Right::Create)?;
    access::demand_body(state, session, table, &body)?;
    let mut body = body;
    body.insert(table.key.to_owned(), Json::from(id.to_string()));
    let id = records::create(state, session, table, &body, Purpose::Create)?;
    created(state, session, request, (table, id))
}

/// A property of a row: a column or a navigation.
fn below(
    state: &mut State,
    session: &Session,
    request: &Request,
    (table, id): (&'static Table, Uuid),
    segment: &Segment,
) -> Outcome<Reply> {
    let name = segment.name.as_str();
    if let Some(collection) = table.collection(name) {
        return match request.method {
            Method::GET => read::members(state, session, (table, id), collection, &request.options()),
            Method::PUT if collection.table == "activityparty" => {
                let body = request.json()?;
                let rows: Option<Vec<Map<String, Json>>> = body
                    .get("value")
                    .and_then(Json::as_array)
                    .and_then(|rows| rows.iter().map(|row| row.as_object().cloned()).collect());
                let rows = rows.ok_or_else(|| Fault::unreadable("The body must hold an array 'value'."))?;
                records::replace_parties(state, session, (table, id), collection, &rows)?;
                Ok(reply(StatusCode::NO_CONTENT, None))
            }
            Method::POST if collection.table != "activityparty" => {
                let body = request.json()?;
                state.atomically(|state| {
                    records::create_child(state, session, table, id, collection, &body)
                })?;
                Ok(reply(StatusCode::NO_CONTENT, None))
            }
            _ => Err(Fault::no_method(format!("'{name}' does not support this method."))),
        };
    }
    if let Some((attribute, target)) = table.navigation(name) {
        if request.method != Method::GET {
            return Err(Fault::no_method(format!("'{name}' does not support this method.")));
        }
        let row = state.store.get(table, id).ok_or_else(|| Fault::no_row(table.name, id))?;
        let Some(found) = row.lookup(attribute.name).filter(|found| found.is_a(target.table)) else {
            return Ok(reply(StatusCode::NO_CONTENT, None));
        };
        let (body, _) = read::single(state, session, (found.table, found.id), &request.options())?;
        return Ok(reply(StatusCode::OK, Some(&Json::from(body))));
    }
    let attribute =
        table.property(name).filter(|attribute| attribute.read).ok_or_else(|| Fault::no_segment(name))?;
    let value = match request.method {
        Method::GET => {
            let row = state.store.get(table, id).ok_or_else(|| Fault::no_row(table.name, id))?;
            let Some(cell) = row.get(attribute.name) else { return Ok(reply(StatusCode::NO_CONTENT, None)) };
            let context = format!("{}$metadata#{}({id})/{name}", session.base, table.set);
            return Ok(reply(
                StatusCode::OK,
                Some(&json!({ "@odata.context": context, "value": cell.json() })),
            ));
        }
        Method::PUT => request.json()?.get("value").cloned().unwrap_or(Json::Null),
        Method::DELETE => Json::Null,
        _ => return Err(Fault::no_method(format!("'{name}' does not support this method."))),
    };
    if matches!(attribute.kind, Kind::Lookup(_)) {
        return Err(Fault::no_method("A lookup is changed through its navigation property."));
    }
    let body = Map::from_iter([(name.to_owned(), value)]);
    records::update(state, session, table, id, &body, Purpose::Update)?;
    Ok(reply(StatusCode::NO_CONTENT, None))
}

/// `GET …/<property>/$value`: the bare value.
fn raw(state: &State, (table, id): (&'static Table, Uuid), name: &str) -> Outcome<Reply> {
    let row = state.store.get(table, id).ok_or_else(|| Fault::no_row(table.name, id))?;
    let attribute =
        table.property(name).filter(|attribute| attribute.read).ok_or_else(|| Fault::no_segment(name))?;
    Ok(match row.get(attribute.name) {
        None => reply(StatusCode::NO_CONTENT, None),
        Some(Cell::Text(text)) => text_reply(StatusCode::OK, "text/plain", &**text),
        Some(Cell::File(bytes)) => {
            let mut answer = Response::new(Bytes::clone(bytes));
            set(&mut answer, "content-type", "application/octet-stream");
            answer
        }
        Some(cell) => match cell.json() {
            Json::String(text) => text_reply(StatusCode::OK, "text/plain", text),
            other => text_reply(StatusCode::OK, "text/plain", other.to_string()),
        },
    })
}

/// `…/<navigation>/$ref`.
fn refer(
    state: &mut State,
    session: &Session,
    request: &Request,
    (table, id): (&'static Table, Uuid),
    navigation: &Segment,
) -> Outcome<Reply> {
    let target = |body: &Map<String, Json>| {
        body.get("@odata.id")
            .and_then(Json::as_str)
            .map(str::to_owned)
            .ok_or_else(|| Fault::unreadable("The body must hold '@odata.id'."))
    };
    if let Some(collection) = table.collection(&navigation.name) {
        return refer_member(state, session, request, (table, id), collection, navigation, target);
    }
    let url = match request.method {
        Method::PUT => Some(target(&request.json()?)?),
        Method::DELETE => None,
        _ => return Err(Fault::no_method("$ref does not support this method here.")),
    };
    access::demand(state, session, table, Right::Write)?;
    access::demand_link(state, session, table, &navigation.name)?;
    records::set_reference(state, session, (table, id), &navigation.name, url.as_deref())?;
    Ok(reply(StatusCode::NO_CONTENT, None))
}

/// `POST` and `DELETE` of a reference in a collection: the member's lookup is set or cleared.
fn refer_member(
    state: &mut State,
    session: &Session,
    request: &Request,
    (table, id): (&'static Table, Uuid),
    collection: &'static crate::schema::Collection,
    segment: &Segment,
    target: impl Fn(&Map<String, Json>) -> Outcome<String>,
) -> Outcome<Reply> {
    let members = crate::schema::table(collection.table).ok_or_else(|| Fault::no_segment(collection.name))?;
    let navigation = members
        .attribute(collection.by)
        .and_then(|attribute| attribute.targets()?.iter().find(|target| target.table == table.name))
        .ok_or_else(|| Fault::no_segment(collection.name))?
        .navigation;
    let own = format!("/{}({id})", table.set);
    let (member, url) = match request.method {
        Method::POST => (target(&request.json()?)?, Some(own.as_str())),
        Method::DELETE => {
            let named = request.options().into_iter().find(|(name, _)| name == "$id").map(|(_, url)| url);
            let keyed = match &segment.arguments {
                Some(Arguments::Key(crate::odata::literal::Literal::Id(id))) => {
                    Some(format!("/{}({id})", members.set))
                }
                _ => None,
            };
            (named.or(keyed).ok_or_else(|| Fault::unreadable("The member is not named."))?, None)
        }
        _ => return Err(Fault::no_method("$ref does not support this method here.")),
    };
    let member = crate::odata::write::resolve_url(state, session, &member)?;
    access::demand(state, session, member.table, Right::Write)?;
    access::demand_link(state, session, member.table, navigation)?;
    records::set_reference(state, session, (member.table, member.id), navigation, url)?;
    Ok(reply(StatusCode::NO_CONTENT, None))
}
