//! `SendEmail` (server-side-sync.md 3, dynamics.md 5.1).

use http::Method;
use serde_json::{Value as Json, json};

use crate::testing::{Answer, Scene};

const SEND: &str = "Microsoft.Dynamics.CRM.SendEmail";

/// A draft from a user or queue to a contact; its path.
async fn draft(scene: &Scene, sender: &str, changes: Json) -> String {
    let contact = scene.contact("kim@example.org");
    let mut body = json!({
        "subject": "Offer", "description": "<p>Hi</p>",
        "email_activity_parties": [
            { "partyid_contact@odata.bind": format!("/contacts({contact})"), "participationtypemask": 2 },
        ],
    });
    if !sender.is_empty() {
        let table = if sender.contains("queues") { "queue" } else { "systemuser" };
        let sender = json!({ format!("partyid_{table}@odata.bind"): sender, "participationtypemask": 1 });
        body["email_activity_parties"].as_array_mut().unwrap().push(sender);
    }
    for (name, value) in changes.as_object().unwrap() {
        body[name] = value.clone();
    }
    let made = scene.post("emails", body).await;
    assert_eq!(made.status, 204, "{}", made.text);
    made.header("odata-entityid").to_owned()
}

async fn send(scene: &Scene, user: &str, email: &str, body: Json) -> Answer {
    let token = format!("Bearer CONTOSO\\{user}");
    scene.send(Method::POST, &format!("{email}/{SEND}"), &[("authorization", &token)], body.to_string()).await
}

#[tokio::test]
async fn s3_1_a_draft_becomes_pending_send_with_its_token() {
    let scene = Scene::new();
    let ana = scene.user("ana", 1);
    scene.configure(json!({ "nexttrackingnumber": 42 }));
    let email = draft(&scene, &format!("/systemusers({})", ana.user), json!({})).await;
    let sent = send(&scene, "ana", &email, json!({ "IssueSend": true })).await;
    assert_eq!((sent.status, &sent.json()["Subject"]), (200, &json!("Offer CRM:0001042")), "{}", sent.text);
    let row = scene.get(&email).await.json();
    assert_eq!(
        (&row["statecode"], &row["statuscode"]),
        (&json!(1), &json!(6)),
        "Pending Send is Completed by its state"
    );
    assert_eq!(row["trackingtoken"], "CRM:0001042");
    assert_eq!(row["_sendermailboxid_value"], json!(ana.mailbox));
    assert!(row["actualend"].is_string() && row["senton"].is_null());
    let again = send(&scene, "ana", &email, json!({ "IssueSend": true })).await;
    assert_eq!((again.status, again.code().as_str()), (400, "0x80048408"), "{}", again.text);

    // A failed one is sent again with the same token; one that was sent elsewhere is Sent at once.
    assert_eq!(scene.patch(&email, &[], json!({ "statecode": 0, "statuscode": 8 })).await.status, 204);
    let again = send(&scene, "ana", &email, json!({ "IssueSend": true })).await;
    assert_eq!(again.json()["Subject"], "Offer CRM:0001042", "{}", again.text);
    let elsewhere = draft(&scene, &format!("/systemusers({})", ana.user), json!({})).await;
    let sent = send(&scene, "ana", &elsewhere, json!({ "IssueSend": false, "TrackingToken": "" })).await;
    assert_eq!(sent.json()["Subject"], "Offer", "{}", sent.text);
    assert_eq!(scene.get(&elsewhere).await.json()["statuscode"], 3);
}

#[tokio::test]
async fn s2_5_1_the_token_fits_into_the_subject() {
    let scene = Scene::new();
    let ana = scene.user("ana", 1);
    scene.configure(json!({ "nexttrackingnumber": 999 }));
    let sender = format!("/systemusers({})", ana.user);
    let long = draft(&scene, &sender, json!({ "subject": "x".repeat(200) })).await;
    let subject = send(&scene, "ana", &long, json!({ "IssueSend": true })).await.json()["Subject"].clone();
    let subject = subject.as_str().unwrap().to_owned();
    assert!(subject.len() == 200 && subject.ends_with("x CRM:0001999"), "{subject}");
    let next = draft(&scene, &sender, json!({})).await;
    let sent = send(&scene, "ana", &next, json!({ "IssueSend": true })).await;
    assert_eq!(sent.json()["Subject"], "Offer CRM:0001000", "the counter wraps");
    scene.configure(json!({ "istrackingtokenenabled": false }));
    let without = draft(&scene, &sender, json!({})).await;
    assert_eq!(send(&scene, "ana", &without, json!({ "IssueSend": true })).await.json()["Subject"], "Offer");
}

#[tokio::test]
async fn s3_2_what_cannot_be_sent_stays_a_draft() {
    let scene = Scene::new();
    let ana = scene.user("ana", 1);
    let sender = format!("/systemusers({})", ana.user);
    let nobody =
        scene.insert("contact", json!({ "lastname": "No address", "emailaddress2": "second@example.org" }));
    let party = |mask: u8, bind: (&str, String)| json!({ format!("partyid_{}@odata.bind", bind.0): bind.1, "participationtypemask": mask });
    let own = || party(1, ("systemuser", sender.clone()));
    for (parties, code) in [
        (json!([own()]), "0x80040b04"),
        (json!([own(), party(2, ("contact", format!("/contacts({nobody})")))]), "0x80040b00"),
        (json!([own(), { "addressused": "who@example.org", "participationtypemask": 2 }]), "0x80040b00"),
        (json!([own(), own(), party(2, ("systemuser", sender.clone()))]), "0x80040b01"),
        (json!([party(2, ("systemuser", sender.clone()))]), "0x80040b02"),
    ] {
        let email = draft(&scene, "", json!({ "email_activity_parties": parties })).await;
        let refused = send(&scene, "ana", &email, json!({ "IssueSend": true })).await;
        assert_eq!((refused.status, refused.code().as_str()), (400, code), "{parties}");
        assert_eq!(scene.get(&email).await.json()["statuscode"], 1);
    }
    scene.configure(json!({ "allowunresolvedpartiesonemailsend": true }));
    let parties = json!([own(), { "addressused": "who@example.org", "participationtypemask": 2 }]);
    let email = draft(&scene, "", json!({ "email_activity_parties": parties })).await;
    assert_eq!(send(&scene, "ana", &email, json!({ "IssueSend": true })).await.status, 200);
}

#[tokio::test]
async fn s3_4_another_users_name_takes_his_permission() {
    let scene = Scene::new();
    let (ana, bo) = (scene.user("ana", 1), scene.user("bo", 1));
    let email = draft(&scene, &format!("/systemusers({})", bo.user), json!({})).await;
    let refused = send(&scene, "ana", &email, json!({ "IssueSend": true })).await;
    assert_eq!((refused.status, refused.code().as_str()), (403, "0x80040220"), "{}", refused.text);
    let settings = format!("usersettingscollection({})", bo.user);
    assert_eq!(scene.patch(&settings, &[], json!({ "issendasallowed": true })).await.status, 204);
    assert_eq!(send(&scene, "ana", &email, json!({ "IssueSend": true })).await.status, 200);
    assert_eq!(scene.get(&email).await.json()["_sendermailboxid_value"], json!(bo.mailbox));
    let sales = scene.queue("sales", 1, Some(ana.user));
    let email = draft(&scene, &format!("/queues({})", sales.queue), json!({})).await;
    assert_eq!(send(&scene, "ana", &email, json!({ "IssueSend": true })).await.status, 200);
    assert_eq!(scene.get(&email).await.json()["_sendermailboxid_value"], json!(sales.mailbox));
}
