//! Bad input: a clear error that says what is wrong, where and what to do; an exit code; nothing half-done.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test says by panicking what is wrong, and in words what it could not try"
)]

mod support;

use std::{fs, path::PathBuf};

use hybridge_identity::{Credential, SecretString};
use serde_json::json;
use support::{Control, Ended, Sandbox, run, run_on_own_disk};

/// A copy of the sandbox's configuration with one thing changed.
fn changed(sandbox: &Sandbox, name: &str, from: &str, to: &str) -> PathBuf {
    let text = fs::read_to_string(sandbox.folder().join("hybridge.toml")).unwrap();
    assert!(text.contains(from), "{from:?} is not in the configuration");
    let path = sandbox.folder().join(format!("{name}.toml"));
    fs::write(&path, text.replace(from, to)).unwrap();
    path
}

fn says(ended: &Ended, code: i32, parts: &[&str]) {
    let told = format!("{}{}", ended.stdout, ended.stderr);
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
fn a_certificate_that_is_over_is_named_with_its_date() {
    let sandbox = Sandbox::start("bad-certificate");
    let expired = Credential::self_signed("Hybridge", "2025-01-01T00:00:00Z".parse().unwrap(), 90).unwrap();
    fs::write(sandbox.folder().join("old.pfx"), expired.to_pfx(&SecretString::from("old")).unwrap()).unwrap();
    fs::write(sandbox.folder().join("old-password"), "old").unwrap();
    let pfx = changed(&sandbox, "old-pfx", "\"hybridge.pfx\"", "\"old.pfx\"");
    let text = fs::read_to_string(&pfx).unwrap().replace("\"pfx-password\"", "\"old-password\"");
    fs::write(&pfx, text).unwrap();
    for command in [&["check"][..], &["sync", "--once"], &["run"]] {
        says(&run(&pfx, command), 6, &["CN=Hybridge expired on 2025-04-01", "Make a new one"]);
    }
}

#[test]
fn a_full_disk_ends_the_run_with_its_reason_and_the_next_one_goes_on() {
    let sandbox = Sandbox::with("disk-full", 4, 400);
    let disk = sandbox.folder().join("disk");
    fs::create_dir(&disk).unwrap();
    let full = changed(&sandbox, "full", "\"hybridge.db\"", "\"disk/hybridge.db\"");
    let Some(ended) = run_on_own_disk(&disk, "size=200k", "true", &full, &["sync", "--once"]) else {
        eprintln!("this machine lets nobody mount a file system: not tried here");
        return;
    };
    says(&ended, 9, &["full", "[store] path"]);
    // What was delivered before is found again by a run that has room (here: with an empty database).
    let roomy = sandbox.folder().join("hybridge.toml");
    assert_eq!(run(&roomy, &["sync", "--once"]).code, 0);
    let records = Control::of(&sandbox).incoming_records();
    let distinct: std::collections::BTreeSet<&String> = records.iter().collect();
    assert_eq!(records.len(), distinct.len(), "a message became two records");
}

#[test]
fn a_read_only_database_is_refused_before_anything_is_delivered() {
    let sandbox = Sandbox::start("read-only");
    let disk = sandbox.folder().join("disk");
    fs::create_dir(&disk).unwrap();
    let ready = sandbox.folder().join("hybridge.toml");
    // There is a database, and new mail.
    assert_eq!(run(&ready, &["sync", "--once", "--mailbox", sandbox.address(0)]).code, 0);
    let database = sandbox.folder().join("hybridge.db");
    let copy = format!("cp {}* {}", database.display(), disk.display());
    let locked = changed(&sandbox, "locked", "\"hybridge.db\"", "\"disk/hybridge.db\"");
    let before = Control::of(&sandbox).incoming_records();
    for command in [&["sync", "--once"][..], &["run"]] {
        let Some(ended) = run_on_own_disk(&disk, "ro", &copy, &locked, command) else {
            eprintln!("this machine lets nobody mount a file system: not tried here");
            return;
        };
        says(&ended, 9, &["read-only", "[store] path"]);
    }
    assert_eq!(Control::of(&sandbox).incoming_records(), before);
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
    // With 200 it is the sign-in page that a browser would get: a web page, whatever the status.
    for (status, code, word) in [
        (200, 4, "web page instead of data"),
        (401, 4, "401"),
        (403, 4, "403"),
        (404, 4, "404"),
        (503, 5, "503"),
    ] {
        control.post(
            "faults",
            &json!({ "face": "organization", "containing": "/organizations", "fault": { "kind": "status", "status": status } }),
        );
        let ended = run(&ready, &["sync", "--once"]);
        says(&ended, code, &[word]);
        control.forget_faults();
    }
}
