use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{
    schema,
    world::{ALL, Seen, World},
};

async fn subscribe(world: &World, change: impl FnOnce(&mut Value)) -> Seen {
    let mut body = json!({
        "changeType": "created,updated,deleted",
        "notificationUrl": "https://hook.test/notify?org=1",
        "lifecycleNotificationUrl": "https://hook.test/lifecycle",
        "resource": "users/ada@contoso.com/mailFolders('inbox')/messages",
        "expirationDateTime": "2026-03-04T08:00:00Z",
        "clientState": "secret",
    });
    change(&mut body);
    let authorization = format!("Bearer {ALL}");
    let headers = [
        ("authorization", authorization.as_str()),
        ("content-type", "application/json"),
        ("prefer", "IdType=\"ImmutableId\""),
    ];
    world.call(Method::POST, "/v1.0/subscriptions", &headers, body.to_string()).await
}

fn received(world: &World) -> Vec<(String, Value)> {
    std::mem::take(&mut *world.endpoint.received.lock().unwrap())
}

#[tokio::test(start_paused = true)]
async fn changes_in_the_folder_are_told_with_the_subscribers_ids() {
    let world = World::new();
    let subscription = subscribe(&world, |_| {}).await;
    assert_eq!(subscription.status, StatusCode::CREATED, "{subscription:#?}");
    world.mail_to_ada("Order 17");
    let id = world.graph.census()[0].immutable_id.clone();
    world.graph.mark_read(world.ada, &id, true).unwrap();
    world.graph.move_message(world.ada, &id, "archive").unwrap();
    world.graph.mark_read(world.ada, &id, false).unwrap();
    world.graph.deliver_notifications().await;

    let told = received(&world);
    let kinds: Vec<_> = told.iter().map(|(_, item)| item["changeType"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["created", "updated", "deleted"]);
    for (path, item) in &told {
        schema::check_entity("changeNotification", item);
        assert_eq!((path.as_str(), &item["clientState"]), ("/notify", &json!("secret")));
        assert_eq!(item["resourceData"]["id"], id);
    }
}

#[tokio::test(start_paused = true)]
async fn bad_subscriptions_are_refused() {
    let world = World::new();
    let long = subscribe(&world, |body| body["expirationDateTime"] = json!("2026-03-30T08:00:00Z")).await;
    assert_eq!(long.status, StatusCode::BAD_REQUEST);
    let plain = subscribe(&world, |body| body["notificationUrl"] = json!("http://hook.test/")).await;
    assert_eq!(plain.status, StatusCode::BAD_REQUEST);
    let state = subscribe(&world, |body| body["clientState"] = json!("x".repeat(129))).await;
    assert_eq!(state.status, StatusCode::BAD_REQUEST);

    *world.endpoint.broken.lock().unwrap() = true;
    let silent = subscribe(&world, |_| {}).await;
    assert_eq!((silent.status, silent.code()), (StatusCode::BAD_REQUEST, "InvalidRequest"));
    *world.endpoint.broken.lock().unwrap() = false;

    let short = subscribe(&world, |body| body["expirationDateTime"] = json!("2026-03-01T08:01:00Z")).await;
    assert_eq!(short.text("/expirationDateTime"), "2026-03-01T08:45:00Z", "raised to 45 minutes");
    assert_eq!(subscribe(&world, |_| {}).await.status, StatusCode::CONFLICT);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_acknowledged_comes_again_until_it_is_given_up() {
    let world = World::new();
    subscribe(&world, |_| {}).await;
    *world.endpoint.broken.lock().unwrap() = true;
    world.mail_to_ada("Order 17");
    world.graph.deliver_notifications().await;
    *world.endpoint.broken.lock().unwrap() = false;
    world.graph.deliver_notifications().await;
    assert!(received(&world).is_empty(), "not before its time");
    tokio::time::advance(Duration::from_secs(10)).await;
    world.graph.deliver_notifications().await;
    assert_eq!(received(&world).len(), 1);

    *world.endpoint.broken.lock().unwrap() = true;
    world.mail_to_ada("Order 18");
    for _ in 0..40 {
        world.graph.deliver_notifications().await;
        tokio::time::advance(Duration::from_mins(10)).await;
    }
    *world.endpoint.broken.lock().unwrap() = false;
    tokio::time::advance(Duration::from_mins(10)).await;
    world.graph.deliver_notifications().await;
    let told = received(&world);
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].0.as_str(), &told[0].1["lifecycleEvent"]), ("/lifecycle", &json!("missed")));
}

#[tokio::test(start_paused = true)]
async fn a_subscription_asks_to_be_renewed_and_then_ends() {
    let world = World::new();
    let subscription =
        subscribe(&world, |body| body["expirationDateTime"] = json!("2026-03-01T12:00:00Z")).await;
    let path = format!("/v1.0/subscriptions/{}", subscription.text("/id"));
    tokio::time::advance(Duration::from_mins(181)).await;
    world.graph.deliver_notifications().await;
    assert_eq!(received(&world)[0].1["lifecycleEvent"], "reauthorizationRequired");
    let renewal = json!({"expirationDateTime": "2026-03-01T18:00:00Z"});
    assert_eq!(world.write(Method::PATCH, &path, &renewal).await.status, StatusCode::OK);
    tokio::time::advance(Duration::from_hours(2)).await;
    assert_eq!(world.get(&path).await.status, StatusCode::OK);
    tokio::time::advance(Duration::from_hours(8)).await;
    assert_eq!(world.get(&path).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test(start_paused = true)]
async fn a_loss_that_the_service_notices_is_announced() {
    let world = World::with(|options| options.notifications.lose = 1.0);
    subscribe(&world, |_| {}).await;
    world.mail_to_ada("Order 17");
    world.graph.deliver_notifications().await;
    let told = received(&world);
    assert_eq!((told.len(), &told[0].1["lifecycleEvent"]), (1, &json!("missed")));
}
