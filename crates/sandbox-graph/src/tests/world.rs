use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, Request, Response, StatusCode};
use hybridge_sandbox_kit::{
    Call, Claims, Clock, Dice, Origins, Outbound, OutboundError, Service, TokenFault, TokenJudge,
};
use jiff::Timestamp;
use serde_json::Value;
use url::Url;
use uuid::Uuid;

use super::schema;
use crate::{Body, EmailAddress, Graph, GraphOptions, GraphSetup, Mail, NewUser};

pub(super) const APP: Uuid = Uuid::from_u128(0xa99);
const TENANT: Uuid = Uuid::from_u128(0x7e);
pub(super) const ALL: &str = "Mail.ReadWrite,Mail.Read,Mail.Send,User.Read.All,Organization.Read.All";

/// A token is the list of its roles.
#[derive(Debug)]
struct RolesAreTheToken;

impl TokenJudge for RolesAreTheToken {
    fn judge(&self, token: &str, audiences: &[&str]) -> Result<Claims, TokenFault> {
        assert!(audiences.contains(&"https://graph.microsoft.com"));
        match token {
            "expired" => Err(TokenFault::OutOfTime),
            "foreign" => Ok(claims(ALL, Uuid::from_u128(0xbad))),
            roles => Ok(claims(roles, TENANT)),
        }
    }
}

fn claims(roles: &str, tenant: Uuid) -> Claims {
    Claims {
        app_id: Some(APP),
        object_id: Some(Uuid::from_u128(1)),
        tenant_id: Some(tenant),
        roles: roles.split(',').map(str::to_owned).collect(),
        scopes: Vec::new(),
        user_name: None,
        expires: Timestamp::MAX,
    }
}

/// The client's own web server: what notifications are sent to.
#[derive(Debug, Default)]
pub(super) struct Endpoint {
    pub(super) received: Mutex<Vec<(String, Value)>>,
    pub(super) broken: Mutex<bool>,
}

#[async_trait]
impl Outbound for Endpoint {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, OutboundError> {
        if *self.broken.lock().unwrap() {
            return Err(OutboundError("connection refused".to_owned()));
        }
        let url = Url::parse(&request.uri().to_string()).unwrap();
        let token = url.query_pairs().find(|(name, _)| name == "validationToken");
        let mut response = Response::new(Bytes::new());
        if let Some((_, token)) = token {
            *response.body_mut() = Bytes::from(token.into_owned());
            response.headers_mut().insert("content-type", "text/plain".parse().unwrap());
        } else {
            let body: Value = serde_json::from_slice(request.body()).unwrap();
            for item in body["value"].as_array().unwrap() {
                self.received.lock().unwrap().push((url.path().to_owned(), item.clone()));
            }
            *response.status_mut() = StatusCode::ACCEPTED;
        }
        Ok(response)
    }
}

/// A tenant with Ada and Bob, and an app.
pub(super) struct World {
    pub(super) graph: Arc<Graph>,
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) ada: Uuid,
    pub(super) bob: Uuid,
}

/// An answer.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Value,
    pub(super) raw: Bytes,
}

impl Seen {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(super) fn code(&self) -> &str {
        self.body["error"]["code"].as_str().unwrap_or_default()
    }

    pub(super) fn text(&self, pointer: &str) -> &str {
        self.body.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("{pointer} in {self:#?}"))
    }

    pub(super) fn values(&self) -> &[Value] {
        self.body["value"].as_array().unwrap_or_else(|| panic!("no list in {self:#?}"))
    }
}

impl World {
    pub(super) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(super) fn with(change: impl FnOnce(&mut GraphOptions)) -> Self {
        let url = |name: &str| Url::parse(&format!("https://{name}.test/")).unwrap();
        let endpoint = Arc::new(Endpoint::default());
        let mut options = GraphOptions::default();
        change(&mut options);
        let graph = Graph::new(GraphSetup {
            clock: Clock::starting_at("2026-03-01T08:00:00Z".parse().unwrap()),
            dice: Dice::seeded(7),
            origins: Origins {
                entra: url("entra"),
                graph: url("graph"),
                adfs: url("adfs"),
                organization: url("organization"),
                control: url("control"),
            },
            judge: Arc::new(RolesAreTheToken),
            outbound: Arc::clone(&endpoint) as Arc<dyn Outbound>,
            tenant_id: TENANT,
            tenant_domains: vec!["contoso.com".to_owned()],
            options,
        });
        let user = |name: &str, first: &str| {
            graph.add_user(NewUser {
                display_name: name.to_owned(),
                user_principal_name: format!("{first}@contoso.com"),
                ..NewUser::default()
            })
        };
        let (ada, bob) = (user("Ada Byron", "ada"), user("Bob Cratchit", "bob"));
        Self { graph, endpoint, ada, bob }
    }

    pub(super) async fn call(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Seen {
        let url =
            if path.starts_with("https:") { path.to_owned() } else { format!("https://graph.test{path}") };
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
        }
        let call = Call { method, url: Url::parse(&url).unwrap(), headers: map, body: body.into() };
        let reply = self.graph.call(call).await;
        let (parts, raw) = reply.into_parts();
        let body: Value = serde_json::from_slice(&raw).unwrap_or_default();
        schema::check(&body);
        assert!(parts.headers.contains_key("request-id"));
        Seen { status: parts.status, headers: parts.headers, body, raw }
    }

    pub(super) async fn get(&self, path: &str) -> Seen {
        self.call(Method::GET, path, &bearer(ALL), Bytes::new()).await
    }

    /// A read with immutable ids and pages of that size.
    pub(super) async fn get_immutable(&self, path: &str, page: usize) -> Seen {
        let prefer = format!("IdType=\"ImmutableId\", odata.maxpagesize={page}");
        let authorization = format!("Bearer {ALL}");
        let headers = [("authorization", authorization.as_str()), ("prefer", prefer.as_str())];
        self.call(Method::GET, path, &headers, Bytes::new()).await
    }

    pub(super) async fn write(&self, method: Method, path: &str, body: &Value) -> Seen {
        let authorization = format!("Bearer {ALL}");
        let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
        self.call(method, path, &headers, body.to_string()).await
    }

    pub(super) async fn post(&self, path: &str, body: Value) -> Seen {
        self.write(Method::POST, path, &body).await
    }

    /// Mail from outside to Ada.
    pub(super) fn mail_to_ada(&self, subject: &str) -> String {
        self.graph.deliver(Mail {
            from: EmailAddress::named("Carol", "carol@fabrikam.com"),
            to: vec![EmailAddress::from("ada@contoso.com")],
            subject: subject.to_owned(),
            body: Body::html(format!("<p>About {subject}</p><script>alert(1)</script>")),
            ..Mail::default()
        })
    }
}

pub(super) fn bearer(roles: &str) -> [(&'static str, &'static str); 1] {
    [("authorization", Box::leak(format!("Bearer {roles}").into_boxed_str()))]
}

pub(super) fn ids(list: &[Value]) -> Vec<String> {
    list.iter().map(|entry| entry["id"].as_str().unwrap().to_owned()).collect()
}
