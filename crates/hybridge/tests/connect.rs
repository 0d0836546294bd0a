//! The trust, from nothing to a working synchronization and back.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says by panicking what is wrong")]

mod support;

use std::{fs, path::PathBuf, process::Stdio, time::Duration};

use serde_json::{Value, json};
use support::{Control, Ended, Sandbox, hybridge, run};

fn configuration(sandbox: &Sandbox) -> PathBuf {
    sandbox.folder().join("hybridge.toml")
}

/// A command under `--json`, and its answer.
fn asked(sandbox: &Sandbox, arguments: &[&str]) -> (Ended, Value) {
    let arguments: Vec<&str> = arguments.iter().copied().chain(["--json"]).collect();
    let ended = run(&configuration(sandbox), &arguments);
    let answer = serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:#?}"));
    (ended, answer)
}

/// The directory's applications: the ground truth.
fn applications(control: &Control) -> Value {
    control.get("directory")["applications"].clone()
}

fn verdicts(plan: &Value) -> Vec<(String, String)> {
    let text = |line: &Value, name: &str| line[name].as_str().unwrap().to_owned();
    plan["steps"].as_array().unwrap().iter().map(|line| (text(line, "id"), text(line, "verdict"))).collect()
}

fn verdict(plan: &Value, step: &str) -> String {
    verdicts(plan).into_iter().find(|(id, _)| id == step).unwrap().1
}

#[test]
fn from_nothing_to_a_working_synchronization_and_back() {
    let sandbox = Sandbox::unconnected("connect");
    let control = Control::of(&sandbox);
    let written = fs::read_to_string(configuration(&sandbox)).unwrap();
    let directory = applications(&control);
    let refused = run(&configuration(&sandbox), &["sync", "--once"]);
    assert!(refused.code == 6 && refused.stderr.contains("hybridge connect apply"), "{refused:#?}");

    let (_, plan) = asked(&sandbox, &["connect", "plan"]);
    assert_eq!(verdict(&plan, "app-registration"), "change");
    assert_eq!(verdict(&plan, "mailbox-roles"), "later");
    assert_eq!(applications(&control), directory, "a plan changes nothing");

    let (applied, report) = asked(&sandbox, &["connect", "apply"]);
    assert_eq!((applied.code, report["failed"].as_array().map(Vec::len)), (0, Some(0)), "{report}");
    let (_, plan) = asked(&sandbox, &["connect", "plan"]);
    assert_eq!(plan["done"], true, "{plan}");
    let (_, again) = asked(&sandbox, &["connect", "apply"]);
    assert_eq!(again["changed"], json!([]), "a second apply changes nothing");

    let (verified, report) = asked(&sandbox, &["connect", "verify"]);
    assert_eq!((verified.code, report["failed"].as_array().map(Vec::len)), (0, Some(0)), "{report}");
    let proven = run(&configuration(&sandbox), &["connect", "verify", "--step", "mailbox-roles"]);
    assert!(proven.stdout.contains("works.council@lindhagen.test stays closed"), "{proven:#?}");
    let synced = run(&configuration(&sandbox), &["sync", "--once"]);
    assert_eq!(synced.code, 0, "{synced:#?}");
    assert!(!control.incoming_records().is_empty());

    let (undone, report) = asked(&sandbox, &["connect", "undo"]);
    assert_eq!(undone.code, 0, "{report}");
    assert_eq!(applications(&control), directory, "undo leaves what was there before");
    assert_eq!(fs::read_to_string(configuration(&sandbox)).unwrap(), written);
    let (_, plan) = asked(&sandbox, &["connect", "plan"]);
    assert_eq!(verdict(&plan, "mailbox-group"), "change");
    assert_eq!(verdict(&plan, "email-channel"), "change");
    let (_, nothing) = asked(&sandbox, &["connect", "undo"]);
    assert_eq!(nothing["changed"], json!([]));
}

#[test]
fn what_stands_in_the_way_is_named_and_apply_goes_on_from_there() {
    let sandbox = Sandbox::unconnected("connect-obstacles");
    let control = Control::of(&sandbox);
    control.put("operator", &json!({ "lacking": ["Exchange.Manage"] }));
    let stopped = run(&configuration(&sandbox), &["connect", "apply"]);
    assert_eq!(stopped.code, 4, "{stopped:#?}");
    for words in
        ["FAILED   mailbox-group", "Exchange Administrator", "goes on from here", "exchange-principal"]
    {
        assert!(stopped.stdout.contains(words), "{words:?} is missing in {}", stopped.stdout);
    }
    let plan = run(&configuration(&sandbox), &["connect", "plan"]);
    assert!(plan.code == 3 && plan.stdout.contains("BLOCKED  mailbox-group"), "{plan:#?}");

    // A slow directory, a request too many, and another tool that writes at the same time.
    control.put("operator", &json!({ "lacking": [] }));
    let (_, report) = asked(&sandbox, &["connect", "undo", "--step", "app-certificate"]);
    assert_eq!(report["changed"], json!(["app-certificate"]));
    control.put("directory", &json!({ "propagationSeconds": 3, "loseUpdates": 1, "throttle": 2 }));
    let (applied, report) = asked(&sandbox, &["connect", "apply"]);
    assert_eq!(applied.code, 0, "{report}");
    let (verified, report) = asked(&sandbox, &["connect", "verify"]);
    assert_eq!(verified.code, 0, "{report}");

    let log = run(&configuration(&sandbox), &["connect", "log"]);
    assert!(log.stdout.contains("undo app-certificate done"), "{log:#?}");
    let audit = sandbox.folder().join("connect/audit.jsonl");
    let text = fs::read_to_string(&audit).unwrap();
    fs::write(&audit, text.replacen("Hybridge", "Hybr1dge", 1)).unwrap();
    let altered = run(&configuration(&sandbox), &["connect", "apply"]);
    assert!(altered.code == 9 && altered.stderr.contains("was altered"), "{altered:#?}");
}

#[test]
fn a_policy_of_the_tenant_is_told_in_the_directorys_own_words() {
    let sandbox = Sandbox::unconnected("connect-policy");
    Control::of(&sandbox).put("directory", &json!({ "longestValidityDays": 180 }));
    let stopped = run(&configuration(&sandbox), &["connect", "apply"]);
    assert_eq!(stopped.code, 4, "{stopped:#?}");
    assert!(stopped.stdout.contains("asymmetricKeyLifetime"), "{stopped:#?}");
}

#[test]
fn consents_that_reach_every_mailbox_are_taken_back_and_can_be_restored() {
    // This registration was made by hand, with consents for the whole tenant.
    let sandbox = Sandbox::start("connect-wide");
    let control = Control::of(&sandbox);
    let directory = control.get("directory");
    let roles = |directory: &Value| directory["applications"][0]["roles"].clone();
    assert!(roles(&directory).as_array().unwrap().contains(&json!("Mail.ReadWrite")));
    let plan = run(&configuration(&sandbox), &["connect", "plan"]);
    assert!(
        plan.stdout.contains("take back the consent to Mail.Read, Mail.ReadWrite, Mail.Send"),
        "{plan:#?}"
    );
    let leak = run(&configuration(&sandbox), &["connect", "verify", "--step", "tenant-wide-access"]);
    assert!(leak.code == 4 && leak.stdout.contains("for the whole tenant"), "{leak:#?}");
    let (applied, report) = asked(&sandbox, &["connect", "apply"]);
    assert_eq!(applied.code, 0, "{report}");
    assert_eq!(roles(&control.get("directory")), json!(["User.Read.All"]));
    let synced = run(&configuration(&sandbox), &["sync", "--once"]);
    assert_eq!(synced.code, 0, "the scoped roles are enough: {synced:#?}");
    let (undone, report) = asked(&sandbox, &["connect", "undo"]);
    assert_eq!(undone.code, 0, "{report}");
    let sorted = |directory: &Value| {
        let mut roles: Vec<String> = roles(directory)
            .as_array()
            .unwrap()
            .iter()
            .map(|role| role.as_str().unwrap().to_owned())
            .collect();
        roles.sort();
        roles
    };
    assert_eq!(sorted(&control.get("directory")), sorted(&directory));
}

#[test]
fn a_registration_that_is_there_is_taken_over_and_stays_when_that_is_undone() {
    let sandbox = Sandbox::start("connect-adopt");
    let control = Control::of(&sandbox);
    let written = fs::read_to_string(configuration(&sandbox)).unwrap();
    let without: Vec<&str> = written.lines().filter(|line| !line.starts_with("client_id")).collect();
    fs::write(configuration(&sandbox), without.join("\n")).unwrap();
    let before = applications(&control);
    let (applied, report) = asked(&sandbox, &["connect", "apply", "--step", "app-registration"]);
    assert_eq!(applied.code, 0, "{report}");
    let text = fs::read_to_string(configuration(&sandbox)).unwrap();
    assert!(text.contains(sandbox.text("client_id")) && text.contains("registration_id"), "{text}");
    assert_eq!(applications(&control), before);
    let (undone, report) = asked(&sandbox, &["connect", "undo"]);
    assert_eq!(undone.code, 0, "{report}");
    assert_eq!(applications(&control), before, "the registration and its principal stay");
    assert!(!fs::read_to_string(configuration(&sandbox)).unwrap().contains("registration_id"));
}

#[test]
fn killed_anywhere_it_goes_on_and_makes_nothing_twice() {
    let sandbox = Sandbox::unconnected("connect-killed");
    let control = Control::of(&sandbox);
    control.put("weather", &json!({ "latency_from_ms": 20, "latency_to_ms": 60 }));
    for life in [300, 2_300, 1_400, 2_600, 1_900, 3_000, 2_450] {
        let mut program = hybridge(&configuration(&sandbox), &["connect", "apply"]);
        let mut program = program.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(life));
        let _ended = program.kill();
        program.wait().unwrap();
    }
    control.put("weather", &json!({}));
    let (applied, report) = asked(&sandbox, &["connect", "apply"]);
    assert_eq!(applied.code, 0, "{report}");
    let directory = control.get("directory");
    assert_eq!(directory["applications"].as_array().unwrap().len(), 1, "{directory}");
    assert_eq!(directory["applications"][0]["keys"].as_array().unwrap().len(), 1, "{directory}");
    let (verified, report) = asked(&sandbox, &["connect", "verify"]);
    assert_eq!(verified.code, 0, "{report}");
    let (undone, _) = asked(&sandbox, &["connect", "undo"]);
    assert_eq!(undone.code, 0);
    assert_eq!(control.get("directory")["applications"], json!([]));
}
