//! Emails that users of Dynamics send: what leaves, what waits and for what (server-side-sync.md 3, section 6 row 4).
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says by panicking what is wrong")]

mod support;

use std::{collections::BTreeMap, path::Path, thread, time::Duration};

use serde_json::{Value, json};
use support::{Control, Running, Sandbox, run};

/// A size that the environment may set, for the run before a release (CONTRIBUTING.md).
fn size(name: &str, usual: u64) -> u64 {
    std::env::var(name).map_or(usual, |text| text.parse().unwrap())
}

/// Somebody of the organization writes; the ids of the records.
fn write(control: &Control, email: &Value) -> Vec<String> {
    let written = control.post("outbox", email);
    written["emails"].as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()).collect()
}

/// A contact that has written before.
fn contact(configuration: &Path, control: &Control) -> String {
    assert_eq!(run(configuration, &["sync", "--once"]).code, 0);
    control.known_sender()
}

/// How often each email of Dynamics has left Exchange, by its subject.
fn departed(control: &Control) -> BTreeMap<String, usize> {
    let mut subjects = BTreeMap::new();
    for mail in control.get("sent")["sent"].as_array().unwrap() {
        let subject = mail["subject"].as_str().unwrap();
        // Without a tracking token it is a mail of the company's past.
        if let Some((own, _token)) = subject.split_once(" CRM:") {
            *subjects.entry(own.to_owned()).or_default() += 1;
        }
    }
    subjects
}

fn told(configuration: &Path, what: &str) -> String {
    run(configuration, &["explain", what]).stdout
}

#[test]
fn s3_2_what_waits_says_for_what_and_what_fails_says_why() {
    let sandbox = Sandbox::start("outgoing");
    let control = Control::of(&sandbox);
    let configuration = sandbox.folder().join("hybridge.toml");
    let kim = contact(&configuration, &control);
    let (anna, ben) = (sandbox.address(0), sandbox.address(1));
    let mail = |from: &str, subject: &str| json!({ "from": from, "to": kim, "subject": subject });
    // Ben's mailbox record leaves outgoing email to nobody.
    control.put("organization", &json!({ "mailboxes": { ben: { "outgoingemaildeliverymethod": 0 } } }));
    let sent = write(&control, &mail(anna, "The offer"));
    let mut later = mail(anna, "Next year");
    later["notBefore"] = json!("2099-01-01T09:00:00Z");
    let later = write(&control, &later);
    let held = write(&control, &mail(ben, "Nobody takes it"));

    let preview = run(&configuration, &["sync", "--once", "--dry-run"]).stdout;
    for line in ["The offer", "would be sent", "would be sent later: not before"] {
        assert!(preview.contains(line), "{line} is missing in {preview}");
    }
    assert!(departed(&control).is_empty(), "a dry run sent something");

    let synced = run(&configuration, &["sync", "--once"]);
    assert_eq!(synced.code, 0, "a mail that waits for its time is in order: {synced:#?}");
    assert!(synced.stdout.contains("Outgoing email: 1 sent, 1 waiting."), "{synced:#?}");
    assert_eq!(departed(&control), BTreeMap::from([("The offer".to_owned(), 1)]));

    let status = run(&configuration, &["status"]).stdout;
    for line in [
        "Outgoing email: 1 sent, 2 waiting",
        "1 email waits to be sent: its user chose to send it later",
        "takes no part in outgoing email: its outgoing email method is another one",
    ] {
        assert!(status.contains(line), "{line} is missing in {status}");
    }
    assert!(told(&configuration, &sent[0]).contains("was sent"), "{}", told(&configuration, &sent[0]));
    assert!(told(&configuration, &later[0]).contains("its user chose to send it later"));
    assert!(told(&configuration, &held[0]).contains("Change that on its mailbox record"));

    // Exchange refuses this one for itself.
    let refusal = json!({ "kind": "status", "status": 413 });
    let fault = json!({ "face": "graph", "containing": "/send", "fault": refusal, "times": 1 });
    control.post("faults", &fault);
    let large = write(&control, &mail(anna, "Too large"));
    let synced = run(&configuration, &["sync", "--once"]);
    assert_eq!(synced.code, 3, "a mail that failed is told by the exit code: {synced:#?}");
    assert!(synced.stdout.contains("Outgoing email: 1 failed."), "{synced:#?}");
    let why = told(&configuration, &large[0]);
    assert!(why.contains("413") && why.contains("Correct the email and send it again"), "{why}");

    // Once an administrator has changed it, the mail leaves by itself; nothing leaves twice.
    control.put("organization", &json!({ "mailboxes": { ben: { "outgoingemaildeliverymethod": 2 } } }));
    assert_eq!(run(&configuration, &["sync", "--once"]).code, 0);
    let both = [("Nobody takes it".to_owned(), 1), ("The offer".to_owned(), 1)];
    assert_eq!(departed(&control), BTreeMap::from(both));
}

#[test]
fn s3_5_kills_at_any_moment_send_every_mail_exactly_once() {
    let (mailboxes, mails, kills) =
        (size("HYBRIDGE_MAILBOXES", 8), size("HYBRIDGE_MAILS", 200), size("HYBRIDGE_KILLS", 15));
    let sandbox = Sandbox::with("outgoing-crash", usize::try_from(mailboxes).unwrap(), 30);
    let control = Control::of(&sandbox);
    let configuration = sandbox.folder().join("hybridge.toml");
    let kim = contact(&configuration, &control);
    // Those without a first and a last name are queues.
    let users: Vec<&str> = (0..sandbox.mailboxes())
        .map(|number| sandbox.address(number))
        .filter(|address| address.split('@').next().unwrap().contains('.'))
        .collect();
    let each = mails.div_ceil(users.len() as u64);
    let mails = each * users.len() as u64;
    for (number, user) in users.iter().enumerate() {
        let subject = format!("Mailing {number} no.");
        write(&control, &json!({ "from": user, "to": kim, "subject": subject, "times": each }));
    }
    // Slow enough that a life ends in the middle of the work; answers are lost as well.
    control.put("weather", &json!({ "latency_from_ms": 20, "latency_to_ms": 120, "cut_after": 0.02 }));
    let mut interrupted = 0;
    for kill in 0..kills {
        let before = departed(&control).len();
        let running = Running::start(&configuration);
        // Moments spread over a life; the test waits for no condition here, as the very point is to strike at an
        // arbitrary one.
        thread::sleep(Duration::from_millis(400 + (kill * 173) % 2600));
        running.kill();
        interrupted += u64::from(departed(&control).len() > before);
    }
    assert!(interrupted > 2, "the kills did not meet the work");

    control.put("weather", &json!({}));
    let running = Running::start(&configuration);
    // What was submitted just before a kill is looked for some minutes (`SETTLES`).
    let mut patience = 60 + mails / 10;
    while (departed(&control).len() as u64) < mails && patience > 0 {
        thread::sleep(Duration::from_secs(5));
        patience -= 1;
    }
    running.kill();
    let departed = departed(&control);
    let twice: Vec<_> = departed.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "left twice: {twice:?}");
    let status = run(&configuration, &["status", "--json"]).json();
    assert_eq!(departed.len() as u64, mails, "{status:#}");
}
