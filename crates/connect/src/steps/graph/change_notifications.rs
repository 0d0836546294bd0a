use async_trait::async_trait;
use serde_json::{Value, json};

use crate::{Facts, Obstacle, Place, Reading, Site, Step};

/// The address that Graph sends change notifications to (setup.md G12). Without one Hybridge polls.
#[derive(Debug)]
pub(super) struct ChangeNotifications;

static FACTS: Facts = Facts {
    id: "change-notifications",
    title: "Address for change notifications",
    rows: &["G12"],
    place: Place::Here,
    role: "none",
    after: &[],
};

#[async_trait]
impl Step for ChangeNotifications {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    async fn probe(&self, site: &Site) -> Result<Reading, Obstacle> {
        let url = site.deployment().notification_url.as_ref();
        let words = match url {
            Some(url) => url.to_string(),
            None => {
                "none: mailboxes are polled. [console] notification_url makes it near real time".to_owned()
            }
        };
        // The sandbox's Graph notifies this machine without TLS too.
        let local = |url: &&url::Url| matches!(url.host_str(), Some("127.0.0.1" | "localhost"));
        if let Some(url) = url.filter(|url| url.scheme() != "https" && !local(url)) {
            return Err(Obstacle::ByHand {
                what: format!("{url} is no https address"),
                how: "Graph notifies https addresses only: correct [console] notification_url.".to_owned(),
            });
        }
        let now = json!({ "url": url });
        Ok(Reading { wanted: now.clone(), now, words })
    }

    async fn apply(&self, _site: &Site, _reading: &Reading) -> Result<(), Obstacle> {
        // There is nothing to change on the other side: `hybridge run` subscribes.
        Ok(())
    }

    async fn verify(&self, site: &Site) -> Result<String, Obstacle> {
        Ok(match &site.deployment().notification_url {
            None => "not used".to_owned(),
            Some(_) => {
                "tried by Graph itself when `hybridge run` subscribes; `hybridge status` tells".to_owned()
            }
        })
    }

    async fn undo(&self, _site: &Site, _before: &Value) -> Result<(), Obstacle> {
        Ok(())
    }
}
