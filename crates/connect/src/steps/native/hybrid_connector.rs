use async_trait::async_trait;
use serde_json::json;

use super::super::graph::directory;
use crate::{Facts, Obstacle, Place, Reading, Site, Step};

/// The subscription without which the tenant has no principal for Dynamics (setup.md P6). Its name among the tenant's
/// subscriptions is not published: the principal is what tells.
#[derive(Debug)]
pub(super) struct HybridConnector;

static FACTS: Facts = Facts {
    id: "hybrid-connector",
    title: "The Hybrid Connector is subscribed",
    rows: &["P6"],
    place: Place::Directory,
    role: "Global Administrator or Billing Administrator",
    after: &[],
};

#[async_trait]
impl Step for HybridConnector {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    async fn probe(&self, site: &Site) -> Result<Reading, Obstacle> {
        let skus = site.directory().subscriptions().await.map_err(directory)?;
        let named = skus.iter().find(|sku| sku.to_uppercase().contains("CRM_HYBRIDCONNECTOR"));
        let found = super::dynamics_principal::find(site).await?.is_some();
        let words = match (named, found) {
            (Some(name), _) => name.clone(),
            (None, true) => "the tenant has the principal that it brings".to_owned(),
            (None, false) => {
                return Err(Obstacle::ByHand {
                    what: "the tenant has neither the Hybrid Connector nor the principal of Dynamics".to_owned(),
                    how: "Subscribe to it, free of charge, at \
                          https://signup.microsoft.com/Signup?OfferId=2d11d538-945d-48c6-b609-a5ce54ce7b18&pc=76ac7a4d-8346-4419-959c-d3896e89b3c9 \
                          and run the same command again."
                        .to_owned(),
                });
            }
        };
        let told = json!({ "subscription": named, "principal": found });
        Ok(Reading { now: told.clone(), wanted: told, words })
    }
}
