//! Security roles: what a user may do is what his roles say.

use http::Method;
use serde_json::{Value, json};

use crate::testing::{DELIVER, Scene, delivery};

const ADMINISTRATOR: (&str, &str) = ("authorization", "Bearer crm.admin@contoso.example");

/// As the service account, with the role that it begins with.
fn plain() -> Scene {
    let scene = Scene::with_plain_account();
    scene.organization.configure(&json!({ "emailconnectionchannel": 1 })).unwrap();
    scene
}

fn is_refused(answer: &crate::testing::Answer, privilege: &str) {
    assert_eq!((answer.status, answer.code().as_str()), (403, "0x80040220"), "{}", answer.text);
    assert!(answer.text.contains(&format!("is missing {privilege} privilege")), "{}", answer.text);
    assert!(answer.text.contains("Principal user (Id="), "{}", answer.text);
}

#[tokio::test]
async fn the_synchronisers_role_is_enough_for_email_and_for_nothing_else() {
    let scene = plain();
    scene.user("ana", 0);
    for path in [
        "WhoAmI()",
        "mailboxes",
        "organizations",
        "emailserverprofiles",
        "emails?$expand=email_activity_parties",
    ] {
        assert_eq!(scene.get(path).await.status, 200, "{path}");
    }
    let made = scene.post(DELIVER, delivery(json!({}))).await;
    assert_eq!(made.status, 200, "{}", made.text);
    let email = format!("emails({})", made.json()["activityid"].as_str().unwrap());
    is_refused(&scene.delete(&email).await, "prvDeleteActivity");
    is_refused(&scene.post("systemusers", json!({ "lastname": "x" })).await, "prvCreateUser");
    is_refused(&scene.post("accounts", json!({ "name": "x" })).await, "prvCreateAccount");
    let contact = scene.contact("a@b.c");
    is_refused(&scene.delete(&format!("contacts({contact})")).await, "prvDeleteContact");
    let id = scene.organization.id();
    let channel =
        scene.patch(&format!("organizations({id})"), &[], json!({ "emailconnectionchannel": 0 })).await;
    is_refused(&channel, "prvWriteOrganization");
}

#[tokio::test]
async fn who_acts_for_another_may_do_what_both_may() {
    let scene = plain();
    let ana = scene.user("ana", 0).user.to_string();
    let for_ana = [("mscrmcallerid", ana.as_str())];
    let contact =
        scene.send(Method::POST, "contacts", &for_ana, json!({ "lastname": "x" }).to_string()).await;
    assert_eq!(contact.status, 204, "{}", contact.text);
    // She may, he may not.
    let account = scene.send(Method::POST, "accounts", &for_ana, json!({ "name": "x" }).to_string()).await;
    is_refused(&account, "prvCreateAccount");
}

#[tokio::test]
async fn a_role_is_made_given_and_taken_away() {
    let scene = plain();
    let admin = [ADMINISTRATOR];
    is_refused(&scene.post("roles", json!({ "name": "Mine" })).await, "prvCreateRole");
    let made = scene
        .send(
            Method::POST,
            "roles",
            &[ADMINISTRATOR, ("prefer", "return=representation")],
            json!({ "name": "Mine" }).to_string(),
        )
        .await;
    let role = made.json()["roleid"].as_str().unwrap().to_owned();
    let privilege = |name: &'static str| {
        let scene = &scene;
        async move {
            let found = scene.get(&format!("privileges?$filter=name eq '{name}'")).await.json();
            found["value"][0]["privilegeid"].as_str().unwrap().to_owned()
        }
    };
    let (delete, create) = (privilege("prvDeleteContact").await, privilege("prvCreateAccount").await);
    let grant = |ids: &[&String]| {
        let listed: Vec<Value> =
            ids.iter().map(|id| json!({ "Depth": "Global", "PrivilegeId": id })).collect();
        json!({ "Privileges": listed }).to_string()
    };
    let act = |name: &str| format!("roles({role})/Microsoft.Dynamics.CRM.{name}");
    let add = scene.send(Method::POST, &act("AddPrivilegesRole"), &admin, grant(&[&delete])).await;
    assert_eq!(add.status, 204, "{}", add.text);
    let service = scene.organization.service_account();
    let roles = format!("systemusers({service})/systemuserroles_association");
    let reference =
        json!({ "@odata.id": format!("https://contoso.crm.example.org/api/data/v9.1/roles({role})") });
    let given = scene.send(Method::POST, &format!("{roles}/$ref"), &admin, reference.to_string()).await;
    assert_eq!(given.status, 204, "{}", given.text);
    let held = scene.get(&format!("{roles}?$select=name")).await.json();
    assert_eq!(held["value"].as_array().unwrap().len(), 2, "{held}");
    let contact = scene.contact("a@b.c");
    assert_eq!(scene.delete(&format!("contacts({contact})")).await.status, 204);

    let replaced = scene.send(Method::POST, &act("ReplacePrivilegesRole"), &admin, grant(&[&create])).await;
    assert_eq!(replaced.status, 204, "{}", replaced.text);
    let listed = scene.get(&format!("RetrieveRolePrivilegesRole(RoleId={role})")).await.json();
    assert_eq!(listed["RolePrivileges"][0]["PrivilegeId"], create);
    assert_eq!(listed["RolePrivileges"].as_array().unwrap().len(), 1, "{listed}");
    assert_eq!(scene.post("accounts", json!({ "name": "x" })).await.status, 204);
    let one = json!({ "Privilege": { "privilegeid": create } }).to_string();
    assert_eq!(scene.send(Method::POST, &act("RemovePrivilegeRole"), &admin, one).await.status, 204);
    is_refused(&scene.post("accounts", json!({ "name": "y" })).await, "prvCreateAccount");

    let taken = scene.send(Method::DELETE, &format!("{roles}({role})/$ref"), &admin, "").await;
    assert_eq!(taken.status, 204, "{}", taken.text);
    assert_eq!(scene.get(&roles).await.json()["value"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn without_its_account_an_organization_lets_nobody_in_until_somebody_adds_it() {
    let scene = plain();
    scene.organization.forget_service_account();
    assert_eq!(scene.get("WhoAmI()").await.code(), "0x80072560");
    let user =
        json!({ "firstname": "H", "lastname": "S", "domainname": "CONTOSO\\svc-hybridge" }).to_string();
    let made = scene.send(Method::POST, "systemusers", &[ADMINISTRATOR], user).await;
    assert_eq!(made.status, 204, "{}", made.text);
    assert_eq!(scene.get("WhoAmI()").await.code(), "0x80042f09");
}
