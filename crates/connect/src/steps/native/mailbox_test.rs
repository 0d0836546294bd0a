use std::time::Duration;

use async_trait::async_trait;
use hybridge_core::trouble::{Class, Trouble};
use hybridge_dynamics::MailboxSetup;
use serde_json::{Map, Value, json};

use super::{super::graph::organization, mailbox_profile, names};
use crate::{Facts, Obstacle, Place, Reading, Site, Step, catalogue};

/// Dynamics tests the mailboxes itself, and switches them on (setup.md M6): the proof of everything before.
#[derive(Debug)]
pub(crate) struct MailboxTest;

static FACTS: Facts = Facts {
    id: "mailbox-test",
    title: "Dynamics opens the mailboxes",
    rows: &["M6", "X2"],
    place: Place::Organization,
    role: "System Administrator of the organization",
    after: &["mailbox-approval", "service-restart"],
};

/// How many mailboxes a proof tests anew: enough that each of some servers takes its turn.
const PROVEN: usize = 6;
/// How long Dynamics is waited for, and how often it is looked.
const PATIENCE: Duration = Duration::from_mins(15);
const PAUSE: Duration = Duration::from_secs(1);

/// A test's outcome in a word; `None` while none was run.
fn outcome(mailbox: &MailboxSetup) -> Option<&'static str> {
    let mut statuses = vec![mailbox.incoming_status, mailbox.outgoing_status];
    if !mailbox.is_queue() {
        statuses.push(mailbox.appointments_status);
    }
    match statuses.as_slice() {
        all if all.iter().all(|status| *status == Some(1)) => Some("success"),
        any if any.contains(&Some(2)) => Some("failure"),
        _ => None,
    }
}

/// What a failed mailbox says, explained.
fn trouble(address: &str, mailbox: &MailboxSetup, others: usize) -> Trouble {
    let said = mailbox.error.as_deref().unwrap_or("no reason was written");
    let machine = mailbox.machine.as_deref().unwrap_or_default();
    let more = if others == 0 { String::new() } else { format!(", and {others} more mailboxes failed") };
    let on = if machine.is_empty() { String::new() } else { format!(" on {machine}") };
    let (means, remedy) = match catalogue::find(said) {
        Some(known) => (format!("{} ({said})", known.means), known.remedy(machine)),
        None => (
            said.to_owned(),
            format!(
                "Read the alerts of the mailbox {address} in Dynamics, mend it, then: hybridge connect apply --target native"
            ),
        ),
    };
    Trouble::new(Class::Denied, format!("the test of {address}{on} failed: {means}{more}"), remedy)
}

/// Has mailboxes tested, and waits until Dynamics has done it.
async fn test(site: &Site, mailboxes: &[(String, MailboxSetup)]) -> Result<(), Obstacle> {
    for (_, mailbox) in mailboxes {
        let changes = json!({ "testemailconfigurationscheduled": true });
        site.organization_admin().change_mailbox(mailbox.id, &changes).await.map_err(organization)?;
    }
    let mut waited = Duration::ZERO;
    loop {
        tokio::time::sleep(PAUSE).await;
        waited += PAUSE;
        let now = mailbox_profile::chosen(site).await?;
        let is_ours = |mailbox: &MailboxSetup| mailboxes.iter().any(|(_, ours)| ours.id == mailbox.id);
        let waiting: Vec<&str> = now
            .iter()
            .filter(|(_, mailbox)| is_ours(mailbox) && mailbox.test_scheduled == Some(true))
            .map(|(address, _)| address.as_str())
            .collect();
        let failed: Vec<&(String, MailboxSetup)> = now
            .iter()
            .filter(|(_, mailbox)| is_ours(mailbox) && mailbox.test_scheduled != Some(true))
            .filter(|(_, mailbox)| outcome(mailbox) != Some("success"))
            .collect();
        if let Some((address, mailbox)) = failed.first().filter(|_| waiting.is_empty()) {
            return Err(trouble(address, mailbox, failed.len() - 1).into());
        }
        if waiting.is_empty() {
            return Ok(());
        }
        if waited.as_secs().is_multiple_of(10) {
            tracing::info!(waiting = waiting.len(), of = mailboxes.len(), "Dynamics tests the mailboxes");
        }
        if waited >= PATIENCE {
            let what = format!(
                "Dynamics has not tested {} within {} minutes",
                names(waiting),
                PATIENCE.as_secs() / 60
            );
            let remedy = "See whether the asynchronous service runs on the Dynamics servers (Get-Service MSCRMAsyncService), then run the \
                          same command again.";
            return Err(Trouble::new(Class::Transient, what, remedy).into());
        }
    }
}

#[async_trait]
impl Step for MailboxTest {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    async fn probe(&self, site: &Site) -> Result<Reading, Obstacle> {
        let profile = mailbox_profile::MailboxProfile.probe(site).await?;
        if !profile.is_done() {
            return Err(Obstacle::After("mailbox-profile"));
        }
        let mailboxes = mailbox_profile::chosen(site).await?;
        let (mut now, mut wanted) = (Map::new(), Map::new());
        for (address, mailbox) in &mailboxes {
            now.insert(address.clone(), json!(outcome(mailbox)));
            wanted.insert(address.clone(), json!("success"));
        }
        let open = now.values().filter(|outcome| outcome.as_str() != Some("success")).count();
        let words = if open == 0 {
            format!("{} mailboxes were tested", mailboxes.len())
        } else {
            format!("have {open} of {} mailboxes tested and switched on", mailboxes.len())
        };
        Ok(Reading { now: Value::Object(now), wanted: Value::Object(wanted), words })
    }

    async fn apply(&self, site: &Site, _reading: &Reading) -> Result<(), Obstacle> {
        let mailboxes = mailbox_profile::chosen(site).await?;
        let open: Vec<_> =
            mailboxes.into_iter().filter(|(_, mailbox)| outcome(mailbox) != Some("success")).collect();
        test(site, &open).await
    }

    /// Some mailboxes are opened anew, by Dynamics itself, with the certificate that it has now.
    async fn verify(&self, site: &Site) -> Result<String, Obstacle> {
        let mailboxes = mailbox_profile::chosen(site).await?;
        let some: Vec<_> = mailboxes.into_iter().take(PROVEN).collect();
        if some.is_empty() {
            return Err(Obstacle::refused(
                "no mailbox takes part",
                "Give users a mailbox with an address in Dynamics, or mend [native] mailboxes.",
            ));
        }
        test(site, &some).await?;
        Ok(format!("Dynamics opened {}", names(some.iter().map(|(address, _)| address.as_str()))))
    }
}
