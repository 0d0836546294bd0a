use serde::Deserialize;
use serde_json::value::RawValue;

/// A change notification or lifecycle event.
#[derive(Clone, PartialEq, Eq)]
pub struct Notification {
    /// The subscription that it comes from.
    pub subscription: String,
    /// The secret that it carries; to be compared with the subscription's in constant time.
    pub client_state: Option<String>,
    /// What it says.
    pub kind: NotificationKind,
}

impl std::fmt::Debug for Notification {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Notification")
            .field("subscription", &self.subscription)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// What a notification says. It never says enough to act on by itself: it shortens the wait for the
/// next delta round (graph.md 6.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotificationKind {
    /// Something changed.
    Changed,
    /// The subscription needs a new authorisation soon.
    ReauthorizationRequired,
    /// The subscription is gone.
    SubscriptionRemoved,
    /// Notifications were lost.
    Missed,
}

/// The body is not a collection of notifications.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a collection of change notifications: {0}")]
pub struct UnreadableNotification(String);

/// Reads what Graph posts to the notification address. Entries that can't be read are passed over: the
/// delta round that follows any other entry, or the next timer, brings what they would have told.
pub fn read(body: &[u8]) -> Result<Vec<Notification>, UnreadableNotification> {
    #[derive(Deserialize)]
    struct Collection<'a> {
        #[serde(borrow)]
        value: Vec<&'a RawValue>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Wire {
        subscription_id: String,
        #[serde(default)]
        client_state: Option<String>,
        #[serde(default)]
        lifecycle_event: Option<String>,
    }
    let collection: Collection<'_> =
        serde_json::from_slice(body).map_err(|error| UnreadableNotification(error.to_string()))?;
    Ok(collection
        .value
        .iter()
        .filter_map(|entry| serde_json::from_str::<Wire>(entry.get()).ok())
        .map(|wire| Notification {
            subscription: wire.subscription_id,
            client_state: wire.client_state,
            kind: match wire.lifecycle_event.as_deref() {
                None => NotificationKind::Changed,
                Some("reauthorizationRequired") => NotificationKind::ReauthorizationRequired,
                Some("subscriptionRemoved") => NotificationKind::SubscriptionRemoved,
                // An event that is not known yet is treated as the one that asks for most care.
                Some(_) => NotificationKind::Missed,
            },
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn changes_and_lifecycle_events_come_in_one_form() {
        let body = br#"{"value":[
            {"subscriptionId":"s1","clientState":"x","changeType":"created","resource":"Users/1/Messages/2","tenantId":"t"},
            {"nonsense":true},
            {"subscriptionId":"s2","lifecycleEvent":"subscriptionRemoved","tenantId":"t"}]}"#;
        let read = read(body).unwrap();
        assert_eq!(read.len(), 2);
        assert_eq!(read[0].kind, NotificationKind::Changed);
        assert_eq!(read[0].client_state.as_deref(), Some("x"));
        assert_eq!(read[1].kind, NotificationKind::SubscriptionRemoved);
        assert!(!format!("{read:?}").contains("\"x\""), "the client state is a secret");
    }

    proptest! {
        #[test]
        fn no_body_makes_the_reader_panic(body: Vec<u8>) {
            let _ignored = read(&body);
        }
    }
}
