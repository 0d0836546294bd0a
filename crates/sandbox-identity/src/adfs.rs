//! AD FS in front of the organization (dynamics.md 2.1 to 2.3): the password and refresh token grants.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use http::StatusCode;
use hybridge_sandbox_kit::{
    Call, Claims, Clock, Dice, Origins, Reply, Service, TokenFault, TokenJudge, json_reply, text_reply,
};
use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{entra::form, keys};

/// What an emulated AD FS is made of.
#[derive(Debug)]
pub struct AdfsSetup {
    /// The time.
    pub clock: Clock,
    /// Where refresh tokens come from.
    pub dice: Dice,
    /// Where it and the organization are reached.
    pub origins: Origins,
}

/// A user of the domain.
#[derive(Clone)]
pub struct AdfsUser {
    /// `DOMAIN\user`.
    pub account: String,
    /// `user@domain`.
    pub user_principal_name: String,
    /// The password.
    pub password: String,
}

impl std::fmt::Debug for AdfsUser {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("AdfsUser").field("account", &self.account).finish_non_exhaustive()
    }
}

/// An AD FS server that the organization trusts.
#[derive(Debug)]
pub struct Adfs {
    setup: AdfsSetup,
    state: Mutex<State>,
}

struct State {
    clients: BTreeSet<Uuid>,
    users: Vec<AdfsUser>,
    /// Whose each one is, and when it ends.
    refresh_tokens: BTreeMap<String, (String, Timestamp)>,
    token_lifetime: Duration,
    password_grant: bool,
}

// Refresh tokens are secrets, made-up ones too.
impl std::fmt::Debug for State {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("State").field("clients", &self.clients).finish_non_exhaustive()
    }
}

/// How long a refresh token lives.
const REFRESH_LIFETIME: Duration = Duration::from_hours(8);

/// A refusal: OAuth error, text.
type Refused = (&'static str, String);

impl Adfs {
    /// An AD FS without clients and users.
    pub fn new(setup: AdfsSetup) -> Arc<Self> {
        let state = State {
            clients: BTreeSet::new(),
            users: Vec::new(),
            refresh_tokens: BTreeMap::new(),
            token_lifetime: Duration::from_hours(1),
            password_grant: true,
        };
        Arc::new(Self { setup, state: Mutex::new(state) })
    }

    /// Registers a client (`Add-AdfsClient`).
    pub fn add_client(&self, client_id: Uuid) {
        self.state().clients.insert(client_id);
    }

    /// Adds a user.
    pub fn add_user(&self, user: AdfsUser) {
        self.state().users.push(user);
    }

    /// Changes a user's password; refresh tokens stay good, as they do.
    pub fn set_password(&self, account: &str, password: &str) {
        for user in self.state().users.iter_mut().filter(|user| user.account.eq_ignore_ascii_case(account)) {
            password.clone_into(&mut user.password);
        }
    }

    /// How long tokens live that are issued from now on.
    pub fn set_token_lifetime(&self, lifetime: Duration) {
        self.state().token_lifetime = lifetime;
    }

    /// Behaves as AD FS 2012 R2 does, which knows no password grant.
    pub fn forbid_password_grant(&self) {
        self.state().password_grant = false;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Timestamp {
        self.setup.clock.now()
    }

    fn answer(&self, call: &Call) -> Reply {
        let root = self.setup.origins.adfs.as_str().trim_end_matches('/');
        match call.url.path() {
            "/adfs/oauth2/token" => match self.grant(&form(call)) {
                Ok(answer) => json_reply(StatusCode::OK, &answer),
                Err((error, text)) => {
                    json_reply(StatusCode::BAD_REQUEST, &json!({ "error": error, "error_description": text }))
                }
            },
            "/adfs/.well-known/openid-configuration" => json_reply(
                StatusCode::OK,
                &json!({
                    "issuer": format!("{root}/adfs"),
                    "authorization_endpoint": format!("{root}/adfs/oauth2/authorize"),
                    "token_endpoint": format!("{root}/adfs/oauth2/token"),
                    "jwks_uri": format!("{root}/adfs/discovery/keys"),
                }),
            ),
            "/adfs/discovery/keys" => {
                let [.., own] = keys::shared();
                json_reply(StatusCode::OK, &keys::key_set(std::slice::from_ref(own), &format!("{root}/adfs")))
            }
            path if path.starts_with("/adfs/ls") || path.starts_with("/adfs/oauth2/authorize") => text_reply(
                StatusCode::OK,
                "text/html; charset=utf-8",
                "<!DOCTYPE html><html><head><title>Sign In</title></head><body><form method=\"post\">\
                 <input name=\"UserName\"><input name=\"Password\" type=\"password\"></form></body></html>",
            ),
            _ => text_reply(StatusCode::NOT_FOUND, "text/html", "<html><title>404</title></html>"),
        }
    }

    fn grant(&self, form: &BTreeMap<String, String>) -> Result<Value, Refused> {
        let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
        let mut state = self.state();
        let client_known =
            field("client_id").parse().is_ok_and(|client: Uuid| state.clients.contains(&client));
        if !client_known {
            return Err((
                "invalid_client",
                "MSIS9607: The 'client_id' parameter in the request is not valid.".to_owned(),
            ));
        }
        let account = match field("grant_type") {
            "password" if state.password_grant => {
                self.judge_resource(form)?;
                signed_in(&state.users, field("username"), field("password"))?
            }
            "refresh_token" => {
                let known =
                    state.refresh_tokens.get(field("refresh_token")).filter(|(_, ends)| self.now() < *ends);
                known.map(|(account, _)| account.clone()).ok_or_else(|| {
                    let text =
                        "MSIS9615: The refresh token received in 'refresh_token' parameter is invalid.";
                    ("invalid_grant", text.to_owned())
                })?
            }
            // A token is issued, but there is no user in it that the organization could map (dynamics.md 2.4).
            "client_credentials" if state.password_grant => {
                self.judge_resource(form)?;
                return Ok(
                    json!({ "access_token": self.token(None, state.token_lifetime)?, "token_type": "bearer", "expires_in": state.token_lifetime.as_secs() }),
                );
            }
            other => {
                let text = format!(
                    "MSIS9611: The authorization server does not support the requested 'grant_type' {other}."
                );
                return Err(("unsupported_grant_type", text));
            }
        };
        let user = state.users.iter().find(|user| user.account == account).cloned();
        let refresh_token = self.setup.dice.uuid().simple().to_string();
        let ends = self.now().checked_add(REFRESH_LIFETIME).unwrap_or(Timestamp::MAX);
        state.refresh_tokens.insert(refresh_token.clone(), (account, ends));
        Ok(json!({
            "access_token": self.token(user.as_ref(), state.token_lifetime)?,
            "token_type": "bearer",
            "expires_in": state.token_lifetime.as_secs(),
            "resource": self.setup.origins.organization,
            "refresh_token": refresh_token,
            "refresh_token_expires_in": REFRESH_LIFETIME.as_secs(),
        }))
    }

    /// The relying party's identifier; its trailing slash counts.
    fn judge_resource(&self, form: &BTreeMap<String, String>) -> Result<(), Refused> {
        let asked = form.get("resource").map(String::as_str).unwrap_or_default();
        if asked == self.setup.origins.organization.as_str() {
            return Ok(());
        }
        let text = format!(
            "MSIS9602: The received 'resource' parameter is invalid. The authorization server can not find a registered resource with the specified identifier '{asked}'."
        );
        Err(("invalid_resource", text))
    }

    fn token(&self, user: Option<&AdfsUser>, lifetime: Duration) -> Result<String, Refused> {
        let now = self.now().as_second();
        let seconds = i64::try_from(lifetime.as_secs()).unwrap_or(3600);
        let mut claims = json!({
            "aud": self.setup.origins.organization,
            "iss": format!("{}adfs/services/trust", self.setup.origins.adfs),
            "iat": now, "nbf": now, "exp": now + seconds, "ver": "1.0",
            // Two tokens of one second differ, as real ones do.
            "uti": self.setup.dice.uuid().simple().to_string(),
        });
        if let (Some(user), Some(claims)) = (user, claims.as_object_mut()) {
            claims.insert("upn".to_owned(), json!(user.user_principal_name));
            claims.insert("unique_name".to_owned(), json!(user.account));
        }
        let [.., own] = keys::shared();
        own.sign(&claims).map_err(|error| ("server_error", error))
    }
}

fn signed_in(users: &[AdfsUser], name: &str, password: &str) -> Result<String, Refused> {
    let user = users.iter().find(|user| {
        user.account.eq_ignore_ascii_case(name) || user.user_principal_name.eq_ignore_ascii_case(name)
    });
    match user {
        Some(user) if user.password == password => Ok(user.account.clone()),
        _ => Err(("invalid_grant", "MSIS9659: Invalid 'username' or 'password'.".to_owned())),
    }
}

#[async_trait]
impl Service for Adfs {
    async fn call(&self, call: Call) -> Reply {
        self.answer(&call)
    }
}

impl TokenJudge for Adfs {
    fn judge(&self, token: &str, audiences: &[&str]) -> Result<Claims, TokenFault> {
        let [.., own] = keys::shared();
        keys::judge(std::slice::from_ref(own), token, audiences, self.now())
    }
}
