use async_trait::async_trait;
use futures::stream::{self, StreamExt, TryStreamExt};
use hybridge_dynamics::MailboxSetup;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{super::graph::organization, email_server_profile};
use crate::{Facts, Obstacle, Place, Reading, Site, Step};

/// The mailboxes use the profile, and synchronization for everything (setup.md M4).
#[derive(Debug)]
pub(super) struct MailboxProfile;

static FACTS: Facts = Facts {
    id: "mailbox-profile",
    title: "The mailboxes use the profile",
    rows: &["M4"],
    place: Place::Organization,
    role: "System Administrator of the organization",
    after: &["email-server-profile"],
};

/// How many mailboxes are changed at a time.
const AT_ONCE: usize = 8;
/// `incomingemaildeliverymethod` and `outgoingemaildeliverymethod` of synchronization.
const SYNCHRONIZED: i32 = 2;
/// `actdeliverymethod` of synchronization, whose codes have another order.
const APPOINTMENTS_SYNCHRONIZED: i32 = 1;

/// The mailboxes that take part, with those that were named but do not exist.
pub(super) async fn chosen(site: &Site) -> Result<Vec<(String, MailboxSetup)>, Obstacle> {
    let mail = &site.native()?.mail;
    let profile = email_server_profile::find(site).await?.map(|profile| profile.id);
    let all = site.organization_admin().mailbox_setups().await.map_err(organization)?;
    let mut found: Vec<(String, MailboxSetup)> = all
        .into_iter()
        .filter(|mailbox| mailbox.state == Some(0) && mailbox.forward != Some(true))
        .filter_map(|mailbox| {
            let address = mailbox.address.clone()?.to_lowercase();
            Some((address, mailbox)).filter(|(address, _)| !address.is_empty())
        })
        .filter(|(address, mailbox)| match &mail.mailboxes {
            Some(named) => named.iter().any(|named| named.eq_ignore_ascii_case(address)),
            // Those of another profile were given it by somebody for a reason.
            None => mailbox.profile.is_none() || mailbox.profile == profile,
        })
        .collect();
    found.sort_by(|left, right| left.0.cmp(&right.0));
    found.dedup_by(|left, right| left.0 == right.0);
    if let Some(missing) = mail
        .mailboxes
        .iter()
        .flatten()
        .find(|named| !found.iter().any(|(address, _)| address.eq_ignore_ascii_case(named)))
    {
        return Err(Obstacle::refused(
            format!("Dynamics has no active mailbox of the address {missing}"),
            "Compare it with Settings, Email Configuration, Mailboxes, and mend [native] mailboxes.",
        ));
    }
    Ok(found)
}

fn told(mailbox: &MailboxSetup) -> Value {
    json!({
        "profile": mailbox.profile, "incoming": mailbox.incoming, "outgoing": mailbox.outgoing,
        "appointments": mailbox.appointments,
    })
}

fn wanted(mailbox: &MailboxSetup, profile: Uuid) -> Value {
    let appointments =
        if mailbox.is_queue() { mailbox.appointments } else { Some(APPOINTMENTS_SYNCHRONIZED) };
    json!({ "profile": profile, "incoming": SYNCHRONIZED, "outgoing": SYNCHRONIZED, "appointments": appointments })
}

/// Sets a mailbox up as a value says.
async fn write(site: &Site, mailbox: &MailboxSetup, values: &Value) -> Result<(), Obstacle> {
    let dynamics = site.organization_admin();
    let mut changes = json!({
        "incomingemaildeliverymethod": values.get("incoming"),
        "outgoingemaildeliverymethod": values.get("outgoing"),
        "actdeliverymethod": values.get("appointments"),
    });
    match values.get("profile").and_then(Value::as_str) {
        Some(profile) => {
            super::add(
                &mut changes,
                "emailserverprofile@odata.bind",
                json!(format!("/emailserverprofiles({profile})")),
            );
        }
        None if mailbox.profile.is_some() => {
            dynamics.unbind_profile(mailbox.id).await.map_err(organization)?;
        }
        None => {}
    }
    dynamics.change_mailbox(mailbox.id, &changes).await.map_err(organization)
}

async fn write_all(site: &Site, values: &Value) -> Result<(), Obstacle> {
    let mailboxes = chosen(site).await?;
    let total = mailboxes.len();
    let different = mailboxes.iter().filter_map(|(address, mailbox)| {
        let values = values.get(address)?;
        (told(mailbox) != *values).then_some((mailbox, values))
    });
    let writes: Vec<_> = different.map(|(mailbox, values)| write(site, mailbox, values)).collect();
    tracing::info!(mailboxes = writes.len(), of = total, "mailboxes are being set up");
    stream::iter(writes).buffer_unordered(AT_ONCE).try_collect::<Vec<()>>().await.map(drop)
}

#[async_trait]
impl Step for MailboxProfile {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    async fn probe(&self, site: &Site) -> Result<Reading, Obstacle> {
        let profile = email_server_profile::expect(site).await?.id;
        let mailboxes = chosen(site).await?;
        let (mut now, mut want) = (Map::new(), Map::new());
        for (address, mailbox) in &mailboxes {
            now.insert(address.clone(), told(mailbox));
            want.insert(address.clone(), wanted(mailbox, profile));
        }
        let different = now.iter().filter(|(address, value)| want.get(*address) != Some(value)).count();
        let words = if different == 0 {
            format!("{} mailboxes", mailboxes.len())
        } else {
            format!("set up {different} of {} mailboxes", mailboxes.len())
        };
        Ok(Reading { now: Value::Object(now), wanted: Value::Object(want), words })
    }

    async fn apply(&self, site: &Site, reading: &Reading) -> Result<(), Obstacle> {
        write_all(site, &reading.wanted).await
    }

    async fn undo(&self, site: &Site, before: &Value) -> Result<(), Obstacle> {
        write_all(site, before).await
    }
}
