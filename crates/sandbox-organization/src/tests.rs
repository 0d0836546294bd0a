//! The organization as its clients see it.

use http::Method;
use serde_json::json;

use crate::testing::{DELIVER, ROOT, Scene, delivery};

mod access;
mod batch;
mod front_door;
mod reading;
mod sending;
mod soap;
mod tracking;
mod writing;

#[tokio::test]
async fn a_message_becomes_an_email_once() {
    let scene = Scene::new();
    let ana = scene.user("ana", 0);
    let kim = scene.contact("kim@example.org");
    let check = scene
        .get("CheckIncomingEmail(MessageId=@p1,Subject=@p2,From=@p3,To=@p4,Cc=@p5,Bcc=@p6)?@p1='%3Cm1@example.org%3E'&@p2='Hello'&@p3='kim@example.org'&@p4='ana@contoso.example'&@p5=''&@p6=''")
        .await;
    assert_eq!((check.status, check.json()["ShouldDeliver"].clone()), (200, json!(true)), "{}", check.text);
    assert_eq!(check.json()["ReasonCode"], 6);

    let file = json!({ "@odata.type": "Microsoft.Dynamics.CRM.activitymimeattachment", "filename": "a.txt", "mimetype": "text/plain", "body": "aGVsbG8=" });
    let delivered = scene.post(DELIVER, delivery(json!({ "Attachments": [file] }))).await;
    assert_eq!(delivered.status, 200, "{}", delivered.text);
    let id = delivered.json()["activityid"].as_str().unwrap().to_owned();

    let emails = scene.organization.emails();
    assert_eq!(emails.len(), 1);
    let email = &emails[0];
    assert_eq!((email.status, email.outgoing, email.owner), (4, false, Some(ana.user)));
    assert_eq!(email.attachments[0].bytes, 5);
    assert_eq!(email.parties[0].record.as_ref().unwrap().id, kim);

    let again = scene.post(DELIVER, delivery(json!({}))).await;
    assert_eq!((again.status, again.code().as_str()), (412, "0x80040237"));
    let validated = scene.post(DELIVER, delivery(json!({ "ValidateBeforeCreate": true }))).await;
    assert_eq!((validated.status, validated.code().as_str()), (400, "0x8005e20b"));
    assert!(validated.text.contains("Reason Code: 0"));

    let found = scene
        .get("emails?$select=messageid,attachmentcount&$filter=messageid eq '%3Cm1@example.org%3E'")
        .await;
    assert_eq!(found.json()["value"][0]["activityid"], id);
    let added = scene
        .post(
            "activitymimeattachments",
            json!({ "filename": "b.txt", "mimetype": "text/plain", "body": "Yg==", "objecttypecode": "email",
                    "objectid_activitypointer@odata.bind": format!("/activitypointers({id})") }),
        )
        .await;
    assert_eq!(added.status, 204, "{}", added.text);
    assert_eq!(scene.organization.emails()[0].attachments.len(), 2);
    let files = scene
        .get(&format!("activitymimeattachments?$select=filename,filesize&$filter=_objectid_value eq {id}"))
        .await;
    assert_eq!(files.json()["value"].as_array().unwrap().len(), 2);
    assert!(scene.organization.census().doubled_message_ids.is_empty());
}

#[tokio::test]
async fn with_server_side_synchronization_the_router_messages_are_refused() {
    let scene = Scene::new();
    scene.configure(json!({ "emailconnectionchannel": 0 }));
    let refused = scene.post(DELIVER, delivery(json!({}))).await;
    assert_eq!((refused.status, refused.code().as_str()), (400, "0x8005e246"));
    let refused = scene.get("CheckIncomingEmail(MessageId='x',From='a@b',To='',Cc='',Bcc='')").await;
    assert_eq!(refused.code(), "0x8005e246");
}

#[tokio::test]
async fn a_poisonous_subject_leaves_nothing_behind() {
    let scene = Scene::new();
    scene.user("ana", 0);
    scene.organization.set_option(|options| {
        options.poison = Some(crate::PoisonPlugin {
            subject: "poison".into(),
            status: http::StatusCode::INTERNAL_SERVER_ERROR,
        });
    });
    let refused = scene.post(DELIVER, delivery(json!({ "Subject": "a poisonous one" }))).await;
    assert_eq!((refused.status, refused.code().as_str()), (500, "0x80040265"));
    assert!(scene.organization.emails().is_empty());
}

#[tokio::test]
async fn where_the_web_api_lacks_the_messages_their_paths_are_not_found() {
    let scene = Scene::new();
    scene.organization.set_option(|options| options.web_api_email_actions = false);
    for (method, path) in [(Method::POST, DELIVER), (Method::GET, "CheckIncomingEmail(MessageId='x')")] {
        let answer = scene.send(method, path, &[], delivery(json!({})).to_string()).await;
        assert_eq!((answer.status, answer.code().as_str()), (404, "0x80060888"));
        assert!(answer.text.contains("Resource not found for the segment"));
    }
}

#[tokio::test(start_paused = true)]
async fn creating_emails_takes_longer_beyond_the_capacity() {
    let scene = Scene::new();
    scene.user("ana", 0);
    scene.organization.set_option(|options| {
        options.latency =
            Some(crate::Latency { per_email: std::time::Duration::from_millis(100), capacity: 1 });
    });
    let started = tokio::time::Instant::now();
    scene.post(DELIVER, delivery(json!({}))).await;
    assert_eq!(started.elapsed().as_millis(), 100);
    let second = scene.post(DELIVER, delivery(json!({ "MessageId": "<2@x>" })));
    let third = scene.post(DELIVER, delivery(json!({ "MessageId": "<3@x>" })));
    tokio::join!(second, third);
    assert!(
        started.elapsed().as_millis() >= 300,
        "two at a time are slower than one: {:?}",
        started.elapsed()
    );
}

#[tokio::test]
async fn operations_are_counted() {
    let scene = Scene::new();
    scene.get("WhoAmI()").await;
    scene.get("emails?$top=1").await;
    let counts = scene.organization.request_counts();
    assert_eq!((counts["WhoAmI"], counts["GET emails"]), (1, 1));
    assert!(ROOT.ends_with('/'));
}
