use hybridge_core::address::Address;
use hybridge_odata::{
    Call,
    query::{Query, literal, segment},
};
use serde::Deserialize;

use crate::{Graph, Result};

/// What a mailbox is named by in Graph's paths: the user's object id, or, where the app may not read
/// the directory, the address itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct UserRef(String);

impl UserRef {
    /// From an object id or user principal name.
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// As it stands in a path.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn path(&self) -> String {
        format!("users/{}", segment(&self.0))
    }
}

/// A user of the tenant.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// The object id.
    pub id: String,
    /// The display name.
    #[serde(default)]
    pub display_name: Option<String>,
    /// The user principal name.
    #[serde(default)]
    pub user_principal_name: Option<String>,
    /// The primary address.
    #[serde(default)]
    pub mail: Option<String>,
}

impl Graph {
    /// The user who has an address: by user principal name, else by any of the addresses users have
    /// (graph.md 5.3). `None` when there is none.
    pub async fn user_by_address(&self, address: &Address) -> Result<Option<User>> {
        const FIELDS: &str = "id,displayName,userPrincipalName,mail";
        let direct =
            Query::on(format!("users/{}", segment(address.as_str()))).option("$select", FIELDS).build();
        match self.service.send(Call::get(direct)).await {
            Ok(answer) => return answer.json("user").map(Some),
            Err(error) if error.failure().is_some_and(|failure| failure.status.as_u16() == 404) => {}
            Err(error) => return Err(error),
        }
        let smtp = literal(&format!("smtp:{address}"));
        let filter = format!("mail eq {} or proxyAddresses/any(p:p eq {smtp})", literal(address.as_str()));
        let query = Query::on("users")
            .option("$select", FIELDS)
            .option("$filter", &filter)
            .option("$top", "2")
            .build();
        let page = self.service.send(Call::get(query)).await?.page("list of users")?;
        Ok(page.entries::<User>("user")?.into_iter().next())
    }
}
