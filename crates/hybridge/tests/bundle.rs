//! Servers that are worked on by hand: export, the runner on each of them, import.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says by panicking what is wrong")]

mod support;

use std::{
    fs,
    path::{Path, PathBuf},
};

use hybridge_sandbox_windows::{Ended, Estate, EstateSetup, Organization, powershell};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use support::{Sandbox, run};

/// Emulated servers of the sandbox's deployment, which only an administrator gets to.
struct Servers {
    estate: Estate,
    clock: Timestamp,
}

impl Servers {
    fn new(organization: &str) -> Self {
        let clock = Timestamp::now() - SignedDuration::from_mins(10);
        let organization = Organization {
            id: Estate::ORGANIZATION,
            unique_name: organization.to_owned(),
            friendly_name: organization.to_owned(),
            state: "Enabled".to_owned(),
        };
        let estate = Estate::with(EstateSetup {
            organization,
            domain: "lindhagen.test".to_owned(),
            ..EstateSetup::contoso(clock)
        });
        Self { estate, clock }
    }

    fn copy(&mut self, server: &str, bundle: &Path) {
        let machine = self.estate.machine(server).unwrap();
        for folder in ["", "scripts", "data"] {
            for entry in fs::read_dir(bundle.join(folder)).unwrap() {
                let path = entry.unwrap().path();
                if path.is_file() {
                    let name = path.strip_prefix(bundle).unwrap().display().to_string().replace('/', "\\");
                    machine.files.insert(format!("C:\\bundle\\{name}"), fs::read(path).unwrap());
                }
            }
        }
    }

    fn run(&mut self, server: &str, arguments: &[&str], typed: &str) -> Ended {
        self.clock += SignedDuration::from_secs(10);
        self.estate.set_now(self.clock);
        let start = ["-NoProfile", "-File", "C:\\bundle\\run.ps1", "-Mode"];
        let arguments: Vec<&str> = start.into_iter().chain(arguments.iter().copied()).collect();
        powershell(&arguments, &format!("{typed}\n"), self.estate.machine(server).unwrap())
    }

    /// The results of a server, carried into a folder.
    fn results(&mut self, server: &str, to: &Path) -> Vec<String> {
        let files = &self.estate.machine(server).unwrap().files;
        let results = files.iter().filter(|(name, _)| name.contains("results-"));
        let carried = results.map(|(name, bytes)| {
            let path = to.join(name.rsplit('\\').next().unwrap());
            fs::write(&path, bytes).unwrap();
            path.display().to_string()
        });
        carried.collect()
    }
}

/// The sandbox's configuration, with servers that nothing reaches.
fn by_hand(sandbox: &Sandbox) -> PathBuf {
    let path = sandbox.folder().join("hybridge.toml");
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains("[[native.servers]]"), "{text}");
    fs::write(&path, text.replace("[[native.servers]]", "[[native.servers]]\nreach = \"bundle\"")).unwrap();
    path
}

fn verdict(plan: &Value, step: &str) -> String {
    let lines = plan["steps"].as_array().unwrap();
    lines.iter().find(|line| line["id"] == step).unwrap()["verdict"].as_str().unwrap().to_owned()
}

fn import_of(results: &[String]) -> Vec<&str> {
    ["connect", "import"].into_iter().chain(results.iter().map(String::as_str)).collect()
}

#[test]
fn servers_that_nothing_reaches_are_set_up_by_hand() {
    let sandbox = Sandbox::unconnected("bundle");
    let configuration = by_hand(&sandbox);
    let carried = sandbox.folder().join("carried");
    fs::create_dir_all(&carried).unwrap();
    let hybridge = |arguments: &[&str]| run(&configuration, arguments);
    let told = |arguments: &[&str]| -> Value {
        let arguments: Vec<&str> = arguments.iter().copied().chain(["--json"]).collect();
        let ended = run(&configuration, &arguments);
        serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:#?}"))
    };

    let plan = told(&["connect", "plan", "--target", "native"]);
    assert_eq!(verdict(&plan, "server-inventory"), "by-hand", "{plan}");
    let here = ["--step", "signing-certificate", "--step", "dynamics-principal", "--step", "dynamics-key"];
    let applied = hybridge(&[["connect", "apply", "--target", "native"].as_slice(), &here].concat());
    assert_eq!(applied.code, 0, "{applied:#?}");

    let bundle = sandbox.folder().join("bundle");
    let (folder, password_file) = (bundle.display().to_string(), sandbox.folder().join("one-time"));
    let export = ["connect", "export", "--target", "native", "--to", &folder];
    let refused = hybridge(&[export.as_slice(), &["--json"]].concat());
    assert!(refused.code == 6 && refused.stderr.contains("--password-file"), "{refused:#?}");
    let file = password_file.display().to_string();
    let exported = hybridge(&[export.as_slice(), &["--password-file", &file]].concat());
    assert!([0, 3].contains(&exported.code), "{exported:#?}");
    let password = fs::read_to_string(&password_file).unwrap();
    assert!(!exported.stdout.contains(&password), "{exported:#?}");
    let twice = hybridge(&export);
    assert!(twice.code == 7 && twice.stderr.contains("is there already"), "{twice:#?}");
    let text = fs::read_to_string(&configuration).unwrap();
    let organization = text.split("[native]\norganization = \"").nth(1).unwrap().split('"').next().unwrap();
    let mut servers = Servers::new(organization);
    for server in ["CRM01", "CRM02", "CRMDEP"] {
        servers.copy(server, &bundle);
        let ended = servers.run(server, &["Apply"], &password);
        assert_eq!(ended.exit, 3, "{server} waits for others: {ended:?}\n{}", exported.stdout);
    }
    for server in ["CRMDEP", "CRM01", "CRM02"] {
        let ended = servers.run(server, &["Apply", "-DoneElsewhere"], &password);
        assert_eq!(ended.exit, 0, "{server}: {ended:?}");
    }
    servers.copy("ADFS01", &bundle);
    let ended = servers.run("ADFS01", &["Probe"], "");
    assert_eq!(ended.exit, 0, "{ended:?}");
    let mut results = Vec::new();
    for server in ["CRM01", "CRM02", "CRMDEP", "ADFS01"] {
        results.extend(servers.results(server, &carried));
    }
    let import = import_of(&results);
    let text = fs::read_to_string(&results[0]).unwrap();
    let (changed, altered) =
        (text.replace("\"orders\":", "\"orders\": "), carried.join("results-altered.json"));
    assert_ne!(changed, text);
    fs::write(&altered, changed).unwrap();
    let refused = hybridge(&[import.as_slice(), &[altered.to_str().unwrap()]].concat());
    assert!(refused.code != 0 && refused.stderr.contains("SHA-256 is another one"), "{refused:#?}");
    let log = told(&["connect", "log"]);
    assert!(log["entries"].as_array().unwrap().iter().all(|entry| entry["action"] != "import"), "{log}");
    let imported = hybridge(&import);
    assert_eq!(imported.code, 0, "{imported:#?}");
    let again = hybridge(&import);
    assert!(again.stdout.contains("was taken over before"), "{again:#?}");

    let plan = told(&["connect", "plan", "--target", "native"]);
    for step in [
        "server-inventory",
        "deployment-inventory",
        "outbound",
        "signing-store",
        "key-access",
        "token-service",
        "organization-tenant",
        "signing-record",
        "service-restart",
    ] {
        assert_eq!(verdict(&plan, step), "ok", "{step}: {plan:#}");
    }
    let log = told(&["connect", "log"]);
    let entries = log["entries"].as_array().unwrap();
    let by_hand = entries.iter().filter(|entry| entry["action"] == "import");
    assert!(by_hand.clone().any(|entry| entry["who"].as_str().unwrap().contains("administrator on crm01")));
    let store = entries.iter().rfind(|entry| entry["step"] == "signing-store").unwrap();
    let before = &store["before"]["servers"];
    assert!(before.as_object().unwrap().values().all(|server| server["installed"] == false), "{store}");
    // And back, server by server.
    let mut results = Vec::new();
    for server in ["CRMDEP", "CRM01", "CRM02"] {
        let before = servers.results(server, &carried);
        let ended = servers.run(server, &["Undo"], "");
        assert_eq!(ended.exit, 0, "{server}: {ended:?}");
        results.extend(servers.results(server, &carried).into_iter().filter(|file| !before.contains(file)));
    }
    let import = import_of(&results);
    let imported = hybridge(&import);
    assert_eq!(imported.code, 0, "{imported:#?}");
    assert!(servers.estate.machine("CRM01").unwrap().certificates.is_empty(), "the certificate is gone");
    let plan = told(&["connect", "plan", "--target", "native"]);
    for step in ["signing-store", "token-service", "organization-tenant"] {
        assert_eq!(verdict(&plan, step), "change", "{step}: {plan:#}");
    }
    let left = told(&["connect", "undo", "--target", "native", "--dry-run"]).to_string();
    assert!(!left.contains("signing-store"), "what was taken back there is not taken back again: {left}");
    holds_no(&password, &[bundle.clone(), bundle.join("data"), bundle.join("scripts"), carried]);
}

fn holds_no(password: &str, folders: &[PathBuf]) {
    for folder in folders {
        for entry in
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file())
        {
            let bytes = fs::read(&entry).unwrap();
            let found = bytes.windows(password.len()).any(|part| part == password.as_bytes());
            assert!(!found, "{} holds the password", entry.display());
        }
    }
}
