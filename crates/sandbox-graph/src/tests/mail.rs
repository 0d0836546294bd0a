use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{Method, StatusCode};
use serde_json::json;

use super::world::World;
use crate::Mail;

const INBOX: &str = "/v1.0/users/ada@contoso.com/mailFolders/inbox/messages";

#[tokio::test(start_paused = true)]
async fn delivered_mail_shows_up_with_everything_a_reader_needs() {
    let world = World::new();
    let id = world.mail_to_ada("Order 17");
    let list = world.get(INBOX).await;
    let message = &list.values()[0];
    assert_eq!(message["internetMessageId"], id);
    assert_eq!(message["from"]["emailAddress"]["address"], "carol@fabrikam.com");
    assert_eq!(message["bodyPreview"], "About Order 17");
    assert_eq!(message["body"]["content"], "<p>About Order 17</p>", "scripts are stripped");
    assert!(message.get("internetMessageHeaders").is_none(), "headers come on $select only");

    let path = format!(
        "/v1.0/users/{}/messages/{}?$select=internetMessageHeaders",
        world.ada,
        message["id"].as_str().unwrap()
    );
    let headers = world.get(&path).await;
    let names: Vec<_> = headers.body["internetMessageHeaders"]
        .as_array()
        .unwrap()
        .iter()
        .map(|h| h["name"].as_str().unwrap())
        .collect();
    assert!(names.contains(&"Received") && names.contains(&"Message-ID"), "{names:?}");
    assert!(headers.body.get("subject").is_none());
}

#[tokio::test(start_paused = true)]
async fn a_draft_keeps_its_immutable_id_when_it_is_sent() {
    let world = World::new();
    let draft = json!({
        "subject": "Hello", "body": {"contentType": "text", "content": "Hi Bob"},
        "toRecipients": [{"emailAddress": {"address": "bob@contoso.com"}}],
        "internetMessageHeaders": [{"name": "X-Track", "value": "1"}],
        "singleValueExtendedProperties": [{"id": "String {11111111-2222-3333-4444-555555555555} Name Link", "value": "42"}],
    });
    let created = world.post("/v1.0/users/ada@contoso.com/messages", draft).await;
    assert_eq!(created.status, StatusCode::CREATED);
    let immutable = world.graph.census()[0].immutable_id.clone();

    let path = format!("/v1.0/users/ada@contoso.com/messages/{}", created.text("/id"));
    assert_eq!(world.post(&format!("{path}/send"), json!({})).await.status, StatusCode::ACCEPTED);

    assert_eq!(world.get(&path).await.code(), "ErrorItemNotFound", "the default id ended with the draft");
    let sent =
        world.get(&format!("/v1.0/users/ada@contoso.com/mailFolders/sentitems/messages/{immutable}")).await;
    assert_eq!((sent.text("/subject"), sent.body["isDraft"].clone()), ("Hello", json!(false)));
    let received = world.get("/v1.0/users/bob@contoso.com/mailFolders('inbox')/messages?$select=internetMessageHeaders,internetMessageId").await;
    assert_eq!(received.values()[0]["internetMessageId"], sent.body["internetMessageId"]);
    let headers = received.values()[0]["internetMessageHeaders"].as_array().unwrap();
    assert!(headers.contains(&json!({"name": "X-Track", "value": "1"})));
    assert_eq!(world.graph.sent_mail().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_message_is_found_by_its_extended_property_and_by_its_message_id() {
    let world = World::new();
    let property = "String {11111111-2222-3333-4444-555555555555} Name Link";
    for value in ["41", "42"] {
        let body =
            json!({"subject": value, "singleValueExtendedProperties": [{"id": property, "value": value}]});
        world.post("/v1.0/users/ada@contoso.com/messages", body).await;
    }
    let filter = format!("singleValueExtendedProperties/Any(ep: ep/id eq '{property}' and ep/value eq '42')");
    let expand = format!("singleValueExtendedProperties($filter=id eq '{property}')");
    let found =
        world.get(&format!("/v1.0/users/ada@contoso.com/messages?$filter={filter}&$expand={expand}")).await;
    assert_eq!(found.values().len(), 1);
    assert_eq!(found.values()[0]["singleValueExtendedProperties"], json!([{"id": property, "value": "42"}]));

    let id = found.values()[0]["internetMessageId"].as_str().unwrap();
    let encoded: String = url::form_urlencoded::byte_serialize(id.as_bytes()).collect();
    let again = world
        .get(&format!("/v1.0/users/ada@contoso.com/messages?$filter=internetMessageId%20eq%20'{encoded}'"))
        .await;
    assert_eq!(again.values().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_order_that_the_filter_does_not_begin_with_is_inefficient() {
    let world = World::new();
    let refused = world.get(&format!("{INBOX}?$filter=isRead eq false&$orderby=receivedDateTime desc")).await;
    assert_eq!((refused.status, refused.code()), (StatusCode::BAD_REQUEST, "InefficientFilter"));
    let accepted = world.get(&format!("{INBOX}?$filter=receivedDateTime ge 2026-01-01 and isRead eq false&$orderby=receivedDateTime desc")).await;
    assert_eq!(accepted.status, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn a_list_is_paged_by_links_to_the_same_host() {
    let world = World::new();
    for number in 0..5 {
        world.mail_to_ada(&format!("Number {number}"));
    }
    let mut next = Some(format!("{INBOX}?$top=2&$select=subject"));
    let mut subjects = Vec::new();
    while let Some(path) = next {
        let page = world.get(&path).await;
        subjects.extend(page.values().iter().map(|m| m["subject"].as_str().unwrap().to_owned()));
        next = page.body["@odata.nextLink"].as_str().map(str::to_owned);
        assert!(next.as_ref().is_none_or(|link| link.starts_with("https://graph.test/v1.0/")));
    }
    assert_eq!(subjects, ["Number 4", "Number 3", "Number 2", "Number 1", "Number 0"]);
}

#[tokio::test(start_paused = true)]
async fn a_stale_etag_changes_nothing() {
    let world = World::new();
    world.mail_to_ada("Order 17");
    let message = world.get(INBOX).await.values()[0].clone();
    let path = format!("{INBOX}/{}", message["id"].as_str().unwrap());
    world.write(Method::PATCH, &path, &json!({"isRead": true})).await;
    let headers = [
        ("authorization", format!("Bearer {}", super::world::ALL)),
        ("if-match", message["@odata.etag"].as_str().unwrap().to_owned()),
    ];
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let refused = world.call(Method::PATCH, &path, &headers, r#"{"categories":["Tracked"]}"#).await;
    assert_eq!(
        (refused.status, refused.code()),
        (StatusCode::PRECONDITION_FAILED, "ErrorIrresolvableConflict")
    );
    let protected = world.write(Method::PATCH, &path, &json!({"subject": "Changed"})).await;
    assert_eq!(protected.status, StatusCode::FORBIDDEN, "received mail keeps its subject");
}

#[tokio::test(start_paused = true)]
async fn a_reply_names_what_it_answers_and_stays_in_the_conversation() {
    let world = World::new();
    let id = world.mail_to_ada("Order 17");
    let original = world.get(INBOX).await.values()[0].clone();
    let path = format!("{INBOX}/{}/createReply", original["id"].as_str().unwrap());
    let draft = world.post(&path, json!({"comment": "Thanks"})).await;
    assert_eq!(draft.text("/subject"), "RE: Order 17");
    assert_eq!(draft.body["conversationId"], original["conversationId"]);
    let index = |value: &serde_json::Value| STANDARD.decode(value.as_str().unwrap()).unwrap();
    assert_eq!(
        index(&draft.body["conversationIndex"]).len(),
        index(&original["conversationIndex"]).len() + 5
    );
    let headers = world
        .get(&format!(
            "/v1.0/users/ada@contoso.com/messages/{}?$select=internetMessageHeaders",
            draft.text("/id")
        ))
        .await;
    let headers = headers.body["internetMessageHeaders"].as_array().unwrap().clone();
    assert!(headers.contains(&json!({"name": "In-Reply-To", "value": id})), "{headers:?}");
}

#[tokio::test(start_paused = true)]
async fn header_names_without_x_and_more_than_five_are_refused() {
    let world = World::new();
    let draft = |names: &[&str]| {
        let headers: Vec<_> = names.iter().map(|name| json!({"name": name, "value": "v"})).collect();
        json!({"subject": "s", "internetMessageHeaders": headers})
    };
    let path = "/v1.0/users/ada@contoso.com/messages";
    assert_eq!(world.post(path, draft(&["In-Reply-To"])).await.code(), "InvalidInternetMessageHeader");
    let six = ["x-1", "x-2", "x-3", "x-4", "x-5", "x-6"];
    assert_eq!(world.post(path, draft(&six)).await.code(), "InvalidInternetMessageHeaderCollection");
}

#[tokio::test(start_paused = true)]
async fn mail_to_nobody_in_the_own_domain_comes_back() {
    let world = World::new();
    let mail = json!({"message": {
        "subject": "Hello?", "body": {"contentType": "text", "content": "?"},
        "toRecipients": [{"emailAddress": {"address": "nobody@contoso.com"}}],
    }});
    let sent = world.post("/v1.0/users/ada@contoso.com/sendMail", mail).await;
    assert_eq!((sent.status, sent.raw.len()), (StatusCode::ACCEPTED, 0));
    assert_eq!(world.get(INBOX).await.values()[0]["subject"], "Undeliverable: Hello?");
}

#[tokio::test(start_paused = true)]
async fn nobody_sends_in_somebody_elses_name() {
    let world = World::new();
    let mail = json!({"message": {
        "from": {"emailAddress": {"address": "bob@contoso.com"}},
        "toRecipients": [{"emailAddress": {"address": "carol@fabrikam.com"}}],
    }});
    assert_eq!(world.post("/v1.0/users/ada@contoso.com/sendMail", mail).await.code(), "ErrorSendAsDenied");
    let broken = [("authorization", "Bearer Mail.Send"), ("content-type", "text/plain")];
    let refused = world.call(Method::POST, "/v1.0/users/ada@contoso.com/sendMail", &broken, "%%%").await;
    assert_eq!(refused.code(), "ErrorMimeContentInvalidBase64String");
}

#[tokio::test(start_paused = true)]
async fn a_message_survives_the_way_out_and_in_as_mime() {
    let world = World::new();
    world.mail_to_ada("Größe & Preis");
    let id = world.graph.census()[0].immutable_id.clone();
    let mime = world.get(&format!("/v1.0/users/ada@contoso.com/messages/{id}/$value")).await;
    assert_eq!(mime.header("content-type"), "text/plain");
    let headers = [
        ("authorization", format!("Bearer {}", super::world::ALL)),
        ("content-type", "text/plain".to_owned()),
    ];
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let again = world
        .call(Method::POST, "/v1.0/users/bob@contoso.com/messages", &headers, STANDARD.encode(&mime.raw))
        .await;
    assert_eq!((again.status, again.text("/subject")), (StatusCode::CREATED, "Größe & Preis"));
    assert_eq!(again.body["isDraft"], true);
}

#[tokio::test(start_paused = true)]
async fn folders_are_made_renamed_and_removed() {
    let world = World::new();
    let folders = "/v1.0/users/ada@contoso.com/mailFolders";
    let made = world.post(folders, json!({"displayName": "Projects"})).await;
    assert_eq!(made.status, StatusCode::CREATED);
    let refused = world.post(folders, json!({"displayName": "projects"})).await;
    assert_eq!((refused.status, refused.code()), (StatusCode::CONFLICT, "ErrorFolderExists"));
    let path = format!("{folders}/{}", made.text("/id"));
    let child = world.post(&format!("{path}/childFolders"), json!({"displayName": "Apollo"})).await;
    assert_eq!(child.body["parentFolderId"], made.body["id"]);
    let renamed = world.write(Method::PATCH, &path, &json!({"displayName": "Past"})).await;
    assert_eq!(renamed.text("/displayName"), "Past");
    assert_eq!(world.write(Method::DELETE, &path, &json!({})).await.status, StatusCode::NO_CONTENT);
    assert_eq!(world.get(&path).await.code(), "ErrorItemNotFound");
}

#[tokio::test(start_paused = true)]
async fn a_meeting_request_arrives_as_an_event_message() {
    let world = World::new();
    let invitation = "From: carol@fabrikam.com\r\nTo: ada@contoso.com, dan@fabrikam.com\r\nSubject: Review\r\nMessage-ID: <r@fabrikam.com>\r\nContent-Type: text/calendar; method=REQUEST\r\n\r\nBEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nDTSTART:20260302T090000Z\r\nDTEND:20260302T100000Z\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
    let envelope = vec!["bob@contoso.com".into()];
    world.graph.deliver(Mail { mime: Some(invitation.into()), to: envelope, ..Mail::default() });
    assert_eq!(world.get(INBOX).await.values().len(), 0, "the envelope decides, not the header");
    let bobs = world.get(&INBOX.replace("ada", "bob")).await;
    assert_eq!(bobs.values()[0]["@odata.type"], "#microsoft.graph.eventMessageRequest");
    assert_eq!(bobs.values()[0]["startDateTime"]["dateTime"], "2026-03-02T09:00:00.0000000");
}

#[tokio::test(start_paused = true)]
async fn what_an_app_wrote_is_on_record() {
    let world = World::new();
    world.mail_to_ada("Order 17");
    let id = world.graph.census()[0].immutable_id.clone();
    world.get(INBOX).await;
    world.write(Method::PATCH, &format!("{INBOX}/{id}"), &json!({"categories": ["Tracked"]})).await;
    world.write(Method::PATCH, &format!("{INBOX}/nothing"), &json!({"isRead": true})).await;
    let writes = world.graph.writes_by_app(super::world::APP);
    assert_eq!(writes.len(), 1, "reads and refused calls are none");
    assert_eq!((writes[0].method.as_str(), writes[0].user_id), ("PATCH", Some(world.ada)));
    let counts = world.graph.request_counts();
    assert_eq!(counts.by_route.get("PATCH users/mailfolders/inbox/messages"), Some(&2));
}

#[tokio::test(start_paused = true)]
async fn a_message_under_way_is_nowhere_until_it_arrives() {
    let world = World::with(|options| options.transport_delay = jiff::SignedDuration::from_secs(5));
    let draft =
        json!({"subject": "Slow", "toRecipients": [{"emailAddress": {"address": "bob@contoso.com"}}]});
    let draft = world.post("/v1.0/users/ada@contoso.com/messages", draft).await;
    let id = world.graph.census()[0].immutable_id.clone();
    let path = format!("/v1.0/users/ada@contoso.com/messages/{id}");
    world.post(&format!("/v1.0/users/ada@contoso.com/messages/{}/send", draft.text("/id")), json!({})).await;
    assert_eq!(world.get(&path).await.status, StatusCode::NOT_FOUND);
    assert!(world.graph.next_notification_due().is_some());
    tokio::time::advance(std::time::Duration::from_secs(5)).await;
    assert_eq!(world.get(&path).await.body["isDraft"], false);
    assert_eq!(world.get(&INBOX.replace("ada", "bob")).await.values().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_makes_the_same_tenant() {
    let run = || {
        let world = World::new();
        for number in 0..5 {
            world.mail_to_ada(&format!("Number {number}"));
        }
        world.graph.census()
    };
    assert_eq!(run(), run());
}

#[tokio::test(start_paused = true)]
async fn mail_without_an_id_gets_one_from_the_transport() {
    let world = World::new();
    let raw = "From: carol@fabrikam.com\r\nTo: ada@contoso.com\r\nSubject: Bare\r\n\r\nHi";
    let id = world.graph.deliver(Mail { mime: Some(raw.into()), ..Mail::default() });
    let message = world.get(INBOX).await.values()[0].clone();
    assert_eq!(message["internetMessageId"], id);
    let mime = world.get(&format!("{INBOX}/{}/$value", message["id"].as_str().unwrap())).await;
    assert!(mime.raw.starts_with(format!("Message-ID: {id}\r\n").as_bytes()));
}

#[tokio::test(start_paused = true)]
async fn s3_6_extended_properties_tell_what_the_header_of_an_arriving_message_said() {
    let world = World::new();
    let raw = "From: carol@fabrikam.com\r\nTo: ada@contoso.com\r\nSubject: FW: Pay\r\nIn-Reply-To: <1@x>\r\n\
               Sensitivity: Company-Confidential\r\nX-MS-Exchange-Organization-AutoForwarded: true\r\n\r\nHi";
    world.graph.deliver(Mail { mime: Some(raw.into()), ..Mail::default() });
    let ids = ["String 0x1042", "Integer 0x36", "Boolean 0x5", "Integer 0x17"];
    let filter: Vec<String> = ids.iter().map(|id| format!("id eq '{id}'")).collect();
    let expand = format!("singleValueExtendedProperties($filter={})", filter.join(" or "));
    let message = world.get(&format!("{INBOX}?$select=subject&$expand={}", expand.replace(' ', "%20"))).await;
    assert_eq!(
        message.values()[0]["singleValueExtendedProperties"],
        json!([
            {"id": "String 0x1042", "value": "<1@x>"},
            {"id": "Integer 0x36", "value": "3"},
            {"id": "Boolean 0x5", "value": "true"},
        ])
    );
    assert!(message.values()[0].get("sensitivity").is_none(), "a message has no such property in Graph");
}

#[test]
fn an_empty_mailbox_costs_little() {
    assert!(size_of::<crate::mailbox::Mailbox>() < 512);
}
