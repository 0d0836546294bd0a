//! Dynamics' own synchronization: what works, and every failure of the error catalogue (setup.md 2.6).
#![allow(clippy::unwrap_used, reason = "a test says by panicking what is wrong")]

mod support;

use std::{sync::Arc, time::Duration};

use http::Method;
use hybridge_sandbox::{
    Sandbox,
    company::Company,
    windows::{Certificate, CrmCertificate, Estate, Rule},
};
use jiff::SignedDuration;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
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

#[expect(clippy::needless_pass_by_value, reason = "parameters are written in place")]
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
    tokio::time::advance(Duration::from_hours(21 * 24)).await;
    let mailbox = told(&world).await["mailboxes"][&addresses[0]].clone();
    assert_eq!(mailbox["incoming"], json!([2, false]), "{mailbox}");
    assert_eq!(mailbox["lastError"], "Failed Authentication");
    assert!(alerts(&world).iter().any(|text| text.contains("Failed Authentication")));
}

/// The thumbprint of the certificate that a server's asynchronous service signs with.
fn thumbprint(world: &Sandbox, server: &str) -> String {
    let mut estate = world.windows();
    let service = estate.machine(server).unwrap().service("MSCRMAsyncService").unwrap().clone();
    service.issuer.unwrap().unwrap().thumbprint
}

fn restart(world: &Sandbox, server: &str) {
    world.windows().machine(server).unwrap().start("MSCRMAsyncService");
}

/// A new certificate on every CRM server, with the key's readers; nothing names it yet.
fn distribute(world: &Sandbox, name: &str) -> Certificate {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = DistinguishedName::new();
    parameters.distinguished_name.push(DnType::CommonName, name);
    let made = parameters.self_signed(&KeyPair::generate().unwrap()).unwrap();
    let certificate = Certificate::from_der(made.der()).unwrap().with_key(1);
    for machine in world.windows().machines.iter_mut().filter(|machine| machine.roles.web) {
        machine.install("My", certificate.clone());
        let rules = [Estate::ASYNC_ACCOUNT, Estate::POOL_ACCOUNT].map(|account| Rule {
            account: account.to_owned(),
            rights: "Read".to_owned(),
            allows: true,
            inherited: false,
        });
        machine.keys.last_mut().unwrap().rules.extend(rules);
    }
    certificate
}

fn name(world: &Sandbox, certificate: &Certificate) {
    let estate = world.windows();
    let mut database = estate.machines[0].database();
    database.certificates.clear();
    database.certificates.push(CrmCertificate::issuer(certificate));
}

fn trust(world: &Sandbox, certificate: &Certificate) {
    world.entra().change_application("00000007-0000-0000-c000-000000000000".parse().unwrap(), |principal| {
        assert!(principal.add_certificate(&certificate.der));
    });
}

/// A mailbox fails with a text, is switched off, and the alerts say so.
async fn fails(world: &Sandbox, address: &str, with: &str) {
    let mailbox = test(world, address).await;
    assert_eq!(mailbox["incoming"], json!([2, false]), "{with}: {mailbox}");
    assert!(mailbox["lastError"].as_str().unwrap().contains(with), "{with}: {mailbox}");
    assert!(
        alerts(world).iter().any(|text| text.contains(&with.replace('"', "\\\""))),
        "{with}: {:?}",
        alerts(world)
    );
    let (_, profile) = world.organization().rows("emailserverprofile").remove(0);
    assert!(profile["lastcrmmessage"].as_str().unwrap().contains(with), "{with}: {profile:?}");
    assert_eq!(profile["lasttestexecutionstatus"], 0);
}

async fn works(world: &Sandbox, address: &str) {
    let mailbox = test(world, address).await;
    assert_eq!(mailbox["incoming"], json!([1, true]), "{mailbox}");
}

#[tokio::test]
async fn two_certificates_of_one_subject_are_one_too_many_on_the_server_that_has_them() {
    let (world, addresses) = connected(1);
    let twin = json!({ "CRM02": { "twin": thumbprint(&world, "CRM02") } });
    put(&world, "/windows", twin).await;
    put(&world, "/native", json!({ "server": "CRM02" })).await;
    works(&world, &addresses[0]).await;
    restart(&world, "CRM02");
    fails(&world, &addresses[0], "Private key not found").await;
    put(&world, "/native", json!({ "server": "CRM01" })).await;
    works(&world, &addresses[0]).await;
}

#[tokio::test]
async fn the_web_server_holds_the_old_certificate_until_iis_is_started_anew() {
    let (world, _) = connected(1);
    let new = distribute(&world, "crm-s2s-2");
    trust(&world, &new);
    name(&world, &new);
    let message = async || {
        put(&world, "/native", json!({ "testProfile": "Exchange Online" })).await;
        let (_, profile) = world.organization().rows("emailserverprofile").remove(0);
        (profile["lasttestexecutionstatus"].clone(), profile["lastcrmmessage"].clone())
    };
    assert_eq!(message().await, (json!(0), json!("The remote server returned an error: (400) Bad Request.")));
    let iis = json!({ "CRM01": { "started": ["W3SVC"] }, "CRM02": { "started": ["W3SVC"] } });
    put(&world, "/windows", iis).await;
    assert_eq!(message().await.0, 1);
}

#[tokio::test]
async fn a_rotation_has_no_gap_when_trust_comes_first_and_servers_one_by_one() {
    let (world, addresses) = connected(4);
    put(&world, "/native", json!({ "cycleSeconds": 5 })).await;
    let pass = async || {
        for _ in 0..3 {
            tokio::time::advance(Duration::from_secs(6)).await;
            told(&world).await;
        }
        assert_eq!(told(&world).await["signIns"]["refused"], 0);
    };
    let old = thumbprint(&world, "CRM01");
    let new = distribute(&world, "crm-s2s-2");
    pass().await;
    trust(&world, &new);
    name(&world, &new);
    pass().await;
    assert_eq!(thumbprint(&world, "CRM01"), old, "nobody looks before a restart");
    for server in ["CRM01", "CRM02"] {
        restart(&world, server);
        pass().await;
        assert_eq!(thumbprint(&world, server), new.thumbprint);
    }
    works(&world, &addresses[3]).await;
    // In the wrong order there is a gap.
    let gap = distribute(&world, "crm-s2s-3");
    name(&world, &gap);
    restart(&world, "CRM01");
    put(&world, "/native", json!({ "server": "CRM01" })).await;
    tokio::time::advance(Duration::from_secs(6)).await;
    assert!(told(&world).await["signIns"]["refused"].as_u64() > Some(0));
}

#[tokio::test]
async fn a_certificate_that_is_missing_or_unreadable_fails_where_it_is_missing() {
    let (world, addresses) = connected(1);
    let address = &addresses[0];
    put(&world, "/native", json!({ "server": "CRM02" })).await;
    let rules = std::mem::take(&mut world.windows().machine("CRM02").unwrap().keys[0].rules);
    works(&world, address).await;
    restart(&world, "CRM02");
    fails(&world, address, "ACS token acquisition error").await;
    world.windows().machine("CRM02").unwrap().keys[0].rules = rules;
    restart(&world, "CRM02");
    works(&world, address).await;

    let gone = std::mem::take(&mut world.windows().machine("CRM02").unwrap().certificates);
    restart(&world, "CRM02");
    fails(&world, address, "ACS token acquisition error: no certificate with the subject").await;
    world.windows().machine("CRM01").unwrap().certificates.clear();
    fails(&world, address, "Failed Authentication").await;
    world.windows().machine("CRM02").unwrap().certificates = gone;
    restart(&world, "CRM02");
    works(&world, address).await;

    for spec in [0, 2] {
        world.windows().machine("CRM02").unwrap().certificates[0].certificate.key.as_mut().unwrap().spec =
            spec;
        restart(&world, "CRM02");
        fails(&world, address, "Private key not found").await;
    }
}

#[tokio::test]
async fn settings_tenant_and_principal_have_to_fit() {
    let (world, addresses) = connected(1);
    let address = &addresses[0];
    let set = |entity: &str, id: uuid::Uuid, name: &str, value: &str| {
        let estate = world.windows();
        let mut database = estate.machines[0].database();
        let key = (entity.to_owned(), id, name.to_owned());
        database.advanced.insert(key, value.to_owned()).unwrap()
    };
    let none = uuid::Uuid::nil();
    for (entity, id, name) in [
        ("ServerSettings", none, "S2SDefaultAuthorizationServerPrincipalId"),
        ("ServerSettings", none, "S2SDefaultAuthorizationServerMetadataUrl"),
        ("Organization", world.organization().id(), "S2STenantId"),
    ] {
        let right = set(entity, id, name, "00000000-0000-0000-0000-000000000009");
        fails(&world, address, "ACS token acquisition error").await;
        set(entity, id, name, &right);
        works(&world, address).await;
    }
    put(&world, "/native", json!({ "principal": false })).await;
    fails(&world, address, "AADSTS700016").await;
    put(&world, "/native", json!({ "principal": true })).await;
    works(&world, address).await;
    world.entra().change_application("00000007-0000-0000-c000-000000000000".parse().unwrap(), |principal| {
        let soon = world.clock().now() + SignedDuration::from_mins(10);
        principal.key_credentials[0].known_from = soon;
    });
    fails(&world, address, "AADSTS700027").await;
    tokio::time::advance(Duration::from_mins(10)).await;
    works(&world, address).await;
}

#[tokio::test]
async fn exchange_refuses_in_the_words_of_the_catalogue() {
    let (world, addresses) = connected(4);
    let address = &addresses[0];
    put(&world, "/native", json!({ "exchangeSupport": false })).await;
    let challenge = "WWW-Authenticate: Bearer client_id=\"00000002-0000-0ff1-ce00-000000000000\", trusted_issuers=\"00000001-0000-0000-c000-000000000000@*\", token_types=\"app_asserted_user_v1 service_asserted_app_v1\"";
    fails(&world, address, challenge).await;
    put(&world, "/native", json!({ "exchangeSupport": true })).await;

    let disabled = "X-EWS-Policy-Reason: EWS is disabled for this user or tenant";
    let blocked = "X-EWS-Policy-Reason: EWS is blocked by policy for this user or tenant";
    let organization = |parameters: Value| exchange(&world, "Set-OrganizationConfig", parameters);
    organization(json!({ "EwsEnabled": false }));
    fails(&world, address, disabled).await;
    organization(json!({ "EwsEnabled": true }));
    exchange(&world, "Set-CASMailbox", json!({ "Identity": address, "EwsEnabled": false }));
    fails(&world, address, disabled).await;
    works(&world, &addresses[1]).await;
    exchange(&world, "Set-CASMailbox", json!({ "Identity": address, "EwsEnabled": true }));

    organization(json!({ "EwsAllowedAppIDs": "11111111-1111-1111-1111-111111111111" }));
    fails(&world, address, blocked).await;
    put(&world, "/native", json!({ "ewsListDelaySeconds": 86400 })).await;
    let list = "11111111-1111-1111-1111-111111111111,00000007-0000-0000-c000-000000000000";
    organization(json!({ "EwsAllowedAppIDs": list }));
    let shown = world.graph().run_cmdlet(
        "Get-OrganizationConfig",
        json!({ "RetrieveEwsOperationAccessPolicy": true }).as_object().unwrap(),
    );
    assert_eq!(shown.unwrap()[0]["EwsAllowedAppIDs"], list);
    fails(&world, address, blocked).await;
    tokio::time::advance(Duration::from_hours(24)).await;
    works(&world, address).await;

    organization(
        json!({ "EwsApplicationAccessPolicy": "EnforceBlockList", "EwsBlockList": ["ExchangeServicesClient*"] }),
    );
    fails(&world, address, blocked).await;
    organization(json!({ "EwsApplicationAccessPolicy": "EnforceAllowList", "EwsAllowList": ["Outlook*"] }));
    fails(&world, address, blocked).await;
    organization(json!({ "EwsAllowList": ["*ServicesClient*"] }));
    works(&world, address).await;

    organization(json!({ "EwsEnabled": null }));
    fails(&world, address, disabled).await;
    put(&world, "/native", json!({ "screamTest": true })).await;
    let mut refused = 0;
    for address in &addresses {
        let mailbox = test(&world, address).await;
        if mailbox["incoming"] == json!([2, false]) {
            assert!(mailbox["lastError"].as_str().unwrap().ends_with("(403) Forbidden."), "{mailbox}");
            refused += 1;
        }
    }
    assert_eq!(refused, 2);
    organization(json!({ "EwsEnabled": true }));
    works(&world, address).await;
}

#[tokio::test]
async fn address_profile_and_approval_have_to_be_right() {
    let (world, addresses) = connected(1);
    let address = &addresses[0];
    let (id, _) = world.organization().rows("emailserverprofile").remove(0);
    let profile = |changes: Value| world.organization().update("emailserverprofile", id, &changes);
    profile(json!({ "servertype": 0 })).unwrap();
    fails(&world, address, "Http server returned 401 Unauthorized").await;
    profile(json!({ "servertype": 3 })).unwrap();
    assert!(profile(json!({ "usedefaulttenantid": false })).is_err(), "a tenant is missing");
    profile(json!({ "usedefaulttenantid": false, "exchangeonlinetenantid": world.app().tenant_id })).unwrap();
    works(&world, address).await;
    profile(json!({ "statecode": 1, "statuscode": 2 })).unwrap();
    fails(&world, address, "profile of the mailbox is inactive").await;
    profile(json!({ "statecode": 0, "statuscode": 1 })).unwrap();
    world.organization().configure_mailbox(address, &json!({ "emailrouteraccessapproval": 2 })).unwrap();
    fails(&world, address, "not approved").await;
    put(&world, "/native", json!({ "approve": [address] })).await;
    works(&world, address).await;
    // Another address than the primary one.
    let other = format!("other.{address}");
    world.organization().configure_mailbox(address, &json!({ "emailaddress": other })).unwrap();
    fails(&world, &other, "Http server returned 401 Unauthorized").await;
}

#[tokio::test]
async fn what_may_pass_is_tried_ten_times_before_the_mailbox_is_switched_off() {
    let (world, addresses) = connected(1);
    let old = json!({ "CRM01": { "faults": { "oldTls": true } }, "CRM02": { "faults": { "oldTls": true } } });
    put(&world, "/windows", old).await;
    let mailbox = test(&world, &addresses[0]).await;
    assert_eq!((&mailbox["scheduled"], &mailbox["incoming"]), (&json!(true), &json!([1, true])), "{mailbox}");
    for _ in 0..9 {
        tokio::time::advance(Duration::from_secs(301)).await;
        assert_eq!(told(&world).await["mailboxes"][&addresses[0]]["scheduled"], true);
    }
    tokio::time::advance(Duration::from_secs(301)).await;
    let mailbox = told(&world).await["mailboxes"][&addresses[0]].clone();
    assert_eq!(
        (&mailbox["scheduled"], &mailbox["incoming"]),
        (&json!(false), &json!([2, false])),
        "{mailbox}"
    );
    assert!(mailbox["lastError"].as_str().unwrap().starts_with("The underlying connection was closed"));
}

#[tokio::test]
async fn a_test_waits_for_a_server_that_runs() {
    let (world, addresses) = connected(1);
    let stopped =
        json!({ "CRM01": { "stopped": ["MSCRMAsyncService"] }, "CRM02": { "faults": { "down": true } } });
    put(&world, "/windows", stopped).await;
    assert_eq!(test(&world, &addresses[0]).await["scheduled"], true);
    put(&world, "/windows", json!({ "CRM01": { "started": ["MSCRMAsyncService"] } })).await;
    let mailbox = told(&world).await["mailboxes"][&addresses[0]].clone();
    assert_eq!((&mailbox["scheduled"], &mailbox["server"]), (&json!(false), &json!("CRM01")), "{mailbox}");
}

#[tokio::test]
async fn the_control_api_provokes_what_the_documentation_says() {
    let (world, addresses) = connected(1);
    let address = &addresses[0];
    let old = thumbprint(&world, "CRM02");
    put(&world, "/native", json!({ "server": "CRM02" })).await;
    let harm = async |what: &str, value: Value| {
        let change = json!({ "CRM02": { what: value, "started": ["MSCRMAsyncService"] } });
        put(&world, "/windows", change).await;
    };
    harm("keySpec", json!({ &old: 0 })).await;
    fails(&world, address, "Private key not found").await;
    harm("keySpec", json!({ &old: 1 })).await;
    works(&world, address).await;
    harm("unreadable", json!(old)).await;
    fails(&world, address, "ACS token acquisition error: Keyset does not exist").await;
    harm("removed", json!(old)).await;
    fails(&world, address, "ACS token acquisition error: no certificate").await;
    put(&world, "/native", json!({ "server": "CRM01" })).await;
    works(&world, address).await;
    put(&world, "/native", json!({ "forgetKeys": true })).await;
    fails(&world, address, "AADSTS700027").await;
    put(&world, "/windows", json!({ "CRM01": { "recordRemoved": true, "started": ["MSCRMAsyncService"] } }))
        .await;
    fails(&world, address, "Failed Authentication").await;
    let (status, _) = control(&world, Method::PUT, "/windows", &json!({ "CRM02": { "removed": old } })).await;
    assert_eq!(status, 400, "it is gone already");
}
