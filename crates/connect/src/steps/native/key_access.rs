use async_trait::async_trait;
use serde_json::{Map, Value, json};

use super::{Job, STORE, names, on, script, signers, signing, texts};
use crate::{
    Facts, Obstacle, Place, Reading, Site, Step,
    servers::{Mode, Script, Server},
};

/// The accounts of Dynamics may read the key, on every server (setup.md C4).
#[derive(Debug)]
pub(super) struct KeyAccess;

static FACTS: Facts = Facts {
    id: "key-access",
    title: "Dynamics may read the key",
    rows: &["C4"],
    place: Place::CrmServers,
    role: "local administrator of every server",
    after: &["signing-store"],
};

static SCRIPT: Script = script!("key-access");
const JOB: Job = Job { step: FACTS.id, script: &SCRIPT };

/// Lets the accounts of Dynamics on one server read the key of a certificate in a store.
pub(crate) async fn grant(server: &Server, thumbprint: &str, store: &str) -> Result<(), Obstacle> {
    let data = json!({ "thumbprint": thumbprint, "store": store });
    JOB.change(server, Mode::Apply, &data, None).await.map(drop)
}

#[async_trait]
impl Step for KeyAccess {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    async fn probe(&self, site: &Site) -> Result<Reading, Obstacle> {
        let thumbprint = signing(site)?.certificate().sha1_hex();
        let servers = signers(site)?;
        let found = JOB.probe(servers.iter().copied(), &json!({ "thumbprint": thumbprint })).await?;
        let (mut now, mut wanted) = (Map::new(), Map::new());
        let mut missing = Vec::new();
        for (server, state) in &found {
            if state.get("installed").and_then(Value::as_bool) != Some(true) {
                return Err(Obstacle::After("signing-store"));
            }
            let (accounts, readers) = (texts(state, "accounts"), texts(state, "readers"));
            if accounts != readers {
                missing.push(server.as_str());
            }
            now.insert(server.clone(), json!(readers));
            wanted.insert(server.clone(), json!(accounts));
        }
        let words = if missing.is_empty() {
            let accounts: Vec<&str> =
                wanted.values().filter_map(Value::as_array).flatten().filter_map(Value::as_str).collect();
            let mut accounts: Vec<&str> = accounts.into_iter().collect();
            accounts.sort_unstable();
            accounts.dedup();
            format!("{} {}", names(accounts), on(found.keys().map(String::as_str), found.len()))
        } else {
            format!("let the services read the key {}", on(missing, found.len()))
        };
        let of = |servers: Map<String, Value>| json!({ "thumbprint": thumbprint, "servers": servers });
        Ok(Reading { now: of(now), wanted: of(wanted), words })
    }

    async fn apply(&self, site: &Site, reading: &Reading) -> Result<(), Obstacle> {
        let thumbprint = signing(site)?.certificate().sha1_hex();
        for server in signers(site)? {
            let at = format!("/servers/{}", server.name);
            if reading.now.pointer(&at) != reading.wanted.pointer(&at) {
                grant(server, &thumbprint, STORE).await?;
            }
        }
        Ok(())
    }

    async fn undo(&self, site: &Site, before: &Value) -> Result<(), Obstacle> {
        for server in signers(site)? {
            let Some(readers) = before.pointer(&format!("/servers/{}", server.name)) else { continue };
            let data = json!({ "thumbprint": before.get("thumbprint"), "before": readers });
            JOB.change(server, Mode::Undo, &data, None).await?;
        }
        Ok(())
    }
}
