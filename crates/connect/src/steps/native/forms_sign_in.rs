use async_trait::async_trait;
use serde_json::{Value, json};

use super::{Job, adfs_clients, relying_party, script, texts};
use crate::{
    Facts, Obstacle, Place, Reading, Site, Step,
    servers::{Duty, Mode, Script},
};

/// AD FS asks with a form on the intranet too (setup.md F2). What is there stays: without Windows authentication every
/// other application would lose its single sign-on.
#[derive(Debug)]
pub(super) struct FormsSignIn;

static FACTS: Facts = Facts {
    id: "forms-sign-in",
    title: "AD FS offers a form to sign in",
    rows: &["F2"],
    place: Place::AdfsServers,
    role: "AD FS administrator",
    after: &["relying-party"],
};

static SCRIPT: Script = script!("forms-sign-in");
const FORMS: &str = "FormsAuthentication";

async fn run(site: &Site, mode: Mode, data: &Value) -> Result<Value, Obstacle> {
    let primary = site.native()?.servers.first(Duty::Adfs)?;
    Job { step: FACTS.id, script: &SCRIPT }.change(primary, mode, data, None).await
}

#[async_trait]
impl Step for FormsSignIn {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    async fn probe(&self, site: &Site) -> Result<Reading, Obstacle> {
        if site.native()?.adfs.is_none() {
            return Ok(relying_party::not_asked());
        }
        let now = run(site, Mode::Probe, &json!({})).await?;
        let mut providers = texts(&now, "providers");
        let words = if providers.iter().any(|one| one == FORMS) {
            format!("on the intranet: {}", providers.join(", "))
        } else {
            let words = format!("add {FORMS} to {}", providers.join(", "));
            providers.push(FORMS.to_owned());
            words
        };
        Ok(Reading { now, wanted: json!({ "providers": providers }), words })
    }

    async fn apply(&self, site: &Site, _reading: &Reading) -> Result<(), Obstacle> {
        run(site, Mode::Apply, &json!({})).await.map(drop)
    }

    async fn verify(&self, site: &Site) -> Result<String, Obstacle> {
        match &site.native()?.adfs {
            None => Ok(relying_party::not_asked().words),
            Some(adfs) => adfs_clients::opened(site, adfs).await,
        }
    }

    async fn undo(&self, site: &Site, before: &Value) -> Result<(), Obstacle> {
        run(site, Mode::Undo, &json!({ "before": before })).await.map(drop)
    }
}
