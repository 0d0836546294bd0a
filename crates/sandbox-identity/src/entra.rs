use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::STANDARD};
use http::{Method, StatusCode};
use hybridge_sandbox_kit::{
    Call, Claims, Clock, Dice, Origins, Reply, Service, TokenFault, TokenJudge, json_reply, text_reply,
};
use jiff::Timestamp;
use serde_json::json;
use uuid::Uuid;

use crate::{
    assertion,
    device::{self, Operators},
    directory::{Application, DirectoryFaults},
    discovery, keys,
    refusal::Refusal,
};

/// What an emulated Entra ID is made of.
#[derive(Debug)]
pub struct EntraSetup {
    /// The time.
    pub clock: Clock,
    /// Where trace ids come from.
    pub dice: Dice,
    /// Where it is reached.
    pub origins: Origins,
    /// The only tenant.
    pub tenant_id: Uuid,
    /// Its verified domains.
    pub tenant_domains: Vec<String>,
}

/// Microsoft Entra ID with one tenant.
#[derive(Debug)]
pub struct Entra {
    setup: EntraSetup,
    state: Mutex<State>,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) applications: BTreeMap<Uuid, Application>,
    pub(crate) faults: DirectoryFaults,
    /// The subscriptions that the tenant has bought (`subscribedSku`).
    pub(crate) skus: Vec<serde_json::Value>,
    pub(crate) operators: Operators,
    /// How many tokens were given, and how many refused.
    pub(crate) granted: u64,
    pub(crate) refused: u64,
    dice: Dice,
    token_lifetime: Duration,
}

impl State {
    pub(crate) fn fresh_id(&self) -> Uuid {
        self.dice.uuid()
    }
}

/// The principal of the token service for server-to-server calls (setup.md 0.3).
const TOKEN_SERVICE: &str = "00000001-0000-0000-c000-000000000000";
/// The resource that tokens are for.
const GRAPH: &str = "https://graph.microsoft.com";
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

impl Entra {
    /// An Entra ID without applications.
    pub fn new(setup: EntraSetup) -> Arc<Self> {
        let mut state = State {
            applications: BTreeMap::new(),
            faults: DirectoryFaults::default(),
            skus: Vec::new(),
            operators: Operators::default(),
            granted: 0,
            refused: 0,
            dice: setup.dice.fork("directory"),
            token_lifetime: Duration::from_secs(3599),
        };
        // What every tenant has of Microsoft's own (graph.md 2.1).
        for (app_id, name) in [
            ("00000003-0000-0000-c000-000000000000", "Microsoft Graph"),
            ("00000002-0000-0ff1-ce00-000000000000", "Office 365 Exchange Online"),
            ("00000007-0000-0000-c000-000000000000", "Dynamics CRM Online"),
        ] {
            if let Ok(app_id) = app_id.parse() {
                state.applications.insert(app_id, Application::first_party(app_id, name));
            }
        }
        Arc::new(Self { setup, state: Mutex::new(state) })
    }

    /// Adds an application, or replaces the one with its id.
    pub fn add_application(&self, application: Application) {
        self.state().applications.insert(application.app_id, application);
    }

    /// An application with its service principal, as it is now.
    pub fn application(&self, app_id: Uuid) -> Option<Application> {
        self.state().applications.get(&app_id).cloned()
    }

    /// The subscriptions that the tenant has bought from now on (`subscribedSku`).
    pub fn set_subscriptions(&self, skus: Vec<serde_json::Value>) {
        self.state().skus = skus;
    }

    /// Changes an application; `false` when there is none with this id.
    pub fn change_application(&self, app_id: Uuid, change: impl FnOnce(&mut Application)) -> bool {
        self.state().applications.get_mut(&app_id).map(change).is_some()
    }

    /// How long tokens live that are issued from now on.
    pub fn set_token_lifetime(&self, lifetime: Duration) {
        self.state().token_lifetime = lifetime;
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn trace_id(&self) -> Uuid {
        self.setup.dice.uuid()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.setup.clock.now()
    }

    fn authority(&self) -> &str {
        self.setup.origins.entra.as_str().trim_end_matches('/')
    }

    fn knows(&self, tenant: &str) -> bool {
        tenant.parse() == Ok(self.setup.tenant_id)
            || self.setup.tenant_domains.iter().any(|domain| domain.eq_ignore_ascii_case(tenant))
    }

    fn refuse(&self, refusal: &Refusal) -> Reply {
        refusal.reply(self.now(), self.setup.dice.uuid(), self.setup.dice.uuid())
    }

    fn answer(&self, call: &Call) -> Reply {
        let segments: Vec<&str> = call.url.path_segments().map(Iterator::collect).unwrap_or_default();
        let (authority, id) = (self.authority(), self.setup.tenant_id);
        match segments.as_slice() {
            ["common", "discovery", "instance"] => self.instance(call),
            ["metadata", "json", "1"] => json_reply(StatusCode::OK, &self.token_service()),
            [_, "discovery", "v2.0" | "keys", ..] => {
                let issuer = format!("{authority}/{id}/v2.0");
                let [first, second, _] = keys::shared();
                let published: Vec<serde_json::Value> = [first, second]
                    .into_iter()
                    .flat_map(|key| {
                        let set = keys::key_set(std::slice::from_ref(key), &issuer);
                        set.get("keys").and_then(|keys| keys.as_array()).cloned().unwrap_or_default()
                    })
                    .collect();
                json_reply(StatusCode::OK, &json!({ "keys": published }))
            }
            [tenant, "v2.0", ".well-known", "openid-configuration"] if self.knows(tenant) || *tenant == "common" => {
                json_reply(StatusCode::OK, &discovery::version_2(authority, id))
            }
            [tenant, ".well-known", "openid-configuration"] if self.knows(tenant) || *tenant == "common" => {
                json_reply(StatusCode::OK, &discovery::version_1(authority, id))
            }
            [tenant, .., "openid-configuration"] => self.refuse(&Refusal::request(
                90002,
                "invalid_tenant",
                format!("Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud."),
            )),
            [tenant, "oauth2", "v2.0", "devicecode"] if call.method == Method::POST && self.knows(tenant) => {
                self.offer_device_code(&form(call))
            }
            [tenant, "oauth2", "v2.0", "token"] | [tenant, "oauth2", "token"] => {
                if call.method != Method::POST {
                    return self.refuse(&Refusal::request(
                        900_561,
                        "invalid_request",
                        "The endpoint only accepts POST requests.",
                    ));
                }
                match self.grant(tenant, &credentials_too(call)) {
                    Ok(reply) => {
                        self.state().granted += 1;
                        reply
                    }
                    Err(refusal) => {
                        // That nobody typed a code in yet is no refusal.
                        self.state().refused += u64::from(refusal.code != 70016);
                        self.refuse(&refusal)
                    }
                }
            }
            _ => text_reply(StatusCode::NOT_FOUND, "text/html", "<html><title>404</title></html>"),
        }
    }

    /// What the token service for server-to-server calls publishes, to everybody (setup.md 2.4).
    fn token_service(&self) -> serde_json::Value {
        let (authority, tenant) = (self.authority(), self.setup.tenant_id);
        let [key, ..] = keys::shared();
        let issuer = format!("{TOKEN_SERVICE}@{tenant}");
        let published = keys::key_set(std::slice::from_ref(key), &issuer);
        json!({
            "version": "1.0",
            "id": issuer,
            "name": TOKEN_SERVICE,
            "realm": tenant,
            "issuer": issuer,
            "keys": published.get("keys"),
            "endpoints": [{
                "location": format!("{authority}/tokens/OAuth/2"),
                "protocol": "OAuth2",
                "usage": "issuance",
            }],
        })
    }

    fn instance(&self, call: &Call) -> Reply {
        let asked = call.url.query_pairs().find(|(name, _)| name == "authorization_endpoint");
        let own = self.setup.origins.entra.origin().ascii_serialization();
        let known = asked.is_none_or(|(_, endpoint)| {
            url::Url::parse(&endpoint)
                .is_ok_and(|endpoint| endpoint.origin() == self.setup.origins.entra.origin())
        });
        if known {
            let host = own.trim_start_matches("https://");
            return json_reply(StatusCode::OK, &discovery::instance(self.authority(), host));
        }
        self.refuse(&Refusal::request(50049, "invalid_instance", "Unknown or invalid instance."))
    }

    /// The client credentials grant (graph.md 1.2).
    fn grant(&self, tenant: &str, form: &BTreeMap<String, String>) -> Result<Reply, Refusal> {
        let field = |name: &str| form.get(name).map(String::as_str).filter(|value| !value.is_empty());
        let required = |name: &'static str| {
            field(name).ok_or_else(|| {
                let text = format!("The request body must contain the following parameter: '{name}'.");
                Refusal::request(900_144, "invalid_request", text)
            })
        };
        if matches!(tenant, "common" | "organizations" | "consumers") {
            let text =
                format!("The grant type 'client_credentials' is not supported over the /{tenant} endpoint.");
            return Err(Refusal::request(9_001_023, "invalid_request", text));
        }
        if !self.knows(tenant) {
            let text =
                format!("Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID.");
            return Err(Refusal::request(90002, "invalid_request", text));
        }
        let grant_type = required("grant_type")?;
        if grant_type == device::GRANT {
            return self.redeem_device_code(required("device_code")?);
        }
        if grant_type != "client_credentials" {
            let text = format!("The app requested an unsupported grant type '{grant_type}'.");
            return Err(Refusal::request(70003, "unsupported_grant_type", text));
        }
        let client_id = required("client_id")?;
        judge_scope(required("scope")?)?;
        let state = self.state();
        let application =
            client_id.parse().ok().and_then(|id: Uuid| state.applications.get(&id)).ok_or_else(|| {
                let text =
                    format!("Application with identifier '{client_id}' was not found in the directory.");
                Refusal::request(700_016, "unauthorized_client", text)
            })?;
        if application.principal_id.is_none() {
            let text = format!(
                "The client application {client_id} is missing service principal in the tenant {tenant}."
            );
            return Err(Refusal::request(7_000_229, "unauthorized_client", text));
        }
        if !application.enabled {
            let text = format!("Application '{client_id}'({}) is disabled.", application.display_name);
            return Err(Refusal::request(7_000_112, "unauthorized_client", text));
        }
        let certified = self.authenticate(application, &field)?;
        let lifetime = state.token_lifetime;
        let token = self.issue(application, certified, lifetime)?;
        Ok(json_reply(
            StatusCode::OK,
            &json!({
                "token_type": "Bearer",
                "expires_in": lifetime.as_secs(),
                "ext_expires_in": lifetime.as_secs(),
                "access_token": token,
            }),
        ))
    }

    /// Whether by certificate (as opposed to a secret).
    fn authenticate<'a>(
        &self,
        application: &Application,
        field: &impl Fn(&str) -> Option<&'a str>,
    ) -> Result<bool, Refusal> {
        if let Some(assertion) = field("client_assertion") {
            if field("client_assertion_type") != Some(ASSERTION_TYPE) {
                let text = "The request body must contain the following parameter: 'client_assertion_type'.";
                return Err(Refusal::request(900_144, "invalid_request", text));
            }
            let root = format!("{}/{}", self.authority(), self.setup.tenant_id);
            let audiences =
                [format!("{root}/oauth2/v2.0/token"), format!("{root}/v2.0"), format!("{root}/v2"), root];
            return assertion::verify(assertion, application, &audiences, self.now()).map(|()| true);
        }
        let Some(secret) = field("client_secret") else {
            let text = "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.";
            return Err(Refusal::client(7_000_218, text));
        };
        match application.secrets.iter().find(|(known, _)| known == secret) {
            None => Err(Refusal::client(7_000_215, "Invalid client secret provided.")),
            Some((_, ends)) if *ends <= self.now() => {
                Err(Refusal::client(7_000_222, "The provided client secret keys for the app are expired."))
            }
            Some(_) => Ok(false),
        }
    }

    /// A v1.0 access token for Graph (graph.md 1.5).
    fn issue(
        &self,
        application: &Application,
        certified: bool,
        lifetime: Duration,
    ) -> Result<String, Refusal> {
        let (now, tenant) = (self.now().as_second(), self.setup.tenant_id);
        let principal = application.principal_id.unwrap_or_default();
        let issuer = format!("https://sts.windows.net/{tenant}/");
        let seconds = i64::try_from(lifetime.as_secs()).unwrap_or(3599);
        let mut claims = json!({
            "aud": GRAPH, "iss": issuer, "idp": issuer, "iat": now, "nbf": now, "exp": now + seconds,
            "appid": application.app_id, "appidacr": if certified { "2" } else { "1" }, "app_displayname": application.display_name,
            "oid": principal, "sub": principal, "tid": tenant, "idtyp": "app", "ver": "1.0",
            "uti": self.setup.dice.uuid().simple().to_string(),
        });
        if let (false, Some(claims)) = (application.roles.is_empty(), claims.as_object_mut()) {
            claims.insert("roles".to_owned(), json!(application.roles));
        }
        sign(&claims)
    }

    /// The tenant's id and its verified domains.
    pub(crate) fn tenant(&self) -> (Uuid, &[String]) {
        (self.setup.tenant_id, &self.setup.tenant_domains)
    }

    /// The tenant's id and the token servers' address.
    pub(crate) fn place(&self) -> (Uuid, &str) {
        (self.setup.tenant_id, self.authority())
    }
}

/// Signs a token's claims.
pub(crate) fn sign(claims: &serde_json::Value) -> Result<String, Refusal> {
    let [first, ..] = keys::shared();
    first.sign(claims).map_err(|error| Refusal::request(90033, "temporarily_unavailable", error))
}

fn judge_scope(scope: &str) -> Result<(), Refusal> {
    let scopes: Vec<&str> = scope.split_whitespace().collect();
    let resources = scopes.iter().filter(|scope| scope.contains('/')).count();
    let single = match scopes.as_slice() {
        [single] => *single,
        _ if resources > 1 => {
            let text = format!(
                "The provided value for scope {scope} is not valid because it contains more than one resource."
            );
            return Err(Refusal::request(700_022, "invalid_scope", text));
        }
        _ => {
            let text = format!(
                "The provided value for the input parameter 'scope' is not valid. The scope '{scope}' is not valid."
            );
            return Err(Refusal::request(70011, "invalid_scope", text));
        }
    };
    let Some(resource) = single.strip_suffix("/.default") else {
        let text = format!(
            "The provided value for scope {single} is not valid. Client credential flows must have a scope value with \
             /.default suffixed to the resource identifier."
        );
        return Err(Refusal::request(1_002_012, "invalid_scope", text));
    };
    if resource == GRAPH || resource == "00000003-0000-0000-c000-000000000000" {
        return Ok(());
    }
    let text = format!("The resource principal named {resource} was not found in the tenant.");
    Err(Refusal::request(500_011, "invalid_resource", text))
}

/// The fields of a token request; client id and secret may stand in a Basic header as well (graph.md 1.2).
fn credentials_too(call: &Call) -> BTreeMap<String, String> {
    let mut fields = form(call);
    let basic = call.header("authorization").and_then(|value| value.strip_prefix("Basic "));
    let decoded = basic.and_then(|value| STANDARD.decode(value.trim()).ok());
    if let Some((id, secret)) =
        decoded.as_deref().and_then(|pair| std::str::from_utf8(pair).ok()?.split_once(':'))
    {
        let plain = |text: &str| {
            url::form_urlencoded::parse(text.as_bytes())
                .next()
                .map(|(name, _)| name.into_owned())
                .unwrap_or_default()
        };
        fields.entry("client_id".to_owned()).or_insert_with(|| plain(id));
        fields.entry("client_secret".to_owned()).or_insert_with(|| plain(secret));
    }
    fields
}

/// The fields of a form body.
pub(crate) fn form(call: &Call) -> BTreeMap<String, String> {
    url::form_urlencoded::parse(&call.body).into_owned().collect()
}

#[async_trait]
impl Service for Entra {
    async fn call(&self, call: Call) -> Reply {
        self.answer(&call)
    }
}

impl TokenJudge for Entra {
    fn judge(&self, token: &str, audiences: &[&str]) -> Result<Claims, TokenFault> {
        let [first, second, _] = keys::shared();
        let by = |key| keys::judge(std::slice::from_ref(key), token, audiences, self.now());
        match by(first) {
            Err(TokenFault::Invalid(_)) => by(second),
            judged => judged,
        }
    }
}
