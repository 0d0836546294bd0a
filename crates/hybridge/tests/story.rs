//! Two separate programs over TLS: what a user does after the README.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says by panicking what is wrong")]

mod support;

use std::path::{Path, PathBuf};

use hybridge_core::decision::Outcome;
use hybridge_store::{Commit, Search, SqliteMode, SqliteStore, Store as _};
use jiff::Timestamp;
use serde_json::{Value, json};
use support::{Control, Running, Sandbox, run};

fn configured(sandbox: &Sandbox) -> PathBuf {
    let configuration = sandbox.folder().join("mine.toml");
    let made = run(&configuration, &["init", "--sandbox", sandbox.folder().to_str().unwrap()]);
    assert_eq!(made.code, 0, "{made:#?}");
    configuration
}

#[test]
fn a_configuration_elsewhere_finds_all_files_of_the_sandbox() {
    let sandbox = Sandbox::start("story-elsewhere");
    let folder = sandbox.folder().join("elsewhere");
    std::fs::create_dir_all(&folder).unwrap();
    let configuration = folder.join("hybridge.toml");
    let made = run(&configuration, &["init", "--sandbox", sandbox.folder().to_str().unwrap()]);
    assert_eq!(made.code, 0, "{made:#?}");
    for command in [&["check"][..], &["certificate", "status"], &["connect", "plan", "--target", "native"]] {
        let ended = run(&configuration, command);
        assert_eq!(ended.code, 0, "{command:?}: {ended:#?}");
    }
    // What can't be seen does not hide the rest.
    std::fs::remove_file(sandbox.folder().join("server-password")).unwrap();
    let status = run(&configuration, &["certificate", "status"]);
    assert!(status.stdout.contains("the Windows servers: the password of [native]"), "{status:#?}");
    assert!(status.code == 0 && status.stdout.contains("Hybridge signs in to Entra ID"), "{status:#?}");
}

/// The decisions that `explain` finds.
fn explained(configuration: &Path, what: &str) -> Vec<Value> {
    run(configuration, &["explain", what, "--json"]).json()["decisions"].as_array().unwrap().clone()
}

#[test]
fn init_check_dry_run_sync_status_and_explain() {
    let sandbox = Sandbox::start("story");
    let control = Control::of(&sandbox);
    let configuration = configured(&sandbox);

    let dry = run(&configuration, &["sync", "--once", "--dry-run", "--json"]).json();
    assert_eq!(dry["messages"].as_array().unwrap().len(), control.inbox().len());
    assert!(control.incoming_records().is_empty(), "a dry run wrote something");
    assert!(!sandbox.folder().join("hybridge.db").exists(), "a dry run made a database");

    let check = run(&configuration, &["check"]);
    assert_eq!(check.code, 0, "{check:#?}");
    for line in
        ["certificate", "sign-in to Entra ID", "sign-in at AD FS", "email channel", "CheckIncomingEmail"]
    {
        assert!(check.stdout.contains(&format!("ok    {line}")), "{line} is missing in {}", check.stdout);
    }

    let synced = run(&configuration, &["sync", "--once", "--json"]);
    assert_eq!(synced.code, 0, "{synced:#?}");
    let records = control.incoming_records();
    assert!(!records.is_empty());
    let again = run(&configuration, &["sync", "--once", "--json"]).json();
    assert_eq!(again["messages"], json!({}), "a second run found something to do");
    assert_eq!(control.incoming_records().len(), records.len());

    let status = run(&configuration, &["status"]);
    assert_eq!(status.code, 0);
    assert!(status.stdout.contains("4 in step"), "{}", status.stdout);

    let promoted = explained(&configuration, &records[0]);
    assert!(
        promoted.iter().any(|told| told["conclusion"].as_str().unwrap().starts_with("Became email record"))
    );
    let record = promoted[0]["decision"]["outcome"]["record"].as_str().unwrap();
    assert!(!explained(&configuration, record).is_empty(), "a record id is explained too");
    let unknown = run(&configuration, &["explain", "<nobody@nowhere.test>"]);
    assert_eq!(unknown.code, 6);
    assert!(unknown.stderr.contains("has not looked at any message"), "{}", unknown.stderr);
}

#[test]
fn a_mailbox_that_always_fails_does_not_slow_the_others_and_says_what_to_do() {
    let sandbox = Sandbox::start("sick");
    let control = Control::of(&sandbox);
    let configuration = configured(&sandbox);
    let sick = sandbox.address(0).to_owned();
    control.post("mailboxes/state", &json!({ "mailbox": sick, "state": "out-of-scope" }));

    let synced = run(&configuration, &["sync", "--once"]);
    assert_eq!(synced.code, 3, "{synced:#?}");
    let status = run(&configuration, &["status", "--json"]).json();
    for mailbox in
        status["mailboxes"].as_array().unwrap().iter().filter(|mailbox| mailbox["why_not"].is_null())
    {
        let state = if mailbox["address"] == json!(sick) { "in trouble" } else { "in step" };
        assert_eq!(mailbox["state"], state, "{mailbox}");
    }
    let told = run(&configuration, &["status"]).stdout;
    assert!(told.contains("RBAC for Applications"), "{told}");

    // Once an administrator has mended it, it goes on by itself.
    control.post("mailboxes/state", &json!({ "mailbox": sick, "state": "normal" }));
    assert_eq!(run(&configuration, &["sync", "--once"]).code, 0);
    assert!(run(&configuration, &["status"]).stdout.contains("4 in step"));
}

#[test]
fn each_outcome_is_explained_with_its_reason_and_remedy() {
    let sandbox = Sandbox::start("explain");
    let control = Control::of(&sandbox);
    let configuration = configured(&sandbox);
    let mail = |subject: &str, id: &str, to: &[&str]| {
        let body =
            json!({ "from": "kim@nowhere.example.org", "to": to, "subject": subject, "messageId": id });
        control.post("mail", &body);
    };
    let everyone: Vec<&str> = (0..sandbox.mailboxes()).map(|number| sandbox.address(number)).collect();
    // The first user tracks answers to Dynamics email only.
    mail("Who are you", "<stranger@x>", &everyone[..1]);
    mail("To all", "<all@x>", &everyone);
    // The organization refuses this one, however often it is asked.
    let refusal = json!({ "kind": "status", "status": 400 });
    control.post("faults", &json!({ "face": "organization", "containing": "Poisoned", "fault": refusal }));
    mail("Poisoned", "<poison@x>", &everyone);
    run(&configuration, &["sync", "--once"]);

    let filtered = explained(&configuration, "<stranger@x>");
    assert_eq!(filtered[0]["decision"]["outcome"]["outcome"], "filtered", "{filtered:#?}");
    assert!(filtered[0]["conclusion"].as_str().unwrap().contains("NoCorrelationMatch"));
    assert!(filtered[0]["remedy"].as_str().unwrap().contains("personal options"));
    let waiting = explained(&configuration, "<poison@x>");
    assert_eq!(waiting[0]["decision"]["outcome"]["outcome"], "waiting", "{waiting:#?}");
    // Four more refusals, whose pauses nobody waits for here.
    for _ in 0..4 {
        make_due(&sandbox);
        run(&configuration, &["sync", "--once"]);
    }
    let failed = explained(&configuration, "<poison@x>");
    assert_eq!(failed[0]["decision"]["outcome"]["outcome"], "failed", "{failed:#?}");
    let told = run(&configuration, &["explain", "<poison@x>"]).stdout;
    assert!(told.contains("Failed after 5 attempts"), "{told}");
    assert!(told.contains("400"), "{told}");
    // The others are not kept waiting by it, and a person sees what to look at.
    let status = run(&configuration, &["status"]).stdout;
    assert!(status.contains("failed"), "{status}");

    assert_eq!(
        explained(&configuration, "<all@x>").len(),
        sandbox.mailboxes(),
        "each mailbox has its own story"
    );
}

#[test]
fn rules_of_the_administrator_keep_mail_out_and_say_so() {
    let sandbox = Sandbox::start("rules");
    let control = Control::of(&sandbox);
    let configuration = configured(&sandbox);
    assert_eq!(run(&configuration, &["sync", "--once"]).code, 0);
    let sender = control.known_sender();
    let rule = format!(
        "\n[[rules.rule]]\nname = \"Not this one\"\nthen = \"never-track\"\nsenders = [\"{sender}\"]\nsensitivity = [\"private\"]\n"
    );
    let text = std::fs::read_to_string(&configuration).unwrap() + &rule;
    std::fs::write(&configuration, &text).unwrap();
    let everyone: Vec<&str> = (0..sandbox.mailboxes()).map(|number| sandbox.address(number)).collect();
    let message = |subject: &str, header: &str| {
        format!(
            "From: {sender}\r\nTo: {}\r\nSubject: {subject}\r\nMessage-ID: <{subject}@x>\r\n{header}\r\nHello\r\n",
            everyone.join(", ")
        )
    };
    let file = sandbox.folder().join("private.eml");
    std::fs::write(&file, message("Secret", "Sensitivity: Private\r\n")).unwrap();
    let open = sandbox.folder().join("open.eml");
    std::fs::write(&open, message("Open", "")).unwrap();

    let tried = run(&configuration, &["rules", "test", file.to_str().unwrap()]);
    assert!(
        tried.code == 0 && tried.stdout.contains("It would not be tracked: the rule “Not this one”"),
        "{tried:#?}"
    );
    let tried = run(&configuration, &["rules", "test", open.to_str().unwrap(), "--json"]).json();
    assert_eq!(
        (&tried["rules"][0]["matches"], &tried["never_tracked"]),
        (&json!(false), &Value::Null),
        "{tried}"
    );

    for file in [&file, &open] {
        for mailbox in &everyone {
            let body = std::fs::read(file).unwrap();
            control.import(mailbox, body);
        }
    }
    assert_eq!(run(&configuration, &["sync", "--once"]).code, 0);
    let ruled = explained(&configuration, "<Secret@x>");
    assert_eq!(ruled.len(), everyone.len(), "{ruled:#?}");
    for told in &ruled {
        assert_eq!(told["decision"]["outcome"]["outcome"], "ruled", "{told:#}");
        assert!(told["conclusion"].as_str().unwrap().contains("its sender marked it as private"), "{told:#}");
    }
    let open = explained(&configuration, "<Open@x>");
    assert!(open.iter().any(|told| told["decision"]["outcome"]["outcome"] == "promoted"), "{open:#?}");

    // A mistake is shown at its line.
    std::fs::write(&configuration, text.replace(&format!("[\"{sender}\"]"), "[\"kim\"]")).unwrap();
    let refused = run(&configuration, &["rules", "list"]);
    assert_eq!(refused.code, 6, "{refused:#?}");
    assert!(
        refused.stderr.contains("“kim” is not an address") && refused.stderr.contains("senders = "),
        "{refused:#?}"
    );
}

#[test]
fn s2_9_s2_10_options_of_the_organization_are_obeyed_and_can_be_overridden() {
    // The sixth mailbox is a queue's.
    let sandbox = Sandbox::with("options", 6, 30);
    let control = Control::of(&sandbox);
    let configuration = configured(&sandbox);
    assert_eq!(run(&configuration, &["sync", "--once"]).code, 0);
    let (sender, queue) = (control.known_sender(), sandbox.address(5));
    let everyone: Vec<&str> = (0..5).map(|number| sandbox.address(number)).collect();
    let arrive = |subject: &str, header: &str, mailbox: &str| {
        let message = format!(
            "From: {sender}\r\nTo: {}\r\nSubject: {subject}\r\nMessage-ID: <{subject}@x>\r\n{header}\r\nHello\r\n",
            everyone.join(", ")
        );
        control.import(mailbox, message.into_bytes());
    };
    let items = || control.get("queue-items")["items"].as_array().unwrap().len();
    let outcome = |subject: &str| {
        let told = explained(&configuration, &format!("<{subject}@x>"));
        told[0]["decision"]["outcome"]["outcome"].as_str().unwrap().to_owned()
    };
    let before = items();

    // As the organization has it: no item for a queue that is on neither To nor Cc, and protected mail is tracked.
    arrive("Unasked", "", queue);
    arrive("Protected", "Content-Class: rpmsg.message\r\n", queue);
    assert_eq!(run(&configuration, &["sync", "--once"]).code, 0);
    assert_eq!([outcome("Unasked"), outcome("Protected")], ["promoted", "promoted"]);
    assert_eq!(items(), before, "nobody asked for an item");

    // Overridden, visibly.
    let mut text = std::fs::read_to_string(&configuration).unwrap();
    text.push_str(
        "\n[options]\nCreateQueueItemForSynchronizingMailbox = true\n\
         SSSCreateAdditionalQueueItemsForAlreadyTrackedEmail = true\nRestrictIRMEmailItems = true\n",
    );
    std::fs::write(&configuration, &text).unwrap();
    arrive("Wanted", "", queue);
    arrive("Secret", "Content-Class: rpmsg.message\r\n", queue);
    assert_eq!(run(&configuration, &["sync", "--once"]).code, 0);
    assert_eq!([outcome("Wanted"), outcome("Secret")], ["promoted", "skipped"]);
    assert_eq!(items(), before + 1, "one for the message that was wanted");
    // A copy that another mailbox has made a record of.
    arrive("Shared", "", everyone[1]);
    assert_eq!(run(&configuration, &["sync", "--once"]).code, 0);
    arrive("Shared", "", queue);
    assert_eq!(run(&configuration, &["sync", "--once"]).code, 0);
    assert_eq!(items(), before + 2, "{:#?}", explained(&configuration, "<Shared@x>"));
    let shown = run(&configuration, &["options"]).stdout;
    assert!(shown.contains("overridden in [options]"), "{shown}");
    let status = run(&configuration, &["status"]).stdout;
    assert!(
        status.contains("Overridden in [options]: CreateQueueItemForSynchronizingMailbox = true"),
        "{status}"
    );

    // What is a record leaves the queue's mailbox where that is asked for; what is none, and users' mail, stays.
    let deletes = json!({ "processanddeleteemails": true });
    control.put("organization", &json!({ "mailboxes": { queue: deletes, everyone[1]: deletes } }));
    arrive("Done", "", queue);
    arrive("Kept", "", everyone[1]);
    arrive("Sealed", "Content-Class: rpmsg.message\r\n", queue);
    assert_eq!(run(&configuration, &["sync", "--once"]).code, 0);
    let left: Vec<String> = control
        .inbox()
        .iter()
        .map(|message| message["messageId"].as_str().unwrap_or_default().to_owned())
        .filter(|id| ["<Done@x>", "<Kept@x>", "<Sealed@x>"].contains(&id.as_str()))
        .collect();
    assert_eq!(outcome("Done"), "promoted");
    assert_eq!(left.len(), 2, "{left:?}");
    assert!(!left.contains(&"<Done@x>".to_owned()), "{left:?}");

    let wrong = text.replace("RestrictIRMEmailItems = true", "AutoCreateContactOnPromote = false");
    std::fs::write(&configuration, wrong).unwrap();
    let refused = run(&configuration, &["options"]);
    assert!(
        refused.code == 6 && refused.stderr.contains("the organization decides it by itself"),
        "{refused:#?}"
    );
}

#[test]
fn two_programs_do_not_work_on_one_database() {
    let sandbox = Sandbox::start("two");
    let configuration = configured(&sandbox);
    assert_eq!(run(&configuration, &["sync", "--once"]).code, 0);
    let running = Running::start(&configuration);
    running.wait_until_up();
    let refused = run(&configuration, &["sync", "--once"]);
    assert_eq!(refused.code, 8, "{refused:#?}");
    assert!(refused.stderr.contains("another hybridge is running"), "{refused:#?}");
    // What only looks is welcome.
    assert_eq!(run(&configuration, &["status"]).code, 0);
    assert_eq!(run(&configuration, &["sync", "--once", "--dry-run"]).code, 0);
}

#[test]
fn a_message_to_all_becomes_one_record_though_all_mailboxes_deliver_it_at_once() {
    let sandbox = Sandbox::start("at-once");
    let control = Control::of(&sandbox);
    let configuration = configured(&sandbox);
    run(&configuration, &["sync", "--once"]);
    let everyone: Vec<&str> = (0..sandbox.mailboxes()).map(|number| sandbox.address(number)).collect();
    let sender = control.known_sender();
    control.post(
        "mail",
        &json!({ "from": sender, "to": everyone, "subject": "To all", "messageId": "<all@x>" }),
    );
    // So slow that each mailbox has asked before the first one has delivered.
    control.put("weather", &json!({ "latency_from_ms": 700, "latency_to_ms": 700 }));
    assert_eq!(run(&configuration, &["sync", "--once"]).code, 0);

    let decisions = explained(&configuration, "<all@x>");
    let with = |outcome: &str| {
        decisions.iter().filter(|known| known["decision"]["outcome"]["outcome"] == outcome).count()
    };
    // Who was late is told so at once; nothing waits and is tried again.
    assert_eq!((with("promoted"), with("duplicate")), (1, sandbox.mailboxes() - 1), "{decisions:#?}");
    let records = control.incoming_records().into_iter().filter(|id| id == "<all@x>").count();
    assert_eq!(records, 1);
}

#[test]
fn a_message_that_a_firewall_refuses_stands_alone() {
    let sandbox = Sandbox::start("firewall");
    let control = Control::of(&sandbox);
    let configuration = configured(&sandbox);
    run(&configuration, &["sync", "--once"]);
    let sender = control.known_sender();
    for subject in ["Before it", "The one", "After it"] {
        let text = if subject == "The one" { "<script>words-that-it-dislikes" } else { "harmless" };
        let to = [sandbox.address(1)];
        control.post("mail", &json!({ "from": sender, "to": to, "subject": subject, "text": text }));
    }
    // Something before the CRM answers the whole batch with a web page.
    let refusal = json!({ "kind": "status", "status": 403 });
    let rule = json!({ "face": "organization", "containing": "words-that-it-dislikes", "fault": refusal });
    control.post("faults", &rule);

    assert_eq!(run(&configuration, &["sync", "--once"]).code, 3);
    let outcome = |what: &str| explained(&configuration, what)[0]["decision"]["outcome"]["outcome"].clone();
    assert_eq!(
        [outcome("Before it"), outcome("The one"), outcome("After it")],
        ["promoted", "waiting", "promoted"]
    );
    let told = run(&configuration, &["explain", "The one"]).stdout;
    assert!(told.contains("403"), "{told}");
    // The mailbox itself is well.
    assert!(run(&configuration, &["status"]).stdout.contains("4 in step"));
}

#[test]
fn a_question_that_is_never_answered_stops_no_other_message() {
    let sandbox = Sandbox::start("unaskable");
    let control = Control::of(&sandbox);
    let configuration = configured(&sandbox);
    run(&configuration, &["sync", "--once"]);
    let sender = control.known_sender();
    let to = [sandbox.address(1)];
    let write = |subject: &str| {
        control.post("mail", &json!({ "from": sender, "to": to, "subject": subject, "text": "x" }));
    };
    let refusal = json!({ "kind": "status", "status": 500 });
    let rule = json!({ "face": "organization", "containing": "Unaskable", "fault": refusal });
    control.post("faults", &rule);
    let outcome = |what: &str| explained(&configuration, what)[0]["decision"]["outcome"]["outcome"].clone();
    write("Unaskable");
    assert_eq!(run(&configuration, &["sync", "--once"]).code, 3);
    assert_eq!(outcome("Unaskable"), "waiting", "alone in its page, it is set aside all the same");
    // It is due again, alone, when another message has come.
    make_due(&sandbox);
    write("Another one");
    run(&configuration, &["sync", "--once"]);
    assert_eq!([outcome("Unaskable"), outcome("Another one")], ["waiting", "promoted"]);
    control.forget_faults();
    make_due(&sandbox);
    assert_eq!(run(&configuration, &["sync", "--once"]).code, 0);
    assert_eq!(outcome("Unaskable"), "promoted");
}

#[test]
fn an_earlier_date_brings_what_was_too_old() {
    let sandbox = Sandbox::start("floor");
    let control = Control::of(&sandbox);
    let configuration = configured(&sandbox);
    run(&configuration, &["sync", "--once"]);
    let address = sandbox.address(1);
    let process_from = |date: &str| {
        let columns = json!({ "processemailreceivedafter": date });
        control.put("organization", &json!({ "mailboxes": { address: columns } }));
    };
    let outcome = |what: &str| explained(&configuration, what)[0]["decision"]["outcome"]["outcome"].clone();
    // Later than now, then back: what came in between was too old, and is not any more.
    process_from("2099-01-01T00:00:00Z");
    let sender = control.known_sender();
    let mail = json!({ "from": sender, "to": [address], "subject": "In between", "text": "x" });
    control.post("mail", &mail);
    run(&configuration, &["sync", "--once"]);
    assert_eq!(outcome("In between"), "skipped");
    process_from("2026-01-01T00:00:00Z");
    run(&configuration, &["sync", "--once"]);
    assert_eq!(outcome("In between"), "promoted");
}

#[test]
fn the_demo_ends_with_what_is_wrong_with_a_mailbox() {
    let demo = |states: &[&str]| {
        let arguments = ["demo", "--once", "--mailboxes", "3", "--messages", "12", "--live", "1"];
        run(Path::new("none.toml"), &[&arguments, states].concat())
    };
    let well = demo(&[]);
    assert_eq!(well.code, 0, "{well:#?}");
    let ill = demo(&["--mailbox-state", "2=not-enabled"]);
    assert_eq!(ill.code, 3, "{ill:#?}");
    assert!(ill.stdout.contains("can't be read") && ill.stdout.contains("licence"), "{}", ill.stdout);
    let nobody = demo(&["--mailbox-state", "9=not-enabled"]);
    assert_eq!(nobody.code, 6, "{nobody:#?}");
    assert!(nobody.stderr.contains("from 1 to 3"), "{nobody:#?}");
}

/// Ends the pauses of all that waits.
fn make_due(sandbox: &Sandbox) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let database = sandbox.folder().join("hybridge.db");
        let store = SqliteStore::open(&database, SqliteMode::ReadWrite { create: false }).await.unwrap();
        let now = Timestamp::now();
        for mut decision in store.search(&Search::Outcome("waiting".into(), None)).await.unwrap() {
            let Outcome::Waiting { until, .. } = &mut decision.outcome else { panic!("{decision:#?}") };
            *until = now;
            let lane = decision.lane;
            let epoch = store.begin_run(lane, now).await.unwrap();
            let commit = Commit { decisions: vec![decision], ..Commit::default() };
            store.commit(lane, epoch, &commit).await.unwrap();
        }
    });
}
