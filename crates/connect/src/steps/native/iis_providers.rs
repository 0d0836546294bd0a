use async_trait::async_trait;
use serde_json::{Value, json};

use super::{Job, names, relying_party, script};
use crate::{
    Facts, Obstacle, Place, Reading, Site, Step,
    servers::{Duty, Script},
};

/// How the web services of Dynamics take Windows authentication (setup.md F7). Only looks: switching it off, which
/// Microsoft's page advises where clients still fail, breaks callers that sign in with Windows.
#[derive(Debug)]
pub(super) struct IisProviders;

static FACTS: Facts = Facts {
    id: "iis-providers",
    title: "Windows authentication of the web services",
    rows: &["F7"],
    place: Place::CrmServers,
    role: "local administrator of every web server",
    after: &["server-inventory"],
};

static SCRIPT: Script = script!("iis-providers");

#[async_trait]
impl Step for IisProviders {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    async fn probe(&self, site: &Site) -> Result<Reading, Obstacle> {
        let native = site.native()?;
        if native.adfs.is_none() {
            return Ok(relying_party::not_asked());
        }
        let job = Job { step: FACTS.id, script: &SCRIPT };
        let found = job.probe(native.servers.with(&[Duty::Web]), &json!({})).await?;
        let offers = |answer: &Value| {
            let paths = answer.get("paths").and_then(Value::as_object);
            paths
                .into_iter()
                .flatten()
                .any(|(_, path)| path.get("enabled").and_then(Value::as_bool) == Some(true))
        };
        let offering: Vec<&str> =
            found.iter().filter(|(_, answer)| offers(answer)).map(|(server, _)| server.as_str()).collect();
        let words = if offering.is_empty() {
            "switched off".to_owned()
        } else {
            format!("left as it is on {} (only if app clients fail: docs/connect.md)", names(offering))
        };
        let told = json!({ "servers": found });
        Ok(Reading { now: told.clone(), wanted: told, words })
    }
}
