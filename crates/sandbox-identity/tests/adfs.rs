//! AD FS: the grants that it knows, and the ways in which it says no (dynamics.md 2.1 to 2.4).

#![allow(clippy::unwrap_used, reason = "a helper of a test that can't go on fails it")]

mod support;

use std::{sync::Arc, time::Duration};

use http::{Method, StatusCode};
use hybridge_sandbox_identity::{Adfs, AdfsSetup, AdfsUser};
use hybridge_sandbox_kit::{Dice, Service, TokenFault, TokenJudge};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde_json::{Value, json};
use support::{ask, call, claims_of, clock, form, now, origins, token};

const ORGANIZATION: &str = "https://crm.sandbox.test/";
const CLIENT_ID: &str = "00000000-0000-0000-0000-000000000007";

fn adfs() -> Arc<Adfs> {
    let adfs = Adfs::new(AdfsSetup { clock: clock(), dice: Dice::seeded(1), origins: origins() });
    adfs.add_client(CLIENT_ID.parse().unwrap());
    adfs.add_user(AdfsUser {
        account: "CONTOSO\\svc-hybridge".to_owned(),
        user_principal_name: "svc-hybridge@lindhagen.test".to_owned(),
        password: "pä ss&=+".to_owned(),
    });
    adfs
}

fn password<'a>(user: &'a str, password: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("grant_type", "password"),
        ("client_id", CLIENT_ID),
        ("resource", ORGANIZATION),
        ("username", user),
        ("password", password),
    ]
}

fn good() -> Vec<(&'static str, &'static str)> {
    password("CONTOSO\\svc-hybridge", "pä ss&=+")
}

async fn request(adfs: &Adfs, fields: &[(&str, &str)]) -> (StatusCode, Value) {
    ask(adfs, call(Method::POST, "https://adfs.sandbox.test/adfs/oauth2/token", &[], form(fields))).await
}

#[track_caller]
fn refused((status, body): (StatusCode, Value), error: &str, number: &str) {
    assert_eq!((status.as_u16(), &body["error"]), (400, &json!(error)), "{body}");
    assert!(body["error_description"].as_str().unwrap().starts_with(number), "{body}");
}

#[tokio::test(start_paused = true)]
async fn a_user_signs_in_by_either_of_his_names() {
    let adfs = adfs();
    for name in ["CONTOSO\\svc-hybridge", "contoso\\SVC-hybridge", "svc-hybridge@lindhagen.test"] {
        let (status, body) = request(&adfs, &password(name, "pä ss&=+")).await;
        assert_eq!(status, 200, "{name}: {body}");
        assert_eq!((&body["token_type"], &body["expires_in"]), (&json!("bearer"), &json!(3600)));
        assert_eq!(body["resource"], ORGANIZATION);
        assert!(body["refresh_token"].is_string() && body["refresh_token_expires_in"].is_u64());
        let claims = claims_of(body["access_token"].as_str().unwrap());
        assert_eq!(claims["aud"], ORGANIZATION);
        assert_eq!(claims["upn"], "svc-hybridge@lindhagen.test");
        assert_eq!(claims["unique_name"], "CONTOSO\\svc-hybridge");
        assert_eq!(claims["exp"], now() + 3600);
        assert!(claims["iss"].as_str().unwrap().ends_with("adfs.sandbox.test/adfs/services/trust"));
    }
}

#[tokio::test(start_paused = true)]
async fn wrong_names_and_passwords_are_not_told_apart() {
    let adfs = adfs();
    for (name, word) in [("CONTOSO\\svc-hybridge", "wrong"), ("CONTOSO\\nobody", "pä ss&=+"), ("", "")] {
        refused(request(&adfs, &password(name, word)).await, "invalid_grant", "MSIS9659");
    }
    adfs.set_password("contoso\\svc-hybridge", "new");
    refused(request(&adfs, &good()).await, "invalid_grant", "MSIS9659");
    token(request(&adfs, &password("CONTOSO\\svc-hybridge", "new")).await);
}

#[tokio::test(start_paused = true)]
async fn a_client_has_to_be_registered() {
    for id in ["00000000-0000-0000-0000-000000000008", "no-guid", ""] {
        let mut fields = good();
        fields[1].1 = id;
        refused(request(&adfs(), &fields).await, "invalid_client", "MSIS");
    }
}

#[tokio::test(start_paused = true)]
async fn the_slash_at_the_end_of_the_resource_counts() {
    for resource in ["https://crm.sandbox.test", "https://fabrikam.test/", ""] {
        let mut fields = good();
        fields[2].1 = resource;
        refused(request(&adfs(), &fields).await, "invalid_resource", "MSIS9602");
    }
}

#[tokio::test(start_paused = true)]
async fn adfs_2012_r2_knows_no_password_grant_but_refreshes() {
    let adfs = adfs();
    let (_, body) = request(&adfs, &good()).await;
    adfs.forbid_password_grant();
    refused(request(&adfs, &good()).await, "unsupported_grant_type", "MSIS9611");
    let refresh = body["refresh_token"].as_str().unwrap();
    let fields = [("grant_type", "refresh_token"), ("client_id", CLIENT_ID), ("refresh_token", refresh)];
    token(request(&adfs, &fields).await);
    let other = [("grant_type", "urn:x"), ("client_id", CLIENT_ID)];
    refused(request(&adfs, &other).await, "unsupported_grant_type", "MSIS9611");
}

#[tokio::test(start_paused = true)]
async fn a_refresh_token_signs_the_same_user_in_again() {
    let adfs = adfs();
    let (_, body) = request(&adfs, &good()).await;
    tokio::time::advance(Duration::from_hours(1)).await;
    let first = body["access_token"].as_str().unwrap();
    assert_eq!(adfs.judge(first, &[ORGANIZATION]), Err(TokenFault::OutOfTime));
    let refresh = body["refresh_token"].as_str().unwrap();
    let fields = [("grant_type", "refresh_token"), ("client_id", CLIENT_ID), ("refresh_token", refresh)];
    let second = token(request(&adfs, &fields).await);
    let claims = adfs.judge(&second, &[ORGANIZATION]).unwrap();
    assert_eq!(claims.user_name.as_deref(), Some("CONTOSO\\svc-hybridge"));
    let unknown = [("grant_type", "refresh_token"), ("client_id", CLIENT_ID), ("refresh_token", "x")];
    refused(request(&adfs, &unknown).await, "invalid_grant", "MSIS9615");
}

#[tokio::test(start_paused = true)]
async fn a_refresh_token_ends_when_it_says() {
    let adfs = adfs();
    let (_, body) = request(&adfs, &good()).await;
    let life = body["refresh_token_expires_in"].as_u64().unwrap();
    tokio::time::advance(Duration::from_secs(life)).await;
    let refresh = body["refresh_token"].as_str().unwrap();
    let fields = [("grant_type", "refresh_token"), ("client_id", CLIENT_ID), ("refresh_token", refresh)];
    refused(request(&adfs, &fields).await, "invalid_grant", "MSIS9615");
}

#[tokio::test(start_paused = true)]
async fn an_app_alone_gets_a_token_without_a_user() {
    let adfs = adfs();
    let fields = [("grant_type", "client_credentials"), ("client_id", CLIENT_ID), ("resource", ORGANIZATION)];
    let granted = token(request(&adfs, &fields).await);
    assert_eq!(adfs.judge(&granted, &[ORGANIZATION]).unwrap().user_name, None);
}

#[tokio::test(start_paused = true)]
async fn tokens_are_judged_by_time_audience_and_signature() {
    let adfs = adfs();
    adfs.set_token_lifetime(Duration::from_mins(1));
    let granted = token(request(&adfs, &good()).await);
    assert_eq!(
        adfs.judge(&granted, &["https://fabrikam.test/"]),
        Err(TokenFault::WrongAudience(ORGANIZATION.to_owned()))
    );
    let entra = support::entra();
    assert!(
        matches!(entra.judge(&granted, &[ORGANIZATION]), Err(TokenFault::Invalid(_))),
        "another authority"
    );
    let foreign = token(support::present(&entra, &support::Assertion::good()).await);
    assert!(
        matches!(adfs.judge(&foreign, &[support::GRAPH]), Err(TokenFault::Invalid(_))),
        "another authority"
    );
    tokio::time::advance(Duration::from_mins(1)).await;
    assert_eq!(adfs.judge(&granted, &[ORGANIZATION]), Err(TokenFault::OutOfTime));
}

#[tokio::test(start_paused = true)]
async fn people_get_a_sign_in_page() {
    let adfs = adfs();
    for path in ["oauth2/authorize?response_type=code", "ls/?wa=wsignin1.0"] {
        let url = format!("https://adfs.sandbox.test/adfs/{path}");
        let reply = adfs.call(call(Method::GET, &url, &[], String::new())).await;
        assert_eq!(reply.status(), 200);
        assert!(reply.headers()["content-type"].to_str().unwrap().starts_with("text/html"));
        assert!(reply.body().starts_with(b"<!DOCTYPE html>"));
    }
}

#[tokio::test(start_paused = true)]
async fn the_published_key_verifies_a_token() {
    let adfs = adfs();
    let get = async |url: &str| ask(&*adfs, call(Method::GET, url, &[], String::new())).await.1;
    let document = get("https://adfs.sandbox.test/adfs/.well-known/openid-configuration").await;
    assert_eq!(
        document["token_endpoint"].as_str().unwrap().trim_end_matches('/'),
        "https://adfs.sandbox.test/adfs/oauth2/token"
    );
    let set = get(document["jwks_uri"].as_str().unwrap()).await;
    let key = &set["keys"][0];
    let key =
        DecodingKey::from_rsa_components(key["n"].as_str().unwrap(), key["e"].as_str().unwrap()).unwrap();
    let mut validation = Validation::new(Algorithm::RS256);
    validation.set_audience(&[ORGANIZATION]);
    // The sandbox's time is not this machine's.
    validation.validate_exp = false;
    decode::<Value>(&token(request(&adfs, &good()).await), &key, &validation).unwrap();
}
