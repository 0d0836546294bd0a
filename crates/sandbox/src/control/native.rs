//! Dynamics' own synchronization, as the control API shows and changes it.
//!
//! `PUT /native` takes any of these; what is left out stays:
//!
//! | part | effect |
//! | --- | --- |
//! | `server` | the one server that works on mailboxes and profiles; empty: they take turns |
//! | `testDelaySeconds`, `cycleSeconds` | how long a test waits for a server, and one cycle for the next |
//! | `metadata` | where the token service of the tenant's cloud publishes its metadata |
//! | `exchangeSupport` | whether Exchange support has enabled the tenant (setup.md X2) |
//! | `screamTest` | half of the mailboxes are refused while `EwsEnabled` was never set |
//! | `ewsListDelaySeconds` | how long a new `EwsAllowedAppIDs` takes to count |
//! | `approveByWebApi` | whether `emailrouteraccessapproval` can be written |
//! | `hybridConnector` | whether the tenant has the subscription |
//! | `principal` | whether the directory has Dynamics' service principal |
//! | `forgetKeys` | the principal loses all its certificates |
//! | `approve` | addresses whose mailboxes the administrator approves with the button |
//! | `exchange` | cmdlets that the administrator types in Exchange Online, `[["Set-OrganizationConfig", {…}]]` |
//! | `mailbox` | columns of mailbox rows, by address |
//! | `script` | what somebody types in PowerShell on a server, by the server's name; an error is the answer |
//! | `testProfile` | the id or name of a profile: the administrator presses Test Connection |

use hybridge_sandbox_organization::Organization;
use jiff::SignedDuration;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::{
    native::{self, DYNAMICS, Face},
    world::Sandbox,
};

/// Whether each server gets a token, and each mailbox opens.
pub(super) fn census(sandbox: &Sandbox) -> Value {
    let names: Vec<(String, bool, bool)> = sandbox
        .windows()
        .machines
        .iter()
        .filter(|one| one.roles.asynchronous || one.roles.web)
        .map(|one| (one.name.clone(), one.roles.asynchronous, one.roles.web))
        .collect();
    let says = |server: &str, face: Face| match native::token(sandbox, server, face, None) {
        Ok(certificate) => json!({ "works": true, "thumbprint": certificate.thumbprint }),
        Err(failure) => json!({ "works": false, "says": failure.text }),
    };
    let servers: Map<String, Value> = names
        .iter()
        .map(|(name, asynchronous, web)| {
            let told = json!({
                "asynchronous": asynchronous.then(|| says(name, Face::Asynchronous)),
                "web": web.then(|| says(name, Face::Web)),
            });
            (name.clone(), told)
        })
        .collect();
    let organization = sandbox.organization();
    let mailboxes: Map<String, Value> = organization
        .rows("mailbox")
        .into_iter()
        .filter_map(|(_, row)| {
            let address = row.get("emailaddress")?.as_str()?.to_owned();
            let column = |name: &str| row.get(name).cloned().unwrap_or_default();
            let told = json!({
                "approval": column("emailrouteraccessapproval"),
                "profile": column("_emailserverprofile_value"),
                "scheduled": column("testemailconfigurationscheduled"),
                "incoming": [column("incomingemailstatus"), column("enabledforincomingemail")],
                "outgoing": [column("outgoingemailstatus"), column("enabledforoutgoingemail")],
                "act": [column("actstatus"), column("enabledforact")],
                "lastSync": column("lastsuccessfulsynccompletedon"),
                "lastError": column("lastsyncerror"),
                "server": column("hostid"),
            });
            Some((address, told))
        })
        .collect();
    let (granted, refused) = sandbox.native().sign_ins();
    json!({
        "itself": organization.processes_email_itself(),
        "servers": servers,
        "mailboxes": mailboxes,
        "signIns": { "granted": granted, "refused": refused },
    })
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Change {
    server: Option<String>,
    test_delay_seconds: Option<u32>,
    cycle_seconds: Option<u32>,
    metadata: Option<String>,
    exchange_support: Option<bool>,
    scream_test: Option<bool>,
    ews_list_delay_seconds: Option<u32>,
    approve_by_web_api: Option<bool>,
    hybrid_connector: Option<bool>,
    principal: Option<bool>,
    forget_keys: bool,
    approve: Vec<String>,
    exchange: Vec<(String, Map<String, Value>)>,
    mailbox: Map<String, Value>,
    script: std::collections::BTreeMap<String, String>,
    test_profile: Option<String>,
}

/// Changes what is named.
pub(super) fn change(sandbox: &Sandbox, change: Change) -> Result<(), String> {
    if let Some(server) = change.server.as_ref().filter(|server| !server.is_empty())
        && sandbox.windows().machine(server).is_none()
    {
        return Err(format!("no server is called {server:?}"));
    }
    let seconds = |seconds: u32| SignedDuration::from_secs(i64::from(seconds));
    sandbox.native().change(|switches| {
        if let Some(server) = change.server {
            switches.server = Some(server).filter(|server| !server.is_empty());
        }
        if let Some(delay) = change.test_delay_seconds {
            switches.test_delay = seconds(delay);
        }
        if let Some(cycle) = change.cycle_seconds {
            switches.cycle = seconds(cycle);
        }
        if change.metadata.is_some() {
            switches.metadata = change.metadata;
        }
    });
    let mut service = sandbox.graph().ews_service();
    service.enabled_for_dynamics = change.exchange_support.unwrap_or(service.enabled_for_dynamics);
    service.scream_test = change.scream_test.unwrap_or(service.scream_test);
    service.list_delay_seconds = change.ews_list_delay_seconds.unwrap_or(service.list_delay_seconds);
    sandbox.graph().set_ews_service(service);
    if let Some(on) = change.approve_by_web_api {
        sandbox.organization().set_option(|options| options.approves_by_web_api = on);
    }
    if let Some(has) = change.hybrid_connector {
        sandbox.subscribe(has);
    }
    if let Some(there) = change.principal {
        sandbox.entra().change_application(DYNAMICS, |principal| {
            principal.principal_id =
                there.then(|| principal.principal_id.unwrap_or_else(|| sandbox.dice().uuid()));
        });
    }
    if change.forget_keys {
        sandbox.entra().change_application(DYNAMICS, |principal| principal.key_credentials.clear());
    }
    for address in &change.approve {
        sandbox.approve_email(address)?;
    }
    for (cmdlet, parameters) in &change.exchange {
        sandbox.graph().run_cmdlet(cmdlet, parameters).map_err(|error| format!("{cmdlet}: {error:?}"))?;
    }
    for (address, changes) in &change.mailbox {
        sandbox
            .organization()
            .configure_mailbox(address, changes)
            .map_err(|error| format!("{address}: {error:?}"))?;
    }
    for (server, script) in &change.script {
        let mut estate = sandbox.windows();
        let machine = estate.machine(server).ok_or_else(|| format!("no server is called {server:?}"))?;
        let ended = hybridge_sandbox_windows::run(script, &Value::Null, machine);
        if ended.exit != 0 {
            return Err(ended.stderr);
        }
    }
    match change.test_profile {
        Some(name) => native::test_profile(sandbox, profile(sandbox.organization(), &name)?),
        None => Ok(()),
    }
}

fn profile(organization: &Organization, name: &str) -> Result<Uuid, String> {
    let by_id = name.parse::<Uuid>().ok();
    organization
        .rows("emailserverprofile")
        .into_iter()
        .find(|(id, row)| {
            Some(*id) == by_id || row.get("name").and_then(Value::as_str).is_some_and(|own| own == name)
        })
        .map(|(id, _)| id)
        .ok_or_else(|| format!("there is no email server profile {name:?}"))
}
