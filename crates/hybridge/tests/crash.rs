//! `kill -9` at any moment: nothing is lost and nothing is doubled (promises 1 and 2, on the real store).
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says by panicking what is wrong")]

mod support;

use std::{collections::BTreeSet, thread, time::Duration};

use hybridge_core::ids::RecordId;
use hybridge_store::{SqliteMode, SqliteStore, Store};
use serde_json::json;
use support::{Control, Running, Sandbox, run};

const KILLS: u64 = 20;

#[test]
fn twenty_kills_during_a_load_lose_and_double_nothing() {
    let sandbox = Sandbox::with("crash", 8, 2000);
    let control = Control::of(&sandbox);
    let configuration = sandbox.folder().join("hybridge.toml");
    // Slow enough that a life of a second or less ends in the middle of the work.
    control.put("weather", &json!({ "latency_from_ms": 20, "latency_to_ms": 120, "cut_after": 0.02 }));
    let mut unfinished = 0;
    for kill in 0..KILLS {
        let running = Running::start(&configuration);
        // Moments spread over the first second and a half of a life; the test waits for no condition here,
        // as the very point is to strike at an arbitrary one.
        thread::sleep(Duration::from_millis(150 + kill * 67));
        running.kill();
        unfinished += u64::from(control.incoming_records().len() < 500);
    }
    assert!(unfinished > 2, "the load was over before the kills began");

    control.put("weather", &json!({}));
    let mut last = run(&configuration, &["sync", "--once", "--json"]);
    // What waits for another attempt (a cut answer just before the last kill) is due half a minute later.
    for _ in 0..20 {
        if last.code == 0 {
            break;
        }
        thread::sleep(Duration::from_secs(5));
        last = run(&configuration, &["sync", "--once", "--json"]);
    }
    let status = run(&configuration, &["status", "--json"]).json();
    assert_eq!(status["messages"]["waiting"].as_u64().unwrap_or(0), 0, "{status}");
    assert_eq!(status["messages"]["failed"].as_u64().unwrap_or(0), 0, "{status}");

    let records = control.incoming_records();
    let distinct: BTreeSet<&String> = records.iter().collect();
    assert_eq!(records.len(), distinct.len(), "a message became two records");
    let decided: u64 =
        status["messages"].as_object().unwrap().values().filter_map(serde_json::Value::as_u64).sum();
    assert_eq!(
        decided,
        control.inbox().len() as u64,
        "a message in an Inbox was never decided about: {status}"
    );
    // One message each says that it became a record, and every record is linked.
    assert_eq!(status["messages"]["promoted"].as_u64().unwrap_or(0), records.len() as u64, "{status}");
    let database = sandbox.folder().join("hybridge.db");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let made = control.incoming_ids();
    runtime.block_on(async {
        let store = SqliteStore::open(&database, SqliteMode::ReadOnly).await.unwrap();
        for email in made {
            assert!(
                !store.links_of(RecordId(email)).await.unwrap().is_empty(),
                "nobody knows record {email}"
            );
        }
    });
}
