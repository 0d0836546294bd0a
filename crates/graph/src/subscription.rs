use hybridge_odata::{Call, Target, http::Method, query::segment};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

use crate::{Graph, IMMUTABLE_IDS, Result, user::UserRef};

/// A subscription that is asked for.
#[derive(Debug, Clone)]
pub struct NewSubscription<'a> {
    /// Whose Inbox.
    pub user: &'a UserRef,
    /// Where notifications go (HTTPS).
    pub notification_url: &'a str,
    /// Where lifecycle events go; it can't be added later (graph.md 6.1).
    pub lifecycle_url: &'a str,
    /// The secret that notifications carry, up to 128 characters.
    pub client_state: &'a str,
    /// When it is to end; 10,080 minutes from now at the most.
    pub expires: Timestamp,
}

/// A subscription that Graph keeps.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SubscriptionInfo {
    /// Its id.
    pub id: String,
    /// When it ends; Graph may have chosen another time than asked for.
    pub expiration_date_time: Timestamp,
}

impl Graph {
    /// Subscribes to new messages in a mailbox's Inbox. Graph calls the notification address back before
    /// it answers.
    pub async fn subscribe(&self, wanted: &NewSubscription<'_>) -> Result<SubscriptionInfo> {
        let call = Call::post("subscriptions")
            .json(&json!({
                "changeType": "created",
                "notificationUrl": wanted.notification_url,
                "lifecycleNotificationUrl": wanted.lifecycle_url,
                "resource": format!("users/{}/mailFolders('inbox')/messages", wanted.user.as_str()),
                "expirationDateTime": wanted.expires.to_string(),
                "clientState": wanted.client_state,
            }))?
            .header("prefer", IMMUTABLE_IDS);
        self.service.send(call).await?.json("subscription")
    }

    /// Puts a subscription's end off.
    pub async fn renew(&self, id: &str, expires: Timestamp) -> Result<SubscriptionInfo> {
        let call = Call::new(Method::PATCH, Target::Path(format!("subscriptions/{}", segment(id))))
            .json(&json!({ "expirationDateTime": expires.to_string() }))?
            .repeatable();
        self.service.send(call).await?.json("subscription")
    }

    /// Ends a subscription; one that is gone already counts as ended.
    pub async fn unsubscribe(&self, id: &str) -> Result<()> {
        let call =
            Call::new(Method::DELETE, Target::Path(format!("subscriptions/{}", segment(id)))).repeatable();
        match self.service.send(call).await {
            Ok(_) => Ok(()),
            Err(error) if error.failure().is_some_and(|failure| failure.status.as_u16() == 404) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Ends every subscription of this app on a user's Inbox that goes to an address.
    pub async fn unsubscribe_all(&self, user: &UserRef, notification_url: &str) -> Result<()> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Listed {
            id: String,
            resource: String,
            notification_url: String,
        }
        let mut call = Call::get("subscriptions");
        loop {
            let page = self.service.send(call).await?.page("list of subscriptions")?;
            for listed in page.entries::<Listed>("subscription")? {
                if listed.notification_url == notification_url && is_of(&listed.resource, user) {
                    self.unsubscribe(&listed.id).await?;
                }
            }
            match page.next_link {
                Some(link) => call = Call::follow(link),
                None => return Ok(()),
            }
        }
    }
}

/// Whether a subscription's resource (`users/{user}/mailFolders('inbox')/messages`) is a user's, exactly: the name of
/// one user can stand inside another's.
fn is_of(resource: &str, user: &UserRef) -> bool {
    resource.trim_start_matches('/').split('/').nth(1).is_some_and(|named| {
        let named = named.replace("%40", "@");
        named.eq_ignore_ascii_case(user.as_str())
    })
}
