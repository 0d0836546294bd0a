use async_trait::async_trait;
use serde_json::{Value, json};

use super::organization;
use crate::{Facts, Obstacle, Place, Reading, Site, Step};

/// The service account's sign-in to the organization (setup.md G13 to G15). Hybridge makes neither the account in Active
/// Directory nor the client in AD FS; it says what is missing.
#[derive(Debug)]
pub(super) struct OrganizationSignIn;

static FACTS: Facts = Facts {
    id: "organization-sign-in",
    title: "Service account signs in to Dynamics",
    rows: &["G14", "G15"],
    place: Place::Organization,
    role: "the service account itself",
    after: &["service-user"],
};

#[async_trait]
impl Step for OrganizationSignIn {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    async fn probe(&self, site: &Site) -> Result<Reading, Obstacle> {
        let who = site.organization().who_am_i().await.map_err(|error| {
            let not_a_user = ["0x80072560", "0x80042f09", "0x80040225"];
            let known =
                error.failure().filter(|failure| not_a_user.iter().any(|code| failure.has_code(code)));
            if known.is_some() {
                return Obstacle::After("service-user");
            }
            let trouble = hybridge_dynamics::trouble(&error);
            if trouble.class.passes() {
                return Obstacle::Trouble(trouble);
            }
            Obstacle::ByHand { what: trouble.what, how: trouble.remedy }
        })?;
        let now = json!({ "user": who.user_id });
        Ok(Reading { wanted: now.clone(), now, words: format!("as user {}", who.user_id) })
    }

    async fn apply(&self, _site: &Site, _reading: &Reading) -> Result<(), Obstacle> {
        // A reading is either done or an obstacle.
        Ok(())
    }

    async fn verify(&self, site: &Site) -> Result<String, Obstacle> {
        let version = site.organization().version().await.map_err(organization)?;
        let mailboxes = site.organization().mailboxes().await.map_err(organization)?;
        Ok(format!("server {version}, {} mailbox records can be read", mailboxes.len()))
    }

    async fn undo(&self, _site: &Site, _before: &Value) -> Result<(), Obstacle> {
        Ok(())
    }
}
