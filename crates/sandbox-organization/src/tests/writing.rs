use http::Method;
use serde_json::json;

use crate::{
    access::{grant_id, privilege_id},
    testing::{ROOT, Scene},
};

#[tokio::test]
async fn rows_are_created_with_ids_of_either_side() {
    let scene = Scene::new();
    let made = scene.post("contacts", json!({ "lastname": "A" })).await;
    assert_eq!(made.status, 204);
    assert!(made.header("odata-entityid").starts_with(&format!("{ROOT}api/data/v9.1/contacts(")));
    let own =
        json!({ "contactid": "00000000-0000-0000-0000-0000000000aa", "firstname": "B", "lastname": "C" });
    assert_eq!(scene.post("contacts", own.clone()).await.status, 204);
    let again = scene.post("contacts", own).await;
    assert_eq!((again.status, again.code().as_str()), (412, "0x80040237"));
    let row = scene.get("contacts(00000000-0000-0000-0000-0000000000AA)?$select=fullname").await.json();
    assert_eq!(row["fullname"], "B C");
    let shown = scene
        .send(
            Method::POST,
            "contacts?$select=lastname",
            &[("prefer", "return=representation")],
            json!({ "lastname": "D" }).to_string(),
        )
        .await;
    assert_eq!(
        (shown.status, shown.json()["lastname"].clone(), shown.header("odata-entityid")),
        (201, json!("D"), "")
    );
}

#[tokio::test]
async fn what_a_create_refuses() {
    let scene = Scene::new();
    let contact = scene.contact("a@b.c");
    let cases = [
        ("contacts", json!({ "colour": "red" }), 400, "0x80060888"),
        ("contacts", json!({ "firstname": "x".repeat(51) }), 400, "0x80044331"),
        ("contacts", json!({ "firstname": 5 }), 400, ""),
        ("contacts", json!({ "birthdate": "1700-01-01" }), 400, "0x80040239"),
        ("contacts", json!({ "_ownerid_value": contact }), 400, "0x80040203"),
        (
            "contacts",
            json!({ "parentcustomerid_account@odata.bind": format!("/contacts({contact})") }),
            400,
            "0x80040203",
        ),
        (
            "contacts",
            json!({ "parentcustomerid_account@odata.bind": "/accounts(00000000-0000-0000-0000-000000000001)" }),
            404,
            "0x80040217",
        ),
        ("contacts", json!({ "parentcustomerid_account@odata.bind": null }), 400, ""),
        ("emails", json!({ "subject": "x", "statuscode": 4 }), 400, "0x80048408"),
        ("activityparties", json!({}), 405, "0x8006088a"),
        ("usersettingscollection", json!({}), 405, "0x8006088a"),
    ];
    for (path, body, status, code) in cases {
        let answer = scene.post(path, body.clone()).await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{path} {body}");
    }
    assert_eq!(scene.send(Method::POST, "contacts", &[], "{broken").await.status, 400);
    let account = scene.insert("account", json!({ "name": "A" }));
    for url in [
        format!("/accounts({account})"),
        format!("accounts({account})"),
        format!("{ROOT}api/data/v9.1/accounts({account})"),
    ] {
        let made = scene
            .post("contacts", json!({ "lastname": "A", "parentcustomerid_account@odata.bind": url }))
            .await;
        assert_eq!(made.status, 204, "{}", made.text);
    }
}

#[tokio::test]
async fn updates_and_upserts_keep_their_conditions() {
    let scene = Scene::new();
    let contact = scene.contact("a@b.c");
    let path = format!("contacts({contact})");
    let etag = scene.get(&path).await.header("etag").to_owned();
    assert_eq!(scene.patch(&path, &[("if-match", &etag)], json!({ "firstname": "B" })).await.status, 204);
    let stale = scene.patch(&path, &[("if-match", &etag)], json!({ "firstname": "C" })).await;
    assert_eq!((stale.status, stale.code().as_str()), (412, "0x80060882"));
    let there = scene.patch(&path, &[("if-none-match", "*")], json!({ "firstname": "C" })).await;
    assert_eq!((there.status, there.code().as_str()), (412, "0x80040237"));
    let new = "contacts(00000000-0000-0000-0000-0000000000bb)";
    let absent = scene.patch(new, &[("if-match", "*")], json!({ "lastname": "D" })).await;
    assert_eq!((absent.status, absent.code().as_str()), (404, "0x80040217"));
    assert_eq!(scene.patch(new, &[], json!({ "lastname": "D" })).await.status, 204);
    assert_eq!(scene.get(new).await.json()["lastname"], "D");
    assert_eq!(scene.delete(new).await.status, 204);
    assert_eq!(scene.delete(new).await.status, 404);
    let put = scene
        .send(Method::PUT, &format!("{path}/jobtitle"), &[], json!({ "value": "Cook" }).to_string())
        .await;
    assert_eq!(put.status, 204);
    assert_eq!(scene.get(&format!("{path}/jobtitle/$value")).await.text, "Cook");
    scene.delete(&format!("{path}/jobtitle")).await;
    assert_eq!(scene.get(&format!("{path}/jobtitle")).await.status, 204);
}

#[tokio::test]
async fn an_email_with_parties_goes_through_its_states() {
    let scene = Scene::new();
    let contact = scene.contact("kim@example.org");
    let body = json!({
        "subject": "Hi", "statecode": 1, "inreplyto": "<x>",
        "regardingobjectid_contact_email@odata.bind": format!("/contacts({contact})"),
        "email_activity_parties": [
            { "partyid_contact@odata.bind": format!("/contacts({contact})"), "participationtypemask": 2 },
            { "addressused": "who@example.org", "participationtypemask": 3 },
        ],
        "email_activity_mime_attachment": [{ "filename": "a.txt", "mimetype": "text/plain", "body": "YQ==" }],
    });
    let made = scene.post("emails", body).await;
    assert_eq!(made.status, 204, "{}", made.text);
    let email = made.header("odata-entityid").to_owned();
    let row = scene.get(&email).await.json();
    assert_eq!(
        (row["statecode"].clone(), row["inreplyto"].clone()),
        (json!(0), json!(null)),
        "ignored on create"
    );
    assert_eq!(row["attachmentcount"], 1);
    assert_eq!(scene.organization.emails()[0].parties[0].address, "kim@example.org");

    let parties = json!({ "value": [{ "addressused": "new@example.org", "participationtypemask": 2 }] });
    let put =
        scene.send(Method::PUT, &format!("{email}/email_activity_parties"), &[], parties.to_string()).await;
    assert_eq!(put.status, 204, "{}", put.text);
    assert_eq!(scene.organization.emails()[0].parties.len(), 1);

    let bad = scene.patch(&email, &[], json!({ "statecode": 1, "statuscode": 1 })).await;
    assert_eq!((bad.status, bad.code().as_str()), (400, "0x80048408"));
    assert_eq!(scene.patch(&email, &[], json!({ "statecode": 1, "statuscode": 3 })).await.status, 204);
    let closed = scene.patch(&email, &[], json!({ "subject": "late" })).await;
    assert_eq!((closed.status, closed.code().as_str()), (400, "0x80043500"));
    let cleared = scene.delete(&format!("{email}/regardingobjectid_contact_email/$ref")).await;
    assert_eq!(cleared.status, 204, "regarding may change on a closed email: {}", cleared.text);
    assert!(scene.organization.emails()[0].regarding.is_none());
    assert_eq!(scene.delete(&email).await.status, 204);
    let rows = scene.organization.census().rows;
    assert!(!rows.contains_key("activityparty") && !rows.contains_key("activitymimeattachment"));
}

#[tokio::test]
async fn mailboxes_follow_their_users() {
    let scene = Scene::new();
    let ana = scene.user("ana", 1);
    let (user, mailbox) = (format!("systemusers({})", ana.user), format!("mailboxes({})", ana.mailbox));
    scene.patch(&mailbox, &[], json!({ "incomingemaildeliverymethod": 0 })).await;
    assert_eq!(scene.get(&user).await.json()["incomingemaildeliverymethod"], 0);
    scene.patch(&user, &[], json!({ "isdisabled": true })).await;
    assert_eq!(scene.get(&mailbox).await.json()["statecode"], 1);
    let moved = scene.patch(&mailbox, &[], json!({ "emailaddress": "x@y.z" })).await;
    assert_eq!((moved.status, moved.code().as_str()), (400, "0x8005e208"));
    let deleted = scene.delete(&mailbox).await;
    assert_eq!((deleted.status, deleted.code().as_str()), (400, "0x8005e200"));
    assert_eq!(scene.delete(&user).await.status, 405);
    let alert = scene
        .post(
            "tracelogs",
            json!({ "text": "x", "level": 3, "regardingobjectid_mailbox@odata.bind": format!("/{mailbox}") }),
        )
        .await;
    assert_eq!(alert.status, 204, "{}", alert.text);
    assert_eq!(scene.patch(alert.header("odata-entityid"), &[], json!({ "text": "y" })).await.status, 405);
}

#[tokio::test]
async fn a_blocked_or_oversized_attachment_is_refused() {
    let scene = Scene::new();
    scene.configure(json!({ "maxuploadfilesize": 2 }));
    let email = scene.insert("email", json!({ "subject": "x" }));
    for (name, body, code) in
        [("a.exe", "YQ==", "0x80043e09"), ("a.txt", "aGVsbG8=", "0x80044a02"), ("a.txt", "YQ==", "")]
    {
        let row = json!({ "filename": name, "body": body, "objectid_activitypointer@odata.bind": format!("/emails({email})") });
        let answer = scene.post("activitymimeattachments", row).await;
        assert_eq!(answer.status, if code.is_empty() { 204 } else { 400 });
        if !code.is_empty() {
            assert_eq!(answer.code(), code);
        }
    }
}

#[tokio::test]
async fn an_address_is_approved_by_an_administrator_and_where_that_is_allowed() {
    let scene = Scene::new();
    let seeded = scene.user("ana", 1);
    let path = format!("mailboxes({})", seeded.mailbox);
    let approve =
        async |value: i32| scene.patch(&path, &[], json!({ "emailrouteraccessapproval": value })).await;
    assert_eq!(approve(2).await.status, 204);
    scene.organization.set_option(|options| options.approves_by_web_api = false);
    let refused = approve(1).await;
    assert_eq!((refused.status, refused.code().as_str()), (400, "0x80040203"));
    scene.organization.set_option(|options| options.approves_by_web_api = true);
    assert_eq!(approve(1).await.status, 204);
    assert_eq!(approve(2).await.status, 204);
    // Without the role the privilege is missing.
    for (id, _) in scene.organization.rows("systemuserroles") {
        scene.organization.delete("systemuserroles", id).unwrap();
    }
    let role = scene.insert("role", json!({ "name": "Mailbox keeper" }));
    let keeper = scene.organization.service_account();
    scene.insert("systemuserroles", json!({ "_roleid_value": role, "_systemuserid_value": keeper }));
    for name in ["prvReadMailbox", "prvWriteMailbox"] {
        let grant = grant_id(role, privilege_id(name));
        scene.insert("roleprivileges", json!({ "roleprivilegeid": grant }));
    }
    let refused = approve(1).await;
    assert_eq!((refused.status, refused.code().as_str()), (403, "0x80040220"));
    assert!(refused.text.contains("prvApproveRejectEmailAddress"), "{}", refused.text);
}

#[tokio::test]
async fn a_profile_for_exchange_online_says_whose_tenant_and_where_and_keeps_the_results_to_itself() {
    let scene = Scene::new();
    assert_eq!(scene.post("emailserverprofiles", json!({ "servertype": 3 })).await.status, 400);
    let wanted = json!({ "name": "Exchange Online", "servertype": 3, "useautodiscover": true, "lasttestexecutionstatus": 1 });
    assert_eq!(scene.post("emailserverprofiles", wanted).await.status, 204);
    let (id, row) = scene.organization.rows("emailserverprofile").remove(0);
    assert_eq!((&row["usedefaulttenantid"], row.get("lasttestexecutionstatus")), (&json!(true), None));
    let path = format!("emailserverprofiles({id})");
    let change = async |changes| scene.patch(&path, &[], changes).await.status;
    assert_eq!(change(json!({ "useautodiscover": false })).await, 400);
    assert_eq!(change(json!({ "useautodiscover": false, "incomingserverlocation": "https://outlook.office365.com/EWS/Exchange.asmx" })).await, 204);
    assert_eq!(change(json!({ "usedefaulttenantid": false })).await, 400);
    assert_eq!(change(json!({ "statecode": 1, "statuscode": 2 })).await, 204);
    let seeded = scene.user("ana", 1);
    let mailbox = format!("mailboxes({})", seeded.mailbox);
    let bound = json!({ "emailserverprofile@odata.bind": format!("/{path}"), "testemailconfigurationscheduled": true });
    assert_eq!(scene.patch(&mailbox, &[], bound).await.status, 204);
    assert_eq!(scene.organization.tests_asked_for()[0].0, seeded.mailbox);
}
