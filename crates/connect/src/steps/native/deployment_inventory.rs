use async_trait::async_trait;
use serde_json::{Value, json};

use super::{Job, names, script, text, texts};
use crate::{
    Facts, Obstacle, Place, Reading, Site, Step,
    servers::{Duty, Script},
};

/// No server of the deployment is forgotten, the organization is there, and people sign in by claims
/// (setup.md P1, P3, P5).
#[derive(Debug)]
pub(super) struct DeploymentInventory;

static FACTS: Facts = Facts {
    id: "deployment-inventory",
    title: "No server of the deployment is forgotten",
    rows: &["P1", "P3", "P5"],
    place: Place::DeploymentServer,
    role: "Deployment Administrator and member of PrivUserGroup",
    after: &["server-inventory"],
};

static SCRIPT: Script = script!("deployment-inventory");

/// The duty that a role of the deployment means, where Hybridge has work there.
fn duty(role: &str) -> Option<Duty> {
    match role {
        "AsynchronousProcessingService" | "EmailIntegrationService" => Some(Duty::Asynchronous),
        "WebApplicationServer" => Some(Duty::Web),
        _ => None,
    }
}

fn host(name: &str) -> String {
    name.split('.').next().unwrap_or(name).to_lowercase()
}

#[async_trait]
impl Step for DeploymentInventory {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    async fn probe(&self, site: &Site) -> Result<Reading, Obstacle> {
        let native = site.native()?;
        let deployment = native.servers.first(Duty::Deployment)?;
        let job = Job { step: FACTS.id, script: &SCRIPT };
        let mut found = job.probe([deployment], &json!({})).await?;
        let found = found.remove(&deployment.name).unwrap_or_default();
        let list = |name: &str| found.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
        let servers = list("servers");
        for server in &servers {
            let name = text(server, "name");
            for duty in texts(server, "roles").iter().filter_map(|role| duty(role)) {
                let named = native
                    .servers
                    .all()
                    .iter()
                    .any(|known| host(&known.name) == host(name) && known.duties.contains(&duty));
                if !named {
                    let duty = serde_json::to_value(duty).unwrap_or_default();
                    return Err(Obstacle::ByHand {
                        what: format!(
                            "{name} is a server of the deployment with the duty {duty}, but the configuration does not say so"
                        ),
                        how: format!(
                            "Add to [[native.servers]]: name = \"{name}\", duties = [{duty}]. A server that is forgotten keeps failing for its share of the mailboxes."
                        ),
                    });
                }
            }
        }
        let organizations = list("organizations");
        let is_there = |one: &&Value| text(one, "name").eq_ignore_ascii_case(&native.organization);
        if !organizations.iter().any(|one| is_there(&one)) {
            let known = names(organizations.iter().map(|one| text(one, "name")));
            return Err(Obstacle::refused(
                format!("the deployment has no organization {:?}", native.organization),
                format!("Write one of these into [native] organization: {known}."),
            ));
        }
        let internet = found.get("ifd").and_then(Value::as_bool) == Some(true);
        let words = format!(
            "{} servers, organization {}, {}",
            servers.len(),
            native.organization,
            if internet { "internet-facing" } else { "not internet-facing" }
        );
        Ok(Reading { now: found.clone(), wanted: found, words })
    }
}
