use async_trait::async_trait;
use hybridge_dynamics::Channel;
use serde_json::Value;

use super::super::graph::{channel_reading, put_channel_back, set_channel};
use crate::{Facts, Obstacle, Place, Reading, Site, Step};

/// Dynamics does its email itself: no external synchroniser has it (dynamics.md 6.6).
#[derive(Debug)]
pub(super) struct OwnEmailChannel;

static FACTS: Facts = Facts {
    id: "own-email-channel",
    title: "Dynamics does its email itself",
    rows: &[],
    place: Place::Organization,
    role: "System Administrator of the organization",
    after: &["service-restart"],
};

#[async_trait]
impl Step for OwnEmailChannel {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    async fn probe(&self, site: &Site) -> Result<Reading, Obstacle> {
        channel_reading(site, Channel::ServerSideSynchronization).await
    }

    async fn apply(&self, site: &Site, _reading: &Reading) -> Result<(), Obstacle> {
        set_channel(site, Channel::ServerSideSynchronization).await
    }

    async fn undo(&self, site: &Site, before: &Value) -> Result<(), Obstacle> {
        put_channel_back(site, before).await
    }
}
