//! A script with the idioms of administrators, run as a whole.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says by panicking what is wrong")]

use hybridge_sandbox_windows::{Estate, run};
use serde_json::{Value, json};

#[test]
fn a_script_with_the_usual_idioms_runs() {
    let mut estate = Estate::new("2026-11-23T12:00:00Z".parse().unwrap());
    let server = estate.machine("CRM01").unwrap();
    let ended = run(include_str!("idioms.ps1"), &json!({"text": "y 42", "other": null}), server);
    assert_eq!((ended.exit, ended.stderr.as_str()), (0, ""), "{}", ended.stdout);
    let told: Vec<Value> = serde_json::from_str(&ended.stdout).unwrap();
    let value = |name: &str| told.iter().find(|one| one["name"] == name).unwrap()["value"].clone();
    assert_eq!(value("elevated"), true);
    assert_eq!((told[1]["value"].as_i64(), told[1]["twice"].as_bool()), (Some(6), Some(true)));
    assert_eq!(value("language"), "FullLanguage");
    assert_eq!(value("keys").as_str().map(str::len), Some("text+other".len()));
    assert_eq!(value("caught"), r"gone: Cannot find path 'C:\nowhere' because it does not exist.");
    assert_eq!(value("snapin"), false);
    assert_eq!(value("table"), json!(["a:01", "b:02"]));
    assert_eq!(value("kind"), "digits 42");
    assert_eq!(value("services"), json!(["MSCRMAsyncService", "MSCRMAsyncService$maintenance"]));
    assert_eq!(value("first"), "mscrm");
    assert_eq!(value("message"), "Mode Probe: probing, continued");
    assert_eq!(value("slice"), json!([2, 3]));
    assert_eq!(value("ternary"), "yes");
    assert_eq!(value("since"), 120);
    assert_eq!(value("nested")["deep"]["list"], json!([[1, 2], [3]]));
    assert_eq!(value("stamp"), "2026-11-23T12:00:03Z");
}
