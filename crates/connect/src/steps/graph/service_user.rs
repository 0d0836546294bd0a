use async_trait::async_trait;
use hybridge_dynamics::{
    ADMINISTRATOR_TEMPLATE, CUSTOMIZER_TEMPLATE, NON_INTERACTIVE, SecurityRole, SystemUser,
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{administration, organization, security_role};
use crate::{Facts, Obstacle, Place, Reading, Site, Step};

/// The service account as a user of the organization: enabled, non-interactive, with its own role and without those
/// that may do everything (setup.md G13). The account in Active Directory is made by hand.
#[derive(Debug)]
pub(super) struct ServiceUser;

static FACTS: Facts = Facts {
    id: "service-user",
    title: "Service account is a user of Dynamics",
    rows: &["G13"],
    place: Place::Organization,
    role: "System Administrator of the organization",
    after: &["security-role"],
};

const NON_INTERACTIVE_WORDS: &str = "non-interactive";

fn mode(code: Option<i32>) -> &'static str {
    match code {
        Some(0) | None => "read-write",
        Some(1) => "administrative",
        Some(2) => "read",
        Some(3) => "support",
        Some(NON_INTERACTIVE) => NON_INTERACTIVE_WORDS,
        Some(_) => "delegated",
    }
}

/// The user of the service account.
async fn user(site: &Site) -> Result<Option<SystemUser>, Obstacle> {
    let account = &site.deployment().account;
    let mut found =
        site.organization_admin().users_of_account(account).await.map_err(administration(site))?;
    match found.len() {
        0 | 1 => Ok(found.pop()),
        many => Err(Obstacle::ByHand {
            what: format!("{many} users of the organization can be meant by {account}"),
            how: "Write the account as DOMAIN\\user into the configuration, [organization] user.".to_owned(),
        }),
    }
}

/// Whether a role may do everything, or change the organization itself.
fn is_powerful(role: &SecurityRole) -> bool {
    role.template.is_some_and(|template| [ADMINISTRATOR_TEMPLATE, CUSTOMIZER_TEMPLATE].contains(&template))
}

async fn roles(site: &Site, user: Uuid) -> Result<Vec<SecurityRole>, Obstacle> {
    let mut roles = site.organization_admin().roles_of(user).await.map_err(administration(site))?;
    roles.sort_by(|left, right| left.name.cmp(&right.name));
    Ok(roles)
}

fn state(account: &str, user: &SystemUser, roles: &[String]) -> Value {
    json!({
        "account": account, "enabled": !user.disabled, "accessMode": mode(user.access_mode), "roles": roles,
    })
}

/// Whether the service account holds this role and no other.
pub(super) async fn holds_only(site: &Site, name: &str) -> Result<bool, Obstacle> {
    let Some(user) = user(site).await? else { return Ok(false) };
    let roles = roles(site, user.id).await?;
    Ok(!roles.is_empty() && roles.iter().all(|role| role.name == name))
}

#[async_trait]
impl Step for ServiceUser {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    async fn probe(&self, site: &Site) -> Result<Reading, Obstacle> {
        let account = site.deployment().account.as_str();
        let own = security_role::name(site);
        let Some(user) = user(site).await? else {
            let wanted = json!({
                "account": account, "enabled": true, "accessMode": NON_INTERACTIVE_WORDS, "roles": [own],
            });
            let words =
                format!("make {account} a user that works only through web services, with the role {own:?}");
            return Ok(Reading { now: Value::Null, wanted, words });
        };
        let held = roles(site, user.id).await?;
        let names: Vec<String> = held.iter().map(|role| role.name.clone()).collect();
        let powerful: Vec<&str> =
            held.iter().filter(|role| is_powerful(role)).map(|role| role.name.as_str()).collect();
        // An account that administers the organization itself can't take its own rights away and go on.
        let keeps = !site.has_organization_account();
        let mut kept: Vec<String> =
            names.iter().filter(|name| keeps || !powerful.contains(&name.as_str())).cloned().collect();
        if !kept.contains(&own) {
            kept.push(own.clone());
            kept.sort();
        }
        let now = state(account, &user, &names);
        let mut wanted = state(account, &SystemUser { disabled: false, ..user }, &kept);
        if !keeps {
            wanted["accessMode"] = json!(NON_INTERACTIVE_WORDS);
        }
        let words = told(account, &now, &wanted, &powerful, keeps);
        Ok(Reading { now, wanted, words })
    }

    async fn apply(&self, site: &Site, reading: &Reading) -> Result<(), Obstacle> {
        let admin = site.organization_admin();
        let (own, unit) = security_role::role(site).await?;
        let own = own.ok_or(Obstacle::After("security-role"))?;
        let account = &site.deployment().account;
        let id = match user(site).await? {
            Some(user) => user.id,
            None => admin
                .create_user(account, &site.deployment().name, unit)
                .await
                .map_err(|error| no_account(site, account, error))?,
        };
        write(site, id, &reading.wanted, Some(&own)).await
    }

    /// Signed in as the account itself: who it is, and that it reads what every lane begins with.
    async fn verify(&self, site: &Site) -> Result<String, Obstacle> {
        let who = site.organization().who_am_i().await.map_err(organization)?;
        let mailboxes = site.organization().mailboxes().await.map_err(organization)?;
        let reading = self.probe(site).await?;
        let held = reading.now.get("roles").map(ToString::to_string).unwrap_or_default();
        Ok(format!("signed in as {}, read {} mailbox records; roles {held}", who.user_id, mailboxes.len()))
    }

    /// Dynamics deletes no users: one that was not there is disabled, without a role.
    async fn undo(&self, site: &Site, before: &Value) -> Result<(), Obstacle> {
        let Some(user) = user(site).await? else { return Ok(()) };
        if before.is_null() {
            for role in roles(site, user.id).await? {
                site.organization_admin().take_role(user.id, role.id).await.map_err(administration(site))?;
            }
            return change(site, user.id, &json!({ "isdisabled": true })).await;
        }
        write(site, user.id, before, None).await
    }
}

fn told(account: &str, now: &Value, wanted: &Value, powerful: &[&str], keeps: bool) -> String {
    let mut parts = Vec::new();
    if now["enabled"] == false {
        parts.push("enable it".to_owned());
    }
    if now["accessMode"] != wanted["accessMode"] {
        parts.push("let it work only through web services".to_owned());
    }
    let list = |value: &Value| value["roles"].as_array().cloned().unwrap_or_default();
    for role in list(wanted).iter().filter(|role| !list(now).contains(role)) {
        parts.push(format!("give it the role {role}"));
    }
    for role in list(now).iter().filter(|role| !list(wanted).contains(role)) {
        parts.push(format!("take the role {role} from it"));
    }
    if !parts.is_empty() {
        return format!("{account}: {}", parts.join(", "));
    }
    let roles = list(now).iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    match powerful {
        [] => format!("{account}, roles {roles}"),
        _ if keeps => format!(
            "{account}, roles {roles}: {} is more than it needs; name an administrator in [connect] organization_account, and \
             apply takes it away",
            powerful.join(", ")
        ),
        _ => format!("{account}, roles {roles}"),
    }
}

/// Writes the user's columns and roles as they are wanted; `own` is Hybridge's role, which may have no such name yet.
async fn write(site: &Site, id: Uuid, wanted: &Value, own: Option<&SecurityRole>) -> Result<(), Obstacle> {
    let admin = site.organization_admin();
    let Some(user) = user(site).await? else { return Ok(()) };
    if wanted["enabled"].as_bool() == Some(user.disabled) {
        change(site, id, &json!({ "isdisabled": !user.disabled })).await?;
    }
    let modes = [0, 1, 2, 3, NON_INTERACTIVE];
    let code = modes.into_iter().find(|code| wanted["accessMode"].as_str() == Some(mode(Some(*code))));
    if let Some(code) = code.filter(|code| mode(Some(*code)) != mode(user.access_mode)) {
        change(site, id, &json!({ "accessmode": code })).await?;
    }
    let listed: Vec<&str> =
        wanted["roles"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let held = roles(site, id).await?;
    // What it needs comes before what it does not need goes.
    if let Some(own) = own.filter(|own| !held.iter().any(|role| role.id == own.id)) {
        admin.give_role(id, own.id).await.map_err(administration(site))?;
    }
    if own.is_none() {
        let unit = admin.root_business_unit().await.map_err(administration(site))?;
        for name in listed.iter().filter(|name| !held.iter().any(|role| role.name == **name)) {
            if let Some(role) = admin.role_named(name, unit).await.map_err(administration(site))? {
                admin.give_role(id, role.id).await.map_err(administration(site))?;
            }
        }
    }
    for role in held.iter().filter(|role| !listed.contains(&role.name.as_str())) {
        admin.take_role(id, role.id).await.map_err(administration(site))?;
    }
    Ok(())
}

async fn change(site: &Site, id: Uuid, columns: &Value) -> Result<(), Obstacle> {
    site.organization_admin().change_user(id, columns).await.map_err(administration(site))
}

/// A user can only be made of an account that is there.
fn no_account(site: &Site, account: &str, error: hybridge_odata::Error) -> Obstacle {
    let unknown = error.failure().is_some_and(|failure| {
        failure.has_code("0x80040502") || failure.message.contains("Active Directory")
    });
    if !unknown {
        return administration(site)(error);
    }
    let (domain, user) = account.split_once('\\').unwrap_or(("the domain", account));
    Obstacle::ByHand {
        what: format!("Active Directory has no account {account}, and Hybridge makes none"),
        how: format!(
            "On a domain controller of {domain}: New-ADUser -Name {user} -SamAccountName {user} -Enabled $true \
             -AccountPassword (Read-Host -AsSecureString). Then name its password in the configuration, [organization] \
             password, and run `hybridge connect apply` again."
        ),
    }
}
