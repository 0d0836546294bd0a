use async_trait::async_trait;
use serde_json::{Value, json};

use super::{Job, script, text};
use crate::{
    Facts, Obstacle, Place, Reading, Site, Step,
    servers::{Duty, Mode, Script},
};

/// The organization knows its tenant (setup.md D2).
#[derive(Debug)]
pub(super) struct OrganizationTenant;

static FACTS: Facts = Facts {
    id: "organization-tenant",
    title: "The organization knows its tenant",
    rows: &["D2"],
    place: Place::DeploymentServer,
    role: "Deployment Administrator",
    after: &["deployment-inventory"],
};

static SCRIPT: Script = script!("organization-tenant");

async fn run(site: &Site, mode: Mode, before: Option<&Value>) -> Result<Value, Obstacle> {
    let native = site.native()?;
    let mut data = json!({ "organization": native.organization, "tenant": site.deployment().tenant });
    if let Some(before) = before {
        super::add(&mut data, "before", before.get("tenant").cloned().unwrap_or_default());
    }
    let server = native.servers.first(Duty::Deployment)?;
    Job { step: FACTS.id, script: &SCRIPT }.change(server, mode, &data, None).await
}

#[async_trait]
impl Step for OrganizationTenant {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    async fn probe(&self, site: &Site) -> Result<Reading, Obstacle> {
        let now = run(site, Mode::Probe, None).await?;
        let tenant = site.deployment().tenant;
        let wanted = json!({ "tenant": tenant });
        let words = if now == wanted {
            format!("S2STenantId is {tenant}")
        } else if text(&now, "tenant").is_empty() {
            format!("set S2STenantId to {tenant}")
        } else {
            format!("change S2STenantId from {} to {tenant}", text(&now, "tenant"))
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
