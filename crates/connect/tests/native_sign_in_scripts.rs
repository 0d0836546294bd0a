//! The scripts for AD FS, run on emulated servers (setup.md, phase F).
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says by panicking what is wrong")]

mod support;

use hybridge_connect::servers::{Mode, Script};
use hybridge_sandbox_windows::{AdfsClient, Estate, EstateSetup};
use serde_json::{Value, json};
use support::Servers;

fn servers() -> Servers {
    Servers::new(Estate::with(EstateSetup {
        adfs_servers: 2,
        ..EstateSetup::contoso("2026-11-23T12:00:00Z".parse().unwrap())
    }))
}

macro_rules! script {
    ($name:literal) => {{
        static SCRIPT: Script =
            Script { name: $name, text: include_str!(concat!("../scripts/", $name, ".ps1")) };
        &SCRIPT
    }};
}

async fn told(servers: &Servers, server: &str, what: (&'static Script, Mode), data: Value) -> Value {
    match servers.run(server, what, &data, None).await {
        Ok(told) => told,
        Err(error) => panic!("{error:?}"),
    }
}

async fn refused(servers: &Servers, server: &str, what: (&'static Script, Mode), data: Value) -> String {
    match servers.run(server, what, &data, None).await {
        Ok(told) => panic!("{told}"),
        Err(error) => format!("{}\n{}", error.trouble().what, error.trouble().remedy),
    }
}

/// How many changes scripts have made on a machine.
fn changes(servers: &Servers, server: &str) -> usize {
    servers.estate().machine(server).unwrap().changes.len()
}

const AUTH: &str = "https://auth.contoso.com/";

#[tokio::test]
async fn the_relying_party_is_told_with_its_rules_and_what_it_signs_with() {
    let servers = servers();
    let script = script!("relying-party");
    let data = json!({ "identifiers": ["https://AUTH.contoso.com"] });
    let state = told(&servers, "ADFS01", (script, Mode::Probe), data).await;
    let trust = &state["trusts"][0];
    let identifiers = json!([AUTH, "https://contoso.contoso.com/", "https://dev.contoso.com/"]);
    assert_eq!((&trust["identifiers"], &trust["enabled"]), (&identifiers, &json!(true)), "{state}");
    assert!(trust["rules"].as_str().unwrap().contains("primarysid"), "{state}");
    assert_eq!(state["signing"][0]["primary"], true, "{state}");
    assert_eq!(state["signing"][0]["ends"], "2027-11-23T12:00:00Z", "{state}");
    servers.estate().machine("ADFS01").unwrap().farm().without_rule = Some("primarysid");
    let state = told(&servers, "ADFS01", (script, Mode::Probe), json!({ "identifiers": [AUTH] })).await;
    assert!(!state["trusts"][0]["rules"].as_str().unwrap().contains("primarysid"), "{state}");
    let state =
        told(&servers, "ADFS01", (script, Mode::Probe), json!({ "identifiers": ["https://x/"] })).await;
    assert_eq!(state["trusts"], json!([]), "{state}");
}

#[tokio::test]
async fn forms_are_added_to_the_ways_to_sign_in_and_taken_back() {
    let servers = servers();
    let script = script!("forms-sign-in");
    let before = told(&servers, "ADFS01", (script, Mode::Probe), json!({})).await;
    assert_eq!(before, json!({ "providers": ["WindowsAuthentication"] }));
    let both = json!({ "providers": ["WindowsAuthentication", "FormsAuthentication"] });
    for _ in 0..2 {
        assert_eq!(told(&servers, "ADFS01", (script, Mode::Apply), json!({})).await, both);
    }
    assert_eq!(changes(&servers, "ADFS01"), 1, "the second time there is nothing to do");
    let undone = told(&servers, "ADFS01", (script, Mode::Undo), json!({ "before": before })).await;
    assert_eq!(undone, before);
    let words = refused(&servers, "CRM01", (script, Mode::Probe), json!({})).await;
    assert!(words.contains("CRM01") && words.contains("AD FS server"), "{words}");
}

#[tokio::test]
async fn tokens_of_ad_fs_need_claims() {
    let servers = servers();
    let script = script!("oauth-provider");
    let before = told(&servers, "CRMDEP", (script, Mode::Probe), json!({})).await;
    assert_eq!(before, json!({ "enabled": false, "claims": true }));
    for _ in 0..2 {
        let state = told(&servers, "CRMDEP", (script, Mode::Apply), json!({})).await;
        assert_eq!(state["enabled"], true);
    }
    assert_eq!(changes(&servers, "CRMDEP"), 1);
    assert_eq!(told(&servers, "CRMDEP", (script, Mode::Undo), json!({ "before": before })).await, before);
    servers.estate().machine("CRMDEP").unwrap().database().claims_enabled = false;
    let words = refused(&servers, "CRMDEP", (script, Mode::Apply), json!({})).await;
    assert!(words.contains("claims"), "{words}");
}

fn client(id: &str, redirects: &[&str]) -> Value {
    json!({ "id": id, "name": "Outlook", "redirects": redirects })
}

#[tokio::test]
async fn clients_are_registered_completed_and_removed() {
    let servers = servers();
    let script = script!("adfs-clients");
    let (new, old) = ("2f29638c-34d4-4cf2-a16a-7caf612cee15", "ce9f9f18-dd0c-473e-b9b2-47812435e20d");
    let escaped = "msauth://code/ms-auth-dynamicsxrm%3A%2F%2Fcom.microsoft.dynamics";
    servers.estate().machine("ADFS01").unwrap().farm().clients.push(AdfsClient {
        client_id: old.to_uppercase(),
        name: "Phones".to_owned(),
        redirect_uris: vec!["app://own/".to_owned(), "app://a/".to_owned()],
    });
    let data = json!({ "clients": [client(new, &[escaped]), client(old, &["app://a/", "app://b/"])] });
    let before = told(&servers, "ADFS01", (script, Mode::Probe), data.clone()).await;
    assert_eq!(before["clients"][new], Value::Null);
    assert_eq!(before["clients"][old], json!({ "name": "Phones", "redirects": ["app://own/", "app://a/"] }));
    for _ in 0..2 {
        let state = told(&servers, "ADFS01", (script, Mode::Apply), data.clone()).await;
        assert_eq!(state["clients"][new], json!({ "name": "Outlook", "redirects": [escaped] }));
        let all = json!({ "name": "Phones", "redirects": ["app://own/", "app://a/", "app://b/"] });
        assert_eq!(state["clients"][old], all);
    }
    assert_eq!(changes(&servers, "ADFS01"), 2, "the second time there is nothing to do");
    let mut undo = data.clone();
    undo["before"] = before.clone();
    for _ in 0..2 {
        assert_eq!(told(&servers, "ADFS01", (script, Mode::Undo), undo.clone()).await, before);
    }
    assert_eq!(changes(&servers, "ADFS01"), 4);
}

#[tokio::test]
async fn clients_are_permitted_by_the_exact_identifier() {
    let servers = servers();
    let script = script!("adfs-permissions");
    let id = "2f29638c-34d4-4cf2-a16a-7caf612cee15";
    servers.estate().machine("ADFS01").unwrap().farm().clients.push(AdfsClient {
        client_id: id.to_owned(),
        name: "Outlook".to_owned(),
        redirect_uris: Vec::new(),
    });
    let data = json!({ "clients": [id], "identifier": "https://auth.contoso.com" });
    let before = told(&servers, "ADFS01", (script, Mode::Probe), data.clone()).await;
    assert_eq!(before, json!({ "needed": true, "identifier": AUTH, "granted": [] }));
    for _ in 0..2 {
        let state = told(&servers, "ADFS01", (script, Mode::Apply), data.clone()).await;
        assert_eq!(state["granted"], json!([id]));
    }
    assert_eq!(servers.estate().machine("ADFS01").unwrap().farm().permissions[0].server, AUTH);
    let mut kept = data.clone();
    kept["before"] = json!({ "granted": [id] });
    let state = told(&servers, "ADFS01", (script, Mode::Undo), kept).await;
    assert_eq!(state["granted"], json!([id]), "it was there before");
    let mut undo = data.clone();
    undo["before"] = before.clone();
    assert_eq!(told(&servers, "ADFS01", (script, Mode::Undo), undo).await, before);
    let wrong = json!({ "clients": [id], "identifier": "https://elsewhere.contoso.com/" });
    let words = refused(&servers, "ADFS01", (script, Mode::Apply), wrong).await;
    assert!(words.contains("No relying party") && words.contains("elsewhere"), "{words}");
    servers.estate().machine("ADFS01").unwrap().farm().before_2016 = true;
    let state = told(&servers, "ADFS01", (script, Mode::Apply), data).await;
    assert_eq!(state, json!({ "needed": false }));
}

#[tokio::test]
async fn ad_fs_is_started_anew_on_one_server() {
    let servers = servers();
    let script = script!("adfs-restart");
    servers.estate().set_now("2026-11-23T12:10:00Z".parse().unwrap());
    let state = told(&servers, "ADFS02", (script, Mode::Probe), json!({})).await;
    assert_eq!(state["services"]["adfssrv"], json!({ "state": "Running", "age": 600 }));
    let state = told(&servers, "ADFS02", (script, Mode::Apply), json!({})).await;
    assert!(state["services"]["adfssrv"]["age"].as_i64().unwrap() <= 2, "{state}");
    let state = told(&servers, "ADFS01", (script, Mode::Probe), json!({})).await;
    assert_eq!(state["services"]["adfssrv"]["age"], 600, "the other one stays");
}

#[tokio::test]
async fn the_ways_of_windows_authentication_are_told() {
    let servers = servers();
    let state = told(&servers, "CRM01", (script!("iis-providers"), Mode::Apply), json!({})).await;
    let each = json!({ "enabled": true, "providers": ["Negotiate", "NTLM"] });
    let all = json!({ "XRMServices/2011": each, "nga": each, "AppWebServices": each });
    assert_eq!(state, json!({ "paths": all }));
    assert_eq!(changes(&servers, "CRM01"), 0);
}
