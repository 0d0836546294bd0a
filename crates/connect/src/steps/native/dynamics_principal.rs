use async_trait::async_trait;
use hybridge_graph::{DirectoryKind, DirectoryObject};
use serde_json::{Value, json};

use super::super::graph::directory;
use crate::{Facts, Obstacle, Place, Reading, Site, Step, native::DYNAMICS};

/// The principal of Dynamics in the tenant (setup.md E2).
#[derive(Debug)]
pub(super) struct DynamicsPrincipal;

static FACTS: Facts = Facts {
    id: "dynamics-principal",
    title: "Dynamics has a principal in the tenant",
    rows: &["E1", "E2"],
    place: Place::Directory,
    role: "Cloud Application Administrator",
    after: &["hybrid-connector"],
};

/// The principal with its certificates whole.
pub(super) async fn find(site: &Site) -> Result<Option<DirectoryObject>, Obstacle> {
    site.directory().directory_object(DirectoryKind::ServicePrincipal, DYNAMICS).await.map_err(directory)
}

/// The principal, which an earlier step has made where it was missing.
pub(super) async fn expect(site: &Site) -> Result<DirectoryObject, Obstacle> {
    find(site).await?.ok_or(Obstacle::After(FACTS.id))
}

#[async_trait]
impl Step for DynamicsPrincipal {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    async fn probe(&self, site: &Site) -> Result<Reading, Obstacle> {
        let found = find(site).await?;
        let words = match &found {
            Some(found) => found.display_name.clone().unwrap_or_else(|| DYNAMICS.to_string()),
            None => format!("make the service principal of {DYNAMICS}"),
        };
        Ok(Reading { now: json!({ "there": found.is_some() }), wanted: json!({ "there": true }), words })
    }

    async fn apply(&self, site: &Site, _reading: &Reading) -> Result<(), Obstacle> {
        if find(site).await?.is_none() {
            site.directory().create_service_principal(DYNAMICS).await.map_err(directory)?;
        }
        Ok(())
    }

    async fn undo(&self, site: &Site, before: &Value) -> Result<(), Obstacle> {
        if before.get("there").and_then(Value::as_bool) == Some(true) {
            return Ok(());
        }
        let Some(found) = find(site).await? else { return Ok(()) };
        let kind = DirectoryKind::ServicePrincipal;
        site.directory().delete_directory_object(kind, found.id).await.map_err(directory)
    }
}
