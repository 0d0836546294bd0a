//! Items of queues (dynamics.md 4.4, server-side-sync.md 2.9).

use hybridge_core::{
    address::Address,
    ids::{QueueId, RecordId},
    trouble::Class,
};
use hybridge_odata::{Call, Error, query::Query};
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use crate::{Dynamics, Result};

impl Dynamics {
    /// Puts an email into a queue unless it is there, picked up, worked off or not; whether an item was made.
    ///
    /// It is looked for first, as the organization makes items of its own. The id of a new one is computed from email
    /// and queue: what was made by a call whose answer was lost is not made again.
    ///
    /// # Errors
    /// When the organization can't be asked, or refuses the item.
    pub async fn put_into_queue(
        &self,
        queue: QueueId,
        email: RecordId,
        sender: Option<&Address>,
    ) -> Result<bool> {
        #[derive(Deserialize)]
        struct Wire {
            #[serde(rename = "queueitemid")]
            _id: Uuid,
        }
        let query = Query::on("queueitems")
            .option("$select", "queueitemid")
            .option("$filter", &format!("_objectid_value eq {email} and _queueid_value eq {queue}"))
            .build();
        let there = self.web_api.send(Call::get(query)).await?.page("list of queue items")?;
        if !there.entries::<Wire>("queue item")?.is_empty() {
            return Ok(false);
        }
        let mut item = json!({
            "queueitemid": Uuid::new_v5(&email.0, format!("queueitem/{queue}").as_bytes()),
            "objectid_email@odata.bind": format!("/emails({email})"),
            "queueid@odata.bind": format!("/queues({queue})"),
        });
        // The column holds 250 characters; an address that is longer says nothing when it is cut.
        if let (Some(item), Some(sender)) =
            (item.as_object_mut(), sender.filter(|sender| sender.as_str().len() <= 250))
        {
            item.insert("sender".to_owned(), sender.as_str().into());
        }
        match self.web_api.send(Call::post("queueitems").json(&item)?).await {
            Ok(_) => Ok(true),
            Err(error) if is_there_already(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// Somebody else was quicker, or an earlier call got through (dynamics.md 3.13).
fn is_there_already(error: &Error) -> bool {
    crate::trouble(error).class == Class::Exists
        || error.failure().is_some_and(|failure| failure.has_code("0x80040523"))
}
