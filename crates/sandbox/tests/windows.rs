//! The Windows servers of a world, through its control API.
#![allow(clippy::unwrap_used, reason = "a test says by panicking what is wrong")]

mod support;

use http::Method;
use hybridge_sandbox::windows::{Certificate, run};
use rcgen::{CertificateParams, KeyPair};
use serde_json::json;
use support::{control, world};

#[tokio::test]
async fn the_servers_belong_to_the_world_and_its_organization() {
    let world = world(|setup| (setup.servers, setup.adfs_servers) = (6, 2));
    let (_, told) = control(&world, Method::GET, "/windows", &json!({})).await;
    let names: Vec<&String> = told["machines"].as_object().unwrap().keys().collect();
    assert_eq!(names, ["ADFS01", "ADFS02", "CRM01", "CRM02", "CRM03", "CRM04", "CRM05", "CRM06", "CRMDEP"]);
    let organization = &told["deployment"]["organizations"][0];
    assert_eq!(organization["id"], json!(world.organization().id()));
    assert_eq!(organization["uniqueName"], "contoso");
    assert_eq!(told["machines"]["CRM06"]["domain"], "lindhagen.test");
    assert_eq!(told["adfs"]["relyingParties"][0]["identifiers"][0], "https://auth.lindhagen.test/");
    tokio::time::pause();
    let before = world.windows().machines[0].now;
    tokio::time::advance(std::time::Duration::from_secs(90)).await;
    let passed = world.windows().machines[0].now.duration_since(before);
    assert_eq!(passed.as_secs(), 90, "the machines' clocks are the world's");
}

#[tokio::test]
async fn servers_are_put_into_states_and_show_them() {
    let world = world(|_| {});
    let der = CertificateParams::default().self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec();
    let certificate = Certificate::from_der(&der).unwrap().with_key(1);
    let thumbprint = certificate.thumbprint.clone();
    let subject = certificate.subject.clone();
    world.windows().machine("CRM01").unwrap().install("My", certificate);
    let changes = json!({
        "CRM01": { "twin": thumbprint, "stopped": ["MSCRMAsyncService"] },
        "CRM02": { "faults": { "down": true, "oldTls": true } },
    });
    let (status, told) = control(&world, Method::PUT, "/windows", &changes).await;
    assert_eq!(status, 200, "{told}");
    let first = &told["machines"]["CRM01"];
    let certificates = first["certificates"].as_array().unwrap();
    assert_eq!(certificates.len(), 2);
    assert!(certificates.iter().all(|one| one["subject"] == json!(subject) && one["keySpec"] == 1));
    assert_eq!(certificates[0]["readers"], json!([r"NT AUTHORITY\SYSTEM", r"BUILTIN\Administrators"]));
    assert_eq!(first["services"]["MSCRMAsyncService"]["state"], "Stopped");
    assert_eq!(told["machines"]["CRM02"]["faults"]["oldTls"], true);
    let unreached = run("1", &json!(null), world.windows().machine("CRM02").unwrap());
    assert_eq!((unreached.exit, unreached.stdout.as_str()), (1, ""));

    let (status, told) = control(&world, Method::PUT, "/windows", &json!({ "CRM09": {} })).await;
    assert_eq!(status, 400);
    assert!(told["error"].as_str().unwrap().contains("there are CRM01, CRM02, CRMDEP, ADFS01"), "{told}");
}
