use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use tokio::sync::Semaphore;

use super::{Gate, Place, Went};

/// Finds out how many calls at once a server stands: one more after each round of answers as quick as
/// its best, half as many when it is overrun or its answers take half as long again.
#[derive(Debug, Clone)]
pub struct Algorithm {
    limit: u32,
    most: u32,
    /// The typical time of a quick answer, in seconds; follows slowly.
    baseline: Option<f64>,
    /// The mean time of the present round's answers, in seconds.
    sum: f64,
    seen: u32,
}

impl Algorithm {
    /// Starts at `start` calls at once and goes up to `most`.
    pub fn new(start: u32, most: u32) -> Self {
        Self { limit: start.clamp(1, most.max(1)), most: most.max(1), baseline: None, sum: 0.0, seen: 0 }
    }

    /// How many calls may be under way now.
    pub fn limit(&self) -> u32 {
        self.limit
    }

    /// Learns how a call went.
    pub fn learn(&mut self, went: Went) {
        let Went::Answered(took) = went else {
            self.shrink();
            return;
        };
        self.sum += took.as_secs_f64();
        self.seen += 1;
        if self.seen < self.limit.max(4) {
            return;
        }
        let mean = self.sum / f64::from(self.seen);
        let baseline = *self.baseline.get_or_insert(mean);
        if mean > baseline * 1.5 + 0.005 {
            self.shrink();
            // If the work itself became heavier, the baseline must follow, or the limit stays at one.
            self.baseline = Some(baseline.mul_add(0.9, mean * 0.1));
        } else {
            self.limit = (self.limit + 1).min(self.most);
            let weight = if mean < baseline { 0.5 } else { 0.005 };
            self.baseline = Some(baseline.mul_add(1.0 - weight, mean * weight));
        }
        self.sum = 0.0;
        self.seen = 0;
    }

    fn shrink(&mut self) {
        self.limit = (self.limit / 2).max(1);
        self.sum = 0.0;
        self.seen = 0;
    }
}

/// A gate whose width is found by measuring.
#[derive(Debug)]
pub struct Adaptive {
    places: Arc<Semaphore>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    algorithm: Algorithm,
    /// Places that exist; the semaphore's width follows the algorithm's limit.
    width: u32,
}

impl Adaptive {
    /// A gate that starts at `start` calls at once and grows to `most` at the most.
    pub fn new(start: u32, most: u32) -> Self {
        let algorithm = Algorithm::new(start, most);
        let width = algorithm.limit();
        Self {
            places: Arc::new(Semaphore::new(width as usize)),
            state: Mutex::new(State { algorithm, width }),
        }
    }

    /// How many calls may be under way now.
    pub fn limit(&self) -> u32 {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).algorithm.limit()
    }

    fn adjust(&self, state: &mut State) {
        let wanted = state.algorithm.limit();
        if wanted > state.width {
            self.places.add_permits((wanted - state.width) as usize);
            state.width = wanted;
        } else if wanted < state.width {
            // Only idle places can go now; the rest goes when calls end and this is called again.
            let gone = self.places.forget_permits((state.width - wanted) as usize);
            state.width -= u32::try_from(gone).unwrap_or(0);
        }
    }
}

#[async_trait]
impl Gate for Adaptive {
    async fn enter(&self, _: &str, _: u32) -> Place {
        Place(self.places.clone().acquire_owned().await.into_iter().collect())
    }

    fn learn(&self, went: Went) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.algorithm.learn(went);
        self.adjust(&mut state);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Against a server that is flat up to its capacity and slower in proportion beyond it.
    fn settle(capacity: u32, rounds: u32) -> u32 {
        let mut algorithm = Algorithm::new(4, 64);
        for _ in 0..rounds {
            let load = f64::from(algorithm.limit()) / f64::from(capacity);
            algorithm.learn(Went::Answered(Duration::from_millis(50).mul_f64(load.max(1.0))));
        }
        algorithm.limit()
    }

    #[test]
    fn it_grows_to_what_the_server_stands_and_not_far_beyond() {
        assert_eq!(settle(1000, 5_000), 64, "a strong server is used to the full");
        let found = settle(8, 5_000);
        assert!((4..=20).contains(&found), "found {found} for a capacity of 8");
    }

    #[test]
    fn an_overrun_halves_it_and_it_recovers() {
        let mut algorithm = Algorithm::new(32, 64);
        algorithm.learn(Went::Overrun);
        assert_eq!(algorithm.limit(), 16);
        for _ in 0..10 {
            algorithm.learn(Went::Overrun);
        }
        assert_eq!(algorithm.limit(), 1, "never below one");
        for _ in 0..100 {
            algorithm.learn(Went::Answered(Duration::from_millis(50)));
        }
        assert!(algorithm.limit() > 4);
    }

    #[tokio::test(start_paused = true)]
    async fn the_gate_follows_the_algorithm() {
        let gate = Adaptive::new(4, 8);
        let held = [gate.enter("", 1).await, gate.enter("", 1).await, gate.enter("", 1).await];
        gate.learn(Went::Overrun);
        assert_eq!(gate.limit(), 2);
        let another = tokio::time::timeout(Duration::from_secs(1), gate.enter("", 1)).await;
        assert!(another.is_err(), "three calls are under way and two are allowed");
        drop(held);
        gate.learn(Went::Answered(Duration::from_millis(1)));
        assert!(tokio::time::timeout(Duration::from_secs(1), gate.enter("", 1)).await.is_ok());
    }
}
