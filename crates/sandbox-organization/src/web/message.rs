//! Functions and actions (dynamics.md 3.10, 5).

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{Method, StatusCode};
use hybridge_sandbox_kit::Reply;
use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

use super::{
    metadata,
    read::{self, complex},
    request::{Request, reply},
    roles,
};
use crate::{
    email::{self, Envelope, File, Message, Thread, Verdict},
    fault::{Fault, INVALID_ARGUMENT, Outcome},
    odata::{
        filter::alias_value,
        literal::{self, Literal},
        path::{Argument, Arguments, Segment},
        query::aliases,
    },
    options::ExtraProperties,
    organization::Organization,
    schema::Table,
    state::{Session, State},
};

/// The version that the organization says it is.
pub(crate) const VERSION: &str = "9.1.18.22";

/// A function or action that is bound to nothing.
pub(super) fn unbound(
    state: &mut State,
    session: &Session,
    request: &Request,
    segment: &Segment,
) -> Outcome<Reply> {
    if segment.name == "PublishXml" {
        return metadata::publish(state, session, request);
    }
    let known = match segment.name.as_str() {
        "WhoAmI" | "RetrieveVersion" | "RetrieveCurrentOrganization" | "RetrieveRolePrivilegesRole" => true,
        "CheckIncomingEmail" | "CheckPromoteEmail" => state.options.web_api_email_actions,
        _ => false,
    };
    if !known {
        return Err(Fault::no_segment(&segment.name));
    }
    if request.method != Method::GET {
        return Err(Fault::no_method(format!("'{}' is a function: it is called with GET.", segment.name)));
    }
    let parameters = Parameters::of(segment, request)?;
    if segment.name == "RetrieveRolePrivilegesRole" {
        return roles::privileges(state, session, parameters.0.get("RoleId"));
    }
    let value = match segment.name.as_str() {
        "WhoAmI" => json!({
            "BusinessUnitId": state.identity.business_unit,
            "UserId": session.caller,
            "OrganizationId": state.identity.organization,
        }),
        "RetrieveVersion" => json!({ "Version": VERSION }),
        "RetrieveCurrentOrganization" => current_organization(state),
        "CheckIncomingEmail" => {
            email::refuse_without_router(state)?;
            email::demand(state, session, &email::TO_CHECK)?;
            verdict_json("ShouldDeliver", email::check_incoming(state, &parameters.envelope(state)?))
        }
        _ => {
            email::refuse_without_router(state)?;
            email::demand(state, session, &email::TO_CHECK)?;
            let outgoing = parameters.0.get("DirectionCode") == Some(&Literal::Integer(1));
            let verdict = email::check_promote(state, &parameters.required("MessageId")?, outgoing);
            verdict_json("ShouldPromote", verdict)
        }
    };
    let body = complex(session, &format!("{}Response", segment.name), value);
    Ok(reply(StatusCode::OK, Some(&body)))
}

fn verdict_json(name: &str, verdict: Verdict) -> Json {
    json!({ name: verdict.deliver, "ReasonCode": verdict.reason.code() })
}

fn current_organization(state: &State) -> Json {
    let root = &state.origins.organization;
    let name = state.organization().text("name").to_owned();
    json!({ "Detail": {
        "OrganizationId": state.identity.organization,
        "FriendlyName": name,
        "OrganizationVersion": VERSION,
        "UrlName": Organization::UNIQUE_NAME,
        "UniqueName": Organization::UNIQUE_NAME,
        "State": "Enabled",
        "Endpoints": {
            "Count": 2,
            "IsReadOnly": false,
            "Keys": ["WebApplication", "OrganizationService"],
            "Values": [root.to_string(), format!("{root}XRMServices/2011/Organization.svc")],
        },
    }})
}

/// The parameters of a function.
struct Parameters(BTreeMap<String, Literal>);

impl Parameters {
    fn of(segment: &Segment, request: &Request) -> Outcome<Self> {
        let aliases = aliases(&request.options());
        let mut parameters = BTreeMap::new();
        let pairs = match &segment.arguments {
            None | Some(Arguments::None) => &[][..],
            Some(Arguments::Named(pairs)) => pairs,
            Some(Arguments::Key(_)) => {
                return Err(Fault::unreadable("Request message has unresolved parameters."));
            }
        };
        for (name, argument) in pairs {
            let value = match argument {
                Argument::Literal(literal) => literal.clone(),
                // An alias without a value stands for null.
                Argument::Alias(alias) => match aliases.get(alias) {
                    Some(value) => parameter_value(alias, value)?,
                    None => Literal::Null,
                },
            };
            parameters.insert(name.clone(), value);
        }
        Ok(Self(parameters))
    }

    fn text(&self, name: &str) -> Outcome<String> {
        match self.0.get(name) {
            None | Some(Literal::Null) => Ok(String::new()),
            Some(Literal::Text(text)) => Ok(text.clone()),
            Some(other) => {
                Err(Fault::unreadable(format!("The parameter '{name}' is a text, not {other:?}.")))
            }
        }
    }

    fn required(&self, name: &str) -> Outcome<String> {
        if self.0.contains_key(name) {
            return self.text(name);
        }
        Err(Fault::unreadable("Request message has unresolved parameters."))
    }

    fn envelope(&self, state: &State) -> Outcome<Envelope> {
        let (id, subject) = (self.required("MessageId")?, self.text("Subject")?);
        let addresses =
            [self.required("From")?, self.required("To")?, self.required("Cc")?, self.required("Bcc")?];
        let [from, to, cc, bcc] = &addresses;
        let mut envelope = Envelope::new(&id, &subject, [from, to, cc, bcc]);
        if let Some(Literal::Json(json)) = self.0.get("ExtraProperties") {
            let json = serde_json::from_str(json).map_err(|error| Fault::unreadable(error.to_string()))?;
            envelope.thread = thread(state, &json)?;
        }
        Ok(envelope)
    }
}

/// A literal as [`alias_value`] reads it, or JSON.
fn parameter_value(alias: &str, value: &str) -> Outcome<Literal> {
    let value = value.trim();
    if value.starts_with('{') { Ok(Literal::Json(value.to_owned())) } else { alias_value(alias, value) }
}

/// What `ExtraProperties` say about the thread.
pub(crate) fn thread(state: &State, extra: &Json) -> Outcome<Thread> {
    if extra.is_null() {
        return Ok(Thread::default());
    }
    if state.options.extra_properties == ExtraProperties::Refused {
        return Err(Fault::bad(INVALID_ARGUMENT, "The parameter 'ExtraProperties' can't be read."));
    }
    let text = |name: &str| extra.get(name).and_then(Json::as_str).unwrap_or_default().to_owned();
    Ok(Thread { in_reply_to: text("inreplyto"), conversation_index: text("conversationindex") })
}

/// An action bound to a set.
pub(super) fn on_collection(
    state: &mut State,
    session: &Session,
    request: &Request,
    table: &'static Table,
    name: &str,
) -> Outcome<Reply> {
    if table.name != "email"
        || name != "Microsoft.Dynamics.CRM.DeliverIncomingEmail"
        || !state.options.web_api_email_actions
    {
        return Err(Fault::no_segment(name));
    }
    email::refuse_without_router(state)?;
    email::demand(state, session, &email::TO_DELIVER)?;
    let body = request.json()?;
    let validate = body.get("ValidateBeforeCreate").and_then(Json::as_bool).unwrap_or(false);
    let message = message(state, &body)?;
    let id = email::deliver_incoming(state, session, message, validate)?;
    email_reply(state, session, table, id)
}

/// An action bound to a row.
pub(super) fn on_row(
    state: &mut State,
    session: &Session,
    request: &Request,
    (table, id): (&'static Table, Uuid),
    name: &str,
) -> Outcome<Reply> {
    if table.name == "role" {
        return roles::act(state, session, request, (table, id), name);
    }
    if table.name == "email" && name == "Microsoft.Dynamics.CRM.SendEmail" {
        return send_email(state, session, request, id);
    }
    if table.name != "email"
        || name != "Microsoft.Dynamics.CRM.DeliverPromoteEmail"
        || !state.options.web_api_email_actions
    {
        return Err(Fault::no_segment(name));
    }
    if request.method != Method::POST {
        return Err(Fault::no_method("An action is called with POST."));
    }
    email::refuse_without_router(state)?;
    email::demand(state, session, &email::TO_PROMOTE)?;
    let message = message(state, &request.json()?)?;
    let id = email::deliver_promote(state, session, id, message)?;
    email_reply(state, session, table, id)
}

fn send_email(state: &mut State, session: &Session, request: &Request, id: Uuid) -> Outcome<Reply> {
    if request.method != Method::POST {
        return Err(Fault::no_method("An action is called with POST."));
    }
    email::demand(state, session, &email::TO_SEND)?;
    let body = request.json()?;
    let Some(issue) = body.get("IssueSend").and_then(Json::as_bool) else {
        return Err(Fault::bad(INVALID_ARGUMENT, "The required parameter 'IssueSend' is missing."));
    };
    let token = body.get("TrackingToken").and_then(Json::as_str).map(str::to_owned);
    let subject = email::send(state, session, id, &email::Sending { issue, token })?;
    let body = complex(session, "SendEmailResponse", json!({ "Subject": subject }));
    Ok(reply(StatusCode::OK, Some(&body)))
}

fn email_reply(state: &State, session: &Session, table: &'static Table, id: Uuid) -> Outcome<Reply> {
    let (body, _) = read::single(state, session, (table, id), &[])?;
    Ok(reply(StatusCode::OK, Some(&Json::from(body))))
}

/// The message in an action's parameters.
fn message(state: &State, body: &Map<String, Json>) -> Outcome<Message> {
    let text = |name: &str| body.get(name).and_then(Json::as_str).unwrap_or_default();
    for name in [
        "MessageId",
        "From",
        "To",
        "Cc",
        "Bcc",
        "ReceivedOn",
        "SubmittedBy",
        "Importance",
        "Body",
        "Attachments",
    ] {
        if !body.contains_key(name) {
            return Err(Fault::bad(INVALID_ARGUMENT, format!("The required parameter '{name}' is missing.")));
        }
    }
    let mut envelope = Envelope::new(
        text("MessageId"),
        text("Subject"),
        [text("From"), text("To"), text("Cc"), text("Bcc")],
    );
    envelope.submitted_by = Envelope::new("", "", [text("SubmittedBy"), "", "", ""]).from;
    envelope.thread = thread(state, body.get("ExtraProperties").unwrap_or(&Json::Null))?;
    let received = match body.get("ReceivedOn") {
        Some(Json::String(text)) => Some(
            literal::instant(text).ok_or_else(|| Fault::unreadable("'ReceivedOn' is no date and time."))?,
        ),
        _ => None,
    };
    let files = match body.get("Attachments") {
        Some(Json::Array(files)) => files.iter().map(file).collect::<Outcome<_>>()?,
        _ => Vec::new(),
    };
    Ok(Message {
        envelope,
        received,
        importance: text("Importance").to_owned(),
        body: text("Body").to_owned(),
        files,
    })
}

fn file(json: &Json) -> Outcome<File> {
    let text = |name: &str| json.get(name).and_then(Json::as_str);
    let name = text("filename").ok_or_else(|| Fault::bad(0x8004_4a08, "The attachment has no file name."))?;
    let bytes = STANDARD
        .decode(text("body").unwrap_or_default())
        .map_err(|_| Fault::unreadable("The body of an attachment is not base64."))?;
    Ok(File {
        name: name.to_owned(),
        content_type: text("mimetype").unwrap_or("application/octet-stream").to_owned(),
        content_id: text("attachmentcontentid").map(str::to_owned),
        bytes: bytes.into(),
    })
}
