use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::STANDARD};
use hybridge_identity::{Certificate, Credential, PfxForm, SecretString};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{Job, STORE, on, script, signers, signing, text, texts};
use crate::{
    Facts, Obstacle, Place, Reading, Site, Step,
    servers::{Mode, Script, Server},
};

/// The signing certificate with its key, in the store of every server (setup.md C3).
#[derive(Debug)]
pub(super) struct SigningStore;

static FACTS: Facts = Facts {
    id: "signing-store",
    title: "The signing certificate is on every server",
    rows: &["C3"],
    place: Place::CrmServers,
    role: "local administrator of every server",
    after: &["server-inventory", "signing-certificate"],
};

static SCRIPT: Script = script!("signing-store");
const JOB: Job = Job { step: FACTS.id, script: &SCRIPT };

fn data(certificate: &Certificate) -> Value {
    json!({ "thumbprint": certificate.sha1_hex(), "certificate": STANDARD.encode(certificate.der()) })
}

/// What the stores hold, by server, and what they are to hold.
fn wanted() -> Value {
    json!({ "installed": true, "keySpec": 1 })
}

/// Brings a certificate with its key into a store of one server.
async fn install(server: &Server, credential: &Credential, store: &str) -> Result<(), Obstacle> {
    // For this transport only: it goes with the file through an encrypted channel and is forgotten.
    let password =
        SecretString::from(Uuid::new_v4().simple().to_string() + &Uuid::new_v4().simple().to_string());
    // The form that every Windows Server reads.
    let pfx = credential
        .to_pfx_in(PfxForm::Legacy, &password)
        .map_err(|error| Obstacle::refused(error.to_string(), error.remedy()))?;
    let mut data = data(credential.certificate());
    super::add(&mut data, "pfx", STANDARD.encode(pfx).into());
    super::add(&mut data, "store", store.into());
    JOB.change(server, Mode::Apply, &data, Some(&password)).await.map(drop)
}

/// Brings a certificate with its key into a store of one server, and remembers where it was not there before.
pub(crate) async fn bring(
    site: &Site,
    server: &Server,
    credential: &Credential,
    store: &str,
) -> Result<(), Obstacle> {
    let mut asked = data(credential.certificate());
    super::add(&mut asked, "store", store.into());
    let state = JOB.change(server, Mode::Probe, &asked, None).await?;
    if state.get("installed").and_then(Value::as_bool) != Some(true) {
        keep_brought(site, server, credential)?;
    }
    install(server, credential, store).await
}

fn keep_brought(site: &Site, server: &Server, credential: &Credential) -> Result<(), Obstacle> {
    let kept = site.native()?.signing.files.keep_brought(&credential.certificate().sha1_hex(), &server.name);
    kept.map_err(|error| Obstacle::refused(error.to_string(), "Check that this account may write there."))
}

/// Takes a certificate with its key out of a store of one server, if Hybridge has brought it there and no listener shows it.
/// Otherwise why it stays: what somebody else put there may serve something else as well, TLS above all.
pub(crate) async fn take_away(
    site: &Site,
    server: &Server,
    thumbprint: &str,
    store: &str,
) -> Result<Option<String>, Obstacle> {
    let brought = site.native()?.signing.files.brought(thumbprint);
    let brought =
        brought.map_err(|error| Obstacle::refused(error.to_string(), "Mend or remove that file."))?;
    let name = &server.name;
    if !brought.contains(name) {
        let state = JOB
            .change(server, Mode::Probe, &json!({ "thumbprint": thumbprint, "store": store }), None)
            .await?;
        let there = state.get("installed").and_then(Value::as_bool) == Some(true);
        return Ok(there.then(|| format!("{name} ({store}; Hybridge did not bring it there)")));
    }
    let listeners = super::signing_exchange::listeners(server, thumbprint).await?;
    if !listeners.is_empty() {
        return Ok(Some(format!("{name} ({store}; {} shows it)", listeners.join(" and "))));
    }
    remove(server, thumbprint, store).await.map(|()| None)
}

/// Takes a certificate with its key out of a store of one server.
async fn remove(server: &Server, thumbprint: &str, store: &str) -> Result<(), Obstacle> {
    let data = json!({ "thumbprint": thumbprint, "store": store, "before": { "installed": false } });
    JOB.change(server, Mode::Undo, &data, None).await.map(drop)
}

/// Whether no server holds another certificate of the same subject than one that is known, where Dynamics looks.
///
/// # Errors
/// The server that holds one, and what to do about it.
pub(crate) async fn alone(site: &Site, certificate: &Certificate, known: &str) -> Result<(), Obstacle> {
    let found = JOB.probe(signers(site)?, &data(certificate)).await?;
    for (server, state) in &found {
        let mut others = texts(state, "others");
        others.retain(|other| other != known);
        if !others.is_empty() {
            return Err(twins(server, certificate.subject(), &others));
        }
    }
    Ok(())
}

fn twins(server: &str, subject: &str, others: &[String]) -> Obstacle {
    Obstacle::refused(
        format!(
            "{server}: the store holds another certificate of the subject {subject} ({}); Dynamics would say \"Private key not found\"",
            others.join(", ")
        ),
        format!(
            "On {server}, move it out of the store: Move-Item Cert:\\LocalMachine\\My\\{} Cert:\\LocalMachine\\HybridgeArchive (New-Item \
             makes that store). Then: hybridge connect apply --target native",
            others.first().map(String::as_str).unwrap_or_default()
        ),
    )
}

#[async_trait]
impl Step for SigningStore {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    async fn probe(&self, site: &Site) -> Result<Reading, Obstacle> {
        let credential = signing(site)?;
        let certificate = credential.certificate();
        let servers = signers(site)?;
        let found = JOB.probe(servers.iter().copied(), &data(certificate)).await?;
        let mut now = Map::new();
        let mut missing = Vec::new();
        for (server, state) in &found {
            let others = texts(state, "others");
            if !others.is_empty() {
                return Err(twins(server, certificate.subject(), &others));
            }
            if state.get("keySpec").and_then(Value::as_str) == Some("closed") {
                return Err(Obstacle::refused(
                    format!(
                        "{server}: this account may not open the private key of {}",
                        certificate.subject()
                    ),
                    format!(
                        "On {server}: certlm.msc, Personal, the certificate, All Tasks, Manage Private Keys: full control for this \
                         account. Then: hybridge connect apply --target native"
                    ),
                ));
            }
            let told = json!({ "installed": state.get("installed"), "keySpec": state.get("keySpec") });
            if told != wanted() {
                missing.push(server.as_str());
            }
            now.insert(server.clone(), told);
        }
        let all: Map<String, Value> = found.keys().map(|server| (server.clone(), wanted())).collect();
        let words = if missing.is_empty() {
            format!(
                "{} with its key, {}",
                certificate.sha1_hex(),
                on(found.keys().map(String::as_str), found.len())
            )
        } else {
            format!("import {} {}", certificate.subject(), on(missing, found.len()))
        };
        let of = |servers: Map<String, Value>| json!({ "thumbprint": certificate.sha1_hex(), "subject": certificate.subject(), "servers": servers });
        Ok(Reading { now: of(now), wanted: of(all), words })
    }

    async fn apply(&self, site: &Site, reading: &Reading) -> Result<(), Obstacle> {
        let credential = signing(site)?;
        for server in signers(site)? {
            if reading.now.pointer(&format!("/servers/{}", server.name)) != Some(&wanted()) {
                let there = reading.now.pointer(&format!("/servers/{}/installed", server.name));
                if there.and_then(Value::as_bool) != Some(true) {
                    keep_brought(site, server, &credential)?;
                }
                install(server, &credential, STORE).await?;
            }
        }
        Ok(())
    }

    async fn undo(&self, site: &Site, before: &Value) -> Result<(), Obstacle> {
        let first = text(before, "thumbprint");
        // A rotation may have brought another one since.
        let rotated = match signing(site) {
            Ok(own) => Some(own.certificate().sha1_hex()).filter(|own| own != first),
            Err(Obstacle::After(_)) => None,
            Err(error) => return Err(error),
        };
        for server in signers(site)? {
            let was = before.pointer(&format!("/servers/{}/installed", server.name)).and_then(Value::as_bool);
            if was == Some(false) {
                let listeners = super::signing_exchange::listeners(server, first).await?;
                if !listeners.is_empty() {
                    return Err(Obstacle::ByHand {
                        what: format!(
                            "{}: {} shows the certificate {first}",
                            server.name,
                            listeners.join(" and ")
                        ),
                        how: "Give it another certificate, then undo again.".to_owned(),
                    });
                }
                remove(server, first, STORE).await?;
            }
            if let Some(rotated) = &rotated
                && let Some(place) = take_away(site, server, rotated, STORE).await?
            {
                tracing::warn!(certificate = rotated, "it stays on {place}");
            }
        }
        Ok(())
    }
}
