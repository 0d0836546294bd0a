use async_trait::async_trait;
use serde_json::{Value, json};

use super::exchange;
use crate::{Facts, Obstacle, Place, Reading, Site, Step};

/// The mail-enabled security group of exactly the mailboxes that take part (setup.md G7).
#[derive(Debug)]
pub(super) struct MailboxGroup;

static FACTS: Facts = Facts {
    id: "mailbox-group",
    title: "Group of the mailboxes that take part",
    rows: &["G7"],
    place: Place::Exchange,
    role: "Exchange Administrator and Organization Management",
    after: &["organization-sign-in"],
};

/// The group's name.
pub(super) fn name(site: &Site) -> String {
    format!("{} mailboxes", site.deployment().name)
}

/// The members' addresses in order; `None` when there is no such group.
async fn members(site: &Site) -> Result<Option<Vec<String>>, Obstacle> {
    let name = name(site);
    if site.exchange().find("Get-DistributionGroup", &name).await.map_err(exchange)?.is_none() {
        return Ok(None);
    }
    let parameters = json!({ "Identity": name, "ResultSize": "Unlimited" });
    let members = site.exchange().run("Get-DistributionGroupMember", parameters).await.map_err(exchange)?;
    let mut addresses: Vec<String> = members
        .iter()
        .filter_map(|member| member.get("PrimarySmtpAddress")?.as_str().map(str::to_lowercase))
        .collect();
    addresses.sort();
    Ok(Some(addresses))
}

fn shown(members: Option<&Vec<String>>) -> Value {
    members.map_or(Value::Null, |members| json!({ "members": members }))
}

#[async_trait]
impl Step for MailboxGroup {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    async fn probe(&self, site: &Site) -> Result<Reading, Obstacle> {
        let wanted = site.mailboxes().await?;
        let now = members(site).await?;
        let name = name(site);
        let words = match &now {
            None => format!("make the group {name:?} with {} mailboxes", wanted.len()),
            Some(now) if *now == wanted => format!("{name:?}, {} mailboxes", now.len()),
            Some(now) => {
                let come = wanted.iter().filter(|address| !now.contains(address)).count();
                let go = now.iter().filter(|address| !wanted.contains(address)).count();
                format!("{name:?}: {come} mailboxes come, {go} go")
            }
        };
        Ok(Reading { now: shown(now.as_ref()), wanted: shown(Some(&wanted)), words })
    }

    async fn apply(&self, site: &Site, reading: &Reading) -> Result<(), Obstacle> {
        let members = reading.wanted.get("members").cloned().unwrap_or_default();
        let name = name(site);
        let (command, parameters) = if reading.now.is_null() {
            ("New-DistributionGroup", json!({ "Name": name, "Type": "Security", "Members": members }))
        } else {
            let parameters = json!({ "Identity": name, "Members": members, "Confirm": false });
            ("Update-DistributionGroupMember", parameters)
        };
        site.exchange().run(command, parameters).await.map(drop).map_err(exchange)
    }

    async fn verify(&self, site: &Site) -> Result<String, Obstacle> {
        let members = members(site).await?.ok_or(Obstacle::After(FACTS.id))?;
        let missing: Vec<String> =
            site.mailboxes().await?.into_iter().filter(|address| !members.contains(address)).collect();
        if missing.is_empty() {
            return Ok(format!("all {} mailboxes that take part are in it", members.len()));
        }
        let what = format!(
            "{} mailboxes that take part are not in it, {} for example",
            missing.len(),
            missing.join(", ")
        );
        Err(Obstacle::refused(what, "Run `hybridge connect apply --step mailbox-group`."))
    }

    async fn undo(&self, site: &Site, before: &Value) -> Result<(), Obstacle> {
        let name = name(site);
        match before.get("members") {
            None => site.exchange().remove("Remove-DistributionGroup", &name).await.map_err(exchange),
            Some(members) => {
                let parameters = json!({ "Identity": name, "Members": members, "Confirm": false });
                site.exchange()
                    .run("Update-DistributionGroupMember", parameters)
                    .await
                    .map(drop)
                    .map_err(exchange)
            }
        }
    }
}
