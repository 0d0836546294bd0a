use async_trait::async_trait;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{super::graph::organization, email_server_profile};
use crate::{Facts, Obstacle, Place, Reading, Site, Step};

/// The profile that new mailboxes get (setup.md M3): changed only where the configuration asks for it.
#[derive(Debug)]
pub(super) struct ProfileDefault;

static FACTS: Facts = Facts {
    id: "profile-default",
    title: "The profile of new mailboxes",
    rows: &["M3"],
    place: Place::Organization,
    role: "System Administrator of the organization",
    after: &["email-server-profile"],
};

#[async_trait]
impl Step for ProfileDefault {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    async fn probe(&self, site: &Site) -> Result<Reading, Obstacle> {
        let now = site.organization_admin().default_profile().await.map_err(organization)?;
        let mail = &site.native()?.mail;
        let wanted = if mail.is_default { Some(email_server_profile::expect(site).await?.id) } else { now };
        let words = match (mail.is_default, now == wanted) {
            (false, _) => "left as it is ([native] profile_default = true changes it)".to_owned(),
            (true, true) => mail.profile.clone(),
            (true, false) => format!("make {:?} the default", mail.profile),
        };
        Ok(Reading { now: json!({ "profile": now }), wanted: json!({ "profile": wanted }), words })
    }

    async fn apply(&self, site: &Site, reading: &Reading) -> Result<(), Obstacle> {
        self.undo(site, &reading.wanted).await
    }

    async fn undo(&self, site: &Site, before: &Value) -> Result<(), Obstacle> {
        let profile = before.get("profile").and_then(Value::as_str).and_then(|id| Uuid::parse_str(id).ok());
        site.organization_admin().set_default_profile(profile).await.map_err(organization)
    }
}
