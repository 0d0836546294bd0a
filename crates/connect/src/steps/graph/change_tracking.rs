use async_trait::async_trait;
use hybridge_dynamics::EntityDefinition;
use serde_json::{Map, Value, json};

use super::{administration, organization};
use crate::{Facts, Obstacle, Place, Reading, Site, Step};

/// Change tracking of the tables that lanes follow (dynamics.md 3.7). Once on it can't be switched off.
#[derive(Debug)]
pub(super) struct ChangeTracking;

static FACTS: Facts = Facts {
    id: "change-tracking",
    title: "Change tracking of the tables that lanes follow",
    rows: &[],
    place: Place::Organization,
    role: "System Customizer of the organization",
    after: &["organization-sign-in"],
};

/// Outgoing emails, appointments and their series, tasks, contacts, and the mailbox records that say who takes part.
const TABLES: [&str; 6] =
    ["email", "appointment", "recurringappointmentmaster", "task", "contact", "mailbox"];

/// The tables that this organization has.
async fn definitions(site: &Site) -> Result<Vec<EntityDefinition>, Obstacle> {
    let mut found = Vec::new();
    for table in TABLES {
        let definition = site.organization_admin().entity_definition(table).await;
        found.extend(definition.map_err(administration(site))?);
    }
    Ok(found)
}

fn can_follow(definition: &EntityDefinition) -> bool {
    definition.tracks_changes || definition.can_track_changes
}

fn named<'a>(definitions: impl Iterator<Item = &'a EntityDefinition>) -> String {
    definitions.map(|definition| definition.name.as_str()).collect::<Vec<_>>().join(", ")
}

#[async_trait]
impl Step for ChangeTracking {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    async fn probe(&self, site: &Site) -> Result<Reading, Obstacle> {
        let found = definitions(site).await?;
        let state = |wanted: bool| -> Value {
            let follows = |definition: &EntityDefinition| definition.tracks_changes || wanted;
            let tables = found
                .iter()
                .filter(|definition| can_follow(definition))
                .map(|definition| (definition.name.clone(), json!(follows(definition))));
            Value::Object(tables.collect::<Map<String, Value>>())
        };
        let off = || found.iter().filter(|definition| can_follow(definition) && !definition.tracks_changes);
        let mut words = vec![match off().next() {
            None => format!("on for {}", named(found.iter().filter(|definition| can_follow(definition)))),
            Some(_) => format!("switch it on for {}; that can't be taken back", named(off())),
        }];
        let never = || found.iter().filter(|definition| !can_follow(definition));
        if never().next().is_some() {
            words.push(format!("not possible for {}, which are polled", named(never())));
        }
        let loose = || found.iter().filter(|definition| !definition.optimistic_concurrency);
        if loose().next().is_some() {
            words.push(format!("writes to {} can't depend on a version", named(loose())));
        }
        let words = words.join("; ");
        Ok(Reading { now: state(false), wanted: state(true), words })
    }

    async fn apply(&self, site: &Site, _reading: &Reading) -> Result<(), Obstacle> {
        let off: Vec<EntityDefinition> = definitions(site)
            .await?
            .into_iter()
            .filter(|definition| can_follow(definition) && !definition.tracks_changes)
            .collect();
        if off.is_empty() {
            return Ok(());
        }
        site.organization_admin().track_changes(&off).await.map_err(administration(site))
    }

    /// The service account begins to follow each of them.
    async fn verify(&self, site: &Site) -> Result<String, Obstacle> {
        let followed: Vec<EntityDefinition> =
            definitions(site).await?.into_iter().filter(can_follow).collect();
        for definition in &followed {
            site.organization().try_change_tracking(definition).await.map_err(organization)?;
        }
        Ok(format!("the service account follows {}", named(followed.iter())))
    }

    fn stays(&self) -> Option<&'static str> {
        Some("stays on: Dynamics has no way to switch change tracking off")
    }
}
