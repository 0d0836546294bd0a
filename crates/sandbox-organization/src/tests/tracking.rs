use http::Method;
use serde_json::json;

use crate::testing::Scene;

#[tokio::test]
async fn a_delta_link_brings_what_changed_since() {
    let scene = Scene::new();
    let first = scene.contact("a@b.c");
    let second = scene.contact("d@e.f");
    let page = scene.prefer("contacts?$select=lastname", "odata.track-changes,odata.maxpagesize=1").await;
    assert_eq!(page.status, 200, "{}", page.text);
    let link = page.json()["@odata.nextLink"].as_str().unwrap().to_owned();
    assert!(link.contains("True"));
    let third = scene.contact("g@h.i");
    let mut page = scene.prefer(&link, "odata.track-changes,odata.maxpagesize=1").await.json();
    while let Some(link) = page["@odata.nextLink"].as_str() {
        page = scene.prefer(link, "odata.track-changes,odata.maxpagesize=1").await.json();
    }
    let delta = page["@odata.deltaLink"].as_str().unwrap().to_owned();
    let gone = scene.contact("j@k.l");
    for id in [first, gone] {
        scene.delete(&format!("contacts({id})")).await;
    }
    scene.patch(&format!("contacts({second})"), &[], json!({ "lastname": "New" })).await;

    let changes = scene.get(&delta).await.json();
    assert!(changes["@odata.context"].as_str().unwrap().ends_with("/$delta"));
    let ids: Vec<_> = changes["value"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            (
                row.get("contactid").or(row.get("id")).unwrap().as_str().unwrap().to_owned(),
                row.get("reason").is_some(),
            )
        })
        .collect();
    let expected = [(third, false), (second, false), (first, true), (gone, true)];
    assert_eq!(
        ids,
        expected.map(|(id, deleted)| (id.to_string(), deleted)),
        "changes by version, then deletions"
    );
    let next = scene.get(changes["@odata.deltaLink"].as_str().unwrap()).await.json();
    assert_eq!(next["value"], json!([]));
}

#[tokio::test]
async fn what_change_tracking_refuses() {
    let scene = Scene::new();
    let off = scene.prefer("mailboxes", "odata.track-changes").await;
    assert_eq!((off.status, off.code().as_str()), (400, "0x80072491"));
    let on = scene
        .send(
            Method::PUT,
            "EntityDefinitions(LogicalName='mailbox')",
            &[],
            json!({ "ChangeTrackingEnabled": true }).to_string(),
        )
        .await;
    assert_eq!(on.status, 400, "the whole definition is replaced, so that it has to be whole");
    let mut whole = scene.get("EntityDefinitions(LogicalName='mailbox')").await.json();
    whole["ChangeTrackingEnabled"] = json!(true);
    let put = |table: &'static str, whole: serde_json::Value| {
        let scene = &scene;
        async move {
            let path = format!("EntityDefinitions(LogicalName='{table}')");
            scene.send(Method::PUT, &path, &[], whole.to_string()).await.status
        }
    };
    assert_eq!(put("mailbox", whole).await, 204);
    let still_off = scene.prefer("mailboxes", "odata.track-changes").await;
    assert_eq!(still_off.status, 400, "it is not published yet");
    let xml = "<importexportxml><entities><entity>mailbox</entity></entities></importexportxml>";
    assert_eq!(scene.post("PublishXml", json!({ "ParameterXml": xml })).await.status, 204);
    let mut fixed = scene.get("EntityDefinitions(LogicalName='activitypointer')").await.json();
    assert_eq!(fixed["CanChangeTrackingBeEnabled"]["Value"], false);
    fixed["ChangeTrackingEnabled"] = json!(true);
    assert_eq!(put("activitypointer", fixed).await, 400);
    assert_eq!(scene.prefer("mailboxes", "odata.track-changes").await.status, 200);
    for option in ["$filter=lastname eq 'x'", "$orderby=lastname", "$top=1"] {
        let refused = scene.prefer(&format!("contacts?{option}"), "odata.track-changes").await;
        assert_eq!(refused.status, 400, "{option}");
    }
    let expired = scene.get("contacts?$deltatoken=1%2107%2f01%2f2026%2000%3a00%3a00").await;
    assert_eq!((expired.status, expired.code().as_str()), (400, "0x80044352"));
}
