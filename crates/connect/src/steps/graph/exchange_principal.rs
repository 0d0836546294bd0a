use async_trait::async_trait;
use hybridge_graph::DirectoryKind;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{directory, exchange};
use crate::{Facts, Obstacle, Place, Reading, Site, Step};

/// Exchange Online's pointer to Hybridge's service principal (setup.md G6).
#[derive(Debug)]
pub(super) struct ExchangePrincipal;

static FACTS: Facts = Facts {
    id: "exchange-principal",
    title: "Hybridge known to Exchange Online",
    rows: &["G6"],
    place: Place::Exchange,
    role: "Exchange Administrator and Organization Management",
    after: &["app-registration"],
};

/// The object id of the service principal: the registration's would be accepted, and open nothing.
async fn object_id(site: &Site) -> Result<Uuid, Obstacle> {
    let app_id = site.client_id()?;
    let found = site.directory().directory_object(DirectoryKind::ServicePrincipal, app_id).await;
    Ok(found.map_err(directory)?.ok_or(Obstacle::After("app-registration"))?.id)
}

#[async_trait]
impl Step for ExchangePrincipal {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    async fn probe(&self, site: &Site) -> Result<Reading, Obstacle> {
        let app_id = site.client_id()?;
        let object_id = object_id(site).await?;
        let found =
            site.exchange().find("Get-ServicePrincipal", &app_id.to_string()).await.map_err(exchange)?;
        let now =
            found.map_or(Value::Null, |found| json!({ "appId": app_id, "objectId": found.get("ObjectId") }));
        let wanted = json!({ "appId": app_id, "objectId": object_id });
        let words = if now == wanted {
            "known".to_owned()
        } else if now.is_null() {
            format!("tell Exchange Online of {object_id}")
        } else {
            format!("correct the object id to {object_id}: it was that of another object")
        };
        Ok(Reading { now, wanted, words })
    }

    async fn apply(&self, site: &Site, reading: &Reading) -> Result<(), Obstacle> {
        let app_id = site.client_id()?;
        if !reading.now.is_null() {
            site.exchange().remove("Remove-ServicePrincipal", &app_id.to_string()).await.map_err(exchange)?;
        }
        let parameters = json!({
            "AppId": app_id, "ObjectId": object_id(site).await?, "DisplayName": site.deployment().name,
        });
        site.exchange().run("New-ServicePrincipal", parameters).await.map(drop).map_err(exchange)
    }

    async fn verify(&self, site: &Site) -> Result<String, Obstacle> {
        let app_id = site.client_id()?.to_string();
        let parameters = json!({ "Identity": app_id });
        let roles =
            site.exchange().run("Test-ServicePrincipalAuthorization", parameters).await.map_err(exchange)?;
        Ok(format!("Exchange Online tells of {} roles for it", roles.len()))
    }

    async fn undo(&self, site: &Site, before: &Value) -> Result<(), Obstacle> {
        let Some(app_id) = site.settings().client_id() else { return Ok(()) };
        site.exchange().remove("Remove-ServicePrincipal", &app_id.to_string()).await.map_err(exchange)?;
        if let Some(object_id) = before.get("objectId").filter(|id| !id.is_null()) {
            let parameters =
                json!({ "AppId": app_id, "ObjectId": object_id, "DisplayName": site.deployment().name });
            site.exchange().run("New-ServicePrincipal", parameters).await.map(drop).map_err(exchange)?;
        }
        Ok(())
    }
}
