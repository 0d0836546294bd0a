//! A bundle's runner on emulated servers, and what is made of its results.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD};
use hybridge_identity::{Credential, ExposeSecret, PfxForm, SecretString};
use hybridge_net::{Clock, SystemClock};
use hybridge_sandbox_windows::{Ended, Estate, powershell};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{
    Bundle, BundleError, Bundles, ByBundle, Manifest, Seal,
    collect::{Collector, Watched},
    export, import,
};
use crate::{
    Obstacle,
    servers::{Mode, Order, Reach, Script, Server},
};

static STORE: Script =
    Script { name: "signing-store", text: include_str!("../../scripts/signing-store.ps1") };
static ACCESS: Script = Script { name: "key-access", text: include_str!("../../scripts/key-access.ps1") };
static TENANT: Script =
    Script { name: "organization-tenant", text: include_str!("../../scripts/organization-tenant.ps1") };

fn now() -> Timestamp {
    SystemClock.now()
}

/// Orders of three steps, as they give them, and the bundle that is made of them.
async fn made(folder: &Path, secret: &SecretString) -> (Bundle, Seal, Arc<Bundles>, Value) {
    let bundles = Bundles::open(folder, Arc::new(SystemClock)).unwrap();
    let seal = Seal::new();
    let collector = Arc::new(Collector::new(seal.secret().clone()));
    let server = |name: &str| Server {
        name: name.to_owned(),
        duties: Vec::new(),
        reach: Arc::new(ByBundle(bundles.clone())),
    };
    let credential = Credential::self_signed("hybridge-s2s-1", now(), 30).unwrap();
    let certificate = credential.certificate();
    let data =
        json!({ "thumbprint": certificate.sha1_hex(), "certificate": STANDARD.encode(certificate.der()) });
    let mut with_pfx = data.clone();
    with_pfx["pfx"] = STANDARD.encode(credential.to_pfx_in(PfxForm::Legacy, secret).unwrap()).into();
    let key = json!({ "thumbprint": certificate.sha1_hex() });
    let tenant = json!({ "organization": "contoso", "tenant": "t-1" });
    let orders: [(_, _, &'static Script, _, _, Option<_>); 4] = [
        ("crm01.contoso.com", "signing-store", &STORE, &data, &with_pfx, Some(secret)),
        ("crm02.contoso.com", "signing-store", &STORE, &data, &with_pfx, Some(secret)),
        ("crm01.contoso.com", "key-access", &ACCESS, &key, &key, None),
        ("crmdep.contoso.com", "organization-tenant", &TENANT, &tenant, &tenant, None),
    ];
    for (name, step, script, probe, apply, secret) in orders {
        let watched = Watched::of(&server(name), &collector);
        let order = Order { step, script, mode: Mode::Probe, data: probe, secret: None };
        let asked = watched.run(name, order).await;
        assert!(matches!(asked, Err(Obstacle::ByHand { .. })), "{asked:?}");
        let order = Order { step, script, mode: Mode::Apply, data: apply, secret };
        assert_eq!(watched.run(name, order).await.unwrap(), json!({}));
    }
    let bundle = export::folder(&collector, now(), Vec::new());
    bundles.remember(&bundle.manifest).unwrap();
    (bundle, seal, bundles, data)
}

fn copy(bundle: &Bundle, estate: &mut Estate, server: &str) {
    let machine = estate.machine(server).unwrap();
    for (name, bytes) in &bundle.files {
        machine.files.insert(format!(r"C:\bundle\{}", name.replace('/', "\\")), bytes.clone());
    }
}

fn run(estate: &mut Estate, server: &str, arguments: &[&str], typed: &str) -> Ended {
    let start = ["-NoProfile", "-ExecutionPolicy", "AllSigned", "-File", r"C:\bundle\run.ps1", "-Mode"];
    let arguments: Vec<&str> = start.into_iter().chain(arguments.iter().copied()).collect();
    let machine = estate.machine(server).unwrap();
    machine.now += SignedDuration::from_secs(2);
    powershell(&arguments, &format!("{typed}\n"), machine)
}

/// The last results that the runner wrote on a server.
fn results(estate: &mut Estate, server: &str) -> (String, String) {
    let files: &BTreeMap<String, Vec<u8>> = &estate.machine(server).unwrap().files;
    let (name, bytes) = files.iter().rfind(|(name, _)| name.contains("results-")).unwrap();
    (name.clone(), String::from_utf8(bytes.clone()).unwrap())
}

async fn answer(bundles: &Arc<Bundles>, server: &str, script: &'static Script, data: &Value) -> Value {
    let order = Order { step: "a-test", script, mode: Mode::Probe, data, secret: None };
    ByBundle(bundles.clone()).run(server, order).await.unwrap()
}

#[tokio::test]
async fn a_bundle_is_run_brought_back_and_taken_back() {
    let folder = tempfile::tempdir().unwrap();
    let secret = SecretString::from("planted-s3cret");
    let (bundle, seal, bundles, data) = made(folder.path(), &secret).await;
    let password = seal.secret().expose_secret();
    let mut estate = Estate::new(now());
    copy(&bundle, &mut estate, "CRM01");
    let plan = run(&mut estate, "CRM01", &["Plan"], "");
    assert_eq!(plan.exit, 0, "{plan:?}");
    assert!(plan.stdout.contains(r"would run  scripts/signing-store.ps1 -Mode Apply"), "{}", plan.stdout);
    assert!(estate.machine("CRM01").unwrap().certificates.is_empty(), "a plan changes nothing");

    let applied = run(&mut estate, "CRM01", &["Apply"], password);
    assert_eq!(applied.exit, 0, "{applied:?}");
    assert!(applied.stdout.contains("changed    signing-store"), "{}", applied.stdout);
    assert_eq!(estate.machine("CRM01").unwrap().certificates.len(), 1);
    let (name, told) = results(&mut estate, "CRM01");
    let mut journal = crate::Journal::open(&folder.path().join("audit.jsonl"), "me@here").unwrap();
    let (_, read, manifest) = import::check(&name, &told, &bundles).unwrap();
    let mut imported = import::Imported::default();
    import::take(&bundles, &mut journal, &read, &manifest, &mut imported).unwrap();
    assert_eq!(imported.changed, ["signing-store", "key-access"]);
    assert!(journal.entries()[0].who.contains(r"CONTOSO\administrator on crm01"), "{:?}", journal.entries());
    let state = answer(&bundles, "crm01.contoso.com", &STORE, &data).await;
    assert_eq!(state, json!({ "installed": true, "keySpec": 1, "others": [] }));
    bundles.state().past = true;
    assert_eq!(answer(&bundles, "crm01.contoso.com", &STORE, &data).await["installed"], false);

    let again = run(&mut estate, "CRM01", &["Apply"], password);
    assert!(again.stdout.contains("unchanged  signing-store"), "{again:?}");
    let undone = run(&mut estate, "CRM01", &["Undo"], "");
    assert_eq!(undone.exit, 0, "{undone:?}");
    let machine = estate.machine("CRM01").unwrap();
    assert!(machine.certificates.is_empty() && machine.keys.is_empty(), "{}", undone.stdout);

    // No secret in any file, on either side.
    let bytes = bundle.files.values().chain(machine.files.values());
    let kept = std::fs::read(folder.path().join("audit.jsonl")).unwrap();
    for file in bytes.chain([&kept]) {
        for planted in ["planted-s3cret", password, "PRIVATE KEY"] {
            assert!(!file.windows(planted.len()).any(|part| part == planted.as_bytes()), "{planted}");
        }
    }
}

#[tokio::test]
async fn a_deployment_server_waits_for_nothing_and_its_setting_is_put_back() {
    let folder = tempfile::tempdir().unwrap();
    let (bundle, _, _, _) = made(folder.path(), &SecretString::from("x")).await;
    let mut estate = Estate::new(now());
    copy(&bundle, &mut estate, "CRMDEP");
    let applied = run(&mut estate, "CRMDEP", &["Apply"], "");
    assert_eq!(applied.exit, 0, "{applied:?}");
    assert!(applied.stdout.contains("changed    organization-tenant"), "{applied:?}");
    let undone = run(&mut estate, "CRMDEP", &["Undo"], "");
    assert!(undone.exit == 0 && undone.stdout.contains("changed    organization-tenant"), "{undone:?}");
    let adfs = {
        copy(&bundle, &mut estate, "ADFS01");
        run(&mut estate, "ADFS01", &["Apply"], "")
    };
    assert!(adfs.exit == 1 && adfs.stderr.contains("holds nothing for ADFS01"), "{adfs:?}");
}

#[tokio::test]
async fn what_was_tampered_with_is_not_run_and_not_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    let (bundle, seal, bundles, _) = made(folder.path(), &SecretString::from("x")).await;
    let password = seal.secret().expose_secret();
    let mut estate = Estate::new(now());
    copy(&bundle, &mut estate, "CRM01");
    let script = r"C:\bundle\scripts\signing-store.ps1".to_owned();
    let whole = estate.machine("CRM01").unwrap().files[&script].clone();
    let mut with = |tail: &str| {
        let text = [whole.as_slice(), tail.as_bytes()].concat();
        estate.machine("CRM01").unwrap().files.insert(script.clone(), text);
        run(&mut estate, "CRM01", &["Apply"], password)
    };
    for tail in ["\r\nGet-Date\r\n", "\r\n# SIG # Begin signature block\r\n# x\r\nGet-Date\r\n"] {
        let ended = with(tail);
        assert_eq!(ended.exit, 1, "{ended:?}");
        assert!(ended.stderr.contains("not what it was") || ended.stderr.contains("follows the signature"));
    }
    let signed = with("\r\n# SIG # Begin signature block\r\n# MIIx\r\n# SIG # End signature block\r\n");
    assert_eq!(signed.exit, 0, "a signed script is the same script: {signed:?}");

    let (name, told) = results(&mut estate, "CRM01");
    let altered = told.replace("CONTOSO", "FABRIKAM");
    let refused = import::check(&name, &altered, &bundles).unwrap_err();
    assert!(matches!(refused, BundleError::Altered { .. }), "{refused}");
    let elsewhere = Bundles::open(&folder.path().join("other"), Arc::new(SystemClock)).unwrap();
    let refused = import::check(&name, &told, &elsewhere).unwrap_err();
    assert!(matches!(refused, BundleError::Unknown { .. }), "{refused}");

    let manifest = estate.machine("CRM01").unwrap().files[r"C:\bundle\manifest.json"].clone();
    let mut old: Manifest = serde_json::from_slice(&manifest).unwrap();
    old.expires = now() - SignedDuration::from_hours(1);
    let text = serde_json::to_vec(&old).unwrap();
    estate.machine("CRM01").unwrap().files.insert(r"C:\bundle\manifest.json".to_owned(), text);
    let ended = run(&mut estate, "CRM01", &["Apply"], password);
    assert!(ended.exit == 1 && ended.stderr.contains("was good until"), "{ended:?}");
    estate.machine("CRM01").unwrap().faults.not_elevated = true;
    let ended = run(&mut estate, "CRM01", &["Probe"], "");
    assert!(ended.stderr.contains("Start this as administrator"), "{ended:?}");
}
