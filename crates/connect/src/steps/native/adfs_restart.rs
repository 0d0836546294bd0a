use async_trait::async_trait;
use serde_json::{Map, Value, json};

use super::{Job, on, relying_party, script, service_restart};
use crate::{
    Facts, Obstacle, Place, Reading, Site, Step,
    servers::{Duty, Mode, Script, Server},
};

/// AD FS was started after the last change, on every node, one node after the other (setup.md F6).
#[derive(Debug)]
pub(super) struct AdfsRestart;

static FACTS: Facts = Facts {
    id: "adfs-restart",
    title: "AD FS knows of the change",
    rows: &["F6"],
    place: Place::AdfsServers,
    role: "local administrator of every AD FS server",
    after: &["forms-sign-in", "adfs-clients", "adfs-permissions"],
};

static SCRIPT: Script = script!("adfs-restart");
const JOB: Job = Job { step: FACTS.id, script: &SCRIPT };

fn nodes(site: &Site) -> Result<Vec<&Server>, Obstacle> {
    let servers = &site.native()?.servers;
    servers.first(Duty::Adfs)?;
    Ok(servers.with(&[Duty::Adfs]))
}

#[async_trait]
impl Step for AdfsRestart {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    async fn probe(&self, site: &Site) -> Result<Reading, Obstacle> {
        if site.native()?.adfs.is_none() {
            return Ok(relying_party::not_asked());
        }
        let changed = FACTS.after.iter().filter_map(|step| site.changed(step)).max();
        let since = changed.map(|changed| changed.duration_until(site.now()).as_secs());
        let found = JOB.probe(nodes(site)?, &json!({})).await?;
        let mut now = Map::new();
        let mut old = Vec::new();
        for (server, answer) in &found {
            let fresh = service_restart::stopped(answer).is_none()
                && since
                    .is_none_or(|since| service_restart::oldest(answer) <= since + service_restart::SLACK);
            let told = if fresh { "started since" } else { "started before the last change" };
            now.insert(server.clone(), json!(told));
            if !fresh {
                old.push(server.as_str());
            }
        }
        let wanted: Map<String, Value> =
            found.keys().map(|server| (server.clone(), json!("started since"))).collect();
        let words = if old.is_empty() {
            "started since the last change".to_owned()
        } else {
            format!("start it anew {}, one server after the other", on(old, found.len()))
        };
        Ok(Reading { now: json!({ "servers": now }), wanted: json!({ "servers": wanted }), words })
    }

    /// A node that does not come back ends it: the others go on serving.
    async fn apply(&self, site: &Site, reading: &Reading) -> Result<(), Obstacle> {
        for server in nodes(site)? {
            let at = format!("/servers/{}", server.name);
            if reading.now.pointer(&at) == reading.wanted.pointer(&at) {
                continue;
            }
            let answer = JOB.change(server, Mode::Apply, &json!({}), None).await?;
            if service_restart::stopped(&answer).is_some() {
                return Err(Obstacle::refused(
                    format!("{}: AD FS does not run after its restart", server.name),
                    format!(
                        "Look into the event log of {} (AD FS/Admin), type `Start-Service adfssrv` there, and run `hybridge connect \
                         apply --target native` again.",
                        server.name
                    ),
                ));
            }
        }
        Ok(())
    }
}
