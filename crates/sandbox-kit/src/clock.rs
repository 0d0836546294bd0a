use jiff::Timestamp;
use tokio::time::Instant;

/// The sandbox's time: it starts at a given instant and runs with Tokio's clock, so a simulation
/// that pauses and advances Tokio's clock moves every expiry in the sandbox with it.
#[derive(Debug, Clone)]
pub struct Clock {
    epoch: Timestamp,
    started: Instant,
}

impl Clock {
    /// A clock that shows `epoch` now. Must be called inside a Tokio runtime when its time is paused.
    pub fn starting_at(epoch: Timestamp) -> Self {
        Self { epoch, started: Instant::now() }
    }

    /// A clock that shows the machine's time.
    pub fn system() -> Self {
        Self::starting_at(Timestamp::now())
    }

    /// The current instant.
    pub fn now(&self) -> Timestamp {
        let elapsed =
            jiff::SignedDuration::try_from(self.started.elapsed()).unwrap_or(jiff::SignedDuration::ZERO);
        self.epoch.checked_add(elapsed).unwrap_or(self.epoch)
    }
}
