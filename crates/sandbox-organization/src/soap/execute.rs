//! `Execute`: the messages that the service knows.

use http::StatusCode;
use hybridge_sandbox_kit::{Call, Reply, text_reply};
use serde_json::{Map, Value as Json};
use uuid::Uuid;

use super::{
    read::{self, OrganizationRequest, Value},
    write::{self, Answer, Item, Response},
};
use crate::{
    email::{self, Envelope, File, Message, Thread},
    fault::{Fault, INVALID_ARGUMENT, Outcome},
    odata::literal,
    state::{Session, State},
    web::{VERSION, thread},
};

/// The most requests in an `ExecuteMultiple`.
const LARGEST_MULTIPLE: usize = 1000;

/// Answers a call of the service.
pub(crate) fn answer(state: &mut State, session: &Session, call: &Call) -> Reply {
    let outcome = request(call).and_then(|request| execute(state, session, &request, true));
    let now = state.now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let (status, written) = match &outcome {
        Ok(response) => (StatusCode::OK, write::response(response)),
        // SOAP 1.1 over HTTP: every fault is a 500.
        Err(fault) => (StatusCode::INTERNAL_SERVER_ERROR, write::fault(fault, &now)),
    };
    let xml = written.map(|xml| String::from_utf8_lossy(&xml).into_owned()).unwrap_or_default();
    text_reply(status, "text/xml; charset=utf-8", xml)
}

fn request(call: &Call) -> Outcome<OrganizationRequest> {
    let unreadable = |why: String| Fault::bad(INVALID_ARGUMENT, format!("The message can't be read: {why}."));
    if call.method != http::Method::POST {
        return Err(Fault::no_method("The service is called with POST."));
    }
    let root = read::tree(&call.body).map_err(unreadable)?;
    let execute = root.find("Execute").ok_or_else(|| unreadable("it holds no Execute".to_owned()))?;
    let request = execute.child("request").ok_or_else(|| unreadable("it holds no request".to_owned()))?;
    OrganizationRequest::read(request).map_err(unreadable)
}

fn execute(
    state: &mut State,
    session: &Session,
    request: &OrganizationRequest,
    outermost: bool,
) -> Outcome<Response> {
    state.count(&format!("SOAP {}", request.name));
    let results = match request.name.as_str() {
        "WhoAmI" => vec![
            ("UserId", Answer::Id(session.caller)),
            ("BusinessUnitId", Answer::Id(state.identity.business_unit)),
            ("OrganizationId", Answer::Id(state.identity.organization)),
        ],
        "RetrieveVersion" => vec![("Version", Answer::Text(VERSION.to_owned()))],
        "CheckIncomingEmail" => {
            email::refuse_without_router(state)?;
            email::demand(state, session, &email::TO_CHECK)?;
            let verdict = email::check_incoming(state, &envelope(state, request)?);
            vec![
                ("ShouldDeliver", Answer::Boolean(verdict.deliver)),
                ("ReasonCode", Answer::Integer(verdict.reason.code())),
            ]
        }
        "CheckPromoteEmail" => {
            email::refuse_without_router(state)?;
            email::demand(state, session, &email::TO_CHECK)?;
            let outgoing = request.parameters.get("DirectionCode") == Some(&Value::Integer(1));
            let verdict = email::check_promote(state, request.text("MessageId"), outgoing);
            vec![
                ("ShouldPromote", Answer::Boolean(verdict.deliver)),
                ("ReasonCode", Answer::Integer(verdict.reason.code())),
            ]
        }
        "DeliverIncomingEmail" => {
            email::refuse_without_router(state)?;
            email::demand(state, session, &email::TO_DELIVER)?;
            let validate = request.parameters.get("ValidateBeforeCreate") == Some(&Value::Boolean(true));
            let message = message(state, request)?;
            vec![("EmailId", Answer::Id(email::deliver_incoming(state, session, message, validate)?))]
        }
        "DeliverPromoteEmail" => {
            email::refuse_without_router(state)?;
            email::demand(state, session, &email::TO_PROMOTE)?;
            let id: Uuid = request
                .text("EmailId")
                .parse()
                .map_err(|_| Fault::bad(INVALID_ARGUMENT, "The required field 'EmailId' is missing."))?;
            let message = message(state, request)?;
            vec![("EmailId", Answer::Id(email::deliver_promote(state, session, id, message)?))]
        }
        "ExecuteMultiple" if outermost => execute_multiple(state, session, request)?,
        other => {
            return Err(Fault::bad(0x8004_0800, format!("The request '{other}' is not supported.")));
        }
    };
    Ok(Response { name: request.name.clone(), results })
}

/// Each request stands for itself; after a fault the rest is done only when the settings say so.
fn execute_multiple(
    state: &mut State,
    session: &Session,
    request: &OrganizationRequest,
) -> Outcome<Vec<(&'static str, Answer)>> {
    let Some(Value::Requests(requests)) = request.parameters.get("Requests") else {
        return Err(Fault::bad(INVALID_ARGUMENT, "The required field 'Requests' is missing."));
    };
    let (go_on, return_responses) = match request.parameters.get("Settings") {
        Some(Value::Settings { continue_on_error, return_responses }) => {
            (*continue_on_error, *return_responses)
        }
        _ => (false, false),
    };
    if requests.len() > LARGEST_MULTIPLE {
        return Err(Fault::bad(
            0x8004_401d,
            format!("The request contains too many requests. A maximum of {LARGEST_MULTIPLE} is allowed."),
        ));
    }
    let mut items = Vec::new();
    for (index, request) in requests.iter().enumerate() {
        let outcome = execute(state, session, request, false);
        let failed = outcome.is_err();
        if failed || return_responses {
            items.push(Item { index, outcome });
        }
        if failed && !go_on {
            break;
        }
    }
    let faulted = items.iter().any(|item| item.outcome.is_err());
    Ok(vec![("IsFaulted", Answer::Boolean(faulted)), ("Responses", Answer::Responses(items))])
}

fn envelope(state: &State, request: &OrganizationRequest) -> Outcome<Envelope> {
    let mut envelope = Envelope::new(
        request.text("MessageId"),
        request.text("Subject"),
        [request.text("From"), request.text("To"), request.text("Cc"), request.text("Bcc")],
    );
    envelope.thread = match request.parameters.get("ExtraProperties") {
        Some(Value::Entity(attributes)) => {
            let json: Map<String, Json> = attributes
                .iter()
                .filter_map(|(name, value)| Some((name.clone(), Json::from(value.text()?))))
                .collect();
            thread(state, &Json::from(json))?
        }
        _ => Thread::default(),
    };
    Ok(envelope)
}

fn message(state: &State, request: &OrganizationRequest) -> Outcome<Message> {
    let mut envelope = envelope(state, request)?;
    envelope.submitted_by = Envelope::new("", "", [request.text("SubmittedBy"), "", "", ""]).from;
    let files = match request.parameters.get("Attachments") {
        Some(Value::Entities(rows)) => rows
            .iter()
            .map(|row| {
                let text = |name: &str| row.get(name).and_then(Value::text);
                let name = text("filename")
                    .ok_or_else(|| Fault::bad(0x8004_4a08, "The attachment has no file name."))?;
                let bytes = read::bytes(row.get("body")).map_err(|why| Fault::bad(INVALID_ARGUMENT, why))?;
                Ok(File {
                    name: name.to_owned(),
                    content_type: text("mimetype").unwrap_or("application/octet-stream").to_owned(),
                    content_id: text("attachmentcontentid").map(str::to_owned),
                    bytes: bytes.into(),
                })
            })
            .collect::<Outcome<_>>()?,
        _ => Vec::new(),
    };
    Ok(Message {
        envelope,
        received: literal::instant(request.text("ReceivedOn")),
        importance: request.text("Importance").to_owned(),
        body: request.text("Body").to_owned(),
        files,
    })
}
