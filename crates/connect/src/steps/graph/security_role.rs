use std::collections::BTreeMap;

use async_trait::async_trait;
use hybridge_dynamics::{RolePrivilege, SecurityRole};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{administration, organization, service_user};
use crate::{Facts, Obstacle, Place, Reading, Site, Step};

/// The security role of the service account: what the lanes of Hybridge need, organization-wide, and no more
/// (setup.md 4.2, G13).
#[derive(Debug)]
pub(super) struct SecurityRoleStep;

static FACTS: Facts = Facts {
    id: "security-role",
    title: "Security role for the service account",
    rows: &["G13"],
    place: Place::Organization,
    role: "System Administrator of the organization",
    after: &[],
};

const DEPTH: &str = "Global";
const ALL: &[&str] = &["Create", "Read", "Write", "Append", "AppendTo", "Assign"];

/// The kinds of record and the rights to them (setup.md 4.2; dynamics.md 5 and 6.5 for what the email messages need).
/// Emails, appointments, tasks and phone calls with their parties and files are all activities.
const RECORDS: &[(&str, &[&str])] = &[
    ("Activity", &["Create", "Read", "Write", "Append", "AppendTo", "Assign", "Share"]),
    ("Queue", &["Read", "AppendTo"]),
    ("QueueItem", ALL),
    ("Contact", &["Create", "Read", "Write", "Append", "AppendTo"]),
    ("Account", &["Read", "AppendTo"]),
    ("Lead", &["Read", "AppendTo"]),
    ("User", &["Read", "AppendTo"]),
    ("Team", &["Read"]),
    ("BusinessUnit", &["Read"]),
    ("UserSettings", &["Read"]),
    ("Organization", &["Read"]),
    ("Mailbox", &["Read", "Write"]),
    ("EmailServerProfile", &["Read", "Write"]),
    ("MailboxTrackingFolder", &["Read"]),
    ("ExchangeSyncIdMapping", &["Create", "Read", "Write", "Delete"]),
    ("SyncError", &["Create", "Read"]),
    ("TraceLog", &["Create", "Read"]),
    // Why an email was not sent is written onto it.
    ("Note", &["Create", "Read", "Append"]),
    // So that a plan can tell whether all of this is in order without an administrator.
    ("Role", &["Read"]),
    ("Entity", &["Read"]),
];

/// To act for a user, and to send for one.
const OTHERS: [&str; 2] = ["prvActOnBehalfOfAnotherUser", "prvSendAsUser"];

/// The names of all privileges that are wanted.
fn privileges() -> Vec<String> {
    let of_records =
        RECORDS.iter().flat_map(|(kind, rights)| rights.iter().map(move |right| format!("prv{right}{kind}")));
    of_records.chain(OTHERS.map(str::to_owned)).collect()
}

/// The role's name.
pub(super) fn name(site: &Site) -> String {
    format!("{} Sync", site.deployment().name)
}

/// The role, where it is there, and the business unit that it belongs to.
pub(super) async fn role(site: &Site) -> Result<(Option<SecurityRole>, Uuid), Obstacle> {
    let admin = site.organization_admin();
    let unit = admin.root_business_unit().await.map_err(administration(site))?;
    let role = admin.role_named(&name(site), unit).await.map_err(administration(site))?;
    Ok((role, unit))
}

/// `prvReadContact: Global`, for a plan.
fn shown(name: &str, depth: &str) -> String {
    format!("{name}: {depth}")
}

/// What the role holds, in order of names.
async fn held(site: &Site, role: Uuid, known: &BTreeMap<String, Uuid>) -> Result<Vec<String>, Obstacle> {
    let names: BTreeMap<Uuid, &str> = known.iter().map(|(name, id)| (*id, name.as_str())).collect();
    let held = site.organization_admin().role_privileges(role).await.map_err(administration(site))?;
    let mut held: Vec<String> = held
        .iter()
        .map(|one| match names.get(&one.privilege_id) {
            Some(name) => shown(name, &one.depth),
            None => shown(&one.privilege_id.to_string(), &one.depth),
        })
        .collect();
    held.sort();
    Ok(held)
}

/// Reads what [`shown`] wrote.
fn grants(values: &Value, known: &BTreeMap<String, Uuid>) -> Vec<RolePrivilege> {
    let listed = values.get("privileges").and_then(Value::as_array);
    listed
        .into_iter()
        .flatten()
        .filter_map(|value| {
            let (name, depth) = value.as_str()?.split_once(": ")?;
            let privilege_id = known.get(name).copied().or_else(|| name.parse().ok())?;
            Some(RolePrivilege { privilege_id, depth: depth.to_owned() })
        })
        .collect()
}

#[async_trait]
impl Step for SecurityRoleStep {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    async fn probe(&self, site: &Site) -> Result<Reading, Obstacle> {
        let (role, _) = role(site).await?;
        let known = site.organization_admin().privileges().await.map_err(administration(site))?;
        let (there, lacking): (Vec<String>, Vec<String>) =
            privileges().into_iter().partition(|name| known.contains_key(name));
        let mut wanted: Vec<String> = there.iter().map(|name| shown(name, DEPTH)).collect();
        wanted.sort();
        let name = name(site);
        let now = match &role {
            None => Value::Null,
            Some(role) => json!({ "role": name, "privileges": held(site, role.id, &known).await? }),
        };
        let wanted = json!({ "role": name, "privileges": wanted });
        let unknown = match lacking.as_slice() {
            [] => String::new(),
            some => format!("; this build does not have {}", some.join(", ")),
        };
        let words = match (&role, now == wanted) {
            (None, _) => format!("make the role {name:?} with {} privileges{unknown}", there.len()),
            (Some(_), true) => format!("{name:?}, {} privileges{unknown}", there.len()),
            (Some(_), false) => format!("complete the role {name:?}{unknown}"),
        };
        Ok(Reading { now, wanted, words })
    }

    async fn apply(&self, site: &Site, reading: &Reading) -> Result<(), Obstacle> {
        let admin = site.organization_admin();
        let (found, unit) = role(site).await?;
        let known = admin.privileges().await.map_err(administration(site))?;
        let id = match found {
            Some(role) => role.id,
            None => admin.create_role(&name(site), unit).await.map_err(administration(site))?,
        };
        admin
            .replace_role_privileges(id, &grants(&reading.wanted, &known), unit)
            .await
            .map_err(administration(site))
    }

    /// The service account tries what it must not be able to do.
    async fn verify(&self, site: &Site) -> Result<String, Obstacle> {
        let Err(error) = site.organization().delete_email(Uuid::new_v4()).await else {
            return Err(too_much("deleted an email that can't exist"));
        };
        match error.failure().map(|failure| failure.status.as_u16()) {
            Some(403) if error.failure().is_some_and(|failure| failure.has_code("0x80040220")) => {
                Ok("the service account was refused when it tried to delete an email".to_owned())
            }
            // Some servers look for the record first; then the account's roles have to tell.
            Some(404) if service_user::holds_only(site, &name(site)).await? => Ok(
                "the service account holds this role alone; whether it may delete was not told, as there was nothing to delete"
                    .to_owned(),
            ),
            Some(404) => Err(too_much("was not refused when it tried to delete an email")),
            _ => Err(organization(error)),
        }
    }

    /// A role that was not there is deleted; one that was gets back what it held.
    async fn undo(&self, site: &Site, before: &Value) -> Result<(), Obstacle> {
        let admin = site.organization_admin();
        let (Some(role), unit) = role(site).await? else { return Ok(()) };
        if before.is_null() {
            return admin.delete_role(role.id).await.map_err(administration(site));
        }
        let known = admin.privileges().await.map_err(administration(site))?;
        admin
            .replace_role_privileges(role.id, &grants(before, &known), unit)
            .await
            .map_err(administration(site))
    }
}

fn too_much(what: &str) -> Obstacle {
    Obstacle::refused(
        format!("the service account {what}: it may do more than it needs"),
        "`hybridge connect plan --step service-user` names the roles that it holds.",
    )
}
