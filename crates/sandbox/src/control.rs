//! The control API: what a test or a curious user can ask of the world and do to it.
//!
//! | request | effect |
//! | --- | --- |
//! | `GET /weather`, `PUT /weather` | the probabilities of faults ([`Weather`](crate::faults::Weather) as JSON) |
//! | `POST /faults` | a fault for the next calls that match ([`Rule`](crate::faults::Rule)) |
//! | `DELETE /faults` | forget all such rules |
//! | `GET /mailboxes` | every message of every mailbox: the ground truth of the Exchange side |
//! | `GET /emails` | every email record: the ground truth of the CRM side |
//! | `GET /queue-items` | every item of every queue |
//! | `GET /requests` | how often each side was asked |
//! | `POST /mail` | a mail is sent: `{"from","to":[…],"cc":[…],"subject","text","messageId","inReplyTo"}` |
//! | `POST /outbox` | a user of the organization writes: `{"from":"anna@…","to":"kim@…","subject","text","answers","notBefore","times"}` (`to` a contact; `answers` the id of a record); the ids of the records |
//! | `GET /sent` | every mail that has left a mailbox |
//! | `POST /import?mailbox=…&folder=inbox` | the body, a raw message, is put into a mailbox |
//! | `POST /mailboxes/state` | `{"mailbox","state"}`: normal, not-enabled, out-of-scope, unavailable, quota-exceeded |
//! | `PUT /organization` | `{"settings":{"maxuploadfilesize":33554432},"largestRequest":50000000,"mailboxes":{"anna@…":{"processemailreceivedafter":"…"}}}`: columns of the organization's row and of mailbox records; the bytes that its web server takes; `"trustServiceAccount":true` makes the service account a System Administrator |
//! | `PUT /directory` | `{"propagationSeconds","loseUpdates","throttle","longestValidityDays","exchangePropagationSeconds","tokenSeconds"}`: how the directory misbehaves |
//! | `PUT /operator` | `{"away","lacking":["Exchange.Manage"]}`: whether an administrator types device codes in, and the permissions that are missing |
//! | `GET /directory` | the app registrations with their certificates and consents |
//! | `GET /windows` | the Windows servers: certificates, keys' readers, services, configuration database, AD FS farm |
//! | `PUT /windows` | `{"CRM01":{"faults":{"down":true}}}`: what is wrong with a server ([`windows`]) |
//! | `GET /native` | Dynamics' own synchronization: what every server and mailbox says |
//! | `PUT /native` | its switches, and what an administrator does in the web client ([`native`]) |
//! | `POST /cursors/expire` | `{"mailbox"}`: its delta tokens are gone |

mod native;
mod outbox;
mod windows;

use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode};
use hybridge_sandbox_graph::{Body, EmailAddress, HeaderField, Mail};
use hybridge_sandbox_identity::DirectoryFaults;
use hybridge_sandbox_kit::{Call, Reply, json_reply};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{
    faults::{Rule, Weather, state_named},
    world::Sandbox,
};

/// Answers a call to the control API.
pub(crate) fn answer(sandbox: &Sandbox, call: &Call) -> Reply {
    match route(sandbox, call) {
        Ok(value) => json_reply(StatusCode::OK, &value),
        Err((status, message)) => json_reply(status, &json!({ "error": message })),
    }
}

type Answer = Result<Value, (StatusCode, String)>;

fn route(sandbox: &Sandbox, call: &Call) -> Answer {
    match (&call.method, call.url.path()) {
        (&Method::GET, "/weather") => Ok(json!(sandbox.faults().weather())),
        (&Method::PUT, "/weather") => {
            sandbox.set_weather(read::<Weather>(&call.body)?);
            Ok(json!(sandbox.faults().weather()))
        }
        (&Method::POST, "/faults") => {
            sandbox.faults().add(read::<Rule>(&call.body)?);
            Ok(json!({}))
        }
        (&Method::DELETE, "/faults") => {
            sandbox.faults().clear_rules();
            Ok(json!({}))
        }
        (&Method::GET, "/mailboxes") => Ok(mailboxes(sandbox)),
        (&Method::GET, "/emails") => Ok(emails(sandbox)),
        (&Method::GET, "/queue-items") => Ok(json!({ "items": sandbox.organization().queue_items() })),
        (&Method::GET, "/requests") => {
            let graph = sandbox.graph().request_counts();
            let organization = sandbox.organization().request_counts();
            Ok(json!({
                "graph": { "requests": graph.requests, "operations": graph.operations, "by_route": graph.by_route },
                "organization": organization,
            }))
        }
        (&Method::POST, "/mail") => Ok(send(sandbox, &read(&call.body)?)),
        (&Method::POST, "/outbox") => outbox::write(sandbox, &read(&call.body)?),
        (&Method::GET, "/sent") => Ok(outbox::sent(sandbox)),
        (&Method::POST, "/import") => import(sandbox, call),
        (&Method::POST, "/mailboxes/state") => set_state(sandbox, &read(&call.body)?),
        (&Method::PUT, "/organization") => configure(sandbox, read(&call.body)?),
        (&Method::GET, "/directory") => Ok(sandbox.entra().census()),
        (&Method::PUT, "/directory") => {
            let faults: Misbehaviour = read(&call.body)?;
            sandbox.entra().set_directory_faults(faults.directory);
            sandbox.graph().set_exchange_propagation(faults.exchange_propagation_seconds);
            sandbox.entra().set_token_lifetime(Duration::from_secs(faults.token_seconds.unwrap_or(3599)));
            Ok(json!({}))
        }
        (&Method::PUT, "/operator") => {
            let Operator { away, lacking } = read(&call.body)?;
            sandbox.entra().set_operator(away, lacking);
            Ok(json!({}))
        }
        (&Method::GET, "/windows") => Ok(windows::census(&sandbox.windows())),
        (&Method::PUT, "/windows") => {
            windows::change(&mut sandbox.windows(), &read(&call.body)?)
                .map_err(|message| (StatusCode::BAD_REQUEST, message))?;
            Ok(windows::census(&sandbox.windows()))
        }
        (&Method::GET, "/native") => Ok(native::census(sandbox)),
        (&Method::PUT, "/native") => {
            native::change(sandbox, read(&call.body)?)
                .map_err(|message| (StatusCode::BAD_REQUEST, message))?;
            Ok(native::census(sandbox))
        }
        (&Method::POST, "/cursors/expire") => {
            let Named { mailbox } = read(&call.body)?;
            sandbox.graph().expire_delta_tokens(user(sandbox, &mailbox)?);
            Ok(json!({}))
        }
        _ => Err((
            StatusCode::NOT_FOUND,
            format!("the control API has no {} {}", call.method, call.url.path()),
        )),
    }
}

fn read<T: DeserializeOwned>(body: &Bytes) -> Result<T, (StatusCode, String)> {
    serde_json::from_slice(body).map_err(|error| (StatusCode::BAD_REQUEST, error.to_string()))
}

fn user(sandbox: &Sandbox, name: &str) -> Result<uuid::Uuid, (StatusCode, String)> {
    sandbox
        .graph()
        .find_user(name)
        .ok_or_else(|| (StatusCode::NOT_FOUND, format!("no mailbox has the address {name:?}")))
}

fn mailboxes(sandbox: &Sandbox) -> Value {
    let names: std::collections::BTreeMap<uuid::Uuid, String> = sandbox.graph().users().into_iter().collect();
    let messages: Vec<Value> = sandbox
        .graph()
        .census()
        .into_iter()
        .map(|entry| {
            json!({
                "mailbox": names.get(&entry.user_id),
                "id": entry.immutable_id,
                "messageId": entry.internet_message_id,
                "folder": entry.folder,
                "subject": entry.subject,
                "received": entry.received,
            })
        })
        .collect();
    json!({ "messages": messages })
}

fn emails(sandbox: &Sandbox) -> Value {
    let emails: Vec<Value> = sandbox.organization().emails().into_iter().map(|email| json!(email)).collect();
    json!({ "emails": emails })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Misbehaviour {
    #[serde(flatten)]
    directory: DirectoryFaults,
    #[serde(default)]
    exchange_propagation_seconds: u32,
    #[serde(default)]
    token_seconds: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Operator {
    #[serde(default)]
    away: bool,
    #[serde(default)]
    lacking: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct OrganizationChanges {
    #[serde(default)]
    settings: serde_json::Map<String, Value>,
    /// Columns of mailbox records, by address.
    #[serde(default)]
    mailboxes: std::collections::BTreeMap<String, Value>,
    #[serde(default)]
    largest_request: Option<usize>,
    /// The service account is made a System Administrator.
    #[serde(default)]
    trust_service_account: bool,
}

fn configure(sandbox: &Sandbox, changes: OrganizationChanges) -> Answer {
    let organization = sandbox.organization();
    if !changes.settings.is_empty() {
        organization
            .configure(&Value::Object(changes.settings))
            .map_err(|refused| (StatusCode::BAD_REQUEST, refused.to_string()))?;
    }
    for (address, columns) in &changes.mailboxes {
        organization
            .configure_mailbox(address, columns)
            .map_err(|refused| (StatusCode::BAD_REQUEST, refused.to_string()))?;
    }
    if changes.trust_service_account {
        organization
            .trust_service_account()
            .map_err(|refused| (StatusCode::BAD_REQUEST, refused.to_string()))?;
    }
    if let Some(bytes) = changes.largest_request {
        organization.set_option(|options| options.largest_request = bytes);
    }
    Ok(json!({}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    mailbox: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewState {
    mailbox: String,
    state: String,
}

fn set_state(sandbox: &Sandbox, wanted: &NewState) -> Answer {
    let state = state_named(&wanted.state).map_err(|error| (StatusCode::BAD_REQUEST, error.to_string()))?;
    sandbox
        .graph()
        .set_mailbox_state(user(sandbox, &wanted.mailbox)?, state)
        .map_err(|error| (StatusCode::NOT_FOUND, error.to_string()))?;
    Ok(json!({}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct NewMail {
    from: String,
    to: Vec<String>,
    #[serde(default)]
    cc: Vec<String>,
    #[serde(default)]
    subject: String,
    #[serde(default)]
    text: String,
    #[serde(default)]
    message_id: Option<String>,
    #[serde(default)]
    in_reply_to: Option<String>,
}

fn send(sandbox: &Sandbox, new: &NewMail) -> Value {
    let address = |text: &String| EmailAddress { name: String::new(), address: text.clone() };
    let mail = Mail {
        from: address(&new.from),
        to: new.to.iter().map(address).collect(),
        cc: new.cc.iter().map(address).collect(),
        subject: new.subject.clone(),
        body: Body::text(new.text.clone()),
        message_id: new.message_id.clone(),
        headers: new
            .in_reply_to
            .iter()
            .map(|id| HeaderField { name: "In-Reply-To".to_owned(), value: id.clone() })
            .collect(),
        ..Mail::default()
    };
    json!({ "messageId": sandbox.graph().deliver(mail) })
}

fn import(sandbox: &Sandbox, call: &Call) -> Answer {
    let parameter =
        |name: &str| call.url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    let mailbox =
        parameter("mailbox").ok_or_else(|| (StatusCode::BAD_REQUEST, "?mailbox= is missing".to_owned()))?;
    let folder = parameter("folder").unwrap_or_else(|| "inbox".to_owned());
    let id = sandbox
        .graph()
        .import_mime(user(sandbox, &mailbox)?, &folder, call.body.clone(), None)
        .map_err(|error| (StatusCode::BAD_REQUEST, error.to_string()))?;
    Ok(json!({ "id": id }))
}
