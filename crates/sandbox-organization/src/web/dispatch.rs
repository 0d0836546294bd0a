//! Where a request of the Web API goes.

use http::{Method, StatusCode};
use hybridge_sandbox_kit::Reply;
use uuid::Uuid;

use super::{
    message, metadata, read,
    request::{Request, fault_reply, set},
    row, tracking,
};
use crate::{
    access::{self, Right},
    fault::{Fault, INVALID_ARGUMENT, Outcome},
    odata::{
        literal::Literal,
        path::{Argument, Arguments, Segment},
        prefer::Prefer,
    },
    schema::{self, Table},
    state::{Session, State},
};

/// Answers one request; every refusal is an answer too.
pub(crate) fn answer(state: &mut State, session: &Session, request: &Request) -> Reply {
    let session =
        Session { prefer: Prefer::read(request.header("prefer").unwrap_or_default()), ..session.clone() };
    state.count(&operation(request));
    let mut reply = route(state, &session, request).unwrap_or_else(|fault| fault_reply(&fault));
    if let Some(applied) = session.prefer.applied()
        && reply.status().is_success()
    {
        set(&mut reply, "preference-applied", &applied);
    }
    reply
}

/// The name that a request is counted under, for example `GET emails` or `CheckIncomingEmail`.
pub(crate) fn operation(request: &Request) -> String {
    let segments = request.segments().unwrap_or_default();
    match segments.as_slice() {
        [] => "service document".to_owned(),
        [.., last] if last.name.starts_with("Microsoft.Dynamics.CRM.") => {
            last.name.trim_start_matches("Microsoft.Dynamics.CRM.").to_owned()
        }
        [first, ..] if schema::by_set(&first.name).is_some() => format!("{} {}", request.method, first.name),
        [first, ..] => first.name.clone(),
    }
}

fn route(state: &mut State, session: &Session, request: &Request) -> Outcome<Reply> {
    let segments = request.segments()?;
    let Some((first, rest)) = segments.split_first() else {
        return Ok(metadata::service_document(session));
    };
    match first.name.as_str() {
        "$metadata" => return Ok(metadata::csdl()),
        "EntityDefinitions" => return metadata::definitions(state, session, request, first, rest),
        _ => {}
    }
    if let Some(table) = schema::by_set(&first.name) {
        return on_set(state, session, request, table, first, rest);
    }
    if !rest.is_empty() {
        return Err(Fault::no_segment(&first.name));
    }
    message::unbound(state, session, request, first)
}

fn on_set(
    state: &mut State,
    session: &Session,
    request: &Request,
    table: &'static Table,
    first: &Segment,
    rest: &[Segment],
) -> Outcome<Reply> {
    match &first.arguments {
        None => on_collection(state, session, request, table, rest),
        Some(arguments) => {
            let id = key(table, arguments)?;
            row::answer(state, session, request, (table, id), rest)
        }
    }
}

fn on_collection(
    state: &mut State,
    session: &Session,
    request: &Request,
    table: &'static Table,
    rest: &[Segment],
) -> Outcome<Reply> {
    match (rest, &request.method) {
        ([], &Method::GET) => {
            access::demand(state, session, table, Right::Read)?;
            let pairs = request.options();
            if session.prefer.track_changes || pairs.iter().any(|(name, _)| name == "$deltatoken") {
                return tracking::answer(state, session, table, &pairs);
            }
            read::collection(state, session, table, &pairs, None, table.set)
        }
        ([], &Method::POST) => row::create(state, session, request, table),
        ([count], &Method::GET) if count.name == "$count" => {
            access::demand(state, session, table, Right::Read)?;
            read::count(state, table, &request.options())
        }
        ([action], &Method::POST) if action.name.starts_with("Microsoft.Dynamics.CRM.") => {
            message::on_collection(state, session, request, table, &action.name)
        }
        ([], method) => {
            Err(Fault::no_method(format!("The method {method} is not allowed on '{}'.", table.set)))
        }
        ([segment, ..], _) => Err(Fault::no_segment(&segment.name)),
    }
}

/// The id in a row's parentheses; the organization has no alternate keys (dynamics.md 3.8).
fn key(table: &Table, arguments: &Arguments) -> Outcome<Uuid> {
    match arguments {
        Arguments::Key(Literal::Id(id)) => Ok(*id),
        Arguments::Key(Literal::Text(text)) => {
            text.parse().map_err(|_| Fault::unreadable("Error in query syntax: the key is no GUID."))
        }
        Arguments::Named(pairs) => match pairs.as_slice() {
            [(name, Argument::Literal(Literal::Id(id)))] if name == table.key => Ok(*id),
            _ => Err(Fault::new(
                StatusCode::BAD_REQUEST,
                0x8006_0890,
                format!("The specified key attributes are not a defined key for the {} entity", table.name),
            )),
        },
        _ => Err(Fault::bad(INVALID_ARGUMENT, "Error in query syntax: the key can't be read.")),
    }
}
