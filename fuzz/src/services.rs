//! The emulated services: what comes in from outside is stored or refused, never fatal.

use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use hybridge_sandbox_graph::{Graph, GraphOptions, GraphSetup, NewUser, ThrottleOptions};
use hybridge_sandbox_kit::{
    Call, Claims, Clock, Dice, Origins, Outbound, OutboundError, Reply, Service, TokenFault, TokenJudge,
};
use hybridge_sandbox_organization::{Organization, OrganizationOptions, OrganizationSetup};
use jiff::Timestamp;
use serde_json::{Value, json};
use url::Url;
use uuid::Uuid;

use crate::wait_for;

const TENANT: Uuid = Uuid::from_u128(1);
const APP: Uuid = Uuid::from_u128(2);
const ADA: &str = "ada@contoso.com";

/// A message of any bytes is taken in, shown, and given back as it came.
///
/// # Panics
/// When it is not.
pub fn mime(data: &[u8]) {
    let graph = tenant();
    let ada = graph.find_user(ADA).expect("Ada");
    let id = graph.import_mime(ada, "inbox", data.to_vec(), None).expect("any message is taken in");
    let message = format!("v1.0/users/{ADA}/messages/{id}");
    let get = |path: &str| wait_for(graph.call(get(&format!("https://graph.test/{path}"))));

    let shown = get(&format!(
        "{message}?$expand=attachments&$select=subject,body,from,toRecipients,internetMessageHeaders"
    ));
    assert_eq!(shown.status(), StatusCode::OK, "{:?}", shown.body());
    let shown: Value = serde_json::from_slice(shown.body()).expect("JSON");
    assert!(shown["body"]["content"].is_string(), "{shown}");
    for attachment in shown["attachments"].as_array().expect("a list") {
        let id = attachment["id"].as_str().expect("an id");
        let content = get(&format!("{message}/attachments/{id}/$value"));
        assert!(content.status().is_success(), "{attachment}");
    }
    let raw = get(&format!("{message}/$value"));
    assert_eq!(raw.status(), StatusCode::OK);
    assert!(raw.body().ends_with(data), "what came is not what is given back");
}

/// Any query string on Graph's collections is answered or refused.
///
/// # Panics
/// When the service fails.
pub fn odata_graph(data: &[u8]) {
    static TENANT: LazyLock<Arc<Graph>> = LazyLock::new(|| {
        let graph = tenant();
        let ada = graph.find_user(ADA).expect("Ada");
        for number in 0..3 {
            let mail = format!(
                "From: \"O'Hara\" <o@fabrikam.com>\r\nTo: {ADA}\r\nSubject: Offer {number}\r\n\r\nHello"
            );
            graph.import_mime(ada, "inbox", mail, None).expect("a message");
        }
        graph
    });
    let Ok(query) = str::from_utf8(data) else { return };
    for collection in [
        format!("users/{ADA}/messages"),
        format!("users/{ADA}/mailFolders/inbox/messages/delta"),
        format!("users/{ADA}/mailFolders"),
        "users".to_owned(),
    ] {
        let call = with_query(&format!("https://graph.test/v1.0/{collection}"), query);
        assert_answered(&wait_for(TENANT.call(call)), query);
    }
}

/// Any query string on an organization's tables is answered or refused.
///
/// # Panics
/// When the service fails.
pub fn odata_organization(data: &[u8]) {
    static ORGANIZATION: LazyLock<Arc<Organization>> = LazyLock::new(organization);
    let Ok(query) = str::from_utf8(data) else { return };
    for table in [
        "contacts",
        "emails",
        "systemusers",
        "CheckIncomingEmail(MessageId=@p1,Subject=@p2,From=@p3,To=@p4,Cc=@p5,Bcc=@p6)",
    ] {
        let call = with_query(&format!("https://organization.test/api/data/v9.1/{table}"), query);
        assert_answered(&wait_for(ORGANIZATION.call(call)), query);
    }
}

fn assert_answered(reply: &Reply, query: &str) {
    assert!(!reply.status().is_server_error(), "{} to {query:?}: {:?}", reply.status(), reply.body());
    let body: Value = serde_json::from_slice(reply.body()).expect("JSON");
    let told = if reply.status().is_success() { &body } else { &body["error"]["message"] };
    assert!(!told.is_null(), "{} to {query:?} without a reason", reply.status());
}

fn tenant() -> Arc<Graph> {
    let unlimited = ThrottleOptions { requests_per_ten_minutes: u32::MAX, ..ThrottleOptions::default() };
    let graph = Graph::new(GraphSetup {
        clock: clock(),
        dice: Dice::seeded(1),
        origins: origins(),
        judge: Arc::new(Everyone),
        outbound: Arc::new(Nowhere),
        tenant_id: TENANT,
        tenant_domains: vec!["contoso.com".to_owned()],
        options: GraphOptions { throttle: unlimited, ..GraphOptions::default() },
    });
    graph.add_user(NewUser { user_principal_name: ADA.to_owned(), ..NewUser::default() });
    graph
}

fn organization() -> Arc<Organization> {
    let organization = Organization::new(OrganizationSetup {
        clock: clock(),
        dice: Dice::seeded(1),
        origins: origins(),
        judge: Arc::new(Everyone),
        options: OrganizationOptions::default(),
    });
    for (firstname, lastname) in [("Ada", "O'Hara"), ("Bob", "Cratchit")] {
        let contact = json!({ "firstname": firstname, "lastname": lastname, "emailaddress1": ADA });
        let mut call = get("https://organization.test/api/data/v9.1/contacts");
        call.method = Method::POST;
        call.body = Bytes::from(contact.to_string());
        call.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let reply = wait_for(organization.call(call));
        assert_eq!(reply.status(), StatusCode::NO_CONTENT, "{:?}", reply.body());
    }
    organization
}

fn get(url: &str) -> Call {
    let mut headers = HeaderMap::new();
    headers.insert(header::AUTHORIZATION, HeaderValue::from_static("Bearer anyone"));
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    Call { method: Method::GET, url: Url::parse(url).expect("a URL"), headers, body: Bytes::new() }
}

fn with_query(url: &str, query: &str) -> Call {
    let mut call = get(url);
    call.url.set_query(Some(query));
    call
}

fn clock() -> Clock {
    Clock::starting_at(Timestamp::from_second(1_790_000_000).expect("a time"))
}

fn origins() -> Origins {
    let origin = |name: &str| Url::parse(&format!("https://{name}.test/")).expect("a URL");
    Origins {
        entra: origin("entra"),
        graph: origin("graph"),
        adfs: origin("adfs"),
        organization: origin("organization"),
        control: origin("control"),
    }
}

/// Every token is good for everything.
#[derive(Debug)]
struct Everyone;

impl TokenJudge for Everyone {
    fn judge(&self, _token: &str, _audiences: &[&str]) -> Result<Claims, TokenFault> {
        let roles = ["Mail.ReadWrite", "Mail.Read", "Mail.Send", "User.Read.All"];
        Ok(Claims {
            app_id: Some(APP),
            object_id: Some(APP),
            tenant_id: Some(TENANT),
            roles: roles.map(str::to_owned).to_vec(),
            user_name: Some(r"CONTOSO\svc-hybridge".to_owned()),
            expires: Timestamp::MAX,
        })
    }
}

/// Nothing is called.
#[derive(Debug)]
struct Nowhere;

#[async_trait]
impl Outbound for Nowhere {
    async fn send(&self, _request: Request<Bytes>) -> Result<Response<Bytes>, OutboundError> {
        Err(OutboundError("there is no network here".to_owned()))
    }
}
