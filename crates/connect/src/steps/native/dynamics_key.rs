use async_trait::async_trait;
use hybridge_graph::{DirectoryKind, KeyCredential};
use hybridge_identity::Certificate;
use serde_json::{Value, json};

use super::{
    super::graph::{directory, thumbprint},
    dynamics_principal, signing, texts,
};
use crate::{Facts, Obstacle, Place, Reading, Site, Step, rotation::key_credential};

/// The public part of the signing certificate, at the principal of Dynamics (setup.md E3).
#[derive(Debug)]
pub(super) struct DynamicsKey;

static FACTS: Facts = Facts {
    id: "dynamics-key",
    title: "Entra ID trusts the signing certificate",
    rows: &["E3"],
    place: Place::Directory,
    role: "Cloud Application Administrator",
    after: &["dynamics-principal", "signing-certificate"],
};

/// The certificates that Entra ID trusts for Dynamics (SHA-1, hex).
pub(crate) async fn trusted(site: &Site) -> Result<Vec<String>, Obstacle> {
    let found = dynamics_principal::expect(site).await?;
    Ok(found.key_credentials.iter().filter_map(thumbprint).collect())
}

/// Adds a certificate beside those that are there. The collection is replaced as a whole, so it is read just before
/// (setup.md 3.1, defects 4 and 5).
pub(crate) async fn trust(site: &Site, certificate: &Certificate) -> Result<(), Obstacle> {
    let found = dynamics_principal::expect(site).await?;
    if found.key_credentials.iter().filter_map(thumbprint).any(|print| print == certificate.sha1_hex()) {
        return Ok(());
    }
    let mut keys = found.key_credentials;
    keys.push(key_credential(found.id, certificate));
    let changes = json!({ "keyCredentials": keys });
    site.directory()
        .change_directory_object(DirectoryKind::ServicePrincipal, found.id, &changes)
        .await
        .map_err(directory)
}

/// Takes a certificate away; that it was not there does not matter.
pub(crate) async fn distrust(site: &Site, print: &str) -> Result<(), Obstacle> {
    let Some(found) = dynamics_principal::find(site).await? else { return Ok(()) };
    let kept: Vec<&KeyCredential> = found
        .key_credentials
        .iter()
        .filter(|key| thumbprint(key).is_none_or(|known| known != print))
        .collect();
    if kept.len() == found.key_credentials.len() {
        return Ok(());
    }
    let changes = json!({ "keyCredentials": kept });
    site.directory()
        .change_directory_object(DirectoryKind::ServicePrincipal, found.id, &changes)
        .await
        .map_err(directory)
}

#[async_trait]
impl Step for DynamicsKey {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    async fn probe(&self, site: &Site) -> Result<Reading, Obstacle> {
        let certificate = signing(site)?;
        let certificate = certificate.certificate();
        let own = certificate.sha1_hex();
        let trusted = trusted(site).await?;
        let mut wanted = trusted.clone();
        let words = if trusted.contains(&own) {
            format!("{own}, beside {} others", trusted.len() - 1)
        } else {
            wanted.push(own);
            format!("add {} beside the {} that are there", certificate.subject(), trusted.len())
        };
        Ok(Reading {
            now: json!({ "certificates": trusted }),
            wanted: json!({ "certificates": wanted }),
            words,
        })
    }

    async fn apply(&self, site: &Site, _reading: &Reading) -> Result<(), Obstacle> {
        trust(site, signing(site)?.certificate()).await
    }

    async fn undo(&self, site: &Site, before: &Value) -> Result<(), Obstacle> {
        let own = match signing(site) {
            Ok(own) => own.certificate().sha1_hex(),
            Err(Obstacle::After(_)) => return Ok(()),
            Err(error) => return Err(error),
        };
        if texts(before, "certificates").contains(&own) { Ok(()) } else { distrust(site, &own).await }
    }
}
