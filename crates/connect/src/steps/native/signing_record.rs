use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::STANDARD};
use hybridge_identity::Certificate;
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::{Job, dynamics_key, script, service_restart, signing, text};
use crate::{
    Facts, Obstacle, Place, Reading, Site, Step,
    servers::{Duty, Mode, Script},
};

/// The record that says which certificate Dynamics signs with, `S2STokenIssuer` (setup.md C5): one write, for all
/// servers.
#[derive(Debug)]
pub(super) struct SigningRecord;

static FACTS: Facts = Facts {
    id: "signing-record",
    title: "Dynamics signs with it",
    rows: &["C5"],
    place: Place::DeploymentServer,
    role: "Deployment Administrator",
    after: &["signing-store", "key-access", "dynamics-key"],
};

static SCRIPT: Script = script!("signing-record");
const JOB: Job = Job { step: FACTS.id, script: &SCRIPT };

fn told(certificate: &Certificate) -> Value {
    json!({
        "subject": certificate.subject(), "thumbprint": certificate.sha1_hex(), "certificate": STANDARD.encode(certificate.der()),
    })
}

/// The certificate that the record names.
fn certificate(record: &Value) -> Option<Certificate> {
    Certificate::from_der(STANDARD.decode(text(record, "certificate")).ok()?).ok()
}

async fn record(site: &Site, mode: Mode, data: &Value) -> Result<Value, Obstacle> {
    let server = site.native()?.servers.first(Duty::Deployment)?;
    let answer = JOB.change(server, mode, data, None).await?;
    let record = answer.get("record").cloned().unwrap_or_default();
    Ok(match certificate(&record) {
        Some(certificate) => told(&certificate),
        None => record,
    })
}

/// The certificate that Dynamics signs with now.
pub(crate) async fn current(site: &Site) -> Result<Option<Certificate>, Obstacle> {
    Ok(certificate(&record(site, Mode::Probe, &json!({})).await?))
}

/// Has Dynamics sign with a certificate.
pub(crate) async fn write(site: &Site, new: &Certificate) -> Result<(), Obstacle> {
    record(site, Mode::Apply, &told(new)).await.map(drop)
}

/// Waits until the directory had its time to tell all its servers of the new certificate (setup.md 5.3, R4). There is no
/// token to try in the name of Dynamics.
async fn soak(site: &Site) -> Result<(), Obstacle> {
    let Some(since) = site.changed("dynamics-key") else { return Ok(()) };
    let left = site.native()?.soak - since.duration_until(site.now());
    if left > SignedDuration::ZERO {
        tracing::info!(
            minutes = left.as_mins() + 1,
            "waiting until Entra ID knows the new certificate everywhere"
        );
        tokio::time::sleep(left.unsigned_abs()).await;
    }
    Ok(())
}

#[async_trait]
impl Step for SigningRecord {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    async fn probe(&self, site: &Site) -> Result<Reading, Obstacle> {
        let own = signing(site)?;
        let own = own.certificate();
        let now = record(site, Mode::Probe, &json!({})).await?;
        let wanted = told(own);
        let words = match certificate(&now) {
            Some(current) if current.sha1_hex() == own.sha1_hex() => {
                format!("S2STokenIssuer is {}", own.subject())
            }
            Some(current) => format!("switch S2STokenIssuer from {} to {}", current.subject(), own.subject()),
            None => format!("make {} the S2STokenIssuer", own.subject()),
        };
        Ok(Reading { now: json!({ "record": now }), wanted: json!({ "record": wanted }), words })
    }

    async fn apply(&self, site: &Site, reading: &Reading) -> Result<(), Obstacle> {
        let own = signing(site)?;
        if !dynamics_key::trusted(site).await?.contains(&own.certificate().sha1_hex()) {
            return Err(Obstacle::After("dynamics-key"));
        }
        // Where nothing works yet, nothing can be interrupted.
        if reading.now.get("record").is_some_and(|record| !record.is_null()) {
            soak(site).await?;
        }
        write(site, own.certificate()).await
    }

    /// The services take it up when they are started, so they are started anew here.
    async fn undo(&self, site: &Site, before: &Value) -> Result<(), Obstacle> {
        let data = json!({ "before": before.get("record") });
        record(site, Mode::Undo, &data).await?;
        service_restart::all(site).await
    }
}
