use async_trait::async_trait;
use hybridge_dynamics::Channel;
use serde_json::{Value, json};
use uuid::Uuid;

use super::organization;
use crate::{Facts, Obstacle, Place, Reading, Site, Step};

/// The organization hands its email to an external synchroniser (dynamics.md 6.6, setup.md G16).
#[derive(Debug)]
pub(super) struct EmailChannel;

static FACTS: Facts = Facts {
    id: "email-channel",
    title: "Dynamics leaves its email to Hybridge",
    rows: &["G16"],
    place: Place::Organization,
    role: "System Administrator of the organization",
    after: &["organization-sign-in", "mailbox-roles"],
};

fn name(channel: Channel) -> &'static str {
    match channel {
        Channel::ServerSideSynchronization => "server-side synchronization",
        Channel::EmailRouter => "external synchroniser",
    }
}

#[async_trait]
impl Step for EmailChannel {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    async fn probe(&self, site: &Site) -> Result<Reading, Obstacle> {
        channel_reading(site, Channel::EmailRouter).await
    }

    async fn apply(&self, site: &Site, _reading: &Reading) -> Result<(), Obstacle> {
        set_channel(site, Channel::EmailRouter).await
    }

    /// Only an organization that left its email to somebody else answers.
    async fn verify(&self, site: &Site) -> Result<String, Obstacle> {
        site.organization().try_email_messages(Uuid::new_v4()).await.map_err(organization)?;
        Ok("CheckIncomingEmail was answered".to_owned())
    }

    async fn undo(&self, site: &Site, before: &Value) -> Result<(), Obstacle> {
        put_channel_back(site, before).await
    }
}

/// Who has the organization's email now, and who is to have it.
pub(crate) async fn channel_reading(site: &Site, wanted: Channel) -> Result<Reading, Obstacle> {
    let now = site.organization_admin().settings().await.map_err(organization)?.channel;
    let words = match (now == wanted, wanted) {
        (true, Channel::EmailRouter) => "an external synchroniser (the setting is called Email Router)",
        (true, Channel::ServerSideSynchronization) => "server-side synchronization",
        (false, Channel::EmailRouter) => {
            "switch Dynamics' own synchronization off, for all mailboxes at once"
        }
        (false, Channel::ServerSideSynchronization) => {
            "take the email back from the external synchroniser, for all mailboxes at once"
        }
    };
    let told = |channel: Channel| json!({ "channel": name(channel) });
    Ok(Reading { now: told(now), wanted: told(wanted), words: words.to_owned() })
}

/// Hands the organization's email to somebody.
pub(crate) async fn set_channel(site: &Site, channel: Channel) -> Result<(), Obstacle> {
    site.organization_admin().set_channel(channel).await.map_err(super::administration(site))
}

/// Hands it back to whoever had it before.
pub(crate) async fn put_channel_back(site: &Site, before: &Value) -> Result<(), Obstacle> {
    let was = before.get("channel").and_then(Value::as_str);
    let all = [Channel::ServerSideSynchronization, Channel::EmailRouter];
    match all.into_iter().find(|channel| was == Some(name(*channel))) {
        Some(channel) => set_channel(site, channel).await,
        None => Ok(()),
    }
}
