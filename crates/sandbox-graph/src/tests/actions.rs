//! Answering, passing on, moving and copying, as graph.md 3.4 and section 10 have them.

use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::world::{World, ids};
use crate::Mail;
use crate::mailbox::message::{Body, EmailAddress};

const ADA: &str = "/v1.0/users/ada@contoso.com";

/// A mail from Carol to Ada and Bob; the path of Ada's copy, and its headers.
async fn from_carol(world: &World) -> (String, String) {
    let id = world.graph.deliver(Mail {
        from: EmailAddress::named("Carol", "carol@fabrikam.com"),
        to: vec![EmailAddress::from("ada@contoso.com"), EmailAddress::from("bob@contoso.com")],
        subject: "Offer".to_owned(),
        body: Body::html("<p>12,000</p>"),
        ..Mail::default()
    });
    let list = world.get(&format!("{ADA}/mailFolders/inbox/messages")).await;
    (format!("{ADA}/messages/{}", ids(list.values())[0]), id)
}

async fn headers_of(world: &World, user: &str, folder: &str) -> (Value, Vec<(String, String)>) {
    let path = format!("/v1.0/users/{user}/mailFolders/{folder}/messages?$orderby=receivedDateTime desc");
    let list = world.get(&path).await;
    let newest = list.values()[0].clone();
    let one = format!(
        "/v1.0/users/{user}/messages/{}?$select=internetMessageHeaders",
        newest["id"].as_str().unwrap()
    );
    let fields = world.get(&one).await.body["internetMessageHeaders"].as_array().unwrap().clone();
    let text = |field: &Value, name: &str| field[name].as_str().unwrap_or_default().to_owned();
    (newest, fields.iter().map(|field| (text(field, "name"), text(field, "value"))).collect())
}

fn field<'a>(fields: &'a [(String, String)], name: &str) -> &'a str {
    fields.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value)
}

fn addresses(message: &Value, list: &str) -> Vec<String> {
    let recipients = message[list].as_array().unwrap();
    recipients.iter().map(|to| to["emailAddress"]["address"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn an_answer_to_all_goes_to_all_but_oneself_and_stays_in_the_thread() {
    let world = World::new();
    let (message, id) = from_carol(&world).await;
    let answered = world.post(&format!("{message}/replyAll"), json!({"comment": "Agreed"})).await;
    assert_eq!(answered.status, StatusCode::ACCEPTED);
    let (seen, fields) = headers_of(&world, "bob@contoso.com", "inbox").await;
    assert!(seen["subject"].as_str().unwrap().eq_ignore_ascii_case("re: Offer"), "{seen}");
    assert_eq!(field(&fields, "In-Reply-To"), id);
    assert!(field(&fields, "References").contains(&id));
    let mut everyone = addresses(&seen, "toRecipients");
    everyone.extend(addresses(&seen, "ccRecipients"));
    everyone.sort();
    assert_eq!(everyone, ["bob@contoso.com", "carol@fabrikam.com"]);
    assert!(seen["body"]["content"].as_str().unwrap().contains("Agreed"), "{seen}");
}

#[tokio::test(start_paused = true)]
async fn what_is_passed_on_goes_to_others_and_answers_nobody_it_was_not_sent_to() {
    let world = World::new();
    let (message, _) = from_carol(&world).await;
    let nobody = world.post(&format!("{message}/forward"), json!({"comment": "?"})).await;
    assert_eq!(nobody.status, StatusCode::BAD_REQUEST, "{nobody:?}");
    let to = json!([{"emailAddress": {"address": "bob@contoso.com"}}]);
    let passed =
        world.post(&format!("{message}/forward"), json!({"comment": "For you", "toRecipients": to})).await;
    assert_eq!(passed.status, StatusCode::ACCEPTED);
    let (seen, _) = headers_of(&world, "bob@contoso.com", "inbox").await;
    assert!(seen["subject"].as_str().unwrap().to_lowercase().starts_with("fw"), "{seen}");
    assert_eq!(addresses(&seen, "toRecipients"), ["bob@contoso.com"]);
    assert!(seen["body"]["content"].as_str().unwrap().contains("12,000"), "the original is in it");
}

#[tokio::test(start_paused = true)]
async fn the_draft_of_an_answer_can_be_changed_before_it_is_sent() {
    let world = World::new();
    let (message, id) = from_carol(&world).await;
    let draft = world.post(&format!("{message}/createReply"), json!({})).await;
    assert_eq!((draft.status, draft.body["isDraft"].clone()), (StatusCode::CREATED, json!(true)));
    let path = format!("{ADA}/messages/{}", draft.text("/id"));
    let subject = json!({"subject": "RE: Offer, second thoughts"});
    assert_eq!(world.write(Method::PATCH, &path, &subject).await.status, StatusCode::OK);
    assert_eq!(world.post(&format!("{path}/send"), json!({})).await.status, StatusCode::ACCEPTED);
    let (sent, fields) = headers_of(&world, "ada@contoso.com", "sentitems").await;
    assert_eq!(sent["subject"], "RE: Offer, second thoughts");
    assert_eq!(addresses(&sent, "toRecipients"), ["carol@fabrikam.com"]);
    assert_eq!(field(&fields, "In-Reply-To"), id);
}

#[tokio::test(start_paused = true)]
async fn a_copy_is_another_message_and_a_move_only_another_place() {
    let world = World::new();
    let (message, id) = from_carol(&world).await;
    let census = world.graph.census();
    let immutable = census.iter().find(|entry| entry.user_id == world.ada).unwrap().immutable_id.clone();
    let to = |folder: &str| json!({"destinationId": folder});

    let copied = world.post(&format!("{message}/copy"), to("archive")).await;
    assert_eq!((copied.status, copied.text("/internetMessageId")), (StatusCode::CREATED, id.as_str()));
    let ada: Vec<_> = world.graph.census().into_iter().filter(|entry| entry.user_id == world.ada).collect();
    assert_eq!(ada.len(), 2);
    assert!(ada.iter().filter(|entry| entry.immutable_id == immutable).count() == 1, "a copy has its own id");

    let moved = world.post(&format!("{message}/move"), to("deleteditems")).await;
    assert_eq!(moved.status, StatusCode::CREATED);
    assert_eq!(world.get(&message).await.code(), "ErrorItemNotFound", "the default id ended with the move");
    let still = world.get(&format!("{ADA}/messages/{immutable}")).await;
    assert_eq!(still.text("/internetMessageId"), id);
    let nowhere = world.post(&format!("{ADA}/messages/{immutable}/move"), to("AAMkNowhere")).await;
    assert!(nowhere.status.is_client_error(), "{nowhere:?}");
}

#[tokio::test(start_paused = true)]
async fn folders_are_made_renamed_moved_and_deleted_with_what_is_in_them() {
    let world = World::new();
    let (message, _) = from_carol(&world).await;
    let folders = format!("{ADA}/mailFolders");
    let made = world.post(&folders, json!({"displayName": "Projects"})).await;
    assert_eq!(made.status, StatusCode::CREATED);
    let again = world.post(&folders, json!({"displayName": "Projects"})).await;
    assert_eq!((again.status, again.code()), (StatusCode::CONFLICT, "ErrorFolderExists"));
    let projects = made.text("/id").to_owned();
    world.post(&format!("{message}/move"), json!({"destinationId": projects})).await;

    let path = format!("{folders}/{projects}");
    let renamed = world.write(Method::PATCH, &path, &json!({"displayName": "Projects 2026"})).await;
    assert_eq!((renamed.status, renamed.text("/displayName")), (StatusCode::OK, "Projects 2026"));
    let moved = world.post(&format!("{path}/move"), json!({"destinationId": "archive"})).await;
    assert_eq!(moved.status, StatusCode::CREATED, "{moved:?}");
    let below = world.get(&format!("{folders}/archive/childFolders")).await;
    assert_eq!(below.values()[0]["displayName"], "Projects 2026");
    assert_eq!(below.values()[0]["totalItemCount"], 1);

    let path = format!("{folders}/{}", moved.text("/id"));
    assert_eq!(world.write(Method::DELETE, &path, &json!({})).await.status, StatusCode::NO_CONTENT);
    assert!(world.get(&path).await.status.is_client_error());
    let inbox = world.write(Method::DELETE, &format!("{folders}/inbox"), &json!({})).await;
    assert!(inbox.status.is_client_error(), "a default folder stays");
}

#[tokio::test(start_paused = true)]
async fn a_draft_is_replaced_by_mime_and_read_back_as_mime() {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let world = World::new();
    let (received, _) = from_carol(&world).await;
    let draft = world.post(&format!("{ADA}/messages"), json!({"subject": "before"})).await;
    let path = format!("{ADA}/messages/{}/$value", draft.text("/id"));
    let mime = "From: ada@contoso.com\r\nTo: bob@contoso.com\r\nSubject: =?utf-8?q?nach=C3=BCber?=\r\nMIME-Version: 1.0\r\n\
                Content-Type: text/plain; charset=utf-8\r\n\r\nall new\r\n";
    let bearer = super::world::bearer(super::world::ALL)[0];
    let put = |path: String| {
        let headers = [bearer, ("content-type", "text/plain")];
        let world = &world;
        async move { world.call(Method::PUT, &path, &headers, STANDARD.encode(mime)).await }
    };
    assert_eq!(put(path.clone()).await.status, StatusCode::OK);
    let read = world.call(Method::GET, &path, &[bearer], Bytes::new()).await;
    let text = String::from_utf8(read.raw.to_vec()).unwrap();
    assert!(text.contains("all new") && text.contains("bob@contoso.com"), "{text}");
    let refused = put(format!("{received}/$value")).await;
    assert_eq!((refused.status, refused.code()), (StatusCode::BAD_REQUEST, "ErrorInvalidRequest"));
}
