//! Bad input: a clear error that says what is wrong, where and what to do; an exit code; nothing half-done.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says by panicking what is wrong")]

mod support;

use std::{fs, path::PathBuf};

use serde_json::json;
use support::{Control, Ended, Sandbox, run};

/// A copy of the sandbox's configuration with one thing changed.
fn changed(sandbox: &Sandbox, name: &str, from: &str, to: &str) -> PathBuf {
    let text = fs::read_to_string(sandbox.folder().join("hybridge.toml")).unwrap();
    assert!(text.contains(from), "{from:?} is not in the configuration");
    let path = sandbox.folder().join(format!("{name}.toml"));
    fs::write(&path, text.replace(from, to)).unwrap();
    path
}

fn says(ended: &Ended, code: i32, parts: &[&str]) {
    // The report wraps lines; the words count, not where they break.
    let told = format!("{}{}", ended.stdout, ended.stderr).replace(['│', '\n'], " ");
    let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in parts {
        assert!(told.contains(part), "{part:?} is missing in: {told}");
    }
    assert_eq!(ended.code, code, "{told}");
}

#[test]
fn mistakes_in_the_configuration_are_shown_at_their_place() {
    let sandbox = Sandbox::start("bad-config");
    let typo = changed(&sandbox, "typo", "\nclient_id =", "\ncilent_id =");
    says(&run(&typo, &["check"]), 6, &["unknown field `cilent_id`", "line"]);
    let missing = sandbox.folder().join("nowhere.toml");
    says(&run(&missing, &["run"]), 6, &["can't be read", "hybridge init"]);
    let password = changed(&sandbox, "password", "\"pfx-password\"", "\"ca.pem\"");
    says(&run(&password, &["check"]), 6, &["password"]);
    let store = changed(&sandbox, "store", "\"hybridge.db\"", "\"no/such/folder/hybridge.db\"");
    says(&run(&store, &["sync", "--once"]), 9, &["[store] path"]);
}

#[test]
fn the_tenant_and_its_answers_are_explained() {
    let sandbox = Sandbox::start("bad-tenant");
    let tenant =
        changed(&sandbox, "tenant", sandbox.text("tenant_id"), "11111111-2222-4333-8444-555555555555");
    says(&run(&tenant, &["check"]), 4, &["tenant"]);
    let client =
        changed(&sandbox, "client", sandbox.text("client_id"), "11111111-2222-4333-8444-555555555555");
    says(&run(&client, &["check"]), 4, &["700016"]);
}

#[test]
fn the_organization_and_its_answers_are_explained() {
    let sandbox = Sandbox::start("bad-organization");
    let control = Control::of(&sandbox);
    let ready = sandbox.folder().join("hybridge.toml");
    let user = changed(&sandbox, "user", "svc-hybridge", "svc-nobody");
    says(&run(&user, &["check"]), 4, &["password"]);
    for (status, code) in [(401, 4), (403, 4), (404, 4), (503, 5)] {
        control.post(
            "faults",
            &json!({ "face": "organization", "containing": "/organizations", "fault": { "kind": "status", "status": status } }),
        );
        let ended = run(&ready, &["sync", "--once"]);
        says(&ended, code, &[&status.to_string()]);
        control.forget_faults();
    }
}
