use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::STANDARD};
use hybridge_graph::{DirectoryKind, DirectoryObject, KeyCredential};
use hybridge_identity::{Certificate, Validity};
use serde_json::{Value, json};

use super::{directory, own};
use crate::rotation::key_credential;
use crate::{Facts, Obstacle, Place, Reading, Site, Step};

/// The public part of Hybridge's certificate, at its app registration (setup.md G2, G3).
#[derive(Debug)]
pub(super) struct AppCertificate;

static FACTS: Facts = Facts {
    id: "app-certificate",
    title: "Certificate of Hybridge at its app registration",
    rows: &["G2", "G3"],
    place: Place::Directory,
    role: "Cloud Application Administrator",
    after: &["app-registration"],
};

/// The thumbprint (SHA-1, hex) of a registered certificate.
pub(crate) fn thumbprint(key: &KeyCredential) -> Option<String> {
    let der = STANDARD.decode(key.key.as_deref()?).ok()?;
    Some(Certificate::from_der(der).ok()?.sha1_hex())
}

fn thumbprints(object: &DirectoryObject) -> Vec<String> {
    object.key_credentials.iter().filter_map(thumbprint).collect()
}

async fn registration(site: &Site) -> Result<DirectoryObject, Obstacle> {
    let app_id = site.client_id()?;
    let found = site.directory().directory_object(DirectoryKind::Application, app_id).await;
    found.map_err(directory)?.ok_or(Obstacle::After("app-registration"))
}

#[async_trait]
impl Step for AppCertificate {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    async fn probe(&self, site: &Site) -> Result<Reading, Obstacle> {
        let certificate = site.deployment().credential.certificate();
        if !matches!(certificate.validity_at(site.now()), Validity::Valid { .. }) {
            return Err(Obstacle::ByHand {
                what: format!("the certificate {} is not valid now", certificate.subject()),
                how: "Make a new one: `hybridge certificate new --out FILE`, and name it in the configuration, [tenant] \
                      certificate."
                    .to_owned(),
            });
        }
        let own = certificate.sha1_hex();
        let registered = thumbprints(&registration(site).await?);
        let mut wanted = registered.clone();
        let words = if registered.contains(&own) {
            format!("{own}, valid until {}", certificate.valid_until())
        } else {
            wanted.push(own.clone());
            format!("register {} ({own}), valid until {}", certificate.subject(), certificate.valid_until())
        };
        Ok(Reading {
            now: json!({ "certificates": registered }),
            wanted: json!({ "certificates": wanted }),
            words,
        })
    }

    async fn apply(&self, site: &Site, _reading: &Reading) -> Result<(), Obstacle> {
        // Read just before: the whole collection is replaced (graph.md 2.3).
        let found = registration(site).await?;
        let certificate = site.deployment().credential.certificate();
        if thumbprints(&found).contains(&certificate.sha1_hex()) {
            return Ok(());
        }
        let mut keys = found.key_credentials.clone();
        keys.push(key_credential(found.id, certificate));
        let changes = json!({ "keyCredentials": keys });
        site.directory()
            .change_directory_object(DirectoryKind::Application, found.id, &changes)
            .await
            .map_err(directory)
    }

    /// A real token: the first ones may be refused until all token servers know the certificate.
    async fn verify(&self, site: &Site) -> Result<String, Obstacle> {
        const TRIES: u32 = 6;
        let mut pause = site.settling();
        for attempt in 1..=TRIES {
            let graph = site.as_hybridge()?;
            // Which directory permissions it has does not matter here, only that it is signed in.
            match graph.can_read_users().await {
                Ok(()) => break,
                Err(error) if error.failure().is_some_and(|failure| failure.status.as_u16() == 403) => break,
                Err(error) if attempt == TRIES => return Err(own(error)),
                Err(error) => tracing::debug!(%error, attempt, "the certificate is not known yet"),
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        Ok("Entra ID gave a token for it".to_owned())
    }

    async fn undo(&self, site: &Site, before: &Value) -> Result<(), Obstacle> {
        let Ok(found) = registration(site).await else { return Ok(()) };
        let before = before.get("certificates").cloned().unwrap_or_default();
        let was_there = |print: &String| {
            before.as_array().is_some_and(|before| before.iter().any(|before| before.as_str() == Some(print)))
        };
        let own = site.deployment().credential.certificate().sha1_hex();
        let keys: Vec<&KeyCredential> = found
            .key_credentials
            .iter()
            .filter(|key| thumbprint(key).is_none_or(|print| print != own || was_there(&print)))
            .collect();
        if keys.len() == found.key_credentials.len() {
            return Ok(());
        }
        let changes = json!({ "keyCredentials": keys });
        site.directory()
            .change_directory_object(DirectoryKind::Application, found.id, &changes)
            .await
            .map_err(directory)
    }
}
