use async_trait::async_trait;
use hybridge_graph::{DirectoryKind, GRAPH_APP_ID, RoleAssignment};
use serde_json::{Value, json};
use uuid::Uuid;

use super::directory;
use crate::{Facts, Obstacle, Place, Reading, Site, Step};

/// No consent that reaches every mailbox: it would defeat the scope, as the two add up (setup.md G10).
#[derive(Debug)]
pub(super) struct TenantWideAccess;

static FACTS: Facts = Facts {
    id: "tenant-wide-access",
    title: "No access to all mailboxes of the tenant",
    rows: &["G10"],
    place: Place::Directory,
    role: "Privileged Role Administrator",
    after: &["mailbox-roles"],
};

/// Whether a permission opens mailboxes.
fn opens_mailboxes(permission: &str) -> bool {
    [
        "Mail",
        "Calendars.",
        "Contacts.",
        "MailboxSettings.",
        "MailboxItem.",
        "MailboxFolder.",
        "MailboxConfigItem.",
    ]
    .iter()
    .any(|start| permission.starts_with(start))
}

struct Found {
    principal: Uuid,
    resource: Uuid,
    roles: Vec<(String, Uuid)>,
    assignments: Vec<RoleAssignment>,
}

impl Found {
    async fn of(site: &Site) -> Result<Self, Obstacle> {
        let graph = site.directory();
        let kind = DirectoryKind::ServicePrincipal;
        let principal = graph.directory_object(kind, site.client_id()?).await.map_err(directory)?;
        let principal = principal.ok_or(Obstacle::After("app-registration"))?.id;
        let resource = graph.directory_object(kind, GRAPH_APP_ID.parse().unwrap_or_default()).await;
        let resource = resource.map_err(directory)?.ok_or(Obstacle::After("app-registration"))?;
        let roles = resource.app_roles.into_iter().filter_map(|role| Some((role.value?, role.id))).collect();
        let assignments = graph.role_assignments(principal).await.map_err(directory)?;
        Ok(Self { principal, resource: resource.id, roles, assignments })
    }

    /// The consents that open mailboxes, by name, with their assignments.
    fn wide(&self) -> Vec<(&str, &RoleAssignment)> {
        let mut wide: Vec<(&str, &RoleAssignment)> = self
            .assignments
            .iter()
            .filter_map(|assignment| {
                let (name, _) = self.roles.iter().find(|(_, id)| *id == assignment.app_role_id)?;
                opens_mailboxes(name).then_some((name.as_str(), assignment))
            })
            .collect();
        wide.sort_by_key(|(name, _)| *name);
        wide
    }
}

#[async_trait]
impl Step for TenantWideAccess {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    async fn probe(&self, site: &Site) -> Result<Reading, Obstacle> {
        let found = Found::of(site).await?;
        let names: Vec<&str> = found.wide().into_iter().map(|(name, _)| name).collect();
        let words = if names.is_empty() {
            "none".to_owned()
        } else {
            format!("take back the consent to {}: it reaches every mailbox", names.join(", "))
        };
        Ok(Reading { now: json!({ "consents": names }), wanted: json!({ "consents": [] }), words })
    }

    async fn apply(&self, site: &Site, _reading: &Reading) -> Result<(), Obstacle> {
        let found = Found::of(site).await?;
        for (_, assignment) in found.wide() {
            site.directory().revoke_role(found.principal, &assignment.id).await.map_err(directory)?;
        }
        Ok(())
    }

    async fn verify(&self, site: &Site) -> Result<String, Obstacle> {
        let found = Found::of(site).await?;
        match found.wide().first() {
            None => Ok("the token opens no mailbox by itself".to_owned()),
            Some((name, _)) => Err(Obstacle::refused(
                format!("the application holds {name} for the whole tenant"),
                "Run `hybridge connect apply --step tenant-wide-access`.",
            )),
        }
    }

    async fn undo(&self, site: &Site, before: &Value) -> Result<(), Obstacle> {
        let names: Vec<&str> = before
            .get("consents")
            .and_then(Value::as_array)
            .map(|names| names.iter().filter_map(Value::as_str).collect())
            .unwrap_or_default();
        if names.is_empty() {
            return Ok(());
        }
        let found = Found::of(site).await?;
        let held: Vec<&str> = found.wide().into_iter().map(|(name, _)| name).collect();
        for (name, role) in found.roles.iter().filter(|(name, _)| names.contains(&name.as_str())) {
            if !held.contains(&name.as_str()) {
                site.directory()
                    .assign_role(found.principal, found.resource, *role)
                    .await
                    .map_err(directory)?;
            }
        }
        Ok(())
    }
}
