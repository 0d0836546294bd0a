//! Dynamics' own synchronization: what works, and every failure of the error catalogue (setup.md 2.6).
#![allow(clippy::unwrap_used, reason = "a test says by panicking what is wrong")]

mod support;

use std::{sync::Arc, time::Duration};

use http::Method;
use hybridge_sandbox::{Sandbox, company::Company, windows::run};
use jiff::SignedDuration;
use serde_json::{Value, json};
use support::{control, world};

/// A world where everything is connected, with so many mailboxes; its time stands still.
fn connected(mailboxes: usize) -> (Arc<Sandbox>, Vec<String>) {
    let world = world(|setup| setup.native = Some(SignedDuration::from_hours(24 * 20)));
    tokio::time::pause();
    let company = Company::found(&world, mailboxes).unwrap();
    let addresses = company.mailboxes().into_iter().map(|mailbox| mailbox.address).collect();
    (world, addresses)
}

async fn put(world: &Sandbox, path: &str, body: Value) -> Value {
    let (status, told) = control(world, Method::PUT, path, &body).await;
    assert_eq!(status, 200, "{told}");
    told
}

async fn told(world: &Sandbox) -> Value {
    control(world, Method::GET, "/native", &json!({})).await.1
}

/// Asks for the test of a mailbox and lets time pass until it is over.
async fn test(world: &Sandbox, address: &str) -> Value {
    world
        .organization()
        .configure_mailbox(address, &json!({ "testemailconfigurationscheduled": true }))
        .unwrap();
    tokio::time::advance(Duration::from_secs(2)).await;
    told(world).await["mailboxes"][address].clone()
}

/// What the alerts say, the newest errors only.
fn alerts(world: &Sandbox) -> Vec<String> {
    let alerts = world.organization().rows("tracelog").into_iter();
    let errors = alerts.filter(|(_, row)| row["level"] == 3);
    errors
        .map(|(_, row)| format!("{} {}", row["text"], row.get("errordetails").unwrap_or(&Value::Null)))
        .collect()
}

fn exchange(world: &Sandbox, cmdlet: &str, parameters: Value) {
    world.graph().run_cmdlet(cmdlet, parameters.as_object().unwrap()).unwrap();
}

#[tokio::test]
async fn a_connected_world_synchronizes_and_says_so() {
    let (world, addresses) = connected(3);
    let now = told(&world).await;
    for server in ["CRM01", "CRM02"] {
        assert_eq!(now["servers"][server]["asynchronous"]["works"], true, "{now}");
        assert_eq!(now["servers"][server]["web"]["works"], true, "{now}");
    }
    for address in &addresses {
        let mailbox = &now["mailboxes"][address];
        assert_eq!(mailbox["incoming"], json!([1, true]), "{mailbox}");
        assert_eq!(mailbox["outgoing"], json!([1, true]), "{mailbox}");
    }
    let greetings = world.graph().census();
    assert!(greetings.iter().any(|one| one.subject == "Your mailbox is now connected to Dynamics 365"));
    tokio::time::advance(Duration::from_secs(61)).await;
    let later = told(&world).await;
    assert!(later["mailboxes"][&addresses[0]]["lastSync"].is_string(), "{later}");
    assert!(later["signIns"]["granted"].as_u64() > now["signIns"]["granted"].as_u64());
    assert_eq!(later["signIns"]["refused"], 0);
    put(&world, "/native", json!({ "testProfile": "Exchange Online" })).await;
    let (_, profile) = world.organization().rows("emailserverprofile").remove(0);
    assert_eq!(
        (&profile["lasttestexecutionstatus"], &profile["lastauthorizationstatus"]),
        (&json!(1), &json!(1))
    );
}

#[tokio::test]
async fn a_mailbox_is_switched_off_when_the_certificate_ends_and_stays_off() {
    let (world, addresses) = connected(1);
    tokio::time::advance(Duration::from_secs(21 * 24 * 3600)).await;
    let mailbox = told(&world).await["mailboxes"][&addresses[0]].clone();
    assert_eq!(mailbox["incoming"], json!([2, false]), "{mailbox}");
    assert_eq!(mailbox["lastError"], "Failed Authentication");
    assert!(alerts(&world).iter().any(|text| text.contains("Failed Authentication")));
}
