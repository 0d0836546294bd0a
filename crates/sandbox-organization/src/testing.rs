//! An organization to test against, reached in-process with any of a few made-up tokens.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use hybridge_sandbox_kit::{Call, Claims, Clock, Dice, Origins, Reply, Service, TokenFault, TokenJudge};
use jiff::Timestamp;
use serde_json::{Value as Json, json};
use uuid::Uuid;

use crate::{
    NewQueue, NewUser, Organization, OrganizationOptions, OrganizationSetup, SeededQueue, SeededUser,
};

pub(crate) const ROOT: &str = "https://contoso.crm.example.org/";

/// Takes a token as the name of its user; `app` names nobody, `bad` is no token.
#[derive(Debug)]
struct NameJudge;

impl TokenJudge for NameJudge {
    fn judge(&self, token: &str, audiences: &[&str]) -> Result<Claims, TokenFault> {
        assert!(audiences.contains(&ROOT));
        if token == "bad" {
            return Err(TokenFault::Invalid("bad".into()));
        }
        Ok(Claims {
            app_id: None,
            object_id: None,
            tenant_id: None,
            roles: Vec::new(),
            scopes: Vec::new(),
            user_name: (token != "app").then(|| token.to_owned()),
            expires: Timestamp::MAX,
        })
    }
}

/// The organization and how it is called.
pub(crate) struct Scene {
    pub(crate) organization: Arc<Organization>,
}

/// An answer, read.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Json {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {}", self.text))
    }

    pub(crate) fn code(&self) -> String {
        self.json()["error"]["code"].as_str().unwrap_or_default().to_owned()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

impl From<Reply> for Answer {
    fn from(reply: Reply) -> Self {
        let (parts, body) = reply.into_parts();
        Self {
            status: parts.status.as_u16(),
            headers: parts.headers,
            text: String::from_utf8_lossy(&body).into_owned(),
        }
    }
}

impl Scene {
    /// The service account may do everything.
    pub(crate) fn new() -> Self {
        let scene = Self::with_plain_account();
        scene.organization.trust_service_account().unwrap();
        scene
    }

    /// The service account may do what an external synchroniser needs.
    pub(crate) fn with_plain_account() -> Self {
        let url = |text: &str| text.parse().unwrap();
        let origins = Origins {
            entra: url("https://login.example.org/"),
            graph: url("https://graph.example.org/"),
            adfs: url("https://sts.example.org/"),
            organization: url(ROOT),
            control: url("https://control.example.org/"),
        };
        let organization = Organization::new(OrganizationSetup {
            clock: Clock::starting_at("2026-11-23T08:00:00Z".parse().unwrap()),
            dice: Dice::seeded(7),
            origins,
            judge: Arc::new(NameJudge),
            options: OrganizationOptions::default(),
        });
        Self { organization }
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&'static str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        let url = if path.starts_with("https://") {
            path.to_owned()
        } else if path.starts_with('/') {
            format!("{}{path}", ROOT.trim_end_matches('/'))
        } else {
            format!("{ROOT}api/data/v9.1/{path}")
        };
        let mut map = HeaderMap::new();
        map.insert("authorization", HeaderValue::from_static("Bearer svc-hybridge@contoso.example"));
        for (name, value) in headers {
            if value.is_empty() {
                map.remove(*name);
            } else {
                map.insert(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
            }
        }
        let call = Call { method, url: url.parse().unwrap(), headers: map, body: body.into() };
        self.organization.call(call).await.into()
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], "").await
    }

    pub(crate) async fn prefer(&self, path: &str, prefer: &str) -> Answer {
        self.send(Method::GET, path, &[("prefer", prefer)], "").await
    }

    pub(crate) async fn post(&self, path: &str, body: Json) -> Answer {
        self.send(Method::POST, path, &[], body.to_string()).await
    }

    pub(crate) async fn patch(&self, path: &str, headers: &[(&'static str, &str)], body: Json) -> Answer {
        self.send(Method::PATCH, path, headers, body.to_string()).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, &[], "").await
    }

    /// A user `<name>@contoso.example`.
    pub(crate) fn user(&self, name: &str, track_option: i32) -> SeededUser {
        let user = NewUser {
            domain_name: format!("CONTOSO\\{name}"),
            first_name: name.to_owned(),
            last_name: "User".to_owned(),
            address: format!("{name}@contoso.example"),
            track_option,
        };
        self.organization.add_user(&user).unwrap()
    }

    /// A queue `<name>@contoso.example`.
    pub(crate) fn queue(&self, name: &str, track_option: i32, owner: Option<Uuid>) -> SeededQueue {
        let address = format!("{name}@contoso.example");
        self.organization
            .add_queue(&NewQueue { name: name.to_owned(), address, track_option, owner })
            .unwrap()
    }

    pub(crate) fn contact(&self, address: &str) -> Uuid {
        self.insert("contact", json!({ "lastname": "Contact", "emailaddress1": address }))
    }

    #[expect(clippy::needless_pass_by_value, reason = "rows are written in place")]
    pub(crate) fn insert(&self, table: &str, row: Json) -> Uuid {
        self.organization.insert(table, &row).unwrap()
    }

    #[expect(clippy::needless_pass_by_value, reason = "rows are written in place")]
    pub(crate) fn configure(&self, row: Json) {
        self.organization.configure(&row).unwrap();
    }

    /// Switches settings of `orgdborgsettings`.
    pub(crate) fn settings(&self, settings: &[(&str, &str)]) {
        let inner =
            settings.iter().fold(String::new(), |xml, (key, value)| xml + &format!("<{key}>{value}</{key}>"));
        self.configure(json!({ "orgdborgsettings": format!("<OrgSettings>{inner}</OrgSettings>") }));
    }
}

/// The parameters of `DeliverIncomingEmail`, with changes.
#[expect(clippy::needless_pass_by_value, reason = "rows are written in place")]
pub(crate) fn delivery(changes: Json) -> Json {
    let mut body = json!({
        "MessageId": "<m1@example.org>", "Subject": "Hello", "From": "Kim <kim@example.org>",
        "To": "ana@contoso.example", "Cc": "", "Bcc": "", "ReceivedOn": "2026-11-23T07:59:00Z",
        "SubmittedBy": "", "Importance": "normal", "Body": "<p>Hi</p>", "Attachments": [],
    });
    for (name, value) in changes.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

pub(crate) const DELIVER: &str = "emails/Microsoft.Dynamics.CRM.DeliverIncomingEmail";
