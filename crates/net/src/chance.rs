use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rand::{Rng, RngCore, SeedableRng};
use rand_chacha::ChaCha12Rng;
use uuid::{Builder, Uuid};

/// The only source of random values: seeded from the system in the program, from a number in the
/// simulation. Clones share the source.
#[derive(Clone)]
pub struct Chance(Arc<Mutex<ChaCha12Rng>>);

impl Chance {
    /// Seeded by the operating system.
    pub fn from_system() -> Self {
        Self(Arc::new(Mutex::new(ChaCha12Rng::from_os_rng())))
    }

    /// The same values again for the same seed.
    pub fn seeded(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(ChaCha12Rng::seed_from_u64(seed))))
    }

    /// A random (version 4) UUID.
    pub fn uuid(&self) -> Uuid {
        let mut bytes = [0; 16];
        self.with(|rng| rng.fill_bytes(&mut bytes));
        Builder::from_random_bytes(bytes).into_uuid()
    }

    /// A duration between half and the whole of the one given ("equal jitter").
    pub fn jitter(&self, whole: Duration) -> Duration {
        whole.mul_f64(self.with(|rng| rng.random_range(0.5..=1.0)))
    }

    fn with<T>(&self, body: impl FnOnce(&mut ChaCha12Rng) -> T) -> T {
        body(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for Chance {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Chance")
    }
}
