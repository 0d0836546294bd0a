use async_trait::async_trait;
use hybridge_graph::UserRef;
use hybridge_odata::Error;
use serde_json::{Value, json};

use super::{exchange, mailbox_scope, own};
use crate::{Facts, Obstacle, Place, Reading, Site, Step};

/// What Hybridge may do in the scope's mailboxes: RBAC for Applications (setup.md G8, G9).
#[derive(Debug)]
pub(super) struct MailboxRoles;

static FACTS: Facts = Facts {
    id: "mailbox-roles",
    title: "Permissions in these mailboxes (RBAC for Applications)",
    rows: &["G8", "G9"],
    place: Place::Exchange,
    role: "Exchange Administrator and Organization Management",
    after: &["exchange-principal", "mailbox-scope"],
};

fn role(permission: &str) -> String {
    format!("Application {permission}")
}

/// The name of the assignment that Hybridge makes for a role.
fn assignment(site: &Site, role: &str) -> String {
    format!("{} {role}", site.deployment().name)
}

fn text<'a>(object: &'a Value, name: &str) -> &'a str {
    object.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// The assignments to Hybridge: name, role and scope.
async fn assigned(site: &Site) -> Result<Vec<Value>, Obstacle> {
    let app_id = site.client_id()?.to_string();
    if site.exchange().find("Get-ServicePrincipal", &app_id).await.map_err(exchange)?.is_none() {
        return Err(Obstacle::After("exchange-principal"));
    }
    let parameters = json!({ "RoleAssignee": app_id });
    let found = site.exchange().run("Get-ManagementRoleAssignment", parameters).await.map_err(exchange)?;
    let mut roles: Vec<Value> = found
        .iter()
        .map(|found| {
            let scope = found.get("CustomResourceScope").filter(|scope| !scope.is_null());
            json!({ "role": text(found, "Role"), "scope": scope, "name": text(found, "Name") })
        })
        .collect();
    roles.sort_by_key(|role| text(role, "role").to_owned());
    Ok(roles)
}

#[async_trait]
impl Step for MailboxRoles {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    async fn probe(&self, site: &Site) -> Result<Reading, Obstacle> {
        let scope = mailbox_scope::name(site);
        let now = assigned(site).await?;
        let mut wanted: Vec<Value> = Vec::new();
        for permission in &site.deployment().permissions {
            let role = role(permission);
            let fits = |found: &&Value| text(found, "role") == role && text(found, "scope") == scope;
            wanted.push(
                now.iter().find(fits).cloned().unwrap_or_else(
                    || json!({ "role": role, "scope": scope, "name": assignment(site, &role) }),
                ),
            );
        }
        // A role without a scope, or with another one, reaches mailboxes that take no part.
        wanted.sort_by_key(|role| text(role, "role").to_owned());
        let reading = Reading { now: json!(now), wanted: json!(wanted), words: String::new() };
        let words = if reading.is_done() {
            site.deployment().permissions.join(", ")
        } else {
            let come = wanted.iter().filter(|role| !now.contains(role)).count();
            let go = now.iter().filter(|role| !wanted.contains(role)).count();
            match go {
                0 => format!("assign {come} roles: {}", site.deployment().permissions.join(", ")),
                _ => format!("assign {come} roles, remove {go} that reach further than they need"),
            }
        };
        Ok(Reading { words, ..reading })
    }

    async fn apply(&self, site: &Site, reading: &Reading) -> Result<(), Obstacle> {
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        change(site, &list(&reading.now), &list(&reading.wanted)).await
    }

    /// One mailbox inside has to open, and one outside must not.
    async fn verify(&self, site: &Site) -> Result<String, Obstacle> {
        let graph = site.as_hybridge()?;
        let inside = site.mailboxes().await?;
        let Some(first) = inside.first() else {
            return Err(Obstacle::ByHand {
                what: "no mailbox takes part, so that nothing can be tried".to_owned(),
                how: "Approve a mailbox in Dynamics and set its incoming method to Server-Side Synchronization.".to_owned(),
            });
        };
        graph.folder(&UserRef::new(first.as_str()), "inbox").await.map_err(own)?;
        let parameters = json!({ "ResultSize": 50, "RecipientTypeDetails": "UserMailbox" });
        let others = site.exchange().run("Get-Recipient", parameters).await.unwrap_or_default();
        let outside = others
            .iter()
            .map(|other| text(other, "PrimarySmtpAddress").to_lowercase())
            .find(|address| !address.is_empty() && !inside.contains(address));
        let Some(outside) = outside else {
            return Ok(format!(
                "{first} opens; every mailbox of the tenant takes part, so that no other could be tried"
            ));
        };
        match graph.folder(&UserRef::new(outside.as_str()), "inbox").await {
            Ok(_) => Err(Obstacle::refused(
                format!("{outside} takes no part, and opens all the same"),
                "A consent in Entra ID, or another role assignment, reaches every mailbox: `hybridge connect plan` names it.",
            )),
            Err(error) if is_denied(&error) => Ok(format!("{first} opens, {outside} stays closed")),
            Err(error) => Err(own(error)),
        }
    }

    async fn undo(&self, site: &Site, before: &Value) -> Result<(), Obstacle> {
        let now = match assigned(site).await {
            Ok(now) => now,
            Err(Obstacle::After(_)) => return Ok(()),
            Err(obstacle) => return Err(obstacle),
        };
        change(site, &now, &before.as_array().cloned().unwrap_or_default()).await
    }
}

async fn change(site: &Site, now: &[Value], wanted: &[Value]) -> Result<(), Obstacle> {
    let app_id = site.client_id()?;
    let surplus = || now.iter().filter(|role| !wanted.contains(role));
    // What is needed comes before what is not needed goes: at no moment is there less than there has to be.
    for missing in wanted.iter().filter(|role| !now.contains(role)) {
        // But for a name that is taken: Exchange Online takes no second assignment of it.
        if surplus().any(|role| text(role, "name").eq_ignore_ascii_case(text(missing, "name"))) {
            let name = text(missing, "name");
            site.exchange().remove("Remove-ManagementRoleAssignment", name).await.map_err(exchange)?;
        }
        let mut parameters =
            json!({ "App": app_id, "Role": text(missing, "role"), "Name": text(missing, "name") });
        if let (Some(scope), Some(parameters)) =
            (missing.get("scope").filter(|scope| !scope.is_null()), parameters.as_object_mut())
        {
            parameters.insert("CustomResourceScope".to_owned(), scope.clone());
        }
        site.exchange().run("New-ManagementRoleAssignment", parameters).await.map_err(exchange)?;
    }
    for surplus in surplus() {
        let name = text(surplus, "name");
        if wanted.iter().any(|role| text(role, "name").eq_ignore_ascii_case(name)) {
            continue;
        }
        site.exchange().remove("Remove-ManagementRoleAssignment", name).await.map_err(exchange)?;
    }
    Ok(())
}

fn is_denied(error: &Error) -> bool {
    error.failure().is_some_and(|failure| failure.status.as_u16() == 403)
}
