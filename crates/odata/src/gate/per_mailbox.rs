use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use tokio::{sync::Semaphore, time::Instant};

use super::{Gate, Place, Went};

/// Graph's limits for one app on one mailbox.
const AT_ONCE: u32 = 4;
const WINDOW: Duration = Duration::from_mins(10);
/// A little under the published 10,000, as refused calls count too.
const IN_WINDOW: u32 = 9_500;

/// Keeps each mailbox within four calls at once and its share of calls in ten minutes, and all
/// mailboxes together within a number of calls that this machine can handle.
#[derive(Debug)]
pub struct PerMailbox {
    together: Arc<Semaphore>,
    mailboxes: Mutex<BTreeMap<String, Mailbox>>,
}

#[derive(Debug)]
struct Mailbox {
    places: Arc<Semaphore>,
    window_began: Instant,
    in_window: u32,
}

impl PerMailbox {
    /// A gate for up to `together` calls at once over all mailboxes.
    pub fn new(together: usize) -> Self {
        Self {
            together: Arc::new(Semaphore::new(together.max(AT_ONCE as usize))),
            mailboxes: Mutex::default(),
        }
    }

    /// Books `weight` calls; the places of the mailbox, and how long to wait until they may be made.
    fn book(&self, key: &str, weight: u32) -> (Arc<Semaphore>, Duration) {
        let now = Instant::now();
        let mut mailboxes = self.mailboxes.lock().unwrap_or_else(PoisonError::into_inner);
        // An idle mailbox must cost nothing: entries nobody uses and whose window has passed go.
        if mailboxes.len() > 1024 && !mailboxes.contains_key(key) {
            mailboxes.retain(|_, mailbox| {
                Arc::strong_count(&mailbox.places) > 1 || now.duration_since(mailbox.window_began) < WINDOW
            });
        }
        let mailbox = mailboxes.entry(key.to_owned()).or_insert_with(|| Mailbox {
            places: Arc::new(Semaphore::new(AT_ONCE as usize)),
            window_began: now,
            in_window: 0,
        });
        if now.saturating_duration_since(mailbox.window_began) >= WINDOW {
            mailbox.window_began = now;
            mailbox.in_window = 0;
        }
        let mut wait = mailbox.window_began.saturating_duration_since(now);
        if mailbox.in_window + weight > IN_WINDOW {
            wait = (mailbox.window_began + WINDOW).duration_since(now);
            mailbox.window_began += WINDOW;
            mailbox.in_window = 0;
        }
        mailbox.in_window += weight;
        (mailbox.places.clone(), wait)
    }
}

#[async_trait]
impl Gate for PerMailbox {
    async fn enter(&self, key: &str, weight: u32) -> Place {
        let mut places = Vec::with_capacity(2);
        if !key.is_empty() {
            let (mailbox, wait) = self.book(key, weight);
            if !wait.is_zero() {
                tokio::time::sleep(wait).await;
            }
            places.extend(mailbox.acquire_many_owned(weight.clamp(1, AT_ONCE)).await);
        }
        places.extend(self.together.clone().acquire_owned().await);
        Place(places)
    }

    fn learn(&self, _: Went) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_mailbox_never_has_more_than_four_calls_under_way() {
        let gate = PerMailbox::new(100);
        let mut held = Vec::new();
        for _ in 0..4 {
            held.push(gate.enter("anna", 1).await);
        }
        let fifth = tokio::time::timeout(Duration::from_secs(1), gate.enter("anna", 1)).await;
        assert!(fifth.is_err(), "a fifth call got through");
        let other = tokio::time::timeout(Duration::from_secs(1), gate.enter("bert", 4)).await;
        assert!(other.is_ok(), "another mailbox had to wait");
        held.pop();
        assert!(tokio::time::timeout(Duration::from_secs(1), gate.enter("anna", 1)).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn the_ten_minute_quota_is_kept_by_waiting() {
        let gate = PerMailbox::new(100);
        let began = Instant::now();
        for _ in 0..IN_WINDOW {
            drop(gate.enter("anna", 1).await);
        }
        assert_eq!(began.elapsed(), Duration::ZERO);
        drop(gate.enter("anna", 1).await);
        assert_eq!(began.elapsed(), WINDOW);
    }
}
