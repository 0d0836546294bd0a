//! Dynamics' principal in the directory, as an administrator's tool sees and changes it (setup.md 2.3 P6, E2 to E4).
#![allow(clippy::unwrap_used, reason = "a test says by panicking what is wrong")]

mod support;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{Method, Request};
use hybridge_sandbox::Sandbox;
use rcgen::{CertificateParams, KeyPair};
use serde_json::{Value, json};
use support::{control, world};
use url::form_urlencoded::Serializer;

const PRINCIPAL: &str = "servicePrincipals(appId='00000007-0000-0000-c000-000000000000')";

async fn send(world: &Sandbox, request: Request<Bytes>) -> (u16, Value) {
    let reply = world.call(request).await.unwrap();
    (reply.status().as_u16(), serde_json::from_slice(reply.body()).unwrap_or_default())
}

/// An administrator's token for Graph.
async fn token(world: &Sandbox) -> String {
    let tenant = world.app().tenant_id;
    let ask = async |path: &str, pairs: &[(&str, &str)]| {
        let form = Serializer::new(String::new()).extend_pairs(pairs).finish();
        let url = world.origins().entra.join(&format!("{tenant}/oauth2/v2.0/{path}")).unwrap();
        let request = Request::builder()
            .method(Method::POST)
            .uri(url.as_str())
            .header("content-type", "application/x-www-form-urlencoded");
        send(world, request.body(Bytes::from(form)).unwrap()).await.1
    };
    let graph = "https://graph.microsoft.com";
    let scope = format!("{graph}/Application.ReadWrite.All {graph}/Organization.Read.All");
    let offer = ask("devicecode", &[("client_id", "setup"), ("scope", &scope)]).await;
    let code = offer["device_code"].as_str().unwrap();
    let grant = "urn:ietf:params:oauth:grant-type:device_code";
    let pairs = [("grant_type", grant), ("client_id", "setup"), ("device_code", code)];
    ask("token", &pairs).await;
    ask("token", &pairs).await["access_token"].as_str().unwrap().to_owned()
}

struct Administrator<'w> {
    world: &'w Sandbox,
    token: String,
}

impl Administrator<'_> {
    async fn call(&self, method: Method, path: &str, body: &Value) -> (u16, Value) {
        let url = self.world.origins().graph.join(&format!("v1.0/{path}")).unwrap();
        let request = Request::builder()
            .method(method)
            .uri(url.as_str())
            .header("authorization", format!("Bearer {}", self.token));
        let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
        send(self.world, request.body(body).unwrap()).await
    }

    async fn keys(&self) -> Vec<Value> {
        let path = format!("{PRINCIPAL}?$select=id,keyCredentials,servicePrincipalNames");
        self.call(Method::GET, &path, &Value::Null).await.1["keyCredentials"].as_array().unwrap().clone()
    }
}

fn key(name: &str) -> Value {
    let mut parameters = CertificateParams::default();
    parameters.not_after = rcgen::date_time_ymd(2029, 1, 1);
    let made = parameters.self_signed(&KeyPair::generate().unwrap()).unwrap();
    json!({
        "type": "AsymmetricX509Cert", "usage": "Verify", "key": STANDARD.encode(made.der()), "displayName": name,
        "startDateTime": "2026-11-23T00:00:00Z", "endDateTime": "2027-11-23T00:00:00Z",
    })
}

#[tokio::test]
async fn certificates_of_the_principal_are_replaced_as_a_whole_and_shown_one_by_one() {
    let world = world(|setup| setup.connected = false);
    let administrator = Administrator { world: &world, token: token(&world).await };
    assert_eq!(administrator.keys().await, Vec::<Value>::new());
    let (first, second) = (key("CN=first"), key("CN=second"));
    let patch = async |keys: Value| {
        administrator.call(Method::PATCH, PRINCIPAL, &json!({ "keyCredentials": keys })).await
    };
    assert_eq!(patch(json!([first])).await.0, 204);
    let mut both = administrator.keys().await;
    assert_eq!((&both[0]["key"], &both[0]["displayName"]), (&first["key"], &json!("CN=first")));
    assert_eq!(both[0]["endDateTime"], "2027-11-23T00:00:00Z");
    both.push(second.clone());
    assert_eq!(patch(json!(both)).await.0, 204);
    let there = administrator.keys().await;
    assert_eq!((there.len(), &there[1]["displayName"]), (2, &json!("CN=second")));
    // A list shows no keys.
    let filter =
        "servicePrincipals?$filter=appId eq '00000007-0000-0000-c000-000000000000'&$select=keyCredentials";
    let (_, listed) = administrator.call(Method::GET, &filter.replace(' ', "%20"), &Value::Null).await;
    assert_eq!(listed["value"][0]["keyCredentials"][0]["key"], Value::Null);
    // Whoever leaves one out removes it.
    assert_eq!(patch(json!([second])).await.0, 204);
    assert_eq!(administrator.keys().await.len(), 1);
    // Dates that are left out become now and a year from now.
    let mut undated = key("CN=undated");
    undated.as_object_mut().unwrap().remove("startDateTime");
    undated.as_object_mut().unwrap().remove("endDateTime");
    assert_eq!(patch(json!([undated])).await.0, 204);
    let shown = administrator.keys().await;
    let dates = (shown[0]["startDateTime"].as_str().unwrap(), shown[0]["endDateTime"].as_str().unwrap());
    assert!(dates.0.starts_with("2026-11-23T12:0") && dates.1.starts_with("2027-11-23T12:0"), "{dates:?}");

    let faults = |faults: Value| async { control(&world, Method::PUT, "/directory", &{ faults }).await.0 };
    assert_eq!(faults(json!({ "loseUpdates": 1 })).await, 200);
    assert_eq!(patch(json!([])).await.0, 204);
    assert_eq!(administrator.keys().await.len(), 1, "somebody else's update came in between");
    faults(json!({ "longestValidityDays": 180 })).await;
    let (status, told) = patch(json!([key("CN=long")])).await;
    assert!(
        status == 400 && told["error"]["message"].as_str().unwrap().contains("asymmetricKeyLifetime"),
        "{told}"
    );
    faults(json!({ "throttle": 1 })).await;
    assert_eq!(patch(json!([])).await.0, 429);
    faults(json!({ "lockFirstParty": true })).await;
    assert_eq!(patch(json!([])).await.0, 403);
    assert_eq!(administrator.keys().await.len(), 1);
}

#[tokio::test]
async fn names_subscription_tenant_and_a_missing_principal() {
    let world = world(|setup| setup.connected = false);
    let administrator = Administrator { world: &world, token: token(&world).await };
    let get = async |path: &str| administrator.call(Method::GET, path, &Value::Null).await;
    let names = json!([
        "00000007-0000-0000-c000-000000000000",
        "00000007-0000-0000-c000-000000000000/*.lindhagen.test"
    ]);
    let patched =
        administrator.call(Method::PATCH, PRINCIPAL, &json!({ "servicePrincipalNames": names })).await;
    assert_eq!(patched.0, 204);
    assert_eq!(get(PRINCIPAL).await.1["servicePrincipalNames"], names);

    assert_eq!(get("organization?$select=id").await.1["value"][0]["id"], json!(world.app().tenant_id));
    let plan = get("subscribedSkus").await.1["value"][0]["servicePlans"][0]["servicePlanName"].clone();
    assert_eq!(plan, "CRM_HYBRIDCONNECTOR");
    control(&world, Method::PUT, "/native", &json!({ "hybridConnector": false, "principal": false })).await;
    assert_eq!(get("subscribedSkus").await.1["value"], json!([]));
    assert_eq!(get(PRINCIPAL).await.0, 404);
    let made = json!({ "appId": "00000007-0000-0000-c000-000000000000" });
    assert_eq!(administrator.call(Method::POST, "servicePrincipals", &made).await.0, 201);
    assert_eq!(get(PRINCIPAL).await.0, 200);

    let metadata = world.origins().entra.join("metadata/json/1").unwrap();
    let request = Request::builder().uri(metadata.as_str()).body(Bytes::new()).unwrap();
    let (status, told) = send(&world, request).await;
    assert_eq!((status, &told["name"]), (200, &json!("00000001-0000-0000-c000-000000000000")));
    assert!(told["keys"][0]["x5c"].is_array() || told["keys"][0].is_object(), "{told}");
    assert!(told["endpoints"][0]["location"].as_str().unwrap().ends_with("/tokens/OAuth/2"));
}
