//! People and programs signing in through AD FS, and what the servers' configuration does to that (setup.md 2.6).
#![allow(clippy::unwrap_used, reason = "a test says by panicking what is wrong")]

mod support;

use bytes::Bytes;
use http::{Method, Request};
use hybridge_sandbox::{Sandbox, windows::run};
use serde_json::{Value, json};
use support::{control, world};
use url::form_urlencoded::Serializer;

async fn get(world: &Sandbox, url: &str, token: Option<&str>) -> (u16, Option<String>, String) {
    let mut request = Request::builder().uri(url);
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let reply = world.call(request.body(Bytes::new()).unwrap()).await.unwrap();
    let location = reply.headers().get("location").map(|value| value.to_str().unwrap().to_owned());
    (reply.status().as_u16(), location, String::from_utf8(reply.body().to_vec()).unwrap())
}

async fn token(world: &Sandbox) -> String {
    let app = world.app();
    let form = Serializer::new(String::new())
        .append_pair("grant_type", "password")
        .append_pair("client_id", &app.adfs_client_id.to_string())
        .append_pair("username", &app.user_name)
        .append_pair("password", &app.password)
        .append_pair("resource", world.origins().organization.as_str())
        .finish();
    let url = world.origins().adfs.join("adfs/oauth2/token").unwrap();
    let request = Request::builder()
        .method(Method::POST)
        .uri(url.as_str())
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Bytes::from(form))
        .unwrap();
    let reply = world.call(request).await.unwrap();
    let told: Value = serde_json::from_slice(reply.body()).unwrap();
    told["access_token"].as_str().unwrap().to_owned()
}

fn script(world: &Sandbox, server: &str, text: &str) -> (i32, String) {
    let text = format!("$ErrorActionPreference = 'Stop'; {text}");
    let ended = run(&text, &json!(null), world.windows().machine(server).unwrap());
    (ended.exit, ended.stdout + &ended.stderr)
}

#[tokio::test]
async fn after_a_rollover_the_organization_knows_ad_fs_no_more_until_claims_and_iis_are_set_up_anew() {
    let world = world(|_| {});
    let token = token(&world).await;
    let url = world.origins().organization.join("api/data/v9.1/WhoAmI").unwrap();
    let who = async || get(&world, url.as_str(), Some(&token)).await;
    assert_eq!(who().await.0, 200);
    let rolled = script(&world, "ADFS01", "Update-AdfsCertificate -CertificateType Token-Signing -Urgent");
    assert_eq!(rolled, (0, String::new()));
    let (status, _, page) = who().await;
    assert!(
        status == 401 && page.contains("ID4175: The issuer of the security token was not recognized"),
        "{page}"
    );
    let configured = script(
        &world,
        "CRMDEP",
        "Add-PSSnapin Microsoft.Crm.PowerShell; $c = Get-CrmSetting -SettingType ClaimsSettings; Set-CrmSetting -Setting $c",
    );
    assert_eq!(configured, (0, String::new()));
    assert_eq!(who().await.0, 401, "IIS still holds the old metadata");
    for server in ["CRM01", "CRM02"] {
        assert_eq!(script(&world, server, "iisreset | Out-Null"), (0, String::new()));
    }
    assert_eq!(who().await.0, 200);
    // The same by the control API.
    control(&world, Method::PUT, "/windows", &json!({ "ADFS01": { "rollSigning": true } })).await;
    assert_eq!(who().await.0, 401);
    let again = json!({ "CRMDEP": { "configureClaims": true } });
    control(&world, Method::PUT, "/windows", &again).await;
    tokio::time::pause();
    tokio::time::advance(std::time::Duration::from_secs(5)).await;
    let iis = json!({ "CRM01": { "started": ["W3SVC"] }, "CRM02": { "started": ["W3SVC"] } });
    control(&world, Method::PUT, "/windows", &iis).await;
    assert_eq!(who().await.0, 200);
}

#[tokio::test]
async fn the_sign_in_page_is_blank_while_ad_fs_has_a_key_that_it_can_not_use() {
    let world = world(|setup| setup.adfs_servers = 2);
    let page = world.origins().adfs.join("adfs/ls/").unwrap();
    assert!(get(&world, page.as_str(), None).await.2.contains("Password"));
    for spec in [2, 0] {
        let change = json!({ "ADFS02": { "serviceKeySpec": spec } });
        let (_, told) = control(&world, Method::PUT, "/windows", &change).await;
        let events = told["machines"]["ADFS02"]["events"].as_array().unwrap();
        let ids: Vec<i64> = events.iter().map(|event| event["id"].as_i64().unwrap()).collect();
        assert_eq!(ids, [36888, 36874, 67]);
        assert_eq!(get(&world, page.as_str(), None).await.2, "");
    }
    control(&world, Method::PUT, "/windows", &json!({ "ADFS02": { "serviceKeySpec": 1 } })).await;
    assert!(get(&world, page.as_str(), None).await.2.contains("Password"));
}

#[tokio::test]
async fn a_client_needs_its_registration_redirect_and_permission() {
    let world = world(|_| {});
    let ask = async || {
        let mut url = world.origins().adfs.join("adfs/oauth2/authorize").unwrap();
        url.query_pairs_mut()
            .append_pair("client_id", "ce9f9f18-dd0c-473e-b9b2-47812435e20d")
            .append_pair("redirect_uri", "urn:ietf:wg:oauth:2.0:oob")
            .append_pair("resource", "https://auth.lindhagen.test/");
        get(&world, url.as_str(), None).await
    };
    assert!(ask().await.2.contains("MSIS9223"));
    let client = "Add-AdfsClient -ClientId ce9f9f18-dd0c-473e-b9b2-47812435e20d -Name Phones -RedirectUri 'ms-app://one/'";
    assert_eq!(script(&world, "ADFS01", client).0, 0);
    let (exit, said) = script(&world, "ADFS01", client);
    assert!(exit == 1 && said.contains("already registered"), "{said}");
    let (status, location, _) = ask().await;
    assert!(status == 302 && location.unwrap().starts_with("/adfs/oauth2/authorize?"), "a loop");
    let both = "Set-AdfsClient -TargetClientId ce9f9f18-dd0c-473e-b9b2-47812435e20d -RedirectUri 'ms-app://one/', 'urn:ietf:wg:oauth:2.0:oob'";
    assert_eq!(script(&world, "ADFS01", both).0, 0);
    assert!(ask().await.2.contains("MSIS9605"));
    let grant = |server: &str| {
        format!(
            "Grant-AdfsApplicationPermission -ClientRoleIdentifier ce9f9f18-dd0c-473e-b9b2-47812435e20d -ServerRoleIdentifier '{server}'"
        )
    };
    let (exit, said) = script(&world, "ADFS01", &grant("https://auth.lindhagen.test"));
    assert!(exit == 1 && said.contains("does not exist"), "{said}");
    assert_eq!(script(&world, "ADFS01", &grant("https://auth.lindhagen.test/")).0, 0);
    assert_eq!(ask().await.0, 401, "on the intranet AD FS asks for Windows authentication only");
    let forms = "Set-AdfsGlobalAuthenticationPolicy -PrimaryIntranetAuthenticationProvider @('FormsAuthentication', 'WindowsAuthentication')";
    assert_eq!(script(&world, "ADFS01", forms).0, 0);
    let (status, _, page) = ask().await;
    assert!(status == 200 && page.contains("Password"));
}

#[tokio::test]
async fn published_scripts_fail_as_they_do() {
    let world = world(|_| {});
    let (exit, said) = script(&world, "CRMDEP", "Import-Module MSOnlineExtended");
    assert!(exit == 1 && said.contains("The specified module 'MSOnlineExtended' was not loaded"), "{said}");
    let (exit, said) = script(&world, "CRMDEP", "Invoke-Expression $never");
    assert!(
        exit == 1 && said.contains("Cannot bind argument to parameter 'Command' because it is null."),
        "{said}"
    );
    let faults = json!({ "CRMDEP": { "faults": { "notInPrivUserGroup": true } } });
    control(&world, Method::PUT, "/windows", &faults).await;
    let (exit, said) = script(&world, "CRMDEP", "Add-PSSnapin Microsoft.Crm.PowerShell; Get-CrmCertificate");
    assert!(exit == 1 && said.contains("allowImpersonationOfOrganizationSystemUser == false"), "{said}");
    assert!(said.contains("The user Id(s) [00000000-0000-0000-0000-000000000000] is invalid"), "{said}");
    control(&world, Method::PUT, "/windows", &json!({ "CRMDEP": { "faults": { "noSnapin": true } } })).await;
    let (exit, said) = script(&world, "CRMDEP", "Get-CrmServer");
    assert!(exit == 1 && said.contains("is not recognized as the name of a cmdlet"), "{said}");
}
