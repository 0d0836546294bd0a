//! Nothing leaks (design.md, promise 8): known secrets are planted, everything is logged as loudly as it can be,
//! in good weather and in bad, and then they are searched for.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says by panicking what is wrong")]

mod support;

use std::{collections::BTreeMap, fs, path::Path};

use serde_json::json;
use support::{Control, Running, Sandbox, hybridge};

/// What a message says is nobody's business but its reader's.
const BODY: &str = "the-planted-words-of-the-body";

/// Runs a command with the loudest log and returns all that it wrote.
fn written(configuration: &Path, arguments: &[&str]) -> String {
    let output = hybridge(configuration, arguments).env("HYBRIDGE_LOG", "trace").output().unwrap();
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The secrets of a sandbox by name.
fn planted(sandbox: &Sandbox) -> BTreeMap<&'static str, String> {
    let file = |name: &str| fs::read_to_string(sandbox.folder().join(name)).unwrap().trim().to_owned();
    BTreeMap::from([
        ("the PFX password", file("pfx-password")),
        ("the service account's password", file("service-account-password")),
        // Every JSON web token, signed or not, begins so.
        ("a token", "eyJ".to_owned()),
        ("a private key", "PRIVATE KEY".to_owned()),
        ("a body", BODY.to_owned()),
        ("the organization's administrator's password", file("administrator-password")),
        ("the servers' administrator's password", file("server-password")),
        // What goes to a script carries its secret.
        ("a script's input", "rsp:Stream Name=\"stdin\"".to_owned()),
    ])
}

#[test]
fn no_secret_is_in_any_output_log_or_metric() {
    let sandbox = Sandbox::start("secrets");
    let control = Control::of(&sandbox);
    let configuration = sandbox.folder().join("hybridge.toml");
    let mut written_by =
        BTreeMap::from([("the first sync".to_owned(), written(&configuration, &["sync", "--once"]))]);
    let sender = control.known_sender();
    for (weather, faults) in [
        ("calm", json!({})),
        ("stormy", json!({ "throttle": 0.1, "server_error": 0.2, "cut_after": 0.1, "unauthorized": 0.1 })),
    ] {
        control.put("weather", &faults);
        for number in 0..sandbox.mailboxes() {
            let mail =
                json!({ "from": sender, "to": [sandbox.address(number)], "subject": weather, "text": BODY });
            control.post("mail", &mail);
        }
        for command in [
            &["sync", "--once", "--dry-run"][..],
            &["check"],
            &["sync", "--once"],
            &["status", "--all", "--json"],
            &["explain", weather],
        ] {
            written_by.insert(format!("{command:?} in {weather} weather"), written(&configuration, command));
        }
    }
    // What the organization refuses is told with its reason, which must not be the message itself.
    control.put("weather", &json!({}));
    let refused = json!({ "kind": "status", "status": 400 });
    control.post("faults", &json!({ "face": "organization", "containing": BODY, "fault": refused }));
    control.post(
        "mail",
        &json!({ "from": sender, "to": [sandbox.address(1)], "subject": "refused", "text": BODY }),
    );
    written_by.insert("a refused delivery".to_owned(), written(&configuration, &["sync", "--once"]));
    written_by.insert("its story".to_owned(), written(&configuration, &["explain", "refused"]));
    control.forget_faults();
    let wrong = sandbox.folder().join("wrong.toml");
    let text = fs::read_to_string(&configuration).unwrap();
    fs::write(&wrong, text.replace("svc-hybridge", "svc-nobody")).unwrap();
    written_by.insert("a wrong user".to_owned(), written(&wrong, &["check"]));
    let running = Running::start(&configuration);
    running.wait_until_up();
    written_by.insert("the metrics".to_owned(), control.text(&running.url("metrics")));
    running.kill();

    assert!(written_by["[\"sync\", \"--once\"] in calm weather"].contains("TRACE"), "the log is silent");
    assert!(
        written_by["its story"].contains("400"),
        "{}",
        written_by["a refused delivery"]
            .lines()
            .filter(|l| !l.contains("TRACE") && !l.contains("DEBUG"))
            .collect::<Vec<_>>()
            .join("\n")
    );
    assert_clean(&sandbox, &written_by);
}

/// Searches everything for every secret.
fn assert_clean(sandbox: &Sandbox, written_by: &BTreeMap<String, String>) {
    for (place, text) in written_by {
        for (name, secret) in planted(sandbox) {
            let found: Vec<&str> = text.lines().filter(|line| line.contains(&secret)).take(3).collect();
            assert!(found.is_empty(), "{name} is in the output of {place}: {found:#?}");
        }
    }
}

#[test]
fn no_secret_is_in_plans_or_the_audit_log() {
    let sandbox = Sandbox::unconnected("connect-secrets");
    let control = Control::of(&sandbox);
    let configuration = sandbox.folder().join("hybridge.toml");
    let mut written_by = BTreeMap::new();
    // A certificate too long for the tenant at first, so that refusals are told as well.
    control.put("directory", &json!({ "longestValidityDays": 30 }));
    for (round, command) in [
        &["connect", "plan", "--details"][..],
        &["connect", "apply"],
        &["connect", "apply", "--json"],
        &["connect", "verify"],
        &["connect", "log"],
        &["connect", "undo"],
    ]
    .into_iter()
    .enumerate()
    {
        written_by.insert(format!("{round} {command:?}"), written(&configuration, command));
        if round > 0 {
            control.put("directory", &json!({}));
        }
    }
    let audit = fs::read_to_string(sandbox.folder().join("connect/audit.jsonl")).unwrap();
    assert!(audit.contains("mailbox-roles") && audit.contains("failed"), "{audit}");
    written_by.insert("the audit log".to_owned(), audit);
    written_by.insert("the configuration".to_owned(), fs::read_to_string(&configuration).unwrap());
    assert_clean(&sandbox, &written_by);
}

/// The command lines of all processes at this moment, but for those of programs that start with the test.
#[cfg(target_os = "linux")]
fn command_lines() -> String {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let lines = processes.filter_map(|process| fs::read(process.path().join("cmdline")).ok());
    lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " ") + "\n").collect()
}

#[cfg(target_os = "linux")]
#[test]
fn no_secret_is_in_what_is_done_on_servers_nor_in_any_command_line() {
    use std::process::Stdio;

    let sandbox = Sandbox::unconnected("native-secrets");
    let control = Control::of(&sandbox);
    let configuration = sandbox.folder().join("hybridge.toml");
    let mut written_by = BTreeMap::new();
    // A failure on a server first, so that what it says is told as well.
    control.put("windows", &json!({ "CRM02": { "faults": { "cngImport": true } } }));
    for (round, command) in [
        &["connect", "apply", "--target", "native"][..],
        &["connect", "plan", "--target", "native", "--details"],
        &["connect", "apply", "--target", "native", "--json"],
        &["connect", "verify", "--target", "native"],
        &["certificate", "rotate", "--target", "native"],
        &["certificate", "status"],
        &["connect", "log"],
        &["connect", "log", "--json"],
    ]
    .into_iter()
    .enumerate()
    {
        let mut program = hybridge(&configuration, command);
        let log = sandbox.folder().join(format!("native-{round}.log"));
        let program = program.env("HYBRIDGE_LOG", "trace").stdin(Stdio::null());
        let (out, err) =
            (fs::File::create(&log).unwrap(), fs::File::create(log.with_extension("err")).unwrap());
        let mut program = program.stdout(out).stderr(err).spawn().unwrap();
        let mut lines = String::new();
        while program.try_wait().unwrap().is_none() {
            lines += &command_lines();
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        written_by.insert(format!("command lines during {command:?}"), lines);
        let said =
            fs::read_to_string(&log).unwrap() + &fs::read_to_string(log.with_extension("err")).unwrap();
        written_by.insert(format!("{round} {command:?}"), said);
        control.put("windows", &json!({ "CRM02": { "faults": { "cngImport": false } } }));
    }
    let audit = fs::read_to_string(sandbox.folder().join("connect/audit.jsonl")).unwrap();
    assert!(audit.contains("signing-record") && audit.contains("failed"), "{audit}");
    written_by.insert("the audit log".to_owned(), audit);
    // By hand, in a folder.
    let text = fs::read_to_string(&configuration).unwrap();
    let by_hand = sandbox.folder().join("by-hand.toml");
    fs::write(&by_hand, text.replace("\naddress = \"https", "\nreach = \"bundle\"\naddress = \"https"))
        .unwrap();
    let (folder, password) = (sandbox.folder().join("bundle"), sandbox.folder().join("bundle-password"));
    let (to, file) = (folder.to_str().unwrap(), password.to_str().unwrap());
    let export = ["connect", "export", "--target", "native", "--to", to, "--password-file", file];
    written_by.insert("the export".to_owned(), written(&by_hand, &export));
    let one_time = fs::read_to_string(&password).unwrap().trim().to_owned();
    let mut files = 0;
    for file in fs::read_dir(&folder).unwrap().flatten() {
        files += 1;
        let bytes = fs::read(file.path()).unwrap_or_default();
        written_by.insert(
            format!("the bundle's {:?}", file.file_name()),
            String::from_utf8_lossy(&bytes).into_owned(),
        );
    }
    assert!(files > 3 && one_time.len() > 15, "{files} {}", written_by["the export"]);
    for (place, text) in &written_by {
        assert!(!text.contains(&one_time), "the one-time password is in {place}");
    }
    assert!(written_by["2 [\"connect\", \"apply\", \"--target\", \"native\", \"--json\"]"].contains("TRACE"));
    assert_clean(&sandbox, &written_by);
}
