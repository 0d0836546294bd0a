use async_trait::async_trait;
use hybridge_graph::DirectoryKind;
use serde_json::{Value, json};

use super::{super::graph::directory, dynamics_principal, names, texts};
use crate::{Facts, Obstacle, Place, Reading, Site, Step, native::DYNAMICS};

/// The names of the principal of Dynamics (setup.md E4): its id always, the domain only where it is asked for, as
/// Microsoft's own script leaves it out.
#[derive(Debug)]
pub(super) struct DynamicsNames;

static FACTS: Facts = Facts {
    id: "dynamics-names",
    title: "The names of the principal of Dynamics",
    rows: &["E4"],
    place: Place::Directory,
    role: "Cloud Application Administrator",
    after: &["dynamics-principal"],
};

#[async_trait]
impl Step for DynamicsNames {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    async fn probe(&self, site: &Site) -> Result<Reading, Obstacle> {
        let found = dynamics_principal::expect(site).await?.service_principal_names;
        let mut wanted = found.clone();
        let domain = site.native()?.domain.as_ref().map(|domain| format!("{DYNAMICS}/*.{domain}"));
        let mut missing = Vec::new();
        for name in [Some(DYNAMICS.to_string()), domain].into_iter().flatten() {
            if !wanted.iter().any(|known| known.eq_ignore_ascii_case(&name)) {
                wanted.push(name.clone());
                missing.push(name);
            }
        }
        let words = if missing.is_empty() {
            names(found.iter().map(String::as_str))
        } else {
            format!("add {}", missing.join(" and "))
        };
        Ok(Reading { now: json!({ "names": found }), wanted: json!({ "names": wanted }), words })
    }

    async fn apply(&self, site: &Site, reading: &Reading) -> Result<(), Obstacle> {
        write(site, &texts(&reading.wanted, "names")).await
    }

    async fn undo(&self, site: &Site, before: &Value) -> Result<(), Obstacle> {
        if dynamics_principal::find(site).await?.is_none() {
            return Ok(());
        }
        write(site, &texts(before, "names")).await
    }
}

async fn write(site: &Site, names: &[String]) -> Result<(), Obstacle> {
    let found = dynamics_principal::expect(site).await?;
    let changes = json!({ "servicePrincipalNames": names });
    site.directory()
        .change_directory_object(DirectoryKind::ServicePrincipal, found.id, &changes)
        .await
        .map_err(directory)
}
