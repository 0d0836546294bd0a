//! An organization without claims: Kerberos and NTLM against a real domain controller and a real web server.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test says by panicking what is wrong, and by a line what it could not try"
)]

mod support;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
};

use support::{Control, Domain, Ended, Sandbox, run};

const NTLM_ONLY: (&str, &str) = ("HYBRIDGE_ORGANIZATION_URL", "https://crm.contoso.test:9443/Contoso/");
const EACH_REQUEST: (&str, &str) = ("HYBRIDGE_ORGANIZATION_URL", "https://crm.contoso.test:8443/Contoso/");
const NO_CONTROLLER: (&str, &str) = ("HYBRIDGE_ORGANIZATION_KDC", "127.0.0.1:9");

struct Stage {
    sandbox: Sandbox,
    domain: Domain,
}

impl Stage {
    fn set() -> Self {
        let sandbox = Sandbox::behind("windows", Domain::ORGANIZATION);
        let domain = Domain::start(&sandbox);
        Self { sandbox, domain }
    }

    /// A configuration for an account, with its password or with a keytab.
    fn configured(&self, account: &str, secret: &str) -> PathBuf {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let folder = self.sandbox.folder();
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let configuration = folder.join(format!("{account}-{number}.toml"));
        let made = run(&configuration, &["init", "--sandbox", folder.to_str().unwrap()]);
        assert_eq!(made.code, 0, "{made:#?}");
        let text = fs::read_to_string(&configuration).unwrap();
        let authority = self.domain.file("authority.pem");
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        for line in &mut lines {
            if line.starts_with("user =") {
                *line = format!("user = 'CONTOSO\\{account}'");
            } else if line.starts_with("password =") {
                secret.clone_into(line);
            } else if line.starts_with("authorities =") {
                *line = line.replace(']', &format!(", \"{}\"]", authority.display()));
            }
        }
        fs::write(&configuration, lines.join("\n")).unwrap();
        configuration
    }

    fn with_password(&self, account: &str, password: &str) -> PathBuf {
        let file = self.sandbox.folder().join(format!("password-{account}-{password}"));
        fs::write(&file, password).unwrap();
        self.configured(account, &format!("password = {{ file = \"{}\" }}", file.display()))
    }

    fn check(&self, configuration: &Path, settings: &[(&str, &str)]) -> Ended {
        self.domain.run(configuration, settings, &["check"])
    }
}

#[track_caller]
fn says(ended: &Ended, code: i32, parts: &[&str]) {
    assert_eq!(ended.code, code, "{ended:#?}");
    for part in parts {
        assert!(ended.stdout.contains(part), "{part:?} is missing in {}", ended.stdout);
    }
    assert!(!format!("{ended:?}").contains("Correct-Horse"), "a password is shown: {ended:#?}");
}

#[test]
fn kerberos_first_and_ntlm_where_it_is_not_possible() {
    if !Domain::is_possible() {
        eprintln!("this machine lets nobody mount a file system: not tried here");
        return;
    }
    let stage = Stage::set();
    let control = Control::of(&stage.sandbox);
    let password = stage.with_password("svc-hybridge", "Correct-Horse-7");
    let keytab = stage.domain.file("svc-hybridge.keytab");
    let keytab = stage.configured("svc-hybridge", &format!("keytab = \"{}\"", keytab.display()));

    // Kerberos with the password: the domain controller is found by the domain's name.
    let kerberos =
        "ok    Windows authentication: Kerberos, as CONTOSO\\svc-hybridge for HTTP/crm.contoso.test";
    says(&stage.check(&password, &[]), 0, &[kerberos, "ok    CheckIncomingEmail", "Everything is ready"]);
    // Where the server wants a ticket with each request, too.
    says(&stage.check(&password, &[EACH_REQUEST]), 0, &[kerberos]);
    // With the keytab, and a krb5.conf.
    let krb5_conf = stage.domain.file("krb5.conf");
    let krb5_conf = ("KRB5_CONFIG", krb5_conf.to_str().unwrap());
    says(&stage.check(&keytab, &[krb5_conf]), 0, &[kerberos]);

    // It works, and not only the check: mail becomes records.
    let synced = stage.domain.run(&keytab, &[], &["sync", "--once", "--json"]);
    assert_eq!(synced.code, 0, "{synced:#?}");
    assert!(!control.incoming_records().is_empty());

    // NTLM, because the web server takes nothing else.
    let only = stage.check(&password, &[NTLM_ONLY]);
    says(
        &only,
        3,
        &[
            "Windows authentication: NTLM, as CONTOSO\\svc-hybridge",
            "does not accept CONTOSO\\svc-hybridge's ticket",
        ],
    );
    // A keytab is of no use for that.
    says(&stage.check(&keytab, &[NTLM_ONLY]), 4, &["FAIL  Windows authentication", "setspn -Q"]);

    // NTLM, because no domain controller answers; a whole run with it.
    let unreachable = stage.domain.file("krb5-unreachable.conf");
    let unreachable = ("KRB5_CONFIG", unreachable.to_str().unwrap());
    let words =
        ["Windows authentication: NTLM", "no domain controller of CONTOSO.TEST answers", "TCP port 88"];
    says(&stage.check(&password, &[unreachable]), 3, &words);
    says(&stage.check(&keytab, &[NO_CONTROLLER]), 5, &["no domain controller of CONTOSO.TEST answers"]);
    let message = serde_json::json!({
        "from": control.known_sender(),
        "to": (0..stage.sandbox.mailboxes()).map(|number| stage.sandbox.address(number)).collect::<Vec<_>>(),
        "subject": "With NTLM",
        "messageId": "<ntlm@x>",
    });
    control.post("mail", &message);
    let synced = stage.domain.run(&password, &[NO_CONTROLLER], &["sync", "--once"]);
    assert_eq!(synced.code, 0, "{synced:#?}");
    assert!(control.incoming_records().contains(&"<ntlm@x>".to_owned()), "{synced:#?}");

    // Service principal names: one that nobody has, one that another account has.
    let unknown = ("HYBRIDGE_ORGANIZATION_SERVICE_PRINCIPAL", "HTTP/nobody.contoso.test");
    says(&stage.check(&password, &[unknown]), 3, &["knows no service HTTP/nobody.contoso.test", "setspn -S"]);
    let foreign = ("HYBRIDGE_ORGANIZATION_SERVICE_PRINCIPAL", "HTTP/other.contoso.test");
    says(&stage.check(&keytab, &[foreign]), 4, &["ticket for HTTP/other.contoso.test", "setspn -Q"]);

    nothing_leaks(&stage, &password);
    refusals(&stage);
}

/// With the loudest log neither the password is told nor what it can be guessed from.
fn nothing_leaks(stage: &Stage, configuration: &Path) {
    let loudest = ("HYBRIDGE_LOG", "trace,sspi::ntlm=trace,sspi::kerberos=trace");
    for more in [&[loudest][..], &[loudest, NO_CONTROLLER]] {
        let ended = stage.check(configuration, more);
        let told = format!("{}{}", ended.stdout, ended.stderr);
        assert!(told.contains("TRACE") && told.contains("Windows authentication"), "{told}");
        // The third message of NTLM, by its beginning.
        for secret in ["Correct-Horse", "TlRMTVNTUAAD", "78, 84, 76, 77, 83, 83, 80, 0, 3"] {
            assert!(!told.contains(secret), "{secret:?} is told: {told}");
        }
    }
}

fn refusals(stage: &Stage) {
    let told = |account: &str, password: &str, code: i32, parts: &[&str]| {
        says(&stage.check(&stage.with_password(account, password), &[]), code, parts);
    };
    let before = stage.domain.number("svc-hybridge", "badPwdCount");
    let words = "does not accept the password of CONTOSO\\svc-hybridge";
    told("svc-hybridge", "Correct-Horse-8", 4, &["FAIL  Windows authentication", words, "not tried again"]);
    let after = stage.domain.number("svc-hybridge", "badPwdCount");
    assert_eq!(
        after,
        before + 1,
        "a wrong password is tried once: each further try is a step to a locked account"
    );
    told("clumsy", "Correct-Horse-8", 4, &["does not accept the password"]);
    told("clumsy", "Correct-Horse-9", 4, &["does not accept the password"]);
    told("clumsy", "Correct-Horse-6", 4, &["the account CONTOSO\\clumsy is locked"]);
    told("nobody", "Correct-Horse-8", 4, &["knows no account CONTOSO\\nobody", "does not accept NTLM"]);
    told("retired", "Correct-Horse-9", 4, &["the account CONTOSO\\retired is ", "disabled"]);
    told("newcomer", "Correct-Horse-11", 4, &["the password of CONTOSO\\newcomer has expired"]);
    // A good account of the domain, but no user of the organization.
    told(
        "stranger",
        "Correct-Horse-8",
        4,
        &["ok    Windows authentication: Kerberos", "FAIL  Web API", "no user of this organization"],
    );
}
