//! What Hybridge needs in Dynamics and for To Do: the service account and its role, change tracking, a registration of
//! its own for tasks.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says by panicking what is wrong")]

mod support;

use std::{fs, path::PathBuf};

use serde_json::{Value, json};
use support::{Control, Ended, Sandbox, run};

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

/// Changes lines of the configuration.
fn configure(sandbox: &Sandbox, change: impl Fn(&str) -> Option<String>) {
    let text = fs::read_to_string(configuration(sandbox)).unwrap();
    let lines: Vec<String> = text.lines().filter_map(change).collect();
    fs::write(configuration(sandbox), lines.join("\n") + "\n").unwrap();
}

fn without_administrator(line: &str) -> Option<String> {
    (!line.starts_with("organization_")).then(|| line.to_owned())
}

const STEPS: [&str; 8] = [
    "--step",
    "security-role",
    "--step",
    "service-user",
    "--step",
    "organization-sign-in",
    "--step",
    "change-tracking",
];

fn with_steps<'a>(words: &[&'a str]) -> Vec<&'a str> {
    words.iter().copied().chain(STEPS).collect()
}

#[test]
fn the_service_account_gets_its_role_and_no_more_and_changes_can_be_followed() {
    let sandbox = Sandbox::unconnected("graph-account");
    let plan = run(&configuration(&sandbox), &with_steps(&["connect", "plan", "--details"]));
    assert_eq!(plan.code, 0, "{plan:#?}");
    for words in [
        "make the role \"Hybridge Sync\" with 46 privileges",
        "this build does not have prvReadTeam",
        "+ privileges: \"prvActOnBehalfOfAnotherUser: Global\"",
        "make CONTOSO\\svc-hybridge a user that works only through web services",
        "later    organization-sign-in   once service-user is done",
        "switch it on for task, contact, mailbox; that can't be taken back",
    ] {
        assert!(plan.stdout.contains(words), "{words:?} is missing in {}", plan.stdout);
    }
    let early = run(&configuration(&sandbox), &["connect", "verify", "--step", "service-user"]);
    assert!(early.code == 4 && early.stdout.contains("0x80072560"), "{early:#?}");

    let (applied, report) = asked(&sandbox, &with_steps(&["connect", "apply"]));
    assert_eq!(applied.code, 0, "{report}");
    assert_eq!(report["changed"], json!(["security-role", "service-user", "change-tracking"]));
    let (_, again) = asked(&sandbox, &with_steps(&["connect", "apply"]));
    assert_eq!(again["changed"], json!([]), "{again}");
    let proven = run(&configuration(&sandbox), &with_steps(&["connect", "verify"]));
    assert_eq!(proven.code, 0, "{proven:#?}");
    for words in [
        "the service account was refused when it tried to delete an email",
        "roles [\"Hybridge Sync\"]",
        "the service account follows email, task, contact, mailbox",
    ] {
        assert!(proven.stdout.contains(words), "{words:?} is missing in {}", proven.stdout);
    }

    let (undone, report) = asked(&sandbox, &with_steps(&["connect", "undo"]));
    assert_eq!(undone.code, 0, "{report}");
    assert_eq!(
        report["changed"],
        json!(["service-user", "security-role"]),
        "change tracking stays: {report}"
    );
    let gone = run(&configuration(&sandbox), &["connect", "verify", "--step", "organization-sign-in"]);
    assert!(gone.code == 4 && gone.stdout.contains("0x80040225"), "the user is disabled: {gone:#?}");
    let (applied, report) = asked(&sandbox, &with_steps(&["connect", "apply"]));
    assert_eq!(applied.code, 0, "{report}");
    assert_eq!(report["changed"], json!(["security-role", "service-user"]), "{report}");
    let (verified, report) = asked(&sandbox, &with_steps(&["connect", "verify"]));
    assert_eq!(verified.code, 0, "{report}");
}

#[test]
fn what_an_administrator_has_to_do_is_told_where_none_is_named() {
    let sandbox = Sandbox::unconnected("graph-no-administrator");
    configure(&sandbox, without_administrator);
    let plan = run(&configuration(&sandbox), &with_steps(&["connect", "plan"]));
    assert!(plan.stdout.contains("by hand  security-role"), "{plan:#?}");
    assert!(
        plan.stdout
            .contains("name a System Administrator of the organization in [connect] organization_account"),
        "{plan:#?}"
    );

    // Where all of it is in order, the service account itself can tell.
    let sandbox = Sandbox::start("graph-by-itself");
    configure(&sandbox, without_administrator);
    let (plan, told) = asked(&sandbox, &with_steps(&["connect", "plan"]));
    assert_eq!((plan.code, &told["done"]), (0, &json!(true)), "{told}");
    let (verified, report) = asked(&sandbox, &with_steps(&["connect", "verify"]));
    assert_eq!(verified.code, 0, "{report}");
}

#[test]
fn an_account_that_active_directory_does_not_know_is_made_by_hand() {
    let sandbox = Sandbox::unconnected("graph-no-account");
    configure(&sandbox, |line| {
        Some(if line.starts_with("user = ") {
            "user = \"CONTOSO\\\\svc-nobody\"".to_owned()
        } else {
            line.to_owned()
        })
    });
    let stopped = run(&configuration(&sandbox), &with_steps(&["connect", "apply"]));
    assert_eq!(stopped.code, 4, "{stopped:#?}");
    assert!(stopped.stdout.contains("Active Directory has no account CONTOSO\\svc-nobody"), "{stopped:#?}");
    assert!(stopped.stdout.contains("New-ADUser -Name svc-nobody"), "{stopped:#?}");
}

#[test]
fn an_account_that_may_do_everything_loses_that_where_an_administrator_is_named() {
    let sandbox = Sandbox::start("graph-powerful");
    Control::of(&sandbox).put("organization", &json!({ "trustServiceAccount": true }));
    let role = run(&configuration(&sandbox), &["connect", "verify", "--step", "security-role"]);
    assert!(role.code == 4 && role.stdout.contains("it may do more than it needs"), "{role:#?}");
    let written = fs::read_to_string(configuration(&sandbox)).unwrap();
    configure(&sandbox, without_administrator);
    let plan = run(&configuration(&sandbox), &["connect", "plan", "--step", "service-user"]);
    assert!(plan.stdout.contains("System Administrator is more than it needs"), "{plan:#?}");
    fs::write(configuration(&sandbox), written).unwrap();

    let plan = run(&configuration(&sandbox), &["connect", "plan", "--step", "service-user"]);
    assert!(plan.stdout.contains("take the role \"System Administrator\" from it"), "{plan:#?}");
    let (applied, report) = asked(&sandbox, &["connect", "apply", "--step", "service-user"]);
    assert_eq!(applied.code, 0, "{report}");
    let (verified, report) = asked(&sandbox, &["connect", "verify", "--step", "security-role"]);
    assert_eq!(verified.code, 0, "{report}");
    let synced = run(&configuration(&sandbox), &["sync", "--once"]);
    assert_eq!(synced.code, 0, "the role is enough: {synced:#?}");
    let (undone, report) = asked(&sandbox, &["connect", "undo", "--step", "service-user"]);
    assert_eq!(undone.code, 0, "{report}");
    let role = run(&configuration(&sandbox), &["connect", "verify", "--step", "security-role"]);
    assert_eq!(role.code, 4, "it is what it was: {role:#?}");
}

fn its_certificate_is_renewed(sandbox: &Sandbox, control: &Control) {
    let rotate = |more: &[&'static str]| {
        let words = ["certificate", "rotate", "--target", "tasks"];
        asked(sandbox, &words.into_iter().chain(more.iter().copied()).collect::<Vec<_>>())
    };
    let status = || asked(sandbox, &["certificate", "status"]).1;
    let thumbprint = |status: &Value| -> String {
        let all = status["certificates"].as_array().unwrap();
        let own = all.iter().find(|one| one["name"] == "tasks").unwrap();
        own["thumbprint"].as_str().unwrap().to_owned()
    };
    let keys = || {
        let applications = control.get("directory")["applications"].as_array().unwrap().clone();
        let tasks = applications.into_iter().find(|app| app["roles"] == json!(["Tasks.ReadWrite.All"]));
        tasks.unwrap()["keys"].as_array().unwrap().len()
    };
    let before = thumbprint(&status());
    let (stopped, report) = rotate(&["--until", "trusted"]);
    assert_eq!((stopped.code, keys()), (0, 2), "{report}");
    let told = status();
    assert_eq!(told["rotations"][0]["command"], "hybridge certificate rotate --target tasks", "{told}");
    assert_eq!(thumbprint(&told), before);
    let (done, report) = rotate(&["--keep-days", "0"]);
    assert_eq!((done.code, &report["ended"], keys()), (0, &json!("done"), 1), "{report}");
    let told = status();
    assert!(thumbprint(&told) != before && told["rotations"] == json!([]), "{told}");
}

#[test]
fn tasks_get_a_registration_of_their_own_where_they_are_wanted() {
    let sandbox = Sandbox::start("graph-tasks");
    let control = Control::of(&sandbox);
    let step = ["--step", "tasks-registration"];
    let with_step =
        |words: &[&'static str]| -> Vec<&'static str> { words.iter().copied().chain(step).collect() };
    let plan = run(&configuration(&sandbox), &with_step(&["connect", "plan"]));
    assert!(plan.code == 0 && plan.stdout.contains("not wanted"), "{plan:#?}");
    let refused = run(&configuration(&sandbox), &["certificate", "rotate", "--target", "tasks"]);
    assert!(refused.code == 6 && refused.stderr.contains("no application for To Do"), "{refused:#?}");
    configure(&sandbox, |line| {
        Some(if line.starts_with("# tasks = false") { "tasks = true".to_owned() } else { line.to_owned() })
    });
    let before = (
        control.get("directory")["applications"].clone(),
        fs::read_to_string(configuration(&sandbox)).unwrap(),
    );
    let plan = run(&configuration(&sandbox), &with_step(&["connect", "plan"]));
    for words in ["register \"Hybridge Tasks\"", "the To Do tasks of every user of the tenant"] {
        assert!(plan.stdout.contains(words), "{words:?} is missing in {}", plan.stdout);
    }
    let (applied, report) = asked(&sandbox, &with_step(&["connect", "apply"]));
    assert_eq!(applied.code, 0, "{report}");
    let applications = control.get("directory")["applications"].clone();
    let tasks =
        applications.as_array().unwrap().iter().find(|app| app["roles"] == json!(["Tasks.ReadWrite.All"]));
    assert_eq!(tasks.unwrap()["keys"].as_array().unwrap().len(), 1, "{applications}");
    let text = fs::read_to_string(configuration(&sandbox)).unwrap();
    assert!(text.contains("tasks_client_id") && text.contains("tasks_registration_id"), "{text}");
    let (_, again) = asked(&sandbox, &with_step(&["connect", "apply"]));
    assert_eq!(again["changed"], json!([]), "{again}");
    let proven = run(&configuration(&sandbox), &with_step(&["connect", "verify"]));
    assert!(proven.code == 0 && proven.stdout.contains("it read the task lists of"), "{proven:#?}");
    its_certificate_is_renewed(&sandbox, &control);
    let proven = run(&configuration(&sandbox), &with_step(&["connect", "verify"]));
    assert_eq!(proven.code, 0, "{proven:#?}");
    let (undone, report) = asked(&sandbox, &with_step(&["connect", "undo"]));
    assert_eq!(undone.code, 0, "{report}");
    let after = (
        control.get("directory")["applications"].clone(),
        fs::read_to_string(configuration(&sandbox)).unwrap(),
    );
    assert_eq!(after, before);
    assert!(!sandbox.folder().join("connect/tasks.pem").exists());
}

#[test]
fn what_somebody_else_changed_since_is_not_undone_unasked() {
    let sandbox = Sandbox::unconnected("graph-undo");
    let step = ["--step", "email-channel"];
    let with_step =
        |words: &[&'static str]| -> Vec<&'static str> { words.iter().copied().chain(step).collect() };
    let account = with_steps(&["connect", "apply"]);
    let (applied, report) = asked(&sandbox, &account);
    assert_eq!(applied.code, 0, "{report}");
    let (applied, report) = asked(&sandbox, &with_step(&["connect", "apply"]));
    assert_eq!(applied.code, 0, "{report}");
    // Somebody gives the account another role than Hybridge's.
    Control::of(&sandbox).put("organization", &json!({ "trustServiceAccount": true }));
    let user = ["connect", "undo", "--step", "service-user"];
    let refused = run(&configuration(&sandbox), &user);
    assert_eq!(refused.code, 4, "{refused:#?}");
    for words in ["it was changed after Hybridge did", "System Administrator", "--step service-user --force"]
    {
        assert!(refused.stdout.contains(words), "{words:?} is missing in {}", refused.stdout);
    }
    let (undone, report) = asked(&sandbox, &["connect", "undo", "--step", "service-user", "--force"]);
    assert_eq!((undone.code, &report["changed"]), (0, &json!(["service-user"])), "{report}");
    let (undone, report) = asked(&sandbox, &with_step(&["connect", "undo"]));
    assert_eq!((undone.code, &report["changed"]), (0, &json!(["email-channel"])), "{report}");
}

#[test]
fn a_mail_goes_the_whole_way_and_nothing_stays_behind() {
    let sandbox = Sandbox::start("graph-accept");
    let control = Control::of(&sandbox);
    run(&configuration(&sandbox), &["sync", "--once"]);
    let world = || (control.emails().len(), control.get("mailboxes")["messages"].as_array().unwrap().len());
    let before = world();
    // Its owner tracks what customers write.
    let to = sandbox.address(1);
    let sender = control.known_sender();
    let words = ["connect", "accept", "--mailbox", to, "--from", sender.as_str()];
    let (dry, told) = asked(&sandbox, &[&words[..], &["--dry-run"]].concat());
    assert_eq!((dry.code, &told["dry_run"]), (0, &json!(true)), "{told}");
    assert_eq!(world(), before);
    let (accepted, report) = asked(&sandbox, &words);
    assert_eq!((accepted.code, &report["removed"]), (0, &json!(true)), "{report}");
    assert!(report["record"].is_string(), "{report}");
    assert_eq!(world(), before, "nothing stays behind");

    // A mail that the owner does not want becomes no record: that is told, and it is taken away all the same.
    let refused = run(
        &configuration(&sandbox),
        &["connect", "accept", "--mailbox", to, "--from", "nobody@example.net"],
    );
    assert!(refused.code == 3 && refused.stderr.contains("became no record"), "{refused:#?}");
    assert_eq!(world(), before, "nothing stays behind");
    configure(&sandbox, without_administrator);
    let alone = run(&configuration(&sandbox), &words);
    assert!(alone.code == 6 && alone.stderr.contains("organization_account"), "{alone:#?}");
    assert_eq!(world(), before);
}
