use async_trait::async_trait;
use hybridge_graph::DirectoryKind;
use serde_json::{Value, json};
use uuid::Uuid;

use super::directory;
use crate::{Facts, Obstacle, Place, Reading, Registration, Site, Step};

/// Hybridge's own app registration and its service principal (setup.md G1).
#[derive(Debug)]
pub(super) struct AppRegistration;

static FACTS: Facts = Facts {
    id: "app-registration",
    title: "App registration of Hybridge",
    rows: &["G1"],
    place: Place::Directory,
    role: "Cloud Application Administrator",
    after: &[],
};

#[async_trait]
impl Step for AppRegistration {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    async fn probe(&self, site: &Site) -> Result<Reading, Obstacle> {
        let name = &site.deployment().name;
        let wanted =
            json!({ "name": name, "registration": true, "servicePrincipal": true, "configured": true });
        let Some(app_id) = site.settings().client_id() else {
            let known = site.directory().applications_named(name).await.map_err(directory)?;
            return match known.as_slice() {
                [] => Ok(Reading { now: Value::Null, wanted, words: format!("register {name:?} in the tenant") }),
                [found] => {
                    let kind = DirectoryKind::ServicePrincipal;
                    let principal = site.directory().directory_object(kind, found.app_id).await.map_err(directory)?;
                    let now = json!({
                        "name": name, "registration": true, "servicePrincipal": principal.is_some(),
                        "appId": found.app_id, "objectId": found.id,
                    });
                    Ok(Reading { now, wanted, words: format!("use the registration {} that is there", found.app_id) })
                }
                many => Err(Obstacle::ByHand {
                    what: format!("{} app registrations are called {name:?}", many.len()),
                    how: "Write the application (client) id of the right one into the configuration, [tenant] client_id, or \
                          choose another [connect] name."
                        .to_owned(),
                }),
            };
        };
        let registration =
            site.directory().directory_object(DirectoryKind::Application, app_id).await.map_err(directory)?;
        let principal = site
            .directory()
            .directory_object(DirectoryKind::ServicePrincipal, app_id)
            .await
            .map_err(directory)?;
        let Some(registration) = registration else {
            return Err(Obstacle::ByHand {
                what: format!("the tenant has no app registration {app_id}, which the configuration names"),
                how: "Correct [tenant] client_id in the configuration, or remove the line: then Hybridge registers itself."
                    .to_owned(),
            });
        };
        let name = registration.display_name.unwrap_or_default();
        let now = json!({
            "name": name, "registration": true, "servicePrincipal": principal.is_some(), "configured": true,
        });
        let wanted =
            json!({ "name": name, "registration": true, "servicePrincipal": true, "configured": true });
        let words = if principal.is_some() {
            format!("{name}, {app_id}")
        } else {
            format!("make the service principal of {app_id}")
        };
        Ok(Reading { now, wanted, words })
    }

    async fn apply(&self, site: &Site, reading: &Reading) -> Result<(), Obstacle> {
        let app_id = match site.settings().client_id() {
            Some(app_id) => app_id,
            None => register(site, reading).await?,
        };
        let principal = site.directory().directory_object(DirectoryKind::ServicePrincipal, app_id).await;
        if principal.map_err(directory)?.is_none() {
            site.directory().create_service_principal(app_id).await.map_err(directory)?;
        }
        Ok(())
    }

    async fn verify(&self, site: &Site) -> Result<String, Obstacle> {
        let app_id = site.client_id()?;
        let kind = DirectoryKind::ServicePrincipal;
        let found = site.directory().directory_object(kind, app_id).await.map_err(directory)?;
        let found = found.ok_or(Obstacle::After(FACTS.id))?;
        Ok(format!("the tenant knows {app_id} as {}", found.id))
    }

    async fn undo(&self, site: &Site, before: &Value) -> Result<(), Obstacle> {
        let Some(app_id) = site.settings().client_id() else { return Ok(()) };
        let had = |what: &str| before.get(what).and_then(Value::as_bool) == Some(true);
        let kinds = [
            (DirectoryKind::ServicePrincipal, had("servicePrincipal")),
            (DirectoryKind::Application, had("registration")),
        ];
        for (kind, had) in kinds {
            let found = site.directory().directory_object(kind, app_id).await.map_err(directory)?;
            if let (false, Some(found)) = (had, found) {
                site.directory().delete_directory_object(kind, found.id).await.map_err(directory)?;
            }
        }
        if !had("configured") {
            site.settings().keep_registration(None)?;
        }
        Ok(())
    }
}

/// Registers Hybridge, or takes the registration that was found.
async fn register(site: &Site, reading: &Reading) -> Result<Uuid, Obstacle> {
    let known = |name: &str| reading.now.get(name).and_then(|id| id.as_str()?.parse().ok());
    let ids = if let (Some(client_id), Some(object_id)) = (known("appId"), known("objectId")) {
        Registration { client_id, object_id }
    } else {
        let name = &site.deployment().name;
        let made = site.directory().register_application(name).await.map_err(directory)?;
        Registration { client_id: made.app_id, object_id: made.id }
    };
    // Kept before anything else is done: a crash here must not lead to a second registration.
    site.settings().keep_registration(Some(ids))?;
    Ok(ids.client_id)
}
