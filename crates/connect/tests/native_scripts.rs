//! The scripts of target native, run on emulated servers.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says by panicking what is wrong")]

mod support;

use base64::{Engine, engine::general_purpose::STANDARD};
use hybridge_connect::servers::{Mode, Script};
use hybridge_identity::{Credential, PfxForm, SecretString};
use hybridge_sandbox_windows::{Binding, Estate};
use jiff::Timestamp;
use serde_json::{Value, json};
use support::Servers;

fn now() -> Timestamp {
    "2026-11-23T12:00:00Z".parse().unwrap()
}

fn servers() -> Servers {
    Servers::new(Estate::new(now()))
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

#[tokio::test]
async fn a_server_tells_what_it_is() {
    let servers = servers();
    let script = script!("server-inventory");
    let state = told(&servers, "CRM01", (script, Mode::Probe), json!({})).await;
    assert_eq!((state["computer"].as_str(), state["powershell"].as_i64()), (Some("CRM01"), Some(5)));
    assert_eq!(
        (state["elevated"].as_bool(), state["snapin"].as_bool()),
        (Some(true), Some(false)),
        "{state}"
    );
    assert_eq!(state["services"].as_array().unwrap().len(), 2, "{state}");
    let state = told(&servers, "CRMDEP", (script, Mode::Probe), json!({})).await;
    assert_eq!(state["snapin"], true);
    servers.estate().machine("CRM01").unwrap().faults.not_elevated = true;
    let state = told(&servers, "CRM01", (script, Mode::Probe), json!({})).await;
    assert_eq!(state["elevated"], false);
    servers.estate().machine("CRM01").unwrap().faults.constrained_language = true;
    let refused = refused(&servers, "CRM01", (script, Mode::Probe), json!({})).await;
    assert!(refused.contains("App Control") && refused.contains("bundle"), "{refused}");
}

#[tokio::test]
async fn the_deployment_tells_its_servers_and_organizations() {
    let servers = servers();
    let script = script!("deployment-inventory");
    let state = told(&servers, "CRMDEP", (script, Mode::Probe), json!({})).await;
    assert_eq!(state["servers"].as_array().unwrap().len(), 3, "{state}");
    assert_eq!(state["organizations"][0]["name"], "contoso");
    assert_eq!(state["claims"], true);
    servers.estate().machine("CRMDEP").unwrap().faults.not_in_priv_user_group = true;
    let words = refused(&servers, "CRMDEP", (script, Mode::Probe), json!({})).await;
    assert!(words.contains("CRMDEP: the account is not in") && words.contains("PrivUserGroup"), "{words}");
    servers.estate().machine("CRMDEP").unwrap().faults.no_snapin = true;
    let words = refused(&servers, "CRMDEP", (script, Mode::Probe), json!({})).await;
    assert!(words.contains("Deployment Tools"), "{words}");
}

#[tokio::test]
async fn a_certificate_is_brought_into_the_store_its_key_opened_and_both_taken_back() {
    let servers = servers();
    let credential = Credential::self_signed("hybridge-s2s-1", now(), 730).unwrap();
    let certificate = credential.certificate();
    let password = SecretString::from("s3cret\u{fc}");
    let pfx = STANDARD.encode(credential.to_pfx_in(PfxForm::Legacy, &password).unwrap());
    let thumbprint = certificate.sha1_hex();
    let (store, access) = (script!("signing-store"), script!("key-access"));
    let public = STANDARD.encode(certificate.der());
    let data = json!({ "thumbprint": thumbprint, "certificate": public });
    let state = told(&servers, "CRM02", (store, Mode::Probe), data.clone()).await;
    assert_eq!(state, json!({ "installed": false, "keySpec": null, "others": [] }));
    let state = told(&servers, "CRM02", (access, Mode::Probe), data.clone()).await;
    assert_eq!((state["installed"].as_bool(), state["readers"].clone()), (Some(false), json!([])));

    let mut with_pfx = data.clone();
    with_pfx["pfx"] = pfx.into();
    let wrong = SecretString::from("wrong");
    let failed = servers.run("CRM02", (store, Mode::Apply), &with_pfx, Some(&wrong)).await.unwrap_err();
    assert!(failed.trouble().what.contains("network password is not correct"), "{failed:?}");
    for _ in 0..2 {
        let state = servers.run("CRM02", (store, Mode::Apply), &with_pfx, Some(&password)).await.unwrap();
        assert_eq!(state, json!({ "installed": true, "keySpec": 1, "others": [] }));
    }
    let accounts = json!([Estate::ASYNC_ACCOUNT, Estate::POOL_ACCOUNT]);
    let state = told(&servers, "CRM02", (access, Mode::Probe), data.clone()).await;
    assert_eq!(state, json!({ "installed": true, "accounts": accounts, "readers": [] }));
    let state = told(&servers, "CRM02", (access, Mode::Apply), data.clone()).await;
    assert_eq!(state["readers"], accounts);
    assert!(servers.estate().machine("CRM02").unwrap().may_read_key(&thumbprint, Estate::ASYNC_ACCOUNT));
    let undo = json!({ "thumbprint": thumbprint, "before": [Estate::POOL_ACCOUNT] });
    let state = told(&servers, "CRM02", (access, Mode::Undo), undo).await;
    assert_eq!(state["readers"], json!([Estate::POOL_ACCOUNT]));

    let mut undo = data.clone();
    undo["before"] = json!({ "installed": false });
    let state = told(&servers, "CRM02", (store, Mode::Undo), undo).await;
    assert_eq!(state["installed"], false);
    let mut estate = servers.estate();
    let machine = estate.machine("CRM02").unwrap();
    assert!(machine.certificates.is_empty() && machine.keys.is_empty(), "the key goes with it");
}

#[tokio::test]
async fn a_certificate_takes_the_place_of_one_of_the_same_subject() {
    let servers = servers();
    let password = SecretString::from("s3cret");
    let made = |generation: i64| {
        let from = now() - jiff::SignedDuration::from_hours(generation);
        let made = Credential::self_signed("*.contoso.com", from, 199).unwrap();
        let pfx = STANDARD.encode(made.to_pfx_in(PfxForm::Legacy, &password).unwrap());
        (made.certificate().sha1_hex(), pfx)
    };
    let ((old, old_pfx), (new, new_pfx)) = (made(2), made(1));
    let (store, access, exchange) =
        (script!("signing-store"), script!("key-access"), script!("signing-exchange"));
    let aside = "HybridgeArchive";
    let install = json!({ "thumbprint": old, "pfx": old_pfx });
    servers.run("CRM02", (store, Mode::Apply), &install, Some(&password)).await.unwrap();
    let both = json!({ "in": new, "out": old, "store": aside });
    let failed = refused(&servers, "CRM02", (exchange, Mode::Apply), both.clone()).await;
    assert!(failed.contains("neither in the store My nor in HybridgeArchive"), "{failed}");
    let install = json!({ "thumbprint": new, "pfx": new_pfx, "store": aside });
    servers.run("CRM02", (store, Mode::Apply), &install, Some(&password)).await.unwrap();
    let state =
        told(&servers, "CRM02", (access, Mode::Apply), json!({ "thumbprint": new, "store": aside })).await;
    assert_eq!(state["readers"], json!([Estate::ASYNC_ACCOUNT, Estate::POOL_ACCOUNT]));

    // A listener that looks for the old one would go dark.
    let bind = |thumbprint: &str, store: &str| Binding {
        listener: "0.0.0.0:443".to_owned(),
        thumbprint: thumbprint.to_owned(),
        store: store.to_owned(),
    };
    servers.estate().machine("CRM02").unwrap().bindings = vec![bind(&new, "My"), bind(&old, "My")];
    let state = told(&servers, "CRM02", (exchange, Mode::Probe), both.clone()).await;
    assert_eq!(state["listeners"], json!(["0.0.0.0:443"]));
    let failed = refused(&servers, "CRM02", (exchange, Mode::Apply), both.clone()).await;
    assert!(failed.contains("0.0.0.0:443 still shows the certificate"), "{failed}");
    servers.estate().machine("CRM02").unwrap().bindings = vec![bind(&new, "My"), bind(&old, "WebHosting")];

    let expected = |comes: bool| json!({ "in": comes, "out": !comes, "waitsIn": !comes, "waitsOut": comes, "listeners": [] });
    assert_eq!(told(&servers, "CRM02", (exchange, Mode::Probe), both.clone()).await, expected(false));
    let started = servers.estate().machine("CRM02").unwrap().service("MSCRMAsyncService").unwrap().started;
    let mut changed = expected(true);
    changed["changed"] = true.into();
    assert_eq!(told(&servers, "CRM02", (exchange, Mode::Apply), both.clone()).await, changed);
    assert_eq!(told(&servers, "CRM02", (exchange, Mode::Apply), both.clone()).await, expected(true));
    {
        let mut estate = servers.estate();
        let machine = estate.machine("CRM02").unwrap();
        assert!(machine.service("MSCRMAsyncService").unwrap().started > started);
        assert!(machine.services.iter().all(|service| service.state == "Running"));
        assert!(machine.may_read_key(&new, Estate::ASYNC_ACCOUNT), "the right goes with the key");
    }
    servers.estate().machine("CRM02").unwrap().bindings.clear();
    let back = json!({ "in": old, "out": new, "store": aside });
    told(&servers, "CRM02", (exchange, Mode::Apply), back).await;
    assert_eq!(told(&servers, "CRM02", (exchange, Mode::Probe), both).await, expected(false));
}

#[tokio::test]
async fn a_key_in_the_wrong_provider_or_closed_to_the_account_is_told_apart() {
    let servers = servers();
    let credential = Credential::self_signed("hybridge-s2s-1", now(), 730).unwrap();
    let password = SecretString::from("s3cret");
    let pfx = STANDARD.encode(credential.to_pfx_in(PfxForm::Legacy, &password).unwrap());
    let store = script!("signing-store");
    let certificate = credential.certificate();
    let data = json!({ "thumbprint": certificate.sha1_hex(), "certificate": STANDARD.encode(certificate.der()), "pfx": pfx });
    servers.estate().machine("CRM01").unwrap().faults.cng_import = true;
    let failed = servers.run("CRM01", (store, Mode::Apply), &data, Some(&password)).await.unwrap_err();
    assert!(failed.trouble().what.contains("KeySpec 0"), "{failed:?}");
    assert!(servers.estate().machine("CRM01").unwrap().certificates.is_empty(), "nothing half-done stays");
    servers.estate().machine("CRM01").unwrap().faults.cng_import = false;
    servers.run("CRM01", (store, Mode::Apply), &data, Some(&password)).await.unwrap();
    servers.estate().machine("CRM01").unwrap().faults.no_key_access = true;
    let state = told(&servers, "CRM01", (store, Mode::Probe), data).await;
    assert_eq!(state["keySpec"], "closed");
}

#[tokio::test]
async fn the_settings_of_the_deployment_are_written_and_put_back() {
    let servers = servers();
    let (first, second) = (
        Credential::self_signed("hybridge-s2s-1", now(), 30).unwrap(),
        Credential::self_signed("hybridge-s2s-2", now(), 30).unwrap(),
    );
    let record = script!("signing-record");
    let of = |credential: &Credential| {
        let certificate = credential.certificate();
        json!({ "subject": certificate.subject(), "certificate": STANDARD.encode(certificate.der()) })
    };
    assert_eq!(told(&servers, "CRMDEP", (record, Mode::Probe), json!({})).await, json!({ "record": null }));
    for credential in [&first, &second] {
        let state = told(&servers, "CRMDEP", (record, Mode::Apply), of(credential)).await;
        assert_eq!(state["record"], of(credential));
    }
    let state = told(&servers, "CRMDEP", (record, Mode::Undo), json!({ "before": of(&first) })).await;
    assert_eq!(state["record"], of(&first));
    let state = told(&servers, "CRMDEP", (record, Mode::Undo), json!({ "before": null })).await;
    assert_eq!(state["record"], Value::Null);
    assert!(servers.estate().machine("CRMDEP").unwrap().files.is_empty(), "nothing is left in a file");

    let (service, tenant) = (script!("token-service"), script!("organization-tenant"));
    let nothing = json!({ "principal": null, "metadata": null });
    assert_eq!(told(&servers, "CRMDEP", (service, Mode::Probe), json!({})).await, nothing);
    let wanted = json!({ "principal": "1", "metadata": "https://x/metadata/json/1" });
    assert_eq!(told(&servers, "CRMDEP", (service, Mode::Apply), wanted.clone()).await, wanted);
    let undone = told(&servers, "CRMDEP", (service, Mode::Undo), json!({ "before": nothing })).await;
    assert_eq!(undone, nothing);
    let data = json!({ "organization": "contoso", "tenant": "t" });
    assert_eq!(told(&servers, "CRMDEP", (tenant, Mode::Apply), data).await, json!({ "tenant": "t" }));
    let data = json!({ "organization": "contoso", "tenant": "t", "before": null });
    assert_eq!(told(&servers, "CRMDEP", (tenant, Mode::Undo), data).await, json!({ "tenant": null }));
    let data = json!({ "organization": "fabrikam", "tenant": "t" });
    let words = refused(&servers, "CRMDEP", (tenant, Mode::Probe), data).await;
    assert!(words.contains("fabrikam does not exist"), "{words}");
}

#[tokio::test]
async fn services_are_started_anew() {
    let servers = servers();
    let restart = script!("service-restart");
    let later = now() + jiff::SignedDuration::from_mins(10);
    servers.estate().set_now(later);
    let state = told(&servers, "CRM01", (restart, Mode::Probe), json!({})).await;
    assert_eq!(state["services"]["MSCRMAsyncService"], json!({ "state": "Running", "age": 600 }));
    let state = told(&servers, "CRM01", (restart, Mode::Apply), json!({})).await;
    for service in state["services"].as_object().unwrap().values() {
        assert!(service["age"].as_i64().unwrap() <= 2, "{state}");
    }
}

#[tokio::test]
async fn what_a_server_does_not_reach_is_told() {
    let servers = servers();
    let outbound = script!("outbound");
    let data = json!({ "addresses": ["https://a.test/", "https://b.test/"] });
    let state = told(&servers, "CRM01", (outbound, Mode::Probe), data.clone()).await;
    assert_eq!(state, json!({ "https://a.test/": "reached", "https://b.test/": "reached" }));
    servers.estate().machine("CRM01").unwrap().faults.old_tls = true;
    let state = told(&servers, "CRM01", (outbound, Mode::Probe), data).await;
    assert!(
        state["https://a.test/"].as_str().unwrap().contains("underlying connection was closed"),
        "{state}"
    );
}

#[tokio::test]
async fn a_server_tells_which_certificates_it_uses_and_what_for() {
    let servers = servers();
    let credential = Credential::self_signed("hybridge-s2s-1", now(), 730).unwrap();
    let certificate = credential.certificate();
    let password = SecretString::from("s3cret");
    let pfx = STANDARD.encode(credential.to_pfx_in(PfxForm::Legacy, &password).unwrap());
    let (thumbprint, public) = (certificate.sha1_hex(), STANDARD.encode(certificate.der()));
    let data = json!({ "thumbprint": thumbprint, "pfx": pfx, "certificate": public });
    servers.run("CRM01", (script!("signing-store"), Mode::Apply), &data, Some(&password)).await.unwrap();
    servers.estate().machine("CRM01").unwrap().bindings.push(Binding {
        listener: "0.0.0.0:443".to_owned(),
        thumbprint: thumbprint.clone(),
        store: "My".to_owned(),
    });
    told(&servers, "CRMDEP", (script!("signing-record"), Mode::Apply), data.clone()).await;

    let asked = json!({ "signing": public });
    let uses = async |server: &str| -> Vec<(String, String)> {
        let told = told(&servers, server, (script!("certificates"), Mode::Probe), asked.clone()).await;
        let text = |one: &Value, name: &str| one[name].as_str().unwrap().to_owned();
        let found = told["certificates"].as_array().unwrap();
        found.iter().map(|one| (text(one, "use"), text(one, "thumbprint"))).collect()
    };
    let own = |purpose: &str| (purpose.to_owned(), thumbprint.clone());
    assert_eq!(uses("CRM01").await, [own("listener 0.0.0.0:443"), own("store My")]);
    assert_eq!(uses("CRMDEP").await, [own("configuration database S2STokenIssuer")]);
    let farm = uses("ADFS01").await;
    assert_eq!(farm.len(), 1, "{farm:?}");
    assert_eq!(farm[0].0, "AD FS Token-Signing");
    let state =
        told(&servers, "CRM02", (script!("certificates"), Mode::Probe), json!({ "signing": null })).await;
    assert_eq!(state, json!({ "certificates": [] }));
}
