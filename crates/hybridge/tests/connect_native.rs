//! Dynamics' own synchronization: from nothing to mailboxes that it opens, its certificate changed under way, and back.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says by panicking what is wrong")]

mod support;

use std::{
    fs,
    path::PathBuf,
    process::Stdio,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use support::{Control, Ended, Sandbox, hybridge, run};

fn configuration(sandbox: &Sandbox) -> PathBuf {
    sandbox.folder().join("hybridge.toml")
}

fn native(sandbox: &Sandbox, verb: &str, more: &[&str]) -> (Ended, Value) {
    let arguments: Vec<&str> =
        ["connect", verb, "--target", "native", "--json"].into_iter().chain(more.iter().copied()).collect();
    answered(run(&configuration(sandbox), &arguments))
}

fn rotate(sandbox: &Sandbox, more: &[&str]) -> (Ended, Value) {
    let arguments: Vec<&str> = ["certificate", "rotate", "--target", "native", "--json"]
        .into_iter()
        .chain(more.iter().copied())
        .collect();
    answered(run(&configuration(sandbox), &arguments))
}

fn answered(ended: Ended) -> (Ended, Value) {
    let answer = serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:#?}"));
    (ended, answer)
}

fn good(sandbox: &Sandbox, verb: &str, more: &[&str]) -> Value {
    let (ended, answer) = native(sandbox, verb, more);
    assert_eq!(ended.code, 0, "{answer:#}\n{}", ended.stderr);
    answer
}

/// What the servers, the directory and the organization hold, without what only tells of the past: an attribute that was
/// emptied counts as one that was never there.
fn ground(control: &Control) -> Value {
    let mut windows = control.get("windows");
    for machine in windows["machines"].as_object_mut().unwrap().values_mut() {
        let machine = machine.as_object_mut().unwrap();
        for past in ["changes", "services", "events"] {
            machine.remove(past);
        }
    }
    let settings = windows["deployment"]["settings"].as_array_mut().unwrap();
    settings.retain(|setting| setting["value"] != "");
    let mut mailboxes = control.get("native")["mailboxes"].clone();
    for mailbox in mailboxes.as_object_mut().unwrap().values_mut() {
        *mailbox = json!({ "profile": mailbox["profile"], "approval": mailbox["approval"] });
    }
    let mut directory = control.get("directory");
    directory.as_object_mut().unwrap().remove("tokens");
    json!({ "windows": windows, "mailboxes": mailboxes, "directory": directory })
}

/// The thumbprints of the certificates in a server's own store.
fn store(control: &Control, machine: &str) -> Vec<String> {
    let windows = control.get("windows");
    let certificates = windows["machines"][machine]["certificates"].as_array().unwrap().clone();
    certificates.iter().map(|one| one["thumbprint"].as_str().unwrap().to_owned()).collect()
}

fn refused(control: &Control) -> u64 {
    control.get("native")["signIns"]["refused"].as_u64().unwrap()
}

fn granted(control: &Control) -> u64 {
    control.get("native")["signIns"]["granted"].as_u64().unwrap()
}

/// Waits until Dynamics has opened all mailboxes once more.
fn a_cycle_passes(control: &Control) {
    let (before, began) = (granted(control) + refused(control), Instant::now());
    let mailboxes = control.get("native")["mailboxes"].as_object().unwrap().len() as u64;
    while granted(control) + refused(control) < before + mailboxes {
        assert!(began.elapsed() < Duration::from_mins(1), "Dynamics does not work on mailboxes");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn from_nothing_to_mailboxes_that_dynamics_opens_and_back() {
    let sandbox = Sandbox::unconnected("native");
    let control = Control::of(&sandbox);
    let (written, before) = (fs::read_to_string(configuration(&sandbox)).unwrap(), ground(&control));

    let (_, plan) = native(&sandbox, "plan", &[]);
    let verdict = |plan: &Value, step: &str| -> String {
        let lines = plan["steps"].as_array().unwrap();
        lines.iter().find(|line| line["id"] == step).unwrap()["verdict"].as_str().unwrap().to_owned()
    };
    assert_eq!(verdict(&plan, "signing-certificate"), "change");
    assert_eq!(verdict(&plan, "signing-record"), "later");
    assert_eq!(ground(&control), before, "a plan changes nothing");

    good(&sandbox, "apply", &[]);
    let plan = good(&sandbox, "plan", &[]);
    assert_eq!(plan["done"], true, "{plan:#}");
    let again = good(&sandbox, "apply", &[]);
    assert_eq!(again["changed"], json!([]), "a second apply changes nothing");
    let verified = good(&sandbox, "verify", &[]);
    assert_eq!(verified["failed"], json!([]));
    let said =
        run(&configuration(&sandbox), &["connect", "verify", "--target", "native", "--step", "mailbox-test"]);
    assert!(said.stdout.contains("Dynamics opened"), "{said:#?}");
    control.put("native", &json!({ "cycleSeconds": 1 }));
    a_cycle_passes(&control);
    let state = control.get("native");
    for (address, mailbox) in state["mailboxes"].as_object().unwrap() {
        assert!(mailbox["lastSync"].is_string() && mailbox["lastError"].is_null(), "{address}: {mailbox}");
    }

    // Every certificate is told with where it is used; one that a server got otherwise is told as well.
    let status = || answered(run(&configuration(&sandbox), &["certificate", "status", "--json"])).1;
    let used = |status: &Value, what: &str| -> Vec<Value> {
        let all = status["certificates"].as_array().unwrap().iter();
        all.filter(|one| one["used_for"].as_str().unwrap().contains(what)).cloned().collect()
    };
    let told = status();
    let signing = used(&told, "Dynamics signs");
    assert_eq!((signing.len(), &told["drift"]), (1, &Value::Null), "{told:#}");
    let places = signing[0]["places"].to_string();
    for place in ["crm01.", "crm02.", "store My", "configuration database S2STokenIssuer"] {
        assert!(places.contains(place), "{place}: {places}");
    }
    assert_eq!(used(&told, "AD FS signs").len(), 1, "{told:#}");
    control.put("windows", &json!({ "CRM02": { "twin": signing[0]["thumbprint"] } }));
    let told = status();
    assert!(told["drift"].as_str().unwrap().contains("crm02."), "{told:#}");
    let twin = used(&told, "Dynamics signs")
        .iter()
        .find(|one| one["thumbprint"] != signing[0]["thumbprint"])
        .cloned();
    control.put("windows", &json!({ "CRM02": { "removed": twin.unwrap()["thumbprint"] } }));

    good(&sandbox, "undo", &[]);
    assert_eq!(ground(&control), before, "undo leaves what was there before");
    assert_eq!(fs::read_to_string(configuration(&sandbox)).unwrap(), written);
    let nothing = good(&sandbox, "undo", &[]);
    assert_eq!(nothing["changed"], json!([]));
}

#[test]
fn six_servers_two_ad_fs_servers_and_five_hundred_mailboxes_fit_on_a_screen() {
    let arguments = ["--unconnected", "--servers", "6", "--adfs-servers", "2"];
    let sandbox = Sandbox::with_arguments("native-large", 500, 10, &arguments);
    for verb in ["plan", "apply", "plan"] {
        let ended = run(&configuration(&sandbox), &["connect", verb, "--target", "native"]);
        assert_eq!(ended.code, 0, "{ended:#?}");
        let lines: Vec<&str> = ended.stdout.lines().collect();
        assert!(lines.len() <= 45, "{} lines", lines.len());
        for line in lines {
            assert!(line.chars().count() <= 160, "{line}");
        }
    }
    let plan = run(&configuration(&sandbox), &["connect", "plan", "--target", "native"]);
    for words in ["all 9 servers answer", "on all 6 servers", "500 mailboxes were tested"] {
        assert!(plan.stdout.contains(words), "{words:?} is missing in {}", plan.stdout);
    }
}

/// A certificate that Dynamics may sign with, as an authority would renew it: under the same name. Its thumbprint.
fn renewed(sandbox: &Sandbox, file: &str) -> String {
    let out = sandbox.folder().join(file);
    let password = sandbox.folder().join("wildcard.password");
    fs::write(&password, "wild card").unwrap();
    let (out, password) = (out.to_str().unwrap(), password.to_str().unwrap());
    let arguments = [
        "certificate",
        "new",
        "--name",
        "*.contoso.com",
        "--days",
        "199",
        "--out",
        out,
        "--password-file",
        password,
    ];
    let made = run(&configuration(sandbox), &arguments);
    assert_eq!(made.code, 0, "{made:#?}");
    let arguments = ["certificate", "inspect", out, "--password-file", password, "--json"];
    let (_, facts) = answered(run(&configuration(sandbox), &arguments));
    facts["certificates"][0]["thumbprint"].as_str().unwrap_or_else(|| panic!("{facts:#}")).to_owned()
}

#[test]
fn who_keeps_the_wildcard_certificate_changes_it_server_by_server() {
    let sandbox = Sandbox::unconnected("native-wildcard");
    let control = Control::of(&sandbox);
    good(&sandbox, "apply", &[]);
    control.put("native", &json!({ "cycleSeconds": 1 }));
    a_cycle_passes(&control);
    let folder = sandbox.folder();
    let change = |file: &str, more: &[&str]| {
        let (file, password) = (folder.join(file), folder.join("wildcard.password"));
        let given = ["--certificate", file.to_str().unwrap(), "--password-file", password.to_str().unwrap()];
        rotate(&sandbox, &[&given, more].concat())
    };
    // From the private certificate to the wildcard certificate: two subjects, side by side.
    let old = renewed(&sandbox, "first.pfx");
    let (ended, answer) = change("first.pfx", &["--keep-days", "0"]);
    assert_eq!((ended.code, &answer["certificate"]), (0, &json!(old)), "{}", ended.stderr);
    assert_eq!(store(&control, "CRM01"), [old.as_str()]);
    a_cycle_passes(&control);

    // A listener that shows it stands in the way, which is said before anything is changed.
    let new = renewed(&sandbox, "second.pfx");
    control.put("windows", &json!({ "CRM02": { "bindings": { "0.0.0.0:443": old } } }));
    let (before, ended) = (control.get("windows"), change("second.pfx", &["--dry-run"]).0);
    assert_ne!(ended.code, 0);
    for words in ["crm02.", "0.0.0.0:443", "WebHosting"] {
        assert!(ended.stderr.contains(words), "{words}: {}", ended.stderr);
    }
    assert_eq!(control.get("windows"), before);
    control.put("windows", &json!({ "CRM02": { "bindings": {} } }));
    let (ended, answer) = change("second.pfx", &["--dry-run"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(answer["would"].as_str().unwrap().contains("the old one has the same subject"), "{answer}");

    for stage in ["issued", "trusted", "distributed", "checked", "switched", "restarted", "proven"] {
        let (ended, answer) = change("second.pfx", &["--until", stage]);
        assert_eq!((ended.code, answer["ended"].as_str()), (0, Some("stopped")), "{stage}: {}", ended.stderr);
        a_cycle_passes(&control);
        let (ended, _) = rotate(&sandbox, &["--back"]);
        assert_eq!(ended.code, 0, "{stage}: {}", ended.stderr);
        for machine in ["CRM01", "CRM02"] {
            assert_eq!(store(&control, machine), [old.as_str()], "{stage}: {machine}");
        }
        a_cycle_passes(&control);
        assert_eq!(refused(&control), 0, "{stage}");
    }
    for life in [600, 1_200, 2_000, 3_000, 4_000] {
        let (file, password) = (folder.join("second.pfx"), folder.join("wildcard.password"));
        let arguments = [
            "certificate",
            "rotate",
            "--target",
            "native",
            "--keep-days",
            "0",
            "--certificate",
            file.to_str().unwrap(),
            "--password-file",
            password.to_str().unwrap(),
        ];
        let mut program = hybridge(&configuration(&sandbox), &arguments);
        let mut program = program.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(life));
        let _ended = program.kill();
        program.wait().unwrap();
    }
    let (ended, answer) = rotate(&sandbox, &["--keep-days", "0"]);
    assert!(ended.code == 0 && answer["ended"] == "done", "{answer} {}", ended.stderr);
    a_cycle_passes(&control);
    for machine in ["CRM01", "CRM02"] {
        assert_eq!(store(&control, machine), [new.as_str()], "{machine}");
    }
    assert_eq!(refused(&control), 0, "no sign-in was refused at any time");
    assert_eq!(good(&sandbox, "plan", &[])["done"], true);

    // What serves TLS as well, or was not brought by Hybridge, is not taken away with its key.
    control.put("windows", &json!({ "CRM02": { "bindings": { "0.0.0.0:443": new } } }));
    let (ended, answer) = rotate(&sandbox, &["--keep-days", "0"]);
    let left = answer["left"].to_string();
    assert!(ended.code == 0 && left.contains("0.0.0.0:443 shows it") && !left.contains("crm01"), "{answer}");
    assert_eq!((store(&control, "CRM01").len(), store(&control, "CRM02").len()), (1, 2));
    fs::remove_file(folder.join("connect/signing/brought.json")).unwrap();
    let (ended, answer) = rotate(&sandbox, &["--keep-days", "0"]);
    let left = answer["left"].to_string();
    assert!(ended.code == 0 && left.matches("Hybridge did not bring it there").count() == 2, "{answer}");
    a_cycle_passes(&control);
    assert_eq!(refused(&control), 0);
}

#[test]
fn the_certificate_of_dynamics_changes_while_it_works_and_no_sign_in_is_refused() {
    let sandbox = Sandbox::unconnected("native-rotation");
    let control = Control::of(&sandbox);
    let before = ground(&control);
    good(&sandbox, "apply", &[]);
    control.put("native", &json!({ "cycleSeconds": 1 }));
    a_cycle_passes(&control);
    let old = store(&control, "CRM01");
    assert_eq!((old.len(), refused(&control)), (1, 0));

    // Stopped after each stage, taken back from it, and everything is as it was.
    for stage in ["issued", "trusted", "distributed", "checked", "switched", "restarted", "proven"] {
        let (ended, answer) = rotate(&sandbox, &["--until", stage]);
        assert_eq!(
            (ended.code, answer["ended"].as_str()),
            (0, Some("stopped")),
            "{stage}: {answer} {}",
            ended.stderr
        );
        a_cycle_passes(&control);
        let (ended, answer) = rotate(&sandbox, &["--back"]);
        assert_eq!(ended.code, 0, "{stage}: {answer} {}", ended.stderr);
        assert_eq!(
            (store(&control, "CRM01"), store(&control, "CRM02")),
            (old.clone(), old.clone()),
            "{stage}"
        );
        a_cycle_passes(&control);
        assert_eq!(refused(&control), 0, "{stage}");
    }

    // Killed at many instants, then to its end.
    for life in [400, 900, 1_500, 2_200, 3_000, 4_000] {
        let arguments = ["certificate", "rotate", "--target", "native", "--keep-days", "0"];
        let mut program = hybridge(&configuration(&sandbox), &arguments);
        let mut program = program.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(life));
        let _ended = program.kill();
        program.wait().unwrap();
    }
    let (ended, answer) = rotate(&sandbox, &["--keep-days", "0"]);
    assert_eq!((ended.code, answer["ended"].as_str()), (0, Some("done")), "{answer} {}", ended.stderr);
    a_cycle_passes(&control);
    let new = store(&control, "CRM01");
    assert!(new.len() == 1 && new != old, "{new:?}");
    assert_eq!(store(&control, "CRM02"), new);
    assert_eq!(refused(&control), 0, "no sign-in was refused at any time");
    let plan = good(&sandbox, "plan", &[]);
    assert_eq!(plan["done"], true, "{plan:#}");
    good(&sandbox, "undo", &[]);
    assert_eq!(ground(&control), before, "what the rotation brought is taken back too");
}
