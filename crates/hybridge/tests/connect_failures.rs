//! Every failure of the specification's catalogue (setup.md 2.6), provoked: what is said names what is wrong, on which
//! machine, and the next command to type.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says by panicking what is wrong")]

mod support;

use std::path::Path;

use serde_json::{Value, json};
use support::{Control, Sandbox, run};

/// A sandbox where Dynamics' own synchronization works.
struct World {
    sandbox: Sandbox,
    control: Control,
}

impl World {
    fn connected(name: &str) -> Self {
        let sandbox = Sandbox::unconnected(name);
        let control = Control::of(&sandbox);
        let world = Self { sandbox, control };
        let applied = world.run(&["connect", "apply", "--target", "native"]);
        assert_eq!(applied.0, 0, "{}", applied.1);
        world
    }

    fn run(&self, arguments: &[&str]) -> (i32, String) {
        let ended = run(&self.sandbox.folder().join("hybridge.toml"), arguments);
        (ended.code, ended.stdout + &ended.stderr)
    }

    fn native(&self, change: &Value) {
        self.control.put("native", change);
    }

    fn windows(&self, change: &Value) {
        self.control.put("windows", change);
    }

    /// Has Dynamics open mailboxes, which fails with these words.
    fn fails(&self, words: &[&str]) {
        self.says(&["connect", "verify", "--target", "native", "--step", "mailbox-test"], words);
    }

    fn says(&self, arguments: &[&str], words: &[&str]) {
        let (code, said) = self.run(arguments);
        assert_ne!(code, 0, "{said}");
        for words in words {
            assert!(said.contains(words), "{words:?} is missing in {said}");
        }
    }

    fn works(&self) {
        let (code, said) = self.run(&["connect", "verify", "--target", "native", "--step", "mailbox-test"]);
        assert_eq!(code, 0, "{said}");
    }

    fn thumbprint(&self) -> String {
        let windows = self.control.get("windows");
        windows["machines"]["CRM01"]["certificates"][0]["thumbprint"].as_str().unwrap().to_owned()
    }
}

fn plan<'a>(steps: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = vec!["connect", "plan", "--target", "native"];
    for step in steps {
        arguments.extend(["--step", step]);
    }
    arguments
}

#[test]
fn what_is_wrong_with_the_certificate_on_one_server() {
    let world = World::connected("failures-certificate");
    world.native(&json!({ "server": "CRM02" }));

    // Two certificates of one subject.
    let thumbprint = world.thumbprint();
    world.windows(&json!({ "CRM02": { "twin": thumbprint, "started": ["MSCRMAsyncService"] } }));
    world.fails(&[
        "Private key not found",
        "two certificates of one subject",
        "CRM02",
        "hybridge connect plan --target native --step signing-store --details",
    ]);
    world.says(
        &plan(&["signing-store"]),
        &["crm02.lindhagen.test: the store holds another certificate", "Move-Item Cert:\\LocalMachine\\My\\"],
    );
    let twin = world.control.get("windows")["machines"]["CRM02"]["certificates"].as_array().unwrap().clone();
    let twin =
        twin.iter().map(|one| one["thumbprint"].as_str().unwrap()).find(|one| *one != thumbprint).unwrap();
    world.native(&json!({ "script": { "CRM02": format!("Remove-Item Cert:\\LocalMachine\\My\\{twin} -DeleteKey; Restart-Service MSCRMAsyncService") } }));
    world.works();

    // The service account may not read the key.
    let script = format!(
        "$item = Get-Item Cert:\\LocalMachine\\My\\{thumbprint}\n\
         $file = Join-Path $env:ProgramData ('Microsoft\\Crypto\\RSA\\MachineKeys\\' + $item.PrivateKey.CspKeyContainerInfo.UniqueKeyContainerName)\n\
         $acl = Get-Acl -Path $file\n\
         foreach ($rule in @($acl.Access)) {{ if (\"$($rule.IdentityReference)\" -like '*svc-crmasync') {{ $null = $acl.RemoveAccessRule($rule) }} }}\n\
         Set-Acl -Path $file -AclObject $acl\n\
         Restart-Service MSCRMAsyncService"
    );
    world.native(&json!({ "script": { "CRM02": script } }));
    world.fails(&[
        "ACS token acquisition error",
        "may not read the key",
        "Compare CRM02",
        "--step key-access",
    ]);
    let (_, said) = world.run(&plan(&["key-access"]));
    assert!(said.contains("change   key-access") && said.contains("on crm02.lindhagen.test"), "{said}");
    world.run(&[
        "connect",
        "apply",
        "--target",
        "native",
        "--step",
        "key-access",
        "--step",
        "service-restart",
    ]);
    world.works();

    // It is on one of two servers only, then on none.
    let remove = format!(
        "Remove-Item Cert:\\LocalMachine\\My\\{thumbprint} -DeleteKey; Restart-Service MSCRMAsyncService"
    );
    world.native(&json!({ "script": { "CRM02": remove } }));
    world.fails(&["ACS token acquisition error", "Compare CRM02", "--step signing-store"]);
    let (_, said) = world.run(&plan(&["signing-store"]));
    assert!(said.contains("import CN=hybridge-s2s-") && said.contains("on crm02.lindhagen.test"), "{said}");
    world.native(&json!({ "script": { "CRM01": remove } }));
    world.fails(&["Failed Authentication", "CRM02", "--step signing-record"]);

    // A key in the wrong provider: found while it is brought there, and nothing half-done stays.
    world.windows(&json!({ "CRM02": { "faults": { "cngImport": true } } }));
    world.says(&["connect", "apply", "--target", "native"], &["crm02.lindhagen.test", "KeySpec 0"]);
    world.windows(&json!({ "CRM02": { "faults": { "cngImport": false } } }));
    world.run(&["connect", "apply", "--target", "native"]);
    world.works();
}

#[test]
fn what_exchange_online_refuses() {
    let world = World::connected("failures-exchange");
    let exchange =
        |parameters: Value| world.native(&json!({ "exchange": [["Set-OrganizationConfig", parameters]] }));
    let switch = "hybridge connect apply --target native --step exchange-web-services";

    world.native(&json!({ "exchangeSupport": false }));
    world.fails(&[
        "token_types=",
        "not enabled for Dynamics on-premises",
        "Open a case with Exchange Online support",
    ]);
    world.native(&json!({ "exchangeSupport": true }));

    exchange(json!({ "EwsEnabled": false }));
    world.fails(&["EWS is disabled for this user or tenant", "switched off", switch]);
    let (code, said) =
        world.run(&["connect", "apply", "--target", "native", "--step", "exchange-web-services"]);
    assert_eq!(code, 0, "{said}");
    world.works();

    exchange(json!({ "EwsAllowedAppIDs": "11111111-1111-1111-1111-111111111111" }));
    world.fails(&["EWS is blocked by policy", "not on the list", "24 hours", switch]);
    exchange(json!({ "EwsAllowedAppIDs": "00000007-0000-0000-c000-000000000000" }));
    exchange(json!({ "EwsEnabled": null }));
    world.native(&json!({ "screamTest": true }));
    world.fails(&["(403) Forbidden", "by and by", switch]);
    exchange(json!({ "EwsEnabled": true }));
    world.works();

    let address = world.sandbox.address(0).to_lowercase();
    let other = format!("other.{address}");
    world.native(&json!({ "mailbox": { (address.clone()): { "emailaddress": other } } }));
    world.fails(&[
        "Http server returned 401 Unauthorized",
        other.as_str(),
        "primary SMTP address",
        "Get-Mailbox",
    ]);
    world.native(&json!({ "mailbox": { (other.clone()): { "emailaddress": address } } }));
    world.works();
}

#[test]
fn what_the_servers_and_the_directory_refuse() {
    let world = World::connected("failures-servers");
    for (machine, fault, step, words) in [
        (
            "CRMDEP",
            "notInPrivUserGroup",
            "deployment-inventory",
            "the account is not in the Active Directory group PrivUserGroup",
        ),
        ("CRMDEP", "noSnapin", "server-inventory", "snap-in Microsoft.Crm.PowerShell is not registered"),
        ("CRM02", "notElevated", "server-inventory", "no local administrator"),
        ("CRM02", "constrainedLanguage", "server-inventory", "reach = \"bundle\""),
        ("CRM02", "down", "server-inventory", "winrm enumerate winrm/config/listener"),
        ("CRM02", "oldTls", "outbound", "SchUseStrongCrypto"),
        ("CRM02", "noKeyAccess", "signing-store", "Manage Private Keys"),
    ] {
        world.windows(&json!({ (machine): { "faults": { (fault): true } } }));
        let name = format!("{}.lindhagen.test", machine.to_lowercase());
        world.says(&plan(&[step]), &[&name, words]);
        world.windows(&json!({ (machine): { "faults": { (fault): false } } }));
    }
    // A wrong password is told, and not tried again and again.
    let file = world.sandbox.folder().join("server-password");
    let password = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, "wrong").unwrap();
    world
        .says(&plan(&["server-inventory"]), &["crm01.lindhagen.test", "Check [native] account and password"]);
    std::fs::write(&file, password).unwrap();

    world.native(&json!({ "principal": false }));
    world.fails(&["AADSTS700016", "no principal for Dynamics", "--step dynamics-principal"]);
    world.native(&json!({ "principal": true }));
    world.works();

    // The web server holds the certificate from before.
    let rotated = world.run(&["certificate", "rotate", "--target", "native", "--until", "switched"]);
    assert_eq!(rotated.0, 0, "{}", rotated.1);
    world.native(&json!({ "testProfile": "Exchange Online (Hybrid)" }));
    world.says(
        &plan(&["profile-test"]),
        &[
            "(400) Bad Request",
            "web server still holds",
            "hybridge connect apply --target native --step service-restart",
        ],
    );
    let rotated = world.run(&["certificate", "rotate", "--target", "native", "--keep-days", "0"]);
    assert_eq!(rotated.0, 0, "{}", rotated.1);
    world.works();
}

#[test]
fn what_others_say_is_explained_as_well() {
    for (said, words) in [
        (
            "Import-Module : The specified module 'MSOnlineExtended' was not loaded",
            "hybridge connect plan --target native",
        ),
        ("Cannot bind argument to parameter 'Command' because it is null.", "Invoke-Expression"),
        ("AADSTS7000222: The provided client secret keys are expired", "no set-up application and no secret"),
        ("AADSTS7000215: Invalid client secret provided", "no set-up application and no secret"),
        ("AADSTS700027: Client assertion contains an invalid signature", "--step dynamics-key"),
        (
            "ID4175: The issuer of the security token was not recognized",
            "Configure Claims-Based Authentication",
        ),
        ("A fatal alert was generated ... 36888", "AT_KEYEXCHANGE"),
    ] {
        let ended = run(Path::new("none.toml"), &["connect", "explain", said]);
        assert!(ended.code == 0 && ended.stdout.contains(words), "{said}: {ended:#?}");
    }
    let unknown = run(Path::new("none.toml"), &["connect", "explain", "all is well"]);
    assert!(unknown.code == 3 && unknown.stdout.contains("not in the catalogue"), "{unknown:#?}");
}
