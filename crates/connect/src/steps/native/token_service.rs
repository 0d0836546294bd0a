use async_trait::async_trait;
use serde_json::{Value, json};

use super::{Job, script};
use crate::{
    Facts, Obstacle, Place, Reading, Site, Step,
    native::TOKEN_SERVICE,
    servers::{Duty, Mode, Script},
};

/// The deployment trusts Microsoft's token service (setup.md D1). It is one setting for all organizations, and the
/// integration with SharePoint uses it too.
#[derive(Debug)]
pub(super) struct TokenService;

static FACTS: Facts = Facts {
    id: "token-service",
    title: "The deployment trusts Microsoft's token service",
    rows: &["D1"],
    place: Place::DeploymentServer,
    role: "Deployment Administrator",
    after: &["deployment-inventory"],
};

static SCRIPT: Script = script!("token-service");

async fn run(site: &Site, mode: Mode, before: Option<&Value>) -> Result<Value, Obstacle> {
    let native = site.native()?;
    let mut data = json!({ "principal": TOKEN_SERVICE, "metadata": native.token_metadata });
    if let Some(before) = before {
        super::add(&mut data, "before", before.clone());
    }
    let server = native.servers.first(Duty::Deployment)?;
    Job { step: FACTS.id, script: &SCRIPT }.change(server, mode, &data, None).await
}

#[async_trait]
impl Step for TokenService {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    async fn probe(&self, site: &Site) -> Result<Reading, Obstacle> {
        let now = run(site, Mode::Probe, None).await?;
        let wanted = json!({ "principal": TOKEN_SERVICE, "metadata": site.native()?.token_metadata });
        let words = if now == wanted {
            site.native()?.token_metadata.clone()
        } else if now.get("principal").is_some_and(Value::is_null) {
            format!("trust {}", site.native()?.token_metadata)
        } else {
            "change the token service, for all organizations and for SharePoint as well".to_owned()
        };
        Ok(Reading { now, wanted, words })
    }

    async fn apply(&self, site: &Site, _reading: &Reading) -> Result<(), Obstacle> {
        run(site, Mode::Apply, None).await.map(drop)
    }

    async fn undo(&self, site: &Site, before: &Value) -> Result<(), Obstacle> {
        run(site, Mode::Undo, Some(before)).await.map(drop)
    }
}
