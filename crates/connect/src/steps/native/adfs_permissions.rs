use async_trait::async_trait;
use serde_json::{Value, json};

use super::{
    Job,
    adfs_clients::{self, Registered},
    names, relying_party, script, text, texts,
};
use crate::{
    Facts, Obstacle, Place, Reading, Site, Step,
    native::Adfs,
    servers::{Duty, Mode, Script},
};

/// The clients may ask AD FS for tokens for Dynamics; AD FS before Windows Server 2016 asks for no permission
/// (setup.md F5).
#[derive(Debug)]
pub(super) struct AdfsPermissions;

static FACTS: Facts = Facts {
    id: "adfs-permissions",
    title: "AD FS lets the clients in",
    rows: &["F5", "O2"],
    place: Place::AdfsServers,
    role: "AD FS administrator",
    after: &["adfs-clients"],
};

static SCRIPT: Script = script!("adfs-permissions");

fn data(clients: &[Registered], adfs: &Adfs) -> Value {
    let ids: Vec<&str> = clients.iter().map(|client| client.id.as_str()).collect();
    json!({ "clients": ids, "identifier": adfs.identifiers.first() })
}

async fn run(site: &Site, mode: Mode, data: &Value) -> Result<Value, Obstacle> {
    let primary = site.native()?.servers.first(Duty::Adfs)?;
    Job { step: FACTS.id, script: &SCRIPT }.change(primary, mode, data, None).await
}

#[async_trait]
impl Step for AdfsPermissions {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    async fn probe(&self, site: &Site) -> Result<Reading, Obstacle> {
        let Some(adfs) = &site.native()?.adfs else { return Ok(relying_party::not_asked()) };
        let clients = adfs_clients::wanted(site, adfs).await?;
        let ids: Vec<&str> = clients.iter().map(|client| client.id.as_str()).collect();
        let told = run(site, Mode::Probe, &data(&clients, adfs)).await?;
        if told.get("needed").and_then(Value::as_bool) == Some(false) {
            let words = "not needed by this version of AD FS".to_owned();
            return Ok(Reading { now: told.clone(), wanted: told, words });
        }
        let identifier = text(&told, "identifier");
        let granted = texts(&told, "granted");
        let missing = clients.iter().filter(|client| !granted.contains(&client.id)).map(|client| client.name);
        let words = if granted.len() == ids.len() {
            format!("for {identifier}")
        } else {
            format!("permit {} for {identifier}", names(missing))
        };
        // What is to be taken back later are these clients' permissions, for this identifier.
        let reading =
            |granted: Value| json!({ "identifier": identifier, "clients": ids, "granted": granted });
        Ok(Reading { now: reading(json!(granted)), wanted: reading(json!(ids)), words })
    }

    async fn apply(&self, site: &Site, _reading: &Reading) -> Result<(), Obstacle> {
        let Some(adfs) = &site.native()?.adfs else { return Ok(()) };
        run(site, Mode::Apply, &data(&adfs_clients::wanted(site, adfs).await?, adfs)).await.map(drop)
    }

    async fn verify(&self, site: &Site) -> Result<String, Obstacle> {
        match &site.native()?.adfs {
            None => Ok(relying_party::not_asked().words),
            Some(adfs) => adfs_clients::opened(site, adfs).await,
        }
    }

    async fn undo(&self, site: &Site, before: &Value) -> Result<(), Obstacle> {
        let mut data = before.clone();
        super::add(&mut data, "before", before.clone());
        run(site, Mode::Undo, &data).await.map(drop)
    }
}
