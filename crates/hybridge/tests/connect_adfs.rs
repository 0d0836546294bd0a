//! AD FS and the App for Outlook (setup.md, phases F and O) against the sandbox: planned, applied, used, and taken back.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says by panicking what is wrong")]

mod support;

use std::{fs, path::PathBuf, thread, time::Duration};

use serde_json::{Value, json};
use support::{Control, Ended, Sandbox, run};
use url::Url;

const STEPS: [&str; 7] = [
    "relying-party",
    "forms-sign-in",
    "oauth-provider",
    "adfs-clients",
    "adfs-permissions",
    "adfs-restart",
    "iis-providers",
];
const PHONES: &str = "ce9f9f18-dd0c-473e-b9b2-47812435e20d";
const AUTH: &str = "https://auth.lindhagen.test/";

fn configuration(sandbox: &Sandbox) -> PathBuf {
    sandbox.folder().join("hybridge.toml")
}

/// Takes the section away.
fn ask_for_nothing(sandbox: &Sandbox) -> String {
    let text = fs::read_to_string(configuration(sandbox)).unwrap();
    let text = text.split("\n[native.adfs]").next().unwrap_or_default().to_owned();
    fs::write(configuration(sandbox), &text).unwrap();
    text
}

/// Writes the section, with more lines of its own.
fn ask_for_adfs(sandbox: &Sandbox, more: &str) {
    let text = ask_for_nothing(sandbox);
    let section = format!(
        "\n[native.adfs]\norganization = \"https://contoso.lindhagen.test\"\nidentifiers = [\"{AUTH}\", \
         \"https://contoso.lindhagen.test/\", \"https://dev.lindhagen.test/\"]\n{more}\n"
    );
    fs::write(configuration(sandbox), text + &section).unwrap();
}

fn arguments<'a>(verb: &'a str, steps: &[&'a str]) -> Vec<&'a str> {
    let mut all = vec!["connect", verb, "--target", "native"];
    all.extend(steps.iter().flat_map(|step| ["--step", *step]));
    all
}

fn shown(sandbox: &Sandbox, verb: &str, steps: &[&str]) -> Ended {
    run(&configuration(sandbox), &arguments(verb, steps))
}

/// A command under `--json`, and its answer.
fn asked(sandbox: &Sandbox, verb: &str, steps: &[&str]) -> (i32, Value) {
    let mut all = arguments(verb, steps);
    all.push("--json");
    let ended = run(&configuration(sandbox), &all);
    let answer = serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:#?}"));
    (ended.code, answer)
}

/// When AD FS was started on a server.
fn started(windows: &Value, server: &str) -> jiff::Timestamp {
    windows["machines"][server]["services"]["adfssrv"]["started"].as_str().unwrap().parse().unwrap()
}

/// What AD FS answers to a browser that comes with a client's request.
fn browser(sandbox: &Sandbox, control: &Control, client: &str, back: &str) -> String {
    let mut url: Url = sandbox.text("adfs").parse().unwrap();
    url.set_path("/adfs/oauth2/authorize");
    url.query_pairs_mut().extend_pairs([
        ("response_type", "code"),
        ("client_id", client),
        ("redirect_uri", back),
        ("resource", AUTH),
    ]);
    control.page(&url)
}

/// The proof is what AD FS shows, not what it has written down.
fn proven_by_the_page_that_people_see(sandbox: &Sandbox, control: &Control) {
    let steps = ["forms-sign-in", "oauth-provider", "adfs-clients", "adfs-permissions"];
    let proven = shown(sandbox, "verify", &steps);
    let form = "AD FS shows its form to Dynamics 365 App for Outlook and Microsoft Dynamics CRM for tablets and phones";
    assert!(proven.code == 0 && proven.stdout.matches(form).count() == 3, "{proven:#?}");
    assert!(proven.stdout.contains("it sends people to localhost for a token"), "{proven:#?}");
    let on_adfs = |script: &str| control.put("native", &json!({ "script": { "ADFS01": script } }));
    let refused = |step: &str, words: &str| {
        let ended = shown(sandbox, "verify", &[step]);
        assert!(ended.code != 0 && ended.stdout.contains(words), "{words:?}: {ended:#?}");
    };
    let providers = |list: &str| {
        format!("Set-AdfsGlobalAuthenticationPolicy -PrimaryIntranetAuthenticationProvider @({list})")
    };
    on_adfs(&providers("'WindowsAuthentication'"));
    refused("forms-sign-in", "asks the user of Dynamics 365 App for Outlook for Windows authentication");
    on_adfs(&providers("'WindowsAuthentication', 'FormsAuthentication'"));
    on_adfs(&format!(
        "Revoke-AdfsApplicationPermission -TargetClientRoleIdentifier {PHONES} -TargetServerRoleIdentifier {AUTH}"
    ));
    refused("adfs-permissions", "MSIS9605");
    on_adfs(&format!(
        "Grant-AdfsApplicationPermission -ClientRoleIdentifier {PHONES} -ServerRoleIdentifier {AUTH}"
    ));
}

#[test]
fn ad_fs_learns_of_the_apps_and_forgets_them_again() {
    let sandbox = Sandbox::with_two_adfs("adfs");
    let control = Control::of(&sandbox);
    ask_for_nothing(&sandbox);
    let not_asked = shown(&sandbox, "plan", &STEPS);
    assert_eq!(not_asked.code, 0, "{not_asked:#?}");
    assert_eq!(not_asked.stdout.matches("no [native.adfs]").count(), 7, "{not_asked:#?}");

    ask_for_adfs(&sandbox, "");
    let before = control.get("windows");
    let plan = shown(&sandbox, "plan", &STEPS);
    assert_eq!(plan.code, 0, "{plan:#?}");
    for words in [
        "ok       relying-party",
        "add FormsAuthentication to WindowsAuthentication",
        "switch the OAuth provider on",
        "register Dynamics 365 App for Outlook and Microsoft Dynamics CRM for tablets and phones",
        "permit Dynamics 365 App for Outlook and Microsoft Dynamics CRM for tablets and phones for https://auth.lindhagen.test/",
        "left as it is on",
    ] {
        assert!(plan.stdout.contains(words), "{words:?} is missing in {}", plan.stdout);
    }
    let back = "urn:ietf:wg:oauth:2.0:oob";
    assert!(browser(&sandbox, &control, PHONES, back).contains("MSIS9223"), "no client yet");

    // Services that were started in the same two seconds as a change count as started since.
    while started(&before, "ADFS02").duration_until(jiff::Timestamp::now()).as_secs() < 4 {
        thread::sleep(Duration::from_millis(100));
    }
    let (code, report) = asked(&sandbox, "apply", &STEPS);
    assert_eq!(code, 0, "{report}");
    let changed = ["forms-sign-in", "oauth-provider", "adfs-clients", "adfs-permissions", "adfs-restart"];
    assert_eq!(report["changed"], json!(changed), "{report}");
    let answer = browser(&sandbox, &control, PHONES, back);
    assert!(!answer.contains("MSIS9223") && !answer.contains("MSIS9605"), "{answer}");
    let after = control.get("windows");
    assert_eq!(after["deployment"]["oauthEnabled"], true, "{after}");
    for server in ["ADFS01", "ADFS02"] {
        assert!(started(&after, server) > started(&before, server), "{server} was not started anew: {after}");
    }

    let (code, report) = asked(&sandbox, "apply", &STEPS);
    assert_eq!((code, &report["changed"]), (0, &json!([])), "{report}");
    proven_by_the_page_that_people_see(&sandbox, &control);
    let (code, report) = asked(&sandbox, "verify", &STEPS);
    assert_eq!(code, 0, "{report}");

    let (code, report) = asked(&sandbox, "undo", &STEPS);
    assert_eq!(code, 0, "{report}");
    let undone = control.get("windows");
    assert_eq!(undone["adfs"], before["adfs"]);
    assert_eq!(undone["deployment"], before["deployment"]);
    assert!(browser(&sandbox, &control, PHONES, back).contains("MSIS9223"), "the client is gone");
}

#[test]
fn a_token_signing_certificate_that_rolled_over_is_told_with_what_to_do() {
    let sandbox = Sandbox::unconnected("adfs-rollover");
    let control = Control::of(&sandbox);
    ask_for_adfs(&sandbox, "clients = []");
    let plan = shown(&sandbox, "plan", &["relying-party"]);
    assert!(plan.stdout.contains("ok       relying-party"), "{plan:#?}");
    control.put("windows", &json!({ "ADFS01": { "rollSigning": true } }));
    let plan = shown(&sandbox, "plan", &["relying-party"]);
    for words in [
        "by hand  relying-party",
        "ID4175",
        "Configure Claims-Based Authentication",
        "iisreset",
        "crm01.lindhagen.test",
    ] {
        assert!(plan.stdout.contains(words), "{words:?} is missing in {}", plan.stdout);
    }
    // The administrator does as he is told.
    control.put("windows", &json!({ "CRMDEP": { "configureClaims": true } }));
    let again = json!({ "started": ["W3SVC"] });
    control.put("windows", &json!({ "CRM01": again, "CRM02": again }));
    let plan = shown(&sandbox, "plan", &["relying-party"]);
    assert!(plan.stdout.contains("ok       relying-party"), "{plan:#?}");
    // Who writes down the thumbprint is told without anybody having to be locked out.
    ask_for_adfs(&sandbox, "clients = []\nsigning = \"00112233\"");
    let plan = shown(&sandbox, "plan", &["relying-party"]);
    assert!(plan.stdout.contains("[native.adfs] signing says 00112233"), "{plan:#?}");
}

#[test]
fn who_can_get_the_app_for_outlook_is_told_and_where_it_is_handed_out() {
    let sandbox = Sandbox::unconnected("adfs-outlook");
    ask_for_adfs(&sandbox, "");
    let plan = shown(&sandbox, "plan", &["outlook-app"]);
    for words in [
        "by hand  outlook-app",
        "not tested",
        "https://contoso.lindhagen.test/tools/appsforcrm/AppForOutlookAdminSettings.aspx",
    ] {
        assert!(plan.stdout.contains(words), "{words:?} is missing in {}", plan.stdout);
    }
    ask_for_adfs(&sandbox, "outlook_app = \"2026-11-20\"");
    let plan = shown(&sandbox, "plan", &["outlook-app"]);
    assert!(plan.stdout.contains("handed out on 2026-11-20"), "{plan:#?}");
    ask_for_adfs(&sandbox, "clients = [\"phones\"]");
    let plan = shown(&sandbox, "plan", &["outlook-app"]);
    assert!(plan.stdout.contains("clients lacks outlook-app"), "{plan:#?}");
}
