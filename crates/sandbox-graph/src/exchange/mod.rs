//! Exchange Online's administration: cmdlets as the Exchange Online module sends them, and what they change
//! (setup.md 2.3 P7 and X1, 4.1 G6 to G9; graph.md 1.9).

mod cmdlets;
mod ews;

use http::StatusCode;
use hybridge_sandbox_kit::{Call, Reply, json_reply};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::{
    graph::Graph,
    state::State,
    web::auth::{Caller, Need},
};

pub(crate) use cmdlets::Refused;
pub use ews::{EwsRefusal, EwsService};

/// The resource that administrators' tokens are for.
const AUDIENCE: &str = "https://outlook.office365.com";
/// What an administrator's token has to permit.
const PERMISSION: &str = "Exchange.Manage";

/// What Exchange's administrators have set up.
#[derive(Debug, Default)]
pub(crate) struct Exchange {
    pub(crate) principals: Vec<Principal>,
    pub(crate) groups: Vec<Group>,
    pub(crate) scopes: Vec<(String, String)>,
    pub(crate) assignments: Vec<Assignment>,
    pub(crate) ews: ews::Ews,
    /// How long a new assignment takes to count, in seconds.
    pub(crate) propagation_seconds: u32,
}

/// Exchange's pointer to a service principal of the directory.
#[derive(Debug, Clone)]
pub(crate) struct Principal {
    pub(crate) app_id: Uuid,
    pub(crate) object_id: Uuid,
    pub(crate) display_name: String,
}

/// A mail-enabled security group.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) members: Vec<Uuid>,
}

impl Group {
    /// Its distinguished name.
    pub(crate) fn dn(&self) -> String {
        format!(
            "CN={},OU=lindhagen.test,OU=Microsoft Exchange Hosted Organizations,DC=EURPR01A001,DC=PROD,DC=OUTLOOK,DC=COM",
            self.name
        )
    }
}

/// A role given to an application for the mailboxes of a scope.
#[derive(Debug, Clone)]
pub(crate) struct Assignment {
    pub(crate) name: String,
    pub(crate) principal: Uuid,
    pub(crate) role: String,
    pub(crate) scope: Option<String>,
    pub(crate) counts_from: Timestamp,
}

impl Exchange {
    /// Whether a mailbox lies in a scope (`MemberOfGroup -eq '<DN>'`).
    pub(crate) fn in_scope(&self, scope: Option<&str>, user: Uuid) -> bool {
        let Some(scope) = scope else { return true };
        let filter = self.scopes.iter().find(|(name, _)| name == scope).map(|(_, filter)| filter.as_str());
        let dn = filter
            .and_then(|filter| filter.strip_prefix("MemberOfGroup -eq "))
            .map(|quoted| quoted.trim().trim_matches('\''));
        self.groups.iter().any(|group| Some(group.dn().as_str()) == dn && group.members.contains(&user))
    }

    /// Whether an application may do something in a mailbox by RBAC for Applications.
    pub(crate) fn grants(&self, caller: &Caller, user: Uuid, need: Need, now: Timestamp) -> bool {
        self.principals
            .iter()
            .filter(|known| known.app_id == caller.app_id && Some(known.object_id) == caller.object_id)
            .any(|known| {
                self.assignments.iter().any(|assignment| {
                    assignment.principal == known.object_id
                        && assignment.counts_from <= now
                        && assignment
                            .role
                            .strip_prefix("Application ")
                            .is_some_and(|role| need.is_met_by(role))
                        && self.in_scope(assignment.scope.as_deref(), user)
                })
            })
    }

    fn delay(&self, now: Timestamp) -> Timestamp {
        now.checked_add(SignedDuration::from_secs(i64::from(self.propagation_seconds))).unwrap_or(now)
    }
}

impl Graph {
    /// Answers a cmdlet of Exchange Online's administration; `None` for a call to something else.
    pub fn administer(&self, call: &Call) -> Option<Reply> {
        let path = call.url.path().trim_matches('/').to_ascii_lowercase();
        let rest = path.strip_prefix("adminapi/beta/")?;
        let tenant = rest.strip_suffix("/invokecommand").unwrap_or_default();
        let known =
            tenant.parse() == Ok(self.tenant.id) || self.tenant.domains.iter().any(|name| name == tenant);
        if !known {
            return Some(refused(StatusCode::NOT_FOUND, "NotFound", "The tenant or the command is unknown."));
        }
        let judged = call.bearer().map(|token| self.tenant.judge.judge(token, &[AUDIENCE]));
        let Some(Ok(claims)) = judged else {
            return Some(refused(
                StatusCode::UNAUTHORIZED,
                "Unauthorized",
                "The access token is missing or invalid.",
            ));
        };
        if !claims.scopes.iter().any(|scope| scope == PERMISSION) {
            let text = "The role assigned to the user doesn't permit this: Exchange Administrator is needed.";
            return Some(refused(StatusCode::FORBIDDEN, "Forbidden", text));
        }
        let body: Value = serde_json::from_slice(&call.body).unwrap_or_default();
        let input = body.get("CmdletInput").cloned().unwrap_or_default();
        let name = input.get("CmdletName").and_then(Value::as_str).unwrap_or_default().to_owned();
        let parameters: Map<String, Value> =
            input.get("Parameters").and_then(Value::as_object).cloned().unwrap_or_default();
        let now = self.now();
        Some(match self.with_state(|state| cmdlets::run(state, &name, &parameters, now)) {
            Ok(value) => json_reply(StatusCode::OK, &json!({ "value": value })),
            Err(Refused { kind, message }) => refused(
                StatusCode::BAD_REQUEST,
                "BadRequest",
                &format!("|Microsoft.Exchange.Configuration.Tasks.{kind}|{message}"),
            ),
        })
    }

    /// Runs a cmdlet as an administrator would; its objects.
    ///
    /// # Errors
    /// The cmdlet's own error.
    pub fn run_cmdlet(&self, name: &str, parameters: &Map<String, Value>) -> Result<Vec<Value>, String> {
        let now = self.now();
        self.with_state(|state| cmdlets::run(state, name, parameters, now))
            .map_err(|Refused { kind, message }| format!("{kind}: {message}"))
    }

    /// How long role assignments take to count from now on, in seconds.
    pub fn set_exchange_propagation(&self, seconds: u32) {
        self.state().exchange.propagation_seconds = seconds;
    }
}

fn refused(status: StatusCode, code: &str, message: &str) -> Reply {
    json_reply(status, &json!({ "error": { "code": code, "message": message } }))
}

/// The user that an identity names.
pub(crate) fn user(state: &State, identity: &str) -> Result<Uuid, Refused> {
    state.find_user(identity).map(|user| user.id).ok_or_else(|| Refused::not_found(identity))
}
