use http::{Method, StatusCode};
use serde_json::json;

use super::world::{APP, World, bearer};
use crate::{MailboxGrant, MailboxState};

const INBOX: &str = "/v1.0/users/ada@contoso.com/mailFolders/inbox/messages";

#[tokio::test(start_paused = true)]
async fn without_a_good_token_there_is_a_challenge() {
    let world = World::new();
    for headers in [&[][..], &bearer("expired"), &bearer("foreign")] {
        let refused = world.call(Method::GET, INBOX, headers, "").await;
        assert_eq!(
            (refused.status, refused.code()),
            (StatusCode::UNAUTHORIZED, "InvalidAuthenticationToken")
        );
        assert!(refused.header("www-authenticate").starts_with("Bearer realm=\"\", authorization_uri="));
    }
    let traced = [("client-request-id", "my-trace"), ("authorization", "Bearer expired")];
    let refused = world.call(Method::GET, INBOX, &traced, "").await;
    assert_eq!(refused.header("client-request-id"), "my-trace");
    assert_eq!(refused.body["error"]["innerError"]["client-request-id"], "my-trace");
    assert_eq!(refused.body["error"]["innerError"]["request-id"], refused.header("request-id"));
}

#[tokio::test(start_paused = true)]
async fn roles_decide_what_an_app_may_do() {
    let world = World::new();
    world.mail_to_ada("Order 17");
    let basic = world.call(Method::GET, INBOX, &bearer("Mail.ReadBasic"), "").await;
    assert_eq!(basic.values()[0]["subject"], "Order 17");
    assert!(basic.values()[0].get("body").is_none() && basic.values()[0].get("bodyPreview").is_none());
    let id = basic.values()[0]["id"].as_str().unwrap();
    let denied = world.call(Method::DELETE, &format!("{INBOX}/{id}"), &bearer("Mail.Read"), "").await;
    assert_eq!((denied.status, denied.code()), (StatusCode::FORBIDDEN, "ErrorAccessDenied"));
    let denied = world.call(Method::GET, "/v1.0/users", &bearer("Mail.Read"), "").await;
    assert_eq!(denied.code(), "Authorization_RequestDenied");
}

#[tokio::test(start_paused = true)]
async fn mailboxes_that_cannot_be_reached_say_why() {
    let world = World::new();
    let read = bearer("Mail.Read");
    for (state, status, code) in [
        (MailboxState::NotEnabled, StatusCode::NOT_FOUND, "MailboxNotEnabledForRESTAPI"),
        (MailboxState::OutOfScope, StatusCode::FORBIDDEN, "ErrorAccessDenied"),
        (MailboxState::Unavailable, StatusCode::SERVICE_UNAVAILABLE, "ErrorMailboxStoreUnavailable"),
    ] {
        world.graph.set_mailbox_state(world.ada, state).unwrap();
        let refused = world.call(Method::GET, INBOX, &read, "").await;
        assert_eq!((refused.status, refused.code()), (status, code));
    }
    world.graph.set_mailbox_state(world.ada, MailboxState::QuotaExceeded).unwrap();
    let full = world.call(Method::GET, &format!("{INBOX}/delta"), &read, "").await;
    assert_eq!((full.status, full.code()), (StatusCode::FORBIDDEN, "ErrorQuotaExceeded"));
    let unknown = world.get("/v1.0/users/nobody@contoso.com/messages").await;
    assert_eq!((unknown.status, unknown.code()), (StatusCode::NOT_FOUND, "ErrorInvalidUser"));
    let unknown = world.get("/v1.0/users/nobody@contoso.com").await;
    assert_eq!(unknown.code(), "Request_ResourceNotFound");
}

#[tokio::test(start_paused = true)]
async fn exchange_can_grant_what_the_token_does_not_say() {
    let world = World::new();
    let grant = MailboxGrant { app_id: APP, user_id: world.ada, role: "Mail.ReadWrite".to_owned() };
    world.graph.change_options(|options| options.mailbox_grants.push(grant));
    let nothing = bearer("none");
    assert_eq!(world.call(Method::GET, INBOX, &nothing, "").await.status, StatusCode::OK);
    let bobs = INBOX.replace("ada", "bob");
    assert_eq!(world.call(Method::GET, &bobs, &nothing, "").await.status, StatusCode::FORBIDDEN);
}

#[tokio::test(start_paused = true)]
async fn the_fifth_call_at_once_on_a_mailbox_is_refused() {
    let world = World::with(|options| options.latency = std::time::Duration::from_secs(1));
    let inbox = INBOX.replace("ada", "bob");
    let (first, second, third, fourth, fifth, other) = tokio::join!(
        world.get(INBOX),
        world.get(INBOX),
        world.get(INBOX),
        world.get(INBOX),
        world.get(INBOX),
        world.get(&inbox),
    );
    assert!([first, second, third, fourth, other].iter().all(|seen| seen.status == StatusCode::OK));
    assert_eq!((fifth.status, fifth.code()), (StatusCode::TOO_MANY_REQUESTS, "ApplicationThrottled"));
    assert_eq!(fifth.header("retry-after"), "1");
    assert_eq!(world.get(INBOX).await.status, StatusCode::OK, "the others have ended");
}

#[tokio::test(start_paused = true)]
async fn odd_requests_get_the_answers_of_the_service() {
    let world = World::new();
    let large = format!("{{\"subject\":\"{}\"}}", "x".repeat(4 * 1024 * 1024));
    let headers = [bearer(super::world::ALL)[0], ("content-type", "application/json")];
    let refused = world.call(Method::POST, "/v1.0/users/ada@contoso.com/messages", &headers, large).await;
    assert_eq!(refused.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(
        world.write(Method::PUT, "/v1.0/users", &json!({})).await.status,
        StatusCode::METHOD_NOT_ALLOWED
    );
    assert_eq!(world.get("/v1.0/nothing").await.status, StatusCode::BAD_REQUEST);
    assert_eq!(world.get(&format!("{INBOX}/x")).await.code(), "ErrorInvalidIdMalformed");
    assert!(
        world.get(INBOX).await.header("content-type").starts_with("application/json;odata.metadata=minimal")
    );
}

#[tokio::test(start_paused = true)]
async fn users_are_found_by_any_of_their_names() {
    let world = World::new();
    for name in [world.ada.to_string(), "ADA@contoso.com".to_owned(), "ada%40contoso.com".to_owned()] {
        let user = world.get(&format!("/beta/Users('{name}')?$select=id,mail,proxyAddresses")).await;
        assert_eq!(user.text("/id"), world.ada.to_string());
        assert_eq!(user.body["proxyAddresses"], json!(["SMTP:ada@contoso.com"]));
    }
    let found = world.get("/v1.0/users?$filter=proxyAddresses/any(p:p eq 'smtp:bob@contoso.com')").await;
    assert_eq!(found.values().len(), 1);
    let page = world.get("/v1.0/users?$top=1").await;
    let next = world.get(page.text("/@odata.nextLink")).await;
    assert_eq!((page.values().len(), next.values().len()), (1, 1));
    let organization = world.get("/v1.0/organization").await;
    assert_eq!(organization.values()[0]["verifiedDomains"][0]["name"], "contoso.com");
}
