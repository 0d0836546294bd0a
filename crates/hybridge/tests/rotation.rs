//! Hybridge's own certificate is renewed, and at no moment is there no valid one.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says by panicking what is wrong")]

mod support;

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use support::{Control, Running, Sandbox, hybridge, python_with, run};

/// A sandbox where the trust is set up by Hybridge.
struct Stage {
    sandbox: Sandbox,
    control: Control,
    configuration: PathBuf,
}

impl Stage {
    fn set(name: &str) -> Self {
        let sandbox = Sandbox::unconnected(name);
        let configuration = sandbox.folder().join("hybridge.toml");
        let applied = run(&configuration, &["connect", "apply"]);
        assert_eq!(applied.code, 0, "{applied:#?}");
        let control = Control::of(&sandbox);
        Self { sandbox, control, configuration }
    }

    fn rotate(&self, arguments: &[&str]) -> Value {
        let all: Vec<&str> = ["certificate", "rotate", "--json"].iter().chain(arguments).copied().collect();
        let ended = run(&self.configuration, &all);
        assert_eq!(ended.code, 0, "{arguments:?}: {ended:#?}");
        ended.json()
    }

    /// The thumbprint of the certificate in use.
    fn in_use(&self) -> String {
        let status = run(&self.configuration, &["certificate", "status", "--json"]);
        assert_eq!(status.code, 0, "{status:#?}");
        status.json()["thumbprint"].as_str().unwrap().to_owned()
    }

    /// How many certificates are registered.
    fn registered(&self) -> usize {
        self.control.get("directory")["applications"][0]["keys"].as_array().unwrap().len()
    }

    fn assert_signs_in(&self) {
        let proven = run(&self.configuration, &["connect", "verify", "--step", "app-certificate"]);
        assert_eq!(proven.code, 0, "{proven:#?}");
    }

    /// The files of the certificate that lie there.
    fn files(&self) -> BTreeSet<String> {
        let names = fs::read_dir(self.sandbox.folder()).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.starts_with("hybridge.p")).collect()
    }
}

#[test]
fn a_running_synchronization_does_not_notice() {
    let stage = Stage::set("rotation-load");
    let control = &stage.control;
    // Short tokens, so that new ones are asked for all the time.
    control.put("directory", &json!({ "tokenSeconds": 3 }));
    let before = stage.in_use();
    let synced = run(&stage.configuration, &["sync", "--once"]);
    assert_eq!(synced.code, 0, "{synced:#?}");
    let running = Running::start(&stage.configuration);
    running.wait_until_up();
    let sender = control.known_sender();
    let granted = || control.get("directory")["tokens"]["granted"].as_u64().unwrap();
    let mut subjects = BTreeSet::new();
    // Mail keeps coming at each stage until the program has asked for a token at that stage.
    let mut write = |round: &str| {
        let before = granted();
        for number in 0..200 {
            let subject = format!("{round} {number}");
            // Two whose owners track all mail from customers.
            let to = stage.sandbox.address(number % 2 * 2 + 1);
            control.post("mail", &json!({ "from": sender, "to": [to], "subject": subject, "text": "x" }));
            subjects.insert(subject);
            thread::sleep(Duration::from_millis(100));
            if number > 8 && granted() > before {
                return;
            }
        }
        panic!("no token was asked for in the round {round:?}");
    };
    write("before");
    for until in [
        &["--until", "issued"][..],
        &["--until", "trusted"],
        &["--until", "proven"],
        &["--until", "switched"],
    ] {
        stage.rotate(until);
        write(until[1]);
    }
    stage.rotate(&[]);
    write("kept");
    // The program has asked for a token since the switch, with the new certificate; the old one goes after that.
    let ended = stage.rotate(&["--keep-days", "0"]);
    assert_eq!((&ended["ended"], &ended["left"]), (&json!("done"), &Value::Null));
    write("after");
    // The program works on: a mail of the last round has become a record.
    let is_last =
        |email: &Value| email["subject"].as_str().is_some_and(|subject| subject.starts_with("after "));
    let deadline = Instant::now() + Duration::from_mins(1);
    while !control.emails().iter().any(is_last) {
        assert!(Instant::now() < deadline, "no mail of the last round was promoted");
        thread::sleep(Duration::from_millis(100));
    }
    running.kill();
    let synced = run(&stage.configuration, &["sync", "--once"]);
    assert_eq!(synced.code, 0, "{synced:#?}");

    assert_ne!(stage.in_use(), before);
    assert_eq!(stage.registered(), 1);
    let tokens = control.get("directory")["tokens"].clone();
    assert_eq!(tokens["refused"], 0, "{tokens}");
    let promoted: Vec<String> = control
        .emails()
        .iter()
        .filter(|email| email["outgoing"] == false)
        .map(|email| email["subject"].as_str().unwrap().to_owned())
        .filter(|subject| subjects.contains(subject))
        .collect();
    let once: BTreeSet<String> = promoted.iter().cloned().collect();
    assert_eq!(promoted.len(), once.len(), "none is doubled");
    let lost: Vec<&String> = subjects.difference(&once).collect();
    let explained = lost.first().map(|subject| run(&stage.configuration, &["explain", subject]).stdout);
    assert!(lost.is_empty(), "{lost:?} are no records: {}", explained.unwrap_or_default());
}

#[test]
fn from_every_stage_it_goes_back() {
    let stage = Stage::set("rotation-back");
    let before = (stage.in_use(), stage.files());
    for until in ["issued", "trusted", "proven", "switched", "kept"] {
        let arguments: &[&str] = if until == "kept" { &[] } else { &["--until", until] };
        stage.rotate(arguments);
        let back = stage.rotate(&["--back"]);
        assert_eq!(back["back"], before.0, "from {until}");
        assert_eq!((stage.in_use(), stage.files()), before, "from {until}");
        assert_eq!(stage.registered(), 1, "from {until}");
        stage.assert_signs_in();
    }
    assert_eq!(stage.rotate(&["--back"])["back"], Value::Null);
    let told = run(&stage.configuration, &["certificate", "rotate", "--dry-run"]);
    assert!(told.code == 0 && told.stdout.contains("register it beside"), "{told:#?}");
    assert_eq!((stage.in_use(), stage.files()), before, "a dry run changes nothing");
}

#[test]
fn killed_anywhere_it_goes_on() {
    let stage = Stage::set("rotation-killed");
    let before = stage.in_use();
    // The token servers learn of a certificate a little later, and everything takes its time.
    stage.control.put("directory", &json!({ "propagationSeconds": 1 }));
    stage.control.put("weather", &json!({ "latency_from_ms": 20, "latency_to_ms": 80 }));
    for life in [120, 260, 420, 600, 900, 1_300, 200, 2_000] {
        let mut program = hybridge(&stage.configuration, &["certificate", "rotate", "--keep-days", "0"]);
        let mut program = program.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        thread::sleep(Duration::from_millis(life));
        let _ended = program.kill();
        program.wait().unwrap();
        stage.assert_signs_in();
    }
    stage.control.put("weather", &json!({}));
    // It may be done by now, and this be another one; then that is ended as well.
    stage.rotate(&["--keep-days", "0"]);
    stage.assert_signs_in();
    assert_ne!(stage.in_use(), before);
    assert_eq!(stage.registered(), 1);
    assert_eq!(stage.files(), ["hybridge.pem", "hybridge.pfx"].map(str::to_owned).into());
}

#[test]
fn msal_gets_tokens_for_both_certificates_during_the_overlap() {
    let stage = Stage::set("rotation-msal");
    let text = fs::read_to_string(&stage.configuration).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with("certificate_password"));
    let text = lines.collect::<Vec<_>>().join("\n").replace("hybridge.pfx", "hybridge.pem");
    fs::write(&stage.configuration, text).unwrap();
    let client_id = stage.control.get("directory")["applications"][0]["appId"].as_str().unwrap().to_owned();
    let ask = |path: &Path| {
        let description = stage.sandbox.description_file();
        let arguments = [description.as_os_str(), OsStr::new(&client_id), path.as_os_str()];
        let seen = python_with("msal_certificate.py", &arguments);
        (seen["thumbprint"].as_str().unwrap().to_owned(), seen["token"] == true, seen["codes"].clone())
    };
    let at = |name: &str| stage.sandbox.folder().join(name);
    let old = stage.in_use();
    let kept = at("old.pem");
    fs::copy(at("hybridge.pem"), &kept).unwrap();
    assert_eq!(ask(&kept), (old.clone(), true, Value::Null));
    stage.rotate(&["--until", "trusted"]);
    let (new, token, _) = ask(&at("hybridge.pem.next"));
    assert!(token && new != old, "both are trusted");
    assert!(ask(&at("hybridge.pem")).1);
    stage.rotate(&[]);
    assert_eq!(ask(&at("hybridge.pem")), (new.clone(), true, Value::Null));
    assert_eq!(ask(&at("hybridge.pem.previous")), (old.clone(), true, Value::Null));
    stage.rotate(&["--keep-days", "0"]);
    assert_eq!(ask(&at("hybridge.pem")), (new, true, Value::Null));
    assert_eq!(ask(&kept), (old, false, json!([700_027])));
}
