//! How many calls may be under way at once.
//!
//! Graph allows an app four at a time on one mailbox and 10,000 in ten minutes (graph.md 7.2):
//! [`PerMailbox`] stays under both. A CRM server publishes no limit and is easily overrun: [`Adaptive`]
//! finds it by measuring, as its concurrency grows while latency stays flat (design.md, "Sizes").

mod adaptive;
mod per_mailbox;

use std::{fmt, time::Duration};

use async_trait::async_trait;
use tokio::sync::OwnedSemaphorePermit;

pub use adaptive::{Adaptive, Algorithm};
pub use per_mailbox::PerMailbox;

/// A place to make a call; the place is free again when this is dropped.
#[derive(Debug)]
pub struct Place(#[expect(dead_code, reason = "held for its Drop")] Vec<OwnedSemaphorePermit>);

/// How a call went, for a gate that learns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Went {
    /// Answered, after this time.
    Answered(Duration),
    /// The service was overrun: 429, 503, or no answer in time.
    Overrun,
}

/// Lets calls through.
#[async_trait]
pub trait Gate: Send + Sync + fmt::Debug {
    /// Waits for a place for a call that counts against `key` and weighs `weight`.
    async fn enter(&self, key: &str, weight: u32) -> Place;

    /// Tells how a call went.
    fn learn(&self, went: Went);
}
