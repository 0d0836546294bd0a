use hybridge_odata::{Call, query::Query};
use serde::Deserialize;

use crate::{Graph, Result, user::UserRef};

/// A mail folder.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MailFolder {
    /// Its id.
    pub id: String,
    /// Its name in the mailbox's language.
    pub display_name: String,
    /// How many items lie in it.
    #[serde(default)]
    pub total_item_count: i64,
}

impl Graph {
    /// Reads a folder by id or well-known name. The cheapest proof that the app may read a mailbox.
    pub async fn folder(&self, user: &UserRef, folder: &str) -> Result<MailFolder> {
        let path = format!("{}/mailFolders/{folder}", user.path());
        let query = Query::on(path).option("$select", "id,displayName,totalItemCount").build();
        self.service.send(Call::get(query).counted_against(user.as_str())).await?.json("mail folder")
    }
}
