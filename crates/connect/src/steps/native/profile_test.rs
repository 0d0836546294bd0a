use async_trait::async_trait;
use serde_json::json;

use super::email_server_profile;
use crate::{Facts, Obstacle, Place, Reading, Site, Step, catalogue};

/// What the profile's last test said (setup.md M2). Dynamics offers its button Test Connection to nobody else; a mailbox's
/// test writes into the profile as well.
#[derive(Debug)]
pub(super) struct ProfileTest;

static FACTS: Facts = Facts {
    id: "profile-test",
    title: "The profile's last test",
    rows: &["M2"],
    place: Place::Organization,
    role: "System Administrator of the organization",
    after: &["mailbox-test"],
};

#[async_trait]
impl Step for ProfileTest {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    async fn probe(&self, site: &Site) -> Result<Reading, Obstacle> {
        let profile = email_server_profile::expect(site).await?;
        let place = format!(
            "Settings, Email Configuration, Email Server Profiles, {:?}, Test Connection",
            profile.name
        );
        let Some(at) = profile.tested_at else {
            return Err(Obstacle::After("mailbox-test"));
        };
        if profile.test_status != Some(1) {
            let said = profile.message.unwrap_or_default();
            let response = profile.response.unwrap_or_default();
            let machine = profile
                .request
                .as_deref()
                .and_then(|text| text.rsplit_once("from "))
                .map_or("", |(_, name)| name);
            let (means, remedy) = match catalogue::find(&said).or_else(|| catalogue::find(&response)) {
                Some(known) => (known.means, known.remedy(machine)),
                None => ("the reason is not known", format!("Mend it, then in Dynamics: {place}.")),
            };
            return Err(Obstacle::refused(
                format!("the test of the profile {:?} failed: {means} ({said})", profile.name),
                remedy,
            ));
        }
        let told = json!({ "status": profile.test_status });
        Ok(Reading { now: told.clone(), wanted: told, words: format!("passed at {at}") })
    }
}
