use async_trait::async_trait;
use serde_json::{Value, json};

use super::{super::graph::organization, Job, relying_party, script, sign_in_page};
use crate::{
    Facts, Obstacle, Place, Reading, Site, Step,
    servers::{Duty, Mode, Script},
};

/// Dynamics takes the tokens of AD FS (setup.md F3).
#[derive(Debug)]
pub(super) struct OauthProvider;

static FACTS: Facts = Facts {
    id: "oauth-provider",
    title: "Dynamics takes tokens of AD FS",
    rows: &["F3"],
    place: Place::DeploymentServer,
    role: "Deployment Administrator",
    after: &["deployment-inventory"],
};

static SCRIPT: Script = script!("oauth-provider");

async fn run(site: &Site, mode: Mode, data: &Value) -> Result<Value, Obstacle> {
    let server = site.native()?.servers.first(Duty::Deployment)?;
    Job { step: FACTS.id, script: &SCRIPT }.change(server, mode, data, None).await
}

#[async_trait]
impl Step for OauthProvider {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    async fn probe(&self, site: &Site) -> Result<Reading, Obstacle> {
        let native = site.native()?;
        if native.adfs.is_none() {
            return Ok(relying_party::not_asked());
        }
        let told = run(site, Mode::Probe, &json!({})).await?;
        let enabled = told.get("enabled").and_then(Value::as_bool) == Some(true);
        if !enabled && told.get("claims").and_then(Value::as_bool) != Some(true) {
            let server = &native.servers.first(Duty::Deployment)?.name;
            return Err(Obstacle::ByHand {
                what: "claims-based authentication is not configured, and OAuth needs it".to_owned(),
                how: format!(
                    "On {server}, in the Deployment Manager: Configure Claims-Based Authentication, then Configure Internet-Facing \
                     Deployment. Then `hybridge connect apply --target native` goes on."
                ),
            });
        }
        let words = if enabled { "it does" } else { "switch the OAuth provider on" };
        let (now, wanted) = (json!({ "enabled": enabled }), json!({ "enabled": true }));
        Ok(Reading { now, wanted, words: words.to_owned() })
    }

    async fn apply(&self, site: &Site, _reading: &Reading) -> Result<(), Obstacle> {
        run(site, Mode::Apply, &json!({})).await.map(drop)
    }

    async fn verify(&self, site: &Site) -> Result<String, Obstacle> {
        if site.native()?.adfs.is_none() {
            return Ok(relying_party::not_asked().words);
        }
        let endpoint = sign_in_page::authorize_endpoint(site).await?;
        site.organization_admin().who_am_i().await.map_err(organization)?;
        let host = endpoint.host_str().unwrap_or_default();
        Ok(format!("it sends people to {host} for a token, and lets Hybridge in"))
    }

    async fn undo(&self, site: &Site, before: &Value) -> Result<(), Obstacle> {
        run(site, Mode::Undo, &json!({ "before": before })).await.map(drop)
    }
}
