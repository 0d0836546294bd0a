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
        let settings = site.organization().settings().await.map_err(organization)?;
        let words = match settings.channel {
            Channel::EmailRouter => {
                "an external synchroniser (the setting is called Email Router)".to_owned()
            }
            Channel::ServerSideSynchronization => {
                "switch Dynamics' own synchronization off, for all mailboxes at once".to_owned()
            }
        };
        let wanted = json!({ "channel": name(Channel::EmailRouter) });
        Ok(Reading { now: json!({ "channel": name(settings.channel) }), wanted, words })
    }

    async fn apply(&self, site: &Site, _reading: &Reading) -> Result<(), Obstacle> {
        site.organization().set_channel(Channel::EmailRouter).await.map_err(organization)
    }

    /// Only an organization that left its email to somebody else answers.
    async fn verify(&self, site: &Site) -> Result<String, Obstacle> {
        site.organization().try_email_messages(Uuid::new_v4()).await.map_err(organization)?;
        Ok("CheckIncomingEmail was answered".to_owned())
    }

    async fn undo(&self, site: &Site, before: &Value) -> Result<(), Obstacle> {
        let was = before.get("channel").and_then(Value::as_str);
        if was == Some(name(Channel::ServerSideSynchronization)) {
            let channel = Channel::ServerSideSynchronization;
            return site.organization().set_channel(channel).await.map_err(organization);
        }
        Ok(())
    }
}
