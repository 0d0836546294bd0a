//! Receives Graph's change notifications (graph.md 6.2 and 6.3): acknowledged first, worked on later.

use axum::{
    body::Bytes,
    extract::{Query, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use hybridge_core::lane::LaneId;
use hybridge_graph::{Notification, NotificationKind, read_notifications};
use hybridge_store::Store;
use serde::Deserialize;
use subtle::ConstantTimeEq;

use crate::Shared;

/// What a checked notification says about a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Something changed, or notifications were missed.
    Changed,
    /// The subscription is gone.
    SubscriptionRemoved,
    /// The subscription wants to be renewed.
    SubscriptionEnding,
}

/// Wakes lanes.
pub trait Wakes: Send + Sync + std::fmt::Debug {
    /// Wakes a lane.
    fn wake(&self, lane: LaneId, signal: Signal);
}

#[derive(Debug, Deserialize)]
pub(crate) struct Handshake {
    #[serde(rename = "validationToken")]
    validation_token: Option<String>,
}

/// Graph asks whether this address is ours, or posts notifications.
pub(crate) async fn receive(
    State(shared): State<Shared>,
    Query(handshake): Query<Handshake>,
    body: Bytes,
) -> Response {
    if let Some(token) = handshake.validation_token {
        // Answered as plain text only, so that the token can't be used to place a script here.
        return ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], token).into_response();
    }
    match shared.posts.try_send(body) {
        Ok(()) => StatusCode::ACCEPTED.into_response(),
        Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

/// Checks what was posted and wakes the lanes it is about.
pub(crate) async fn work_on(post: &[u8], store: &dyn Store, wakes: &dyn Wakes) {
    let notifications = match read_notifications(post) {
        Ok(notifications) => notifications,
        Err(error) => {
            tracing::info!(%error, "a post to the notification address is passed over");
            return;
        }
    };
    for notification in notifications {
        if let Some(lane) = checked(&notification, store).await {
            wakes.wake(
                lane,
                match notification.kind {
                    NotificationKind::Changed | NotificationKind::Missed => Signal::Changed,
                    NotificationKind::SubscriptionRemoved => Signal::SubscriptionRemoved,
                    NotificationKind::ReauthorizationRequired => Signal::SubscriptionEnding,
                },
            );
        }
    }
}

/// The lane of a notification that carries its subscription's secret.
async fn checked(notification: &Notification, store: &dyn Store) -> Option<LaneId> {
    let subscription = match store.subscription(&notification.subscription).await {
        Ok(subscription) => subscription?,
        Err(error) => {
            // The timer's delta round brings what this would have told.
            tracing::warn!(%error, "a change notification can't be checked");
            return None;
        }
    };
    let shown = notification.client_state.as_deref().unwrap_or_default();
    let matches: bool = subscription.client_state.as_bytes().ct_eq(shown.as_bytes()).into();
    if !matches {
        tracing::warn!(subscription = %notification.subscription, "a notification with a wrong client state is passed over");
    }
    matches.then_some(subscription.lane)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use axum::{body::Body, http::Request};
    use hybridge_core::{ids::MailboxId, lane::LaneKind};
    use hybridge_store::{MemoryStore, Subscription};
    use prometheus_client::registry::Registry;
    use tower::ServiceExt;
    use uuid::Uuid;

    use super::*;
    use crate::{Console, Liveness, NOTIFICATIONS_PATH};

    #[derive(Debug, Default)]
    struct Woken(Mutex<Vec<(LaneId, Signal)>>);

    impl Wakes for Woken {
        fn wake(&self, lane: LaneId, signal: Signal) {
            self.0.lock().unwrap().push((lane, signal));
        }
    }

    fn lane() -> LaneId {
        LaneId { mailbox: MailboxId(Uuid::from_u128(1)), kind: LaneKind::IncomingEmail }
    }

    async fn store() -> MemoryStore {
        let store = MemoryStore::default();
        let subscription = Subscription {
            id: "s1".into(),
            lane: lane(),
            client_state: "right".into(),
            expires: "2026-12-01T00:00:00Z".parse().unwrap(),
            notification_url: "https://hybridge.test/graph/notifications".into(),
        };
        store.put_subscription(&subscription).await.unwrap();
        store
    }

    #[tokio::test]
    async fn only_the_subscriptions_own_secret_wakes_its_lane() {
        let (store, woken) = (store().await, Woken::default());
        for (state, id) in [("wrong", "s1"), ("", "s1"), ("right", "s2"), ("rightt", "s1")] {
            let post = format!(r#"{{"value":[{{"subscriptionId":"{id}","clientState":"{state}"}}]}}"#);
            work_on(post.as_bytes(), &store, &woken).await;
        }
        assert!(woken.0.lock().unwrap().is_empty());
        let post = br#"{"value":[{"subscriptionId":"s1","clientState":"right"},
            {"subscriptionId":"s1","clientState":"right","lifecycleEvent":"subscriptionRemoved"}]}"#;
        work_on(post, &store, &woken).await;
        assert_eq!(
            *woken.0.lock().unwrap(),
            [(lane(), Signal::Changed), (lane(), Signal::SubscriptionRemoved)]
        );
    }

    #[tokio::test]
    async fn the_handshake_is_answered_with_the_decoded_token_as_plain_text() {
        let console = Console::new(
            Arc::new(store().await),
            Arc::new(Woken::default()),
            Arc::new(Liveness::starting()),
            Registry::default(),
        );
        let ask = |path: String, method: &str| {
            let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
            console.router().oneshot(request)
        };
        let answer = ask(format!("{NOTIFICATIONS_PATH}?validationToken=a%20%3Cb%3E"), "POST").await.unwrap();
        assert_eq!(answer.headers()["content-type"], "text/plain; charset=utf-8");
        let body = axum::body::to_bytes(answer.into_body(), 1000).await.unwrap();
        assert_eq!(body, "a <b>");
        assert_eq!(ask(NOTIFICATIONS_PATH.into(), "POST").await.unwrap().status(), StatusCode::ACCEPTED);
        assert_eq!(ask("/readyz".into(), "GET").await.unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(ask("/healthz".into(), "GET").await.unwrap().status(), StatusCode::OK);
    }
}
