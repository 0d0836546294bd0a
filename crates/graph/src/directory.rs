//! Directory objects: app registrations, service principals, their certificates and consents (graph.md section 2).

use hybridge_odata::{
    Call, Target,
    http::Method,
    query::{Query, literal, segment},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{Graph, Result, UserRef};

/// Microsoft Graph's own application id.
pub const GRAPH_APP_ID: &str = "00000003-0000-0000-c000-000000000000";

/// Which of the two objects of an application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DirectoryKind {
    /// The registration, in the tenant that owns the application.
    Application,
    /// The service principal (enterprise application), in every tenant where it is used.
    ServicePrincipal,
}

impl DirectoryKind {
    fn set(self) -> &'static str {
        match self {
            Self::Application => "applications",
            Self::ServicePrincipal => "servicePrincipals",
        }
    }
}

/// An app registration or a service principal.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DirectoryObject {
    /// The object's id.
    pub id: Uuid,
    /// The application (client) id.
    pub app_id: Uuid,
    /// Its name.
    #[serde(default)]
    pub display_name: Option<String>,
    /// Its certificates; the keys themselves are there only where one object was asked for.
    #[serde(default)]
    pub key_credentials: Vec<KeyCredential>,
    /// A service principal's names.
    #[serde(default)]
    pub service_principal_names: Vec<String>,
    /// A service principal's app roles.
    #[serde(default)]
    pub app_roles: Vec<AppRole>,
}

/// A registered certificate (graph.md 2.3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyCredential {
    /// The id that Entra ID gave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_id: Option<Uuid>,
    /// The name that portals show.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// The certificate as base64; absent on most reads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// By default the SHA-1 thumbprint, base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub custom_key_identifier: Option<String>,
    /// From when it counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_date_time: Option<Timestamp>,
    /// Until when it counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_date_time: Option<Timestamp>,
    /// `AsymmetricX509Cert`.
    #[serde(rename = "type")]
    pub kind: String,
    /// `Verify`.
    pub usage: String,
}

/// An app role that a service principal offers.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct AppRole {
    /// Its id.
    pub id: Uuid,
    /// Its name, `User.Read.All` for example.
    #[serde(default)]
    pub value: Option<String>,
}

/// An app role that was consented to.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RoleAssignment {
    /// The assignment's id.
    pub id: String,
    /// The role.
    pub app_role_id: Uuid,
    /// The service principal that offers it.
    pub resource_id: Uuid,
}

const FIELDS: &str = "id,appId,displayName,keyCredentials";
const PRINCIPAL_FIELDS: &str = "id,appId,displayName,keyCredentials,servicePrincipalNames,appRoles";

impl Graph {
    /// An application's object, with its certificates whole; `None` where there is none.
    pub async fn directory_object(
        &self,
        kind: DirectoryKind,
        app_id: Uuid,
    ) -> Result<Option<DirectoryObject>> {
        let fields = match kind {
            DirectoryKind::Application => FIELDS,
            DirectoryKind::ServicePrincipal => PRINCIPAL_FIELDS,
        };
        let path = Query::on(format!("{}(appId='{app_id}')", kind.set())).option("$select", fields).build();
        match self.service.send(Call::get(path)).await {
            Ok(answer) => answer.json("directory object").map(Some),
            Err(error) if error.failure().is_some_and(|failure| failure.status.as_u16() == 404) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The applications of a name. Names are not unique.
    pub async fn applications_named(&self, name: &str) -> Result<Vec<DirectoryObject>> {
        let filter = format!("displayName eq {}", literal(name));
        let path = Query::on("applications")
            .option("$select", "id,appId,displayName")
            .option("$filter", &filter)
            .build();
        self.service.send(Call::get(path)).await?.page("applications")?.entries("application")
    }

    /// Registers an application of this tenant only.
    pub async fn register_application(&self, name: &str) -> Result<DirectoryObject> {
        let body = json!({ "displayName": name, "signInAudience": "AzureADMyOrg" });
        self.service.send(Call::post("applications").json(&body)?).await?.json("application")
    }

    /// Makes the service principal of an application.
    pub async fn create_service_principal(&self, app_id: Uuid) -> Result<DirectoryObject> {
        let call = Call::post("servicePrincipals").json(&json!({ "appId": app_id }))?;
        self.service.send(call).await?.json("service principal")
    }

    /// Changes properties of an object. Collections are replaced as a whole.
    pub async fn change_directory_object(
        &self,
        kind: DirectoryKind,
        id: Uuid,
        changes: &Value,
    ) -> Result<()> {
        let target = Target::Path(format!("{}/{id}", kind.set()));
        self.service.send(Call::new(Method::PATCH, target).json(changes)?.repeatable()).await.map(drop)
    }

    /// Deletes an object. A registration stays restorable for 30 days.
    pub async fn delete_directory_object(&self, kind: DirectoryKind, id: Uuid) -> Result<()> {
        let target = Target::Path(format!("{}/{id}", kind.set()));
        match self.service.send(Call::new(Method::DELETE, target).repeatable()).await {
            Err(error) if error.failure().is_some_and(|failure| failure.status.as_u16() == 404) => Ok(()),
            other => other.map(drop),
        }
    }

    /// Adds a certificate, with a proof signed by one that the object has already; the new one's key id.
    pub async fn add_key(
        &self,
        kind: DirectoryKind,
        id: Uuid,
        key: &KeyCredential,
        proof: &str,
    ) -> Result<KeyCredential> {
        let body = json!({ "keyCredential": key, "passwordCredential": null, "proof": proof });
        let call = Call::post(format!("{}/{id}/addKey", kind.set())).json(&body)?;
        self.service.send(call).await?.json("key credential")
    }

    /// Removes a certificate, with a proof signed by one that the object has.
    pub async fn remove_key(&self, kind: DirectoryKind, id: Uuid, key_id: Uuid, proof: &str) -> Result<()> {
        let body = json!({ "keyId": key_id, "proof": proof });
        self.service.send(Call::post(format!("{}/{id}/removeKey", kind.set())).json(&body)?).await.map(drop)
    }

    /// The app roles that were consented to for a service principal.
    pub async fn role_assignments(&self, principal: Uuid) -> Result<Vec<RoleAssignment>> {
        let path = format!("servicePrincipals/{principal}/appRoleAssignments");
        self.service.send(Call::get(path)).await?.page("role assignments")?.entries("role assignment")
    }

    /// Consents to an app role.
    pub async fn assign_role(&self, principal: Uuid, resource: Uuid, role: Uuid) -> Result<RoleAssignment> {
        let body = json!({ "principalId": principal, "resourceId": resource, "appRoleId": role });
        let call = Call::post(format!("servicePrincipals/{principal}/appRoleAssignments")).json(&body)?;
        self.service.send(call).await?.json("role assignment")
    }

    /// Takes a consent back.
    pub async fn revoke_role(&self, principal: Uuid, assignment: &str) -> Result<()> {
        let path = format!("servicePrincipals/{principal}/appRoleAssignments/{}", segment(assignment));
        match self.service.send(Call::new(Method::DELETE, Target::Path(path)).repeatable()).await {
            Err(error) if error.failure().is_some_and(|failure| failure.status.as_u16() == 404) => Ok(()),
            other => other.map(drop),
        }
    }

    /// The names of what the tenant is subscribed to (`skuPartNumber`), and of the plans in it.
    pub async fn subscriptions(&self) -> Result<Vec<String>> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Sku {
            #[serde(default)]
            sku_part_number: String,
            #[serde(default)]
            service_plans: Vec<Plan>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Plan {
            #[serde(default)]
            service_plan_name: String,
        }
        let path = Query::on("subscribedSkus").option("$select", "skuPartNumber,servicePlans").build();
        let page = self.service.send(Call::get(path)).await?.page("subscriptions")?;
        let skus: Vec<Sku> = page.entries("subscription")?;
        let plans = |sku: Sku| {
            std::iter::once(sku.sku_part_number)
                .chain(sku.service_plans.into_iter().map(|plan| plan.service_plan_name))
        };
        Ok(skus.into_iter().flat_map(plans).collect())
    }

    /// Whether the signed-in application can read a user's task lists.
    pub async fn can_read_tasks(&self, user: &UserRef) -> Result<()> {
        let path = Query::on(format!("{}/todo/lists", user.path())).option("$top", "1").build();
        self.service.send(Call::get(path)).await.map(drop)
    }

    /// Whether the signed-in application can read the directory's users at all.
    pub async fn can_read_users(&self) -> Result<()> {
        let path = Query::on("users").option("$select", "id").option("$top", "1").build();
        self.service.send(Call::get(path)).await.map(drop)
    }
}
