//! The token endpoint around the assertion, metadata, and the tokens themselves (graph.md 1.2 to 1.7).

mod support;

use http::Method;
use hybridge_sandbox_identity::Application;
use hybridge_sandbox_kit::{TokenFault, TokenJudge};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde_json::{Value, json};
use std::time::Duration;
use support::{
    Assertion, CLIENT, DOMAIN, GRAPH, GRAPH_SCOPE, TENANT, ask, call, claims_of, entra, fields, form, now,
    present, refused, request, token,
};

/// Good fields with one changed, or left out when there is no value.
fn changed<'a>(assertion: &'a str, name: &str, value: Option<&'a str>) -> Vec<(&'a str, &'a str)> {
    fields(assertion)
        .into_iter()
        .filter_map(
            |(field, old)| if field == name { value.map(|value| (field, value)) } else { Some((field, old)) },
        )
        .collect()
}

async fn refusal_of(name: &str, value: Option<&str>) -> (http::StatusCode, Value) {
    let signed = Assertion::good().sign();
    request(&entra(), &TENANT.to_string(), &changed(&signed, name, value)).await
}

#[tokio::test(start_paused = true)]
async fn the_answer_has_the_form_that_clients_read() {
    let (status, body) = present(&entra(), &Assertion::good()).await;
    assert_eq!(status, 200);
    assert_eq!(body["token_type"], "Bearer");
    assert_eq!((&body["expires_in"], &body["ext_expires_in"]), (&json!(3599), &json!(3599)));
    assert!(body.get("refresh_token").is_none());
}

#[tokio::test(start_paused = true)]
async fn the_token_says_who_where_and_what_for() {
    let claims = claims_of(&token(present(&entra(), &Assertion::good()).await));
    let issuer = format!("https://sts.windows.net/{TENANT}/");
    let expected = json!({
        "aud": GRAPH, "iss": issuer, "idp": issuer, "ver": "1.0", "idtyp": "app", "tid": TENANT, "appid": CLIENT,
        "appidacr": "2", "roles": ["Mail.ReadWrite", "Mail.Send"], "iat": now(), "nbf": now(), "exp": now() + 3599,
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&claims[name], value, "{name}");
    }
    assert_eq!(claims["oid"], claims["sub"]);
    assert!(claims.get("scp").is_none());
}

#[tokio::test(start_paused = true)]
async fn an_app_without_consent_gets_a_token_without_roles() {
    let entra = entra();
    entra.change_application(CLIENT, |application| application.roles.clear());
    let claims = claims_of(&token(present(&entra, &Assertion::good()).await));
    assert!(claims.get("roles").is_none());
}

#[tokio::test(start_paused = true)]
async fn a_tenant_that_does_not_exist_is_not_found() {
    let signed = Assertion::good().sign();
    for tenant in ["11111111-2222-4333-8444-555555555555", "fabrikam.test"] {
        refused(request(&entra(), tenant, &fields(&signed)).await, 90002, "invalid_request", 400);
    }
}

#[tokio::test(start_paused = true)]
async fn endpoints_for_all_tenants_know_no_app_only_grant() {
    let signed = Assertion::good().sign();
    for tenant in ["common", "organizations", "consumers"] {
        refused(request(&entra(), tenant, &fields(&signed)).await, 9_001_023, "invalid_request", 400);
    }
}

#[tokio::test(start_paused = true)]
async fn an_unknown_and_a_disabled_app_are_told_apart() {
    for id in ["00000000-0000-0000-0000-000000000008", "no-guid"] {
        refused(refusal_of("client_id", Some(id)).await, 700_016, "unauthorized_client", 400);
    }
    let entra = entra();
    entra.change_application(CLIENT, |application| application.enabled = false);
    refused(present(&entra, &Assertion::good()).await, 7_000_112, "unauthorized_client", 400);
}

#[tokio::test(start_paused = true)]
async fn a_missing_parameter_is_named() {
    for name in ["grant_type", "client_id", "scope", "client_assertion_type"] {
        let text = refused(refusal_of(name, None).await, 900_144, "invalid_request", 400);
        assert!(text.contains(&format!("'{name}'")), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn another_grant_is_not_supported() {
    refused(refusal_of("grant_type", Some("password")).await, 70003, "unsupported_grant_type", 400);
}

#[tokio::test(start_paused = true)]
async fn a_scope_is_one_resource_and_all_its_permissions() {
    let two = format!("{GRAPH_SCOPE} https://crm.sandbox.test/.default");
    refused(
        refusal_of("scope", Some("https://graph.microsoft.com/Mail.Read")).await,
        1_002_012,
        "invalid_scope",
        400,
    );
    refused(refusal_of("scope", Some(&two)).await, 700_022, "invalid_scope", 400);
    refused(
        refusal_of("scope", Some("https://fabrikam.test/.default")).await,
        500_011,
        "invalid_resource",
        400,
    );
    let signed = Assertion::good().sign();
    let by_id = changed(&signed, "scope", Some("00000003-0000-0000-c000-000000000000/.default"));
    token(request(&entra(), &TENANT.to_string(), &by_id).await);
}

#[tokio::test(start_paused = true)]
async fn a_scope_that_is_none_is_invalid() {
    for scope in ["openid profile", " "] {
        refused(refusal_of("scope", Some(scope)).await, 70011, "invalid_scope", 400);
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_is_asked_for_with_post() {
    let url = format!("https://login.sandbox.test/{TENANT}/oauth2/v2.0/token");
    let answer = ask(&*entra(), call(Method::GET, &url, &[], String::new())).await;
    refused(answer, 900_561, "invalid_request", 400);
}

#[tokio::test(start_paused = true)]
async fn secrets_are_taken_refused_and_run_out() {
    let entra = entra();
    entra.change_application(CLIENT, |application| {
        application.secrets = vec![
            ("pa ss&=+".to_owned(), "2027-01-01T00:00:00Z".parse().unwrap()),
            ("old".to_owned(), "2026-11-23T08:00:00Z".parse().unwrap()),
        ];
    });
    let with = |secret: Option<&'static str>| {
        let mut all: Vec<(&str, &str)> = fields("").into_iter().take(3).collect();
        all.extend(secret.map(|secret| ("client_secret", secret)));
        all
    };
    let tenant = TENANT.to_string();
    let granted = token(request(&entra, &tenant, &with(Some("pa ss&=+"))).await);
    assert_eq!(claims_of(&granted)["appidacr"], "1");
    refused(request(&entra, &tenant, &with(Some("wrong"))).await, 7_000_215, "invalid_client", 401);
    refused(request(&entra, &tenant, &with(Some("old"))).await, 7_000_222, "invalid_client", 401);
    let (status, body) = request(&entra, &tenant, &with(None)).await;
    assert_eq!((status.as_u16(), &body["error"]), (401, &json!("invalid_client")));
    // Both numbers are seen for this (graph.md 1.6).
    let code = body["error_codes"][0].as_u64().unwrap();
    assert!([7_000_216, 7_000_218].contains(&code), "{code}");
}

#[tokio::test(start_paused = true)]
async fn a_secret_may_come_in_a_basic_header() {
    let entra = entra();
    entra.change_application(CLIENT, |application| {
        application.secrets = vec![("secret".to_owned(), "2027-01-01T00:00:00Z".parse().unwrap())];
    });
    let basic = "Basic MDAwMDAwMDAtMDAwMC0wMDAwLTAwMDAtMDAwMDAwMDAwMDA3OnNlY3JldA==";
    let url = format!("https://login.sandbox.test/{TENANT}/oauth2/v2.0/token");
    let body = form(&[("grant_type", "client_credentials"), ("scope", GRAPH_SCOPE)]);
    token(ask(&*entra, call(Method::POST, &url, &[("authorization", basic)], body)).await);
}

#[tokio::test(start_paused = true)]
async fn apps_are_kept_apart() {
    let entra = entra();
    let other = "00000000-0000-0000-0000-000000000009";
    entra.add_application(Application::new(other.parse().unwrap(), "Another"));
    assert!(!entra.change_application(TENANT, |_| ()), "there is no such application");
    // A certificate of one is no credential of another.
    let signed = Assertion::good().with("iss", json!(other)).with("sub", json!(other)).sign();
    let answer = request(&entra, &TENANT.to_string(), &changed(&signed, "client_id", Some(other))).await;
    refused(answer, 700_027, "invalid_client", 401);
}

#[tokio::test(start_paused = true)]
async fn metadata_leads_a_client_from_the_domain_to_the_tokens_key() {
    let entra = entra();
    let get = async |path: &str| {
        ask(&*entra, call(Method::GET, &format!("https://login.sandbox.test/{path}"), &[], String::new()))
            .await
    };
    let (status, document) = get(&format!("{DOMAIN}/v2.0/.well-known/openid-configuration")).await;
    assert_eq!(status, 200);
    let root = format!("https://login.sandbox.test/{TENANT}");
    assert_eq!(document["issuer"], format!("{root}/v2.0"));
    assert_eq!(document["token_endpoint"], format!("{root}/oauth2/v2.0/token"));
    for name in ["authorization_endpoint", "device_authorization_endpoint"] {
        assert!(document[name].as_str().unwrap().starts_with(&root), "{name}");
    }
    let (_, old) = get(&format!("{TENANT}/.well-known/openid-configuration")).await;
    assert_eq!(old["issuer"], format!("https://sts.windows.net/{TENANT}/"));

    let keys_path = document["jwks_uri"].as_str().unwrap().trim_start_matches("https://login.sandbox.test/");
    let (_, set) = get(keys_path).await;
    let keys = set["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 2);
    let granted = token(present(&entra, &Assertion::good()).await);
    let header = jsonwebtoken::decode_header(&granted).unwrap();
    assert_eq!((header.alg, &header.x5t), (Algorithm::RS256, &header.kid));
    let key = keys.iter().find(|key| key["kid"].as_str() == header.kid.as_deref()).unwrap();
    assert!(key["x5c"][0].is_string() && key["x5t"] == key["kid"]);
    let key =
        DecodingKey::from_rsa_components(key["n"].as_str().unwrap(), key["e"].as_str().unwrap()).unwrap();
    let mut validation = Validation::new(Algorithm::RS256);
    validation.set_audience(&[GRAPH]);
    // The sandbox's time is not this machine's.
    validation.validate_exp = false;
    decode::<Value>(&granted, &key, &validation).unwrap();
}

#[tokio::test(start_paused = true)]
async fn metadata_of_an_unknown_tenant_or_host_is_refused() {
    let entra = entra();
    let get = async |path: &str| {
        ask(&*entra, call(Method::GET, &format!("https://login.sandbox.test/{path}"), &[], String::new()))
            .await
    };
    for path in [
        "fabrikam.test/v2.0/.well-known/openid-configuration",
        "fabrikam.test/.well-known/openid-configuration",
    ] {
        refused(get(path).await, 90002, "invalid_tenant", 400);
    }
    let instance = "common/discovery/instance?api-version=1.1&authorization_endpoint=";
    let (status, body) =
        get(&format!("{instance}https://login.sandbox.test/{TENANT}/oauth2/v2.0/authorize")).await;
    assert_eq!((status.as_u16(), &body["metadata"][0]["aliases"]), (200, &json!(["login.sandbox.test"])));
    refused(get(&format!("{instance}https://login.fabrikam.test/x")).await, 50049, "invalid_instance", 400);
}

#[tokio::test(start_paused = true)]
async fn a_host_that_only_begins_like_this_one_is_another() {
    let path = "common/discovery/instance?authorization_endpoint=https://login.sandbox.test.fabrikam.test/x";
    let url = format!("https://login.sandbox.test/{path}");
    refused(
        ask(&*entra(), call(Method::GET, &url, &[], String::new())).await,
        50049,
        "invalid_instance",
        400,
    );
}

#[tokio::test(start_paused = true)]
async fn a_resource_learns_who_asks() {
    let entra = entra();
    let granted = token(present(&entra, &Assertion::good()).await);
    let claims = entra.judge(&granted, &["https://elsewhere.test", GRAPH]).unwrap();
    assert_eq!((claims.app_id, claims.tenant_id), (Some(CLIENT), Some(TENANT)));
    assert_eq!(claims.roles, ["Mail.ReadWrite", "Mail.Send"]);
    assert_eq!(claims.expires.as_second(), now() + 3599);
    assert!(claims.object_id.is_some() && claims.user_name.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_token_ends_when_it_says() {
    let entra = entra();
    entra.set_token_lifetime(Duration::from_mins(5));
    let granted = token(present(&entra, &Assertion::good()).await);
    tokio::time::advance(Duration::from_secs(299)).await;
    assert!(entra.judge(&granted, &[GRAPH]).is_ok());
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(entra.judge(&granted, &[GRAPH]), Err(TokenFault::OutOfTime));
}

#[tokio::test(start_paused = true)]
async fn a_token_for_another_resource_or_from_elsewhere_is_refused() {
    let entra = entra();
    let granted = token(present(&entra, &Assertion::good()).await);
    assert_eq!(
        entra.judge(&granted, &["https://crm.sandbox.test/"]),
        Err(TokenFault::WrongAudience(GRAPH.to_owned()))
    );
    let segments: Vec<&str> = granted.split('.').collect();
    let longer = token(present(&entra, &Assertion::good()).await);
    let mixed = format!("{}.{}.{}", segments[0], longer.split('.').nth(1).unwrap(), segments[2]);
    for wrong in [mixed.as_str(), "nonsense", "", &Assertion::good().sign()] {
        assert!(matches!(entra.judge(wrong, &[GRAPH]), Err(TokenFault::Invalid(_))), "{wrong}");
    }
}
