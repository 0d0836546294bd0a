use async_trait::async_trait;
use hybridge_core::options::{Options, Overrides};
use hybridge_dynamics::MailboxSetup;
use serde_json::{Map, Value, json};

use super::{super::graph::organization, mailbox_profile};
use crate::{Facts, Obstacle, Place, Reading, Site, Step};

/// The addresses are approved, where the organization wants that (setup.md M5).
#[derive(Debug)]
pub(super) struct MailboxApproval;

static FACTS: Facts = Facts {
    id: "mailbox-approval",
    title: "The mailboxes' addresses are approved",
    rows: &["M5"],
    place: Place::Organization,
    role: "System Administrator of the organization",
    after: &["mailbox-profile"],
};

/// `emailrouteraccessapproval` of an approved address.
const APPROVED: i32 = 1;

async fn approve(site: &Site, mailbox: &MailboxSetup, approval: &Value) -> Result<(), Obstacle> {
    let changes = json!({ "emailrouteraccessapproval": approval });
    match site.organization_admin().change_mailbox(mailbox.id, &changes).await {
        // Not every build takes it from the outside.
        Err(error) if error.failure().is_some_and(|failure| matches!(failure.status.as_u16(), 400 | 403)) => {
            Err(Obstacle::ByHand {
                what: format!("Dynamics does not let this account approve {}", mailbox.address.as_deref().unwrap_or_default()),
                how: "In Dynamics: Settings, Email Configuration, Mailboxes, select them all, Approve Email. Then run the same \
                      command again."
                    .to_owned(),
            })
        }
        outcome => outcome.map_err(organization),
    }
}

#[async_trait]
impl Step for MailboxApproval {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    async fn probe(&self, site: &Site) -> Result<Reading, Obstacle> {
        let settings = site.organization_admin().settings().await.map_err(organization)?;
        // Dynamics' own synchronization obeys the organization, whatever Hybridge is told.
        let rules = Options::resolve(&settings.live, &Overrides::default()).approval();
        let mailboxes = mailbox_profile::chosen(site).await?;
        let (mut now, mut wanted) = (Map::new(), Map::new());
        for (address, mailbox) in &mailboxes {
            let needed = if mailbox.is_queue() { rules.queues } else { rules.users };
            now.insert(address.clone(), json!(mailbox.approval));
            wanted.insert(address.clone(), if needed { json!(APPROVED) } else { json!(mailbox.approval) });
        }
        let different = now.iter().filter(|(address, value)| wanted.get(*address) != Some(value)).count();
        let words = if different == 0 {
            format!("{} mailboxes", mailboxes.len())
        } else {
            format!("approve {different} of {} addresses", mailboxes.len())
        };
        Ok(Reading { now: Value::Object(now), wanted: Value::Object(wanted), words })
    }

    async fn apply(&self, site: &Site, reading: &Reading) -> Result<(), Obstacle> {
        self.undo(site, &reading.wanted).await
    }

    async fn undo(&self, site: &Site, before: &Value) -> Result<(), Obstacle> {
        for (address, mailbox) in mailbox_profile::chosen(site).await? {
            if let Some(approval) = before.get(&address)
                && json!(mailbox.approval) != *approval
            {
                approve(site, &mailbox, approval).await?;
            }
        }
        Ok(())
    }
}
