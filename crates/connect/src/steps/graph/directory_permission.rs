use async_trait::async_trait;
use hybridge_graph::{DirectoryKind, GRAPH_APP_ID};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{directory, own};
use crate::{Facts, Obstacle, Place, Reading, Site, Step};

/// The one consent that Hybridge needs: to find users by their addresses (setup.md G5).
#[derive(Debug)]
pub(super) struct DirectoryPermission;

static FACTS: Facts = Facts {
    id: "directory-permission",
    title: "Consent to look users up (User.Read.All)",
    rows: &["G5"],
    place: Place::Directory,
    role: "Privileged Role Administrator",
    after: &["app-registration"],
};

/// The consented permission.
const PERMISSION: &str = "User.Read.All";

/// The service principals of Hybridge and of Microsoft Graph, the role's id, and its assignment where there is one.
pub(super) struct Consent {
    pub(super) principal: Uuid,
    pub(super) resource: Uuid,
    pub(super) role: Uuid,
    pub(super) assignment: Option<String>,
}

async fn consent(site: &Site) -> Result<Consent, Obstacle> {
    consent_to(site, site.client_id()?, PERMISSION).await
}

/// What is there of an application's consent to a permission of Microsoft Graph.
pub(super) async fn consent_to(site: &Site, app_id: Uuid, permission: &str) -> Result<Consent, Obstacle> {
    let graph = site.directory();
    let principal =
        graph.directory_object(DirectoryKind::ServicePrincipal, app_id).await.map_err(directory)?;
    let principal = principal.ok_or(Obstacle::After("app-registration"))?.id;
    let resource = GRAPH_APP_ID.parse().unwrap_or_default();
    let resource =
        graph.directory_object(DirectoryKind::ServicePrincipal, resource).await.map_err(directory)?;
    let missing = || {
        Obstacle::refused("the tenant has no service principal of Microsoft Graph", "Check [tenant] cloud.")
    };
    let resource = resource.ok_or_else(missing)?;
    // By name, from the live object: ids differ between clouds' documentation and reality.
    let role = resource
        .app_roles
        .iter()
        .find(|role| role.value.as_deref() == Some(permission))
        .ok_or_else(missing)?
        .id;
    let assignments = graph.role_assignments(principal).await.map_err(directory)?;
    let assignment = assignments
        .into_iter()
        .find(|assignment| assignment.app_role_id == role && assignment.resource_id == resource.id)
        .map(|assignment| assignment.id);
    Ok(Consent { principal, resource: resource.id, role, assignment })
}

#[async_trait]
impl Step for DirectoryPermission {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    async fn probe(&self, site: &Site) -> Result<Reading, Obstacle> {
        let granted = consent(site).await?.assignment.is_some();
        let words =
            if granted { "granted".to_owned() } else { format!("grant {PERMISSION} to the application") };
        Ok(Reading { now: json!({ PERMISSION: granted }), wanted: json!({ PERMISSION: true }), words })
    }

    async fn apply(&self, site: &Site, _reading: &Reading) -> Result<(), Obstacle> {
        let consent = consent(site).await?;
        if consent.assignment.is_none() {
            site.directory()
                .assign_role(consent.principal, consent.resource, consent.role)
                .await
                .map_err(directory)?;
        }
        Ok(())
    }

    async fn verify(&self, site: &Site) -> Result<String, Obstacle> {
        site.as_hybridge()?.can_read_users().await.map_err(own)?;
        Ok("Hybridge read a user of the directory".to_owned())
    }

    async fn undo(&self, site: &Site, before: &Value) -> Result<(), Obstacle> {
        if before.get(PERMISSION).and_then(Value::as_bool) == Some(true) {
            return Ok(());
        }
        let consent = match consent(site).await {
            Ok(consent) => consent,
            Err(Obstacle::After(_)) => return Ok(()),
            Err(obstacle) => return Err(obstacle),
        };
        match consent.assignment {
            Some(assignment) => {
                site.directory().revoke_role(consent.principal, &assignment).await.map_err(directory)
            }
            None => Ok(()),
        }
    }
}
