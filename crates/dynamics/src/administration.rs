//! Who may do what in the organization: security roles, their privileges, and the users that hold them; and the
//! change tracking of its tables. Only `hybridge connect` works on these.

use std::collections::BTreeMap;

use hybridge_odata::{
    Call, Error, Target,
    http::Method,
    query::{Query, literal},
};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use uuid::{Uuid, uuid};

use crate::{Dynamics, Result};

/// What the role System Administrator is made from; its name is translated, this is not.
pub const ADMINISTRATOR_TEMPLATE: Uuid = uuid!("627090ff-40a3-4053-8790-584edc5be201");
/// What the role System Customizer is made from.
pub const CUSTOMIZER_TEMPLATE: Uuid = uuid!("119f245c-3cc8-4b62-b31c-d1a046ced15d");
/// `systemuser.accessmode` of a user who works only through web services.
pub const NON_INTERACTIVE: i32 = 4;

/// A security role.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SecurityRole {
    /// Its id.
    #[serde(rename = "roleid")]
    pub id: Uuid,
    /// Its name.
    #[serde(default, deserialize_with = "or_default")]
    pub name: String,
    /// What a predefined role was made from.
    #[serde(rename = "_roletemplateid_value")]
    pub template: Option<Uuid>,
}

/// A privilege of a role: which, and how far it reaches.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct RolePrivilege {
    /// The privilege.
    pub privilege_id: Uuid,
    /// `Basic`, `Local`, `Deep` or `Global`.
    pub depth: String,
}

/// A user of the organization.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SystemUser {
    /// The id.
    #[serde(rename = "systemuserid")]
    pub id: Uuid,
    /// `DOMAIN\user`.
    #[serde(rename = "domainname", default, deserialize_with = "or_default")]
    pub account: String,
    /// Whether the user may not sign in.
    #[serde(rename = "isdisabled", default, deserialize_with = "or_default")]
    pub disabled: bool,
    /// Read-Write 0, Administrative 1, Read 2, Support User 3, Non-interactive 4, Delegated Admin 5.
    #[serde(rename = "accessmode")]
    pub access_mode: Option<i32>,
    /// The business unit.
    #[serde(rename = "_businessunitid_value")]
    pub business_unit: Option<Uuid>,
}

/// A column that may be null.
fn or_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> std::result::Result<T, D::Error> {
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// What the organization says of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct EntityDefinition {
    /// The logical name.
    pub name: String,
    /// The entity set.
    pub set: String,
    /// The primary key column.
    pub key: String,
    /// Whether changes can be followed (dynamics.md 3.7).
    pub tracks_changes: bool,
    /// Whether that can be switched on.
    pub can_track_changes: bool,
    /// Whether writes can be made to depend on a version (dynamics.md 3.8).
    pub optimistic_concurrency: bool,
    whole: Value,
}

impl Dynamics {
    /// The business unit that all others are below.
    ///
    /// # Errors
    /// When it can't be read.
    pub async fn root_business_unit(&self) -> Result<Uuid> {
        #[derive(Deserialize)]
        struct Wire {
            businessunitid: Uuid,
        }
        let query = Query::on("businessunits")
            .option("$select", "businessunitid")
            .option("$filter", "_parentbusinessunitid_value eq null")
            .build();
        let found = self.rows::<Wire>(query, "business unit").await?;
        found.first().map(|unit| unit.businessunitid).ok_or_else(|| Error::Unreadable {
            what: "business unit",
            detail: "there is none without a parent".into(),
        })
    }

    /// The security role of a name in a business unit.
    ///
    /// # Errors
    /// When roles can't be read.
    pub async fn role_named(&self, name: &str, unit: Uuid) -> Result<Option<SecurityRole>> {
        let filter = format!("name eq {} and _businessunitid_value eq {unit}", literal(name));
        let query = Query::on("roles")
            .option("$select", "roleid,name,_roletemplateid_value")
            .option("$filter", &filter)
            .build();
        Ok(self.rows(query, "security role").await?.into_iter().next())
    }

    /// Every privilege that this build has: ids by names.
    ///
    /// # Errors
    /// When they can't be read.
    pub async fn privileges(&self) -> Result<BTreeMap<String, Uuid>> {
        #[derive(Deserialize)]
        struct Wire {
            privilegeid: Uuid,
            #[serde(default)]
            name: String,
        }
        let query = Query::on("privileges").option("$select", "privilegeid,name").build();
        let found = self.rows::<Wire>(query, "privilege").await?;
        Ok(found.into_iter().map(|privilege| (privilege.name, privilege.privilegeid)).collect())
    }

    /// What a role holds.
    ///
    /// # Errors
    /// When it can't be read.
    pub async fn role_privileges(&self, role: Uuid) -> Result<Vec<RolePrivilege>> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Wire {
            role_privileges: Vec<RolePrivilege>,
        }
        let call = Call::get(format!("RetrieveRolePrivilegesRole(RoleId={role})"));
        Ok(self.web_api.send(call).await?.json::<Wire>("the role's privileges")?.role_privileges)
    }

    /// Makes a role without privileges.
    ///
    /// # Errors
    /// When the signed-in user may not, or the name is taken.
    pub async fn create_role(&self, name: &str, unit: Uuid) -> Result<Uuid> {
        let body = json!({ "name": name, "businessunitid@odata.bind": format!("/businessunits({unit})") });
        let call = Call::post("roles").header("prefer", "return=representation").json(&body)?;
        Ok(self.web_api.send(call).await?.json::<SecurityRole>("security role")?.id)
    }

    /// Gives a role these privileges and no others.
    ///
    /// # Errors
    /// When the signed-in user may not.
    pub async fn replace_role_privileges(
        &self,
        role: Uuid,
        privileges: &[RolePrivilege],
        unit: Uuid,
    ) -> Result<()> {
        let listed: Vec<Value> = privileges
            .iter()
            .map(|privilege| {
                json!({
                    "PrivilegeId": privilege.privilege_id, "Depth": privilege.depth, "BusinessUnitId": unit,
                })
            })
            .collect();
        let path = format!("roles({role})/Microsoft.Dynamics.CRM.ReplacePrivilegesRole");
        let call = Call::post(path).json(&json!({ "Privileges": listed }))?;
        self.web_api.send(call.repeatable()).await.map(drop)
    }

    /// Deletes a role; who held it holds it no longer.
    ///
    /// # Errors
    /// When the signed-in user may not.
    pub async fn delete_role(&self, role: Uuid) -> Result<()> {
        self.delete(format!("roles({role})")).await
    }

    /// The users that an account (`DOMAIN\user` or `user@domain`) can mean.
    ///
    /// # Errors
    /// When users can't be read.
    pub async fn users_of_account(&self, account: &str) -> Result<Vec<SystemUser>> {
        let mut filter = format!("domainname eq {}", literal(account));
        if let Some((user, _)) = account.split_once('@') {
            // On premises the column holds DOMAIN\user, whatever the account signs in with.
            filter = format!("{filter} or endswith(domainname,{})", literal(&format!("\\{user}")));
        }
        let query = Query::on("systemusers")
            .option("$select", "systemuserid,domainname,isdisabled,accessmode,_businessunitid_value")
            .option("$filter", &filter)
            .build();
        self.rows(query, "user").await
    }

    /// Makes a user of an account of Active Directory, one that works only through web services.
    ///
    /// # Errors
    /// When the signed-in user may not, or Active Directory has no such account.
    pub async fn create_user(&self, account: &str, name: &str, unit: Uuid) -> Result<Uuid> {
        let body = json!({
            "domainname": account,
            "firstname": name,
            "lastname": "service account",
            "accessmode": NON_INTERACTIVE,
            "incomingemaildeliverymethod": 0,
            "outgoingemaildeliverymethod": 0,
            "businessunitid@odata.bind": format!("/businessunits({unit})"),
        });
        let call = Call::post("systemusers").header("prefer", "return=representation").json(&body)?;
        Ok(self.web_api.send(call).await?.json::<SystemUser>("user")?.id)
    }

    /// Changes columns of a user.
    ///
    /// # Errors
    /// When the signed-in user may not.
    pub async fn change_user(&self, user: Uuid, changes: &Value) -> Result<()> {
        let target = Target::Path(format!("systemusers({user})"));
        let call = Call::new(Method::PATCH, target).header("if-match", "*").json(changes)?;
        self.web_api.send(call.repeatable()).await.map(drop)
    }

    /// The roles of a user.
    ///
    /// # Errors
    /// When they can't be read.
    pub async fn roles_of(&self, user: Uuid) -> Result<Vec<SecurityRole>> {
        let query = Query::on(format!("systemusers({user})/systemuserroles_association"))
            .option("$select", "roleid,name,_roletemplateid_value")
            .build();
        self.rows(query, "security role").await
    }

    /// Gives a user a role.
    ///
    /// # Errors
    /// When the signed-in user may not.
    pub async fn give_role(&self, user: Uuid, role: Uuid) -> Result<()> {
        let url = self.web_api.url(&Target::Path(format!("roles({role})")))?;
        let call = Call::post(format!("systemusers({user})/systemuserroles_association/$ref"))
            .json(&json!({ "@odata.id": url.as_str() }))?;
        self.web_api.send(call).await.map(drop)
    }

    /// Takes a role from a user.
    ///
    /// # Errors
    /// When the signed-in user may not.
    pub async fn take_role(&self, user: Uuid, role: Uuid) -> Result<()> {
        self.delete(format!("systemusers({user})/systemuserroles_association({role})/$ref")).await
    }

    /// What the organization says of a table; `None` when it has none of that name.
    ///
    /// # Errors
    /// When it can't be read.
    pub async fn entity_definition(&self, name: &str) -> Result<Option<EntityDefinition>> {
        let call = Call::get(format!("EntityDefinitions(LogicalName={})", literal(name)));
        let whole: Value = match self.web_api.send(call).await {
            Ok(answer) => answer.json("entity definition")?,
            Err(error) if error.failure().is_some_and(|failure| failure.status.as_u16() == 404) => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let text = |name: &str| whole.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let flag = |name: &str| whole.get(name).and_then(Value::as_bool).unwrap_or(false);
        // A managed property; a build that does not tell lets it be tried.
        let can = whole.get("CanChangeTrackingBeEnabled").and_then(|can| can.get("Value")?.as_bool());
        Ok(Some(EntityDefinition {
            name: text("LogicalName"),
            set: text("EntitySetName"),
            key: text("PrimaryIdAttribute"),
            tracks_changes: flag("ChangeTrackingEnabled"),
            can_track_changes: can.unwrap_or(true),
            optimistic_concurrency: flag("IsOptimisticConcurrencyEnabled"),
            whole,
        }))
    }

    /// Switches the change tracking of tables on and publishes them. The definition is replaced as a whole by the one
    /// that was read, as the Web API has no update of a part of it.
    ///
    /// # Errors
    /// When the signed-in user may not, or a table does not allow it.
    pub async fn track_changes(&self, definitions: &[EntityDefinition]) -> Result<()> {
        let mut names = String::new();
        for definition in definitions {
            let mut whole = definition.whole.clone();
            if let Some(whole) = whole.as_object_mut() {
                whole.retain(|name, _| !name.starts_with("@odata."));
                whole.insert("ChangeTrackingEnabled".to_owned(), json!(true));
            }
            let path = format!("EntityDefinitions(LogicalName={})", literal(&definition.name));
            let call = Call::new(Method::PUT, Target::Path(path))
                .header("mscrm.mergelabels", "true")
                .json(&whole)?;
            self.web_api.send(call.repeatable()).await?;
            names.push_str("<entity>");
            names.push_str(&definition.name);
            names.push_str("</entity>");
        }
        let xml = format!("<importexportxml><entities>{names}</entities></importexportxml>");
        let call = Call::post("PublishXml").json(&json!({ "ParameterXml": xml }))?;
        self.web_api.send(call.repeatable()).await.map(drop)
    }

    /// Begins to follow a table's changes, as a proof: the first rows and whether the organization agreed to follow.
    ///
    /// # Errors
    /// When change tracking is off, or the rows can't be read.
    pub async fn try_change_tracking(&self, definition: &EntityDefinition) -> Result<()> {
        let query = Query::on(definition.set.as_str()).option("$select", &definition.key).build();
        let call = Call::get(query).header("prefer", "odata.track-changes,odata.maxpagesize=1");
        self.web_api.send(call).await.map(drop)
    }

    /// Deletes an email. The service account may not: only an administrator does.
    ///
    /// # Errors
    /// When the signed-in user may not, or there is none.
    pub async fn delete_email(&self, id: Uuid) -> Result<()> {
        self.delete(format!("emails({id})")).await
    }

    async fn delete(&self, path: String) -> Result<()> {
        self.web_api.send(Call::new(Method::DELETE, Target::Path(path)).repeatable()).await.map(drop)
    }
}
