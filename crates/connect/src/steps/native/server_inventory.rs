use async_trait::async_trait;
use serde_json::{Value, json};

use super::{Job, names, script, text};
use crate::{
    Facts, Obstacle, Place, Reading, Site, Step,
    servers::{Duty, Script, Server},
};

/// Every server is reached, and can be worked on (setup.md P1, P2, P3).
#[derive(Debug)]
pub(super) struct ServerInventory;

static FACTS: Facts = Facts {
    id: "server-inventory",
    title: "Every server can be worked on",
    rows: &["P2", "P3"],
    place: Place::CrmServers,
    role: "local administrator of every server",
    after: &[],
};

static SCRIPT: Script = script!("server-inventory");

fn fits(server: &Server, found: &Value) -> Result<(), Obstacle> {
    let name = &server.name;
    let services = found.get("services").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let has = |wanted: &str| services.iter().any(|service| text(service, "name").starts_with(wanted));
    let refused = |what: String, how: &str| Err(Obstacle::refused(what, how.replace("{server}", name)));
    if found.get("powershell").and_then(Value::as_i64) != Some(5) {
        return refused(
            format!("{name}: this is not Windows PowerShell 5.1"),
            "PowerShell 7 can't load the snap-in of Dynamics. Install Windows Management Framework 5.1 on {server}.",
        );
    }
    if found.get("elevated").and_then(Value::as_bool) != Some(true) {
        return refused(
            format!("{name}: the account is no local administrator there, or was not elevated"),
            "Add the account to the local group Administrators of {server}, and run the same command again.",
        );
    }
    if server.duties.contains(&Duty::Asynchronous) && !has("MSCRMAsyncService") {
        return refused(
            format!("{name}: there is no asynchronous service"),
            "Take the duty \"asynchronous\" from {server} in [[native.servers]], or install the role there.",
        );
    }
    if server.duties.contains(&Duty::Deployment) && found.get("snapin").and_then(Value::as_bool) != Some(true)
    {
        return refused(
            format!("{name}: the snap-in Microsoft.Crm.PowerShell is not registered"),
            "Give the duty \"deployment\" to a server with the Deployment Tools, or install them on {server}.",
        );
    }
    if server.duties.contains(&Duty::Adfs) && !has("adfssrv") {
        return refused(
            format!("{name}: AD FS does not run there"),
            "Take the duty \"adfs\" from {server} in [[native.servers]].",
        );
    }
    Ok(())
}

#[async_trait]
impl Step for ServerInventory {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    async fn probe(&self, site: &Site) -> Result<Reading, Obstacle> {
        let servers = &site.native()?.servers;
        servers.first(Duty::Asynchronous)?;
        servers.first(Duty::Deployment)?;
        let job = Job { step: FACTS.id, script: &SCRIPT };
        let found = job.probe(servers.all(), &json!({})).await?;
        for server in servers.all() {
            fits(server, found.get(&server.name).unwrap_or(&Value::Null))?;
        }
        let words = match servers.all().len() {
            1 | 2 => names(servers.all().iter().map(|server| server.name.as_str())),
            count => format!("all {count} servers answer, as administrator, with PowerShell 5.1"),
        };
        let told = json!({ "servers": found });
        Ok(Reading { now: told.clone(), wanted: told, words })
    }
}
