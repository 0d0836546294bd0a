//! Two certificates of one subject, one of which Dynamics finds (setup.md 5.4).

use std::collections::BTreeMap;

use hybridge_identity::Credential;
use serde_json::{Value, json};

use super::{Job, key_access, names, script, signing_store, texts};
use crate::{
    Obstacle, Site,
    servers::{Mode, Script, Server},
};

static SCRIPT: Script = script!("signing-exchange");
const JOB: Job = Job { step: "signing-store", script: &SCRIPT };

/// The store in which the certificate waits that Dynamics is not to find.
pub(crate) const ASIDE: &str = "HybridgeArchive";

fn data(comes: &str, goes: &str) -> Value {
    json!({ "in": comes, "out": goes, "store": ASIDE })
}

/// Whether a certificate can take another one's place on every server: no listener may show the other one, whose key
/// leaves the store in which a listener looks.
///
/// # Errors
/// Where one does, and what to do about it.
pub(crate) async fn possible(site: &Site, comes: &str, goes: &str) -> Result<(), Obstacle> {
    let found = JOB.probe(super::signers(site)?, &data(comes, goes)).await?;
    let shown: BTreeMap<&str, Vec<String>> = found
        .iter()
        .map(|(server, state)| (server.as_str(), texts(state, "listeners")))
        .filter(|(_, listeners)| !listeners.is_empty())
        .collect();
    let Some((server, listeners)) = shown.iter().next() else { return Ok(()) };
    let also = match shown.keys().skip(1).copied().collect::<Vec<_>>() {
        others if others.is_empty() => String::new(),
        others => format!(", and so on {}", names(others)),
    };
    Err(Obstacle::ByHand {
        what: format!(
            "{server}: {} shows the certificate {goes} that Dynamics signs with now{also}; it can't leave the store",
            listeners.join(" and ")
        ),
        how: format!(
            "Give TLS the renewed certificate first, from the store WebHosting, where Dynamics does not look. On {server}: \
             Import-PfxCertificate -FilePath <file> -CertStoreLocation Cert:\\LocalMachine\\WebHosting -Password (Read-Host -AsSecureString), \
             then Get-WebBinding -Name 'Microsoft Dynamics CRM' -Protocol https | ForEach-Object {{ $_.AddSslCertificate('{comes}', 'WebHosting') }}. (Port 5986 is WinRM: give \
             its listener a certificate of another subject.) Or leave --certificate out: a private certificate has a subject of its own."
        ),
    })
}

/// The listeners of one server that show a certificate out of the store where Dynamics looks.
pub(crate) async fn listeners(server: &Server, thumbprint: &str) -> Result<Vec<String>, Obstacle> {
    let state = JOB.change(server, Mode::Probe, &data("", thumbprint), None).await?;
    Ok(texts(&state, "listeners"))
}

/// Brings a certificate to one server, with its key and who may read it, where Dynamics does not find it yet.
pub(crate) async fn bring(site: &Site, server: &Server, credential: &Credential) -> Result<(), Obstacle> {
    let thumbprint = credential.certificate().sha1_hex();
    let state = JOB.change(server, Mode::Probe, &data(&thumbprint, ""), None).await?;
    if state.get("in").and_then(Value::as_bool) == Some(true) {
        return Ok(());
    }
    signing_store::bring(site, server, credential, ASIDE).await?;
    key_access::grant(server, &thumbprint, ASIDE).await
}

/// Has Dynamics find one certificate instead of another on one server, whose services are stopped meanwhile. Tells whether
/// that was still to be done.
pub(crate) async fn exchange(server: &Server, comes: &str, goes: &str) -> Result<bool, Obstacle> {
    let state = JOB.change(server, Mode::Apply, &data(comes, goes), None).await?;
    Ok(state.get("changed").and_then(Value::as_bool) == Some(true))
}
