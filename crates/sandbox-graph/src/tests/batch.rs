use http::StatusCode;
use serde_json::{Value, json};

use super::world::World;

fn response<'a>(body: &'a Value, id: &str) -> &'a Value {
    body["responses"].as_array().unwrap().iter().find(|response| response["id"] == id).unwrap()
}

#[tokio::test(start_paused = true)]
async fn items_succeed_and_fail_by_themselves() {
    let world = World::new();
    world.mail_to_ada("Order 17");
    let item = |id: &str, method: &str, url: &str| json!({"id": id, "method": method, "url": url});
    let mut dependent = item("3", "GET", "users/ada@contoso.com/messages");
    dependent["dependsOn"] = json!(["2"]);
    let batch = json!({"requests": [
        item("1", "GET", "/users/ada@contoso.com/mailFolders/inbox/messages?$select=subject"),
        item("2", "GET", "/users/nobody@contoso.com/messages"),
        dependent,
        item("4", "GET", &format!("/users/ada@contoso.com/messages/{}/$value", world.graph.census()[0].immutable_id)),
    ]});
    let answer = world.post("/v1.0/$batch", batch).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(response(&answer.body, "1")["body"]["value"][0]["subject"], "Order 17");
    assert_eq!(response(&answer.body, "2")["body"]["error"]["code"], "ErrorInvalidUser");
    assert_eq!(response(&answer.body, "3")["status"], 424);
    assert!(response(&answer.body, "4")["body"].is_string(), "what is no JSON comes in base64");
    let counts = world.graph.request_counts();
    assert_eq!((counts.requests, counts.batches, counts.operations), (1, 1, 4));
}

#[tokio::test(start_paused = true)]
async fn envelopes_that_break_the_rules_are_refused_as_a_whole() {
    let world = World::new();
    let requests = |ids: &[String]| {
        let list: Vec<_> = ids.iter().map(|id| json!({"id": id, "method": "GET", "url": "/users"})).collect();
        json!({"requests": list})
    };
    let many: Vec<String> = (0..21).map(|number| number.to_string()).collect();
    assert_eq!(world.post("/v1.0/$batch", requests(&many)).await.status, StatusCode::BAD_REQUEST);
    let twins = ["a".to_owned(), "A".to_owned()];
    assert_eq!(world.post("/v1.0/$batch", requests(&twins)).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test(start_paused = true)]
async fn twenty_items_take_five_times_as_long_as_one() {
    let world = World::with(|options| options.latency = std::time::Duration::from_millis(100));
    let list: Vec<_> = (0..20)
        .map(|id| json!({"id": id.to_string(), "method": "GET", "url": "/users/ada@contoso.com/mailFolders"}))
        .collect();
    let before = tokio::time::Instant::now();
    let answer = world.post("/v1.0/$batch", json!({"requests": list})).await;
    assert!(answer.body["responses"].as_array().unwrap().iter().all(|response| response["status"] == 200));
    assert_eq!(before.elapsed().as_millis(), 500);
}
