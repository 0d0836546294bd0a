//! Keeps a change-notification subscription on each mailbox, where Graph can reach this machine. It only
//! shortens the wait: without it, or while it fails, the timer goes on (graph.md section 6).

use std::{sync::PoisonError, time::Duration};

use hybridge_core::lane::LaneId;
use hybridge_graph::{NewSubscription, UserRef};
use hybridge_store::Subscription;

use crate::{engine::Engine, error::LaneError};

/// Graph keeps an Outlook subscription for 10,080 minutes at the most; a little less is asked for.
const LIFETIME: Duration = Duration::from_mins(10_000);
/// A subscription that ends sooner than this is renewed.
const RENEW_BEFORE: Duration = Duration::from_hours(48);

impl Engine {
    /// Loads the subscriptions that earlier runs made.
    pub(crate) async fn load_subscriptions(&self) -> Result<(), hybridge_store::Error> {
        let stored = self.store.subscriptions().await?;
        let mut kept = self.subscriptions.lock().unwrap_or_else(PoisonError::into_inner);
        *kept = stored.into_iter().map(|subscription| (subscription.lane, subscription)).collect();
        Ok(())
    }

    /// Makes or renews the lane's subscription where that is due; whether a new one was made. A failure is
    /// no trouble of the lane.
    pub(crate) async fn keep_subscribed(&self, lane: LaneId, user: &UserRef) -> Result<bool, LaneError> {
        let Some(url) = self.options.notification_url.as_deref() else { return Ok(false) };
        let now = self.clock.now();
        let present = self.subscriptions.lock().unwrap_or_else(PoisonError::into_inner).get(&lane).cloned();
        let renew_from = now.checked_add(RENEW_BEFORE).unwrap_or(now);
        let expires = now.checked_add(LIFETIME).unwrap_or(now);
        if let Some(subscription) = present
            && subscription.notification_url == url
            && subscription.expires > now
        {
            if subscription.expires > renew_from {
                return Ok(false);
            }
            if let Ok(renewed) = self.graph.renew(&subscription.id, expires).await {
                self.keep(Subscription { expires: renewed.expiration_date_time, ..subscription }).await?;
                return Ok(false);
            }
        }
        let client_state = self.chance.uuid().simple().to_string();
        let wanted = NewSubscription {
            user,
            notification_url: url,
            lifecycle_url: url,
            client_state: &client_state,
            expires,
        };
        match self.graph.subscribe(&wanted).await {
            Ok(made) => {
                self.keep(Subscription {
                    id: made.id,
                    lane,
                    client_state,
                    expires: made.expiration_date_time,
                    notification_url: url.to_owned(),
                })
                .await?;
                Ok(true)
            }
            Err(error) if error.failure().is_some_and(|failure| failure.status.as_u16() == 409) => {
                // A run that was killed between subscribing and storing left one whose secret nobody knows.
                match self.graph.unsubscribe_all(user, url).await {
                    Ok(()) => {
                        tracing::info!(%lane, "a forgotten subscription was ended; the next run makes another");
                    }
                    Err(error) => tracing::info!(%lane, %error, "a forgotten subscription can't be ended"),
                }
                Ok(false)
            }
            Err(error) => {
                tracing::info!(%lane, %error, "no change notifications for this mailbox; it is read by the timer");
                Ok(false)
            }
        }
    }

    async fn keep(&self, subscription: Subscription) -> Result<(), LaneError> {
        self.store.put_subscription(&subscription).await?;
        self.subscriptions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(subscription.lane, subscription);
        Ok(())
    }

    /// Forgets a subscription that Graph has removed; the lane's next run makes another.
    pub(crate) async fn forget_subscription(&self, lane: LaneId) -> Result<(), hybridge_store::Error> {
        let removed = self.subscriptions.lock().unwrap_or_else(PoisonError::into_inner).remove(&lane);
        match removed {
            Some(subscription) => self.store.remove_subscription(&subscription.id).await,
            None => Ok(()),
        }
    }

    /// Makes the lane's next run renew its subscription.
    pub(crate) fn expire_subscription(&self, lane: LaneId) {
        let mut kept = self.subscriptions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(subscription) = kept.get_mut(&lane) {
            let now = self.clock.now();
            subscription.expires =
                now.checked_add(Duration::from_mins(1)).unwrap_or(now).min(subscription.expires);
        }
    }
}
