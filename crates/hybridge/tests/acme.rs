//! Certificates are had from an ACME authority that nobody here wrote, and nothing is left behind.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says by panicking what is wrong")]

mod support;

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use support::{Authority, Ended};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// What is in a folder, at any depth.
fn inside(folder: &Path) -> Vec<String> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path().display().to_string()).collect()
}

fn done(ended: &Ended) -> serde_json::Value {
    assert_eq!(ended.code, 0, "{ended:#?}");
    ended.json()
}

#[test]
fn hybridge_proves_names_over_http_by_itself_and_keeps_its_account() {
    let authority = Authority::start("http");
    let address = authority.http_address();
    let hosts = ["--host", "crm.contoso.test", "--host", "auth.contoso.test", "--http01", &address];

    let without_terms = Ended::of(authority.command(&hosts).args(["--out", "crm.pem"]));
    assert_eq!(without_terms.code, 6, "{without_terms:#?}");
    assert!(without_terms.stderr.contains("--accept-terms"), "{}", without_terms.stderr);

    let dry = authority.request(&[&hosts[..], &["--out", "crm.pem", "--dry-run"]].concat());
    assert_eq!(done(&dry)["new_account"], true);
    let (account, out) = (authority.folder().join("acme-account.json"), authority.folder().join("crm.pem"));
    assert!(!account.exists() && !out.exists(), "a dry run writes nothing");

    let first = authority
        .request(&[&hosts[..], &["--out", "crm.pem", "--contact", "it@contoso.test", "-vv"]].concat());
    assert!(first.stderr.contains("crm.contoso.test: proof put up, http://crm.contoso.test/"), "{first:#?}");
    assert!(first.stderr.contains("127.0.0.1 asked for a proof, and got it."), "{first:#?}");
    let saved: serde_json::Value = serde_json::from_slice(&fs::read(&account).unwrap()).unwrap();
    let secret = saved["key_pkcs8"].as_str().unwrap();
    assert!(!first.stderr.contains(secret) && !first.stdout.contains(secret), "{first:#?}");
    let first = done(&first);
    assert_eq!(first["names"], serde_json::json!(["crm.contoso.test", "auth.contoso.test"]));
    assert_eq!((mode(&account), mode(&out)), (0o600, 0o600));
    authority.write_root();
    authority.openssl(&["verify", "-CAfile", "root.pem", "-untrusted", "crm.pem", "crm.pem"]);
    let key = authority.openssl(&["pkey", "-in", "crm.pem", "-pubout"]);
    assert_eq!(
        key,
        authority.openssl(&["x509", "-in", "crm.pem", "-pubkey", "-noout"]),
        "certificate and key are a pair"
    );

    let again = authority.request(&[&hosts[..], &["--out", "crm.pem"]].concat());
    assert_eq!(again.code, 6, "{again:#?}");
    assert!(again.stderr.contains("--force"), "{}", again.stderr);
    let kept = fs::read(&account).unwrap();
    let contact = ["--out", "crm.pem", "--force", "--json", "--contact", "other@contoso.test"];
    let replaced = Ended::of(authority.command(&hosts).args(contact));
    let replaced = done(&replaced);
    assert_eq!(
        replaced["account"], first["account"],
        "the account is taken up again, without accepting the terms"
    );
    assert_ne!(replaced["thumbprint"], first["thumbprint"]);
    assert_eq!(fs::read(&account).unwrap(), kept);

    let other = authority.folder().join("other.json");
    fs::write(&other, String::from_utf8(kept).unwrap().replace("/dir", "/elsewhere")).unwrap();
    let foreign = authority.request(&[&hosts[..], &["--out", "b.pem", "--account", "other.json"]].concat());
    assert_eq!(foreign.code, 6, "{foreign:#?}");
    assert!(foreign.stderr.contains("/elsewhere"), "{}", foreign.stderr);
}

#[test]
fn a_web_server_proves_names_and_its_folder_is_left_as_it_was() {
    let authority = Authority::start("folder");
    let root = authority.folder().join("root");
    fs::create_dir(&root).unwrap();
    let _serving = Serving::start(&root, &authority.http_address());
    let told = authority.request(&[
        "--host",
        "web.contoso.test",
        "--http01-folder",
        "root",
        "--key",
        "p256",
        "--out",
        "web.pem",
    ]);
    done(&told);
    assert_eq!(inside(&root), Vec::<String>::new());
    authority.openssl(&["pkey", "-in", "web.pem", "-noout"]);

    // What is somebody else's stays.
    fs::create_dir(root.join(".well-known")).unwrap();
    fs::write(root.join(".well-known/security.txt"), "x").unwrap();
    done(&authority.request(&[
        "--host",
        "web2.contoso.test",
        "--http01-folder",
        "root",
        "--out",
        "web2.pem",
    ]));
    assert_eq!(
        inside(&root.join(".well-known")),
        [root.join(".well-known/security.txt").display().to_string()]
    );
}

#[test]
fn wildcards_are_proven_with_records_that_a_hook_sets() {
    let authority = Authority::start("dns");
    let hook = authority.hook("");
    let hosts = ["--host", "contoso.test", "--host", "*.contoso.test", "--host", "*.emea.contoso.test"];
    let mut command = authority.command(&hosts);
    command.args(["--accept-terms", "--json", "--dns01-hook", &hook, "--out", "all.pfx"]);
    let told = done(&Ended::of(command.env("HYBRIDGE_PFX_PASSWORD", "Pässwörd 1")));
    assert_eq!(told["names"].as_array().unwrap().len(), 3, "{told}");
    assert_eq!(told["left_behind"], serde_json::json!([]));
    assert_eq!(mode(&authority.folder().join("all.pfx")), 0o600);

    let calls = authority.calls();
    assert_eq!(calls.len(), 6, "{calls:#?}");
    assert!(authority.is_cleaned_up(), "{calls:#?}");
    assert!(
        calls.iter().all(|call| !call.contains("Pässwörd")),
        "the hook has no business with the password: {calls:#?}"
    );
    assert!(
        calls[0].starts_with("present _acme-challenge.") && calls[3].starts_with("cleanup"),
        "{calls:#?}"
    );
    let values =
        calls.iter().filter(|call| call.starts_with("present _acme-challenge.contoso.test ")).count();
    assert_eq!(values, 2, "two values stand at one name at the same time");

    let mut read = Command::new("openssl");
    read.args(["pkcs12", "-in", "all.pfx", "-nodes", "-passin", "env:PASS"]).env("PASS", "Pässwörd 1");
    let read = Ended::of(read.current_dir(authority.folder()));
    assert!(read.code == 0 && read.stdout.contains("BEGIN PRIVATE KEY"), "{read:#?}");

    let over_http =
        authority.request(&["--host", "*.contoso.test", "--http01", "127.0.0.1:0", "--out", "x.pem"]);
    assert_eq!(over_http.code, 6, "{over_http:#?}");
    assert!(over_http.stderr.contains("--dns01-hook"), "{}", over_http.stderr);
}

#[test]
fn a_refused_proof_is_explained_and_nothing_is_left_behind() {
    let authority = Authority::start("refused");
    let root = authority.folder().join("root");
    fs::create_dir(&root).unwrap();
    let refused =
        authority.request(&["--host", "nobody.contoso.test", "--http01-folder", "root", "--out", "a.pem"]);
    assert_eq!(refused.code, 4, "{refused:#?}");
    for told in [
        "did not find the proof for nobody.contoso.test",
        "looked for at http://nobody.contoso.test/.well-known/acme-challenge/",
        "connection refused",
        "could not reach port 80 of nobody.contoso.test",
        "proof taken down",
    ] {
        assert!(refused.stderr.contains(told), "no {told:?}: {}", refused.stderr);
    }
    assert_eq!(inside(&root), Vec::<String>::new());
    assert!(!authority.folder().join("a.pem").exists());

    let hook = authority.hook("value=wrong");
    let wrong = authority.request(&["--host", "*.contoso.test", "--dns01-hook", &hook, "--out", "a.pem"]);
    assert_eq!(wrong.code, 4, "{wrong:#?}");
    assert!(wrong.stderr.contains("the TXT record _acme-challenge.contoso.test"), "{}", wrong.stderr);
    assert!(authority.is_cleaned_up(), "{:#?}", authority.calls());
    assert!(!authority.folder().join("a.part").exists() && !authority.folder().join("a.pem").exists());
}

#[test]
fn a_failing_hook_is_told_with_what_it_said() {
    let authority = Authority::start("hook");
    let hook = authority
        .hook("[ $1 = present ] && { echo 'no zone contoso.test'; echo 'key expired' >&2; exit 7; }");
    let failed = authority.request(&["--host", "a.contoso.test", "--dns01-hook", &hook, "--out", "a.pem"]);
    assert_eq!(failed.code, 6, "{failed:#?}");
    for told in ["a.contoso.test", "exit status: 7", "no zone contoso.test", "key expired"] {
        assert!(failed.stderr.contains(told), "no {told:?}: {}", failed.stderr);
    }
    assert!(authority.is_cleaned_up(), "{:#?}", authority.calls());

    let cleaning = authority.hook("[ $1 = cleanup ] && { echo 'zone is locked'; exit 1; }");
    let left = authority.request(&["--host", "a.contoso.test", "--dns01-hook", &cleaning, "--out", "a.pem"]);
    assert_eq!(left.code, 3, "the certificate is there, the record too: {left:#?}");
    let told = left.json()["left_behind"][0].as_str().unwrap().to_owned();
    assert!(told.contains("_acme-challenge.a.contoso.test") && told.contains("zone is locked"), "{told}");
    assert!(authority.folder().join("a.pem").exists());
}

#[test]
fn stopping_it_takes_the_proofs_down_first() {
    let authority = Authority::start("stop");
    let hook = authority.hook("[ $1 = present ] && exec sleep 300");
    let mut command =
        authority.command(&["--host", "a.contoso.test", "--dns01-hook", &hook, "--out", "a.pem"]);
    let mut running =
        command.arg("--accept-terms").stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let waiting = (0..600).any(|_| {
        thread::sleep(Duration::from_millis(50));
        !authority.calls().is_empty()
    });
    let _told = Command::new("kill").args(["-TERM", &running.id().to_string()]).status();
    let ended = (0..600).find_map(|_| {
        thread::sleep(Duration::from_millis(50));
        running.try_wait().unwrap()
    });
    let _gone = running.kill().and_then(|()| running.wait());
    assert!(waiting, "the hook was called");
    assert_eq!(ended.and_then(|status| status.code()), Some(5));
    assert!(authority.is_cleaned_up(), "{:#?}", authority.calls());
}

#[test]
fn a_certificate_is_renewed_when_its_time_has_come_and_not_before() {
    let authority = Authority::start("renewal");
    let address = authority.http_address();
    let ask = |extra: &[&str]| {
        let common = ["--host", "crm.contoso.test", "--http01", &address, "--out", "crm.pem"];
        authority.request(&[&common, extra].concat())
    };
    let first = done(&ask(&["--renew-before", "30"]));
    assert_eq!(first["renewed"], true, "what is not there is made");

    // Nobody is asked: there is no such authority, and no password of one is needed.
    let mut idle = support::hybridge(Path::new("none.toml"), &["certificate", "request", "--json"]);
    idle.current_dir(authority.folder()).args([
        "--directory",
        "https://localhost:1/dir",
        "--renew-before",
        "30",
    ]);
    idle.args(["--host", "crm.contoso.test", "--http01", "127.0.0.1:0", "--out", "crm.pem"]);
    let idle = done(&Ended::of(&mut idle));
    assert_eq!((&idle["renewed"], &idle["days_left"]), (&false.into(), &89.into()), "{idle}");

    let due = done(&ask(&["--renew-before", "120"]));
    assert_eq!(due["renewed"], true);
    assert_ne!(due["thumbprint"], first["thumbprint"]);
    let wider = done(&ask(&["--renew-before", "30", "--host", "auth.contoso.test"]));
    assert_eq!(wider["names"].as_array().unwrap().len(), 2, "a missing name is a reason too: {wider}");

    let common =
        ["--host", "fabrikam.test", "--http01", &address, "--out", "crm.pem", "--renew-before", "30"];
    let foreign = authority.request(&common);
    assert_eq!(foreign.code, 6, "{foreign:#?}");
    assert!(foreign.stderr.contains("a certificate for other names"), "{}", foreign.stderr);
}

#[test]
fn an_authority_that_refuses_many_nonces_is_asked_until_it_does_not() {
    let authority = Authority::refusing("nonces", Some(40));
    let address = authority.http_address();
    done(&authority.request(&[
        "--host",
        "a.contoso.test",
        "--host",
        "b.contoso.test",
        "--http01",
        &address,
        "--out",
        "a.pem",
    ]));
}

/// A web server of somebody else's.
struct Serving(Child);

impl Serving {
    fn start(root: &Path, address: &str) -> Self {
        let port = address.rsplit(':').next().unwrap();
        let mut server = Command::new("python3");
        server.args(["-m", "http.server", port, "--bind", "127.0.0.1", "--directory"]).arg(root);
        let serving =
            Self(server.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
        let up = (0..600).any(|_| {
            thread::sleep(Duration::from_millis(50));
            std::net::TcpStream::connect(address).is_ok()
        });
        assert!(up, "python's web server does not listen on {address}");
        serving
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ended = self.0.kill().and_then(|()| self.0.wait());
    }
}
