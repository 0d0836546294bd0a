use async_trait::async_trait;
use serde_json::{Map, Value, json};

use super::{Job, on, script, signing_record};
use crate::{
    Facts, Obstacle, Place, Reading, Site, Step,
    servers::{Mode, Script, Server},
};

/// The asynchronous services and the web servers were started after the last change (setup.md C6).
#[derive(Debug)]
pub(super) struct ServiceRestart;

static FACTS: Facts = Facts {
    id: "service-restart",
    title: "The services know of the change",
    rows: &["C6"],
    place: Place::CrmServers,
    role: "local administrator of every server",
    after: &["signing-record", "token-service", "organization-tenant"],
};

static SCRIPT: Script = script!("service-restart");
const JOB: Job = Job { step: FACTS.id, script: &SCRIPT };

/// The steps whose changes the services read when they are started.
const READ_AT_START: [&str; 5] =
    ["signing-store", "key-access", "signing-record", "token-service", "organization-tenant"];

/// How far two clocks that are read one after the other may be apart, in seconds.
pub(super) const SLACK: i64 = 2;

fn servers(site: &Site) -> Result<Vec<&Server>, Obstacle> {
    super::signers(site)
}

/// Starts the services anew on one server.
pub(crate) async fn one(server: &Server) -> Result<(), Obstacle> {
    let answer = JOB.change(server, Mode::Apply, &json!({}), None).await?;
    match stopped(&answer) {
        None => Ok(()),
        Some(service) => Err(Obstacle::refused(
            format!("{}: the service {service} does not run after its restart", server.name),
            format!(
                "Look into the event log of {} (MSCRMAsyncService), start the service, and run `hybridge connect apply --target native` again.",
                server.name
            ),
        )),
    }
}

/// Starts the services anew, one server after the other.
pub(crate) async fn all(site: &Site) -> Result<(), Obstacle> {
    for server in servers(site)? {
        one(server).await?;
    }
    Ok(())
}

fn services(answer: &Value) -> impl Iterator<Item = (&String, &Value)> {
    answer.get("services").and_then(Value::as_object).into_iter().flatten()
}

/// The first service that does not run.
pub(super) fn stopped(answer: &Value) -> Option<&str> {
    services(answer)
        .find(|(_, service)| service.get("state").and_then(Value::as_str) != Some("Running"))
        .map(|(name, _)| name.as_str())
}

/// The age of the service that has run longest, in seconds.
pub(super) fn oldest(answer: &Value) -> i64 {
    services(answer).filter_map(|(_, service)| service.get("age")?.as_i64()).max().unwrap_or(i64::MAX)
}

#[async_trait]
impl Step for ServiceRestart {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    async fn probe(&self, site: &Site) -> Result<Reading, Obstacle> {
        let record = signing_record::SigningRecord.probe(site).await?;
        if !record.is_done() {
            return Err(Obstacle::After("signing-record"));
        }
        let changed = READ_AT_START.iter().filter_map(|step| site.changed(step)).max();
        let found = JOB.probe(servers(site)?, &json!({})).await?;
        let mut now = Map::new();
        let mut old = Vec::new();
        for (server, answer) in &found {
            // Each by its own clock.
            let since = changed.map(|changed| changed.duration_until(site.now()).as_secs());
            let fresh =
                stopped(answer).is_none() && since.is_none_or(|since| oldest(answer) <= since + SLACK);
            now.insert(
                server.clone(),
                json!(if fresh { "started since" } else { "started before the last change" }),
            );
            if !fresh {
                old.push(server.as_str());
            }
        }
        let wanted: Map<String, Value> =
            found.keys().map(|server| (server.clone(), json!("started since"))).collect();
        let words = if old.is_empty() {
            "started since the last change".to_owned()
        } else {
            format!("start them anew {}, one server after the other", on(old, found.len()))
        };
        Ok(Reading { now: json!({ "servers": now }), wanted: json!({ "servers": wanted }), words })
    }

    async fn apply(&self, site: &Site, reading: &Reading) -> Result<(), Obstacle> {
        for server in servers(site)? {
            let at = format!("/servers/{}", server.name);
            if reading.now.pointer(&at) != reading.wanted.pointer(&at) {
                one(server).await?;
            }
        }
        Ok(())
    }
}
