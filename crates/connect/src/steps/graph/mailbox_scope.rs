use async_trait::async_trait;
use serde_json::{Value, json};

use super::{exchange, mailbox_group};
use crate::{Facts, Obstacle, Place, Reading, Site, Step};

/// The scope that keeps Hybridge out of every other mailbox (setup.md G7, graph.md 1.9).
#[derive(Debug)]
pub(super) struct MailboxScope;

static FACTS: Facts = Facts {
    id: "mailbox-scope",
    title: "Scope: the group's mailboxes and no other",
    rows: &["G7"],
    place: Place::Exchange,
    role: "Exchange Administrator and Organization Management",
    after: &["mailbox-group"],
};

/// The scope's name.
pub(super) fn name(site: &Site) -> String {
    format!("{} mailboxes", site.deployment().name)
}

async fn filter(site: &Site) -> Result<String, Obstacle> {
    let group = mailbox_group::name(site);
    let found = site.exchange().find("Get-DistributionGroup", &group).await.map_err(exchange)?;
    let found = found.ok_or(Obstacle::After("mailbox-group"))?;
    let dn = found.get("DistinguishedName").and_then(Value::as_str).unwrap_or_default();
    Ok(format!("MemberOfGroup -eq '{}'", dn.replace('\'', "''")))
}

#[async_trait]
impl Step for MailboxScope {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    async fn probe(&self, site: &Site) -> Result<Reading, Obstacle> {
        let wanted = json!({ "filter": filter(site).await? });
        let found = site.exchange().find("Get-ManagementScope", &name(site)).await.map_err(exchange)?;
        let now = found.map_or(Value::Null, |found| json!({ "filter": found.get("RecipientFilter") }));
        let words = if now == wanted {
            format!("{:?}", name(site))
        } else if now.is_null() {
            format!("make the scope {:?}", name(site))
        } else {
            format!("point the scope {:?} at the group", name(site))
        };
        Ok(Reading { now, wanted, words })
    }

    async fn apply(&self, site: &Site, reading: &Reading) -> Result<(), Obstacle> {
        let filter = filter(site).await?;
        let (command, parameters) = if reading.now.is_null() {
            ("New-ManagementScope", json!({ "Name": name(site), "RecipientRestrictionFilter": filter }))
        } else {
            ("Set-ManagementScope", json!({ "Identity": name(site), "RecipientRestrictionFilter": filter }))
        };
        site.exchange().run(command, parameters).await.map(drop).map_err(exchange)
    }

    async fn verify(&self, site: &Site) -> Result<String, Obstacle> {
        let reading = self.probe(site).await?;
        if reading.is_done() { Ok("it names the group".to_owned()) } else { Err(Obstacle::After(FACTS.id)) }
    }

    async fn undo(&self, site: &Site, before: &Value) -> Result<(), Obstacle> {
        match before.get("filter").and_then(Value::as_str) {
            None => site.exchange().remove("Remove-ManagementScope", &name(site)).await.map_err(exchange),
            Some(filter) => {
                let parameters = json!({ "Identity": name(site), "RecipientRestrictionFilter": filter });
                site.exchange().run("Set-ManagementScope", parameters).await.map(drop).map_err(exchange)
            }
        }
    }
}
