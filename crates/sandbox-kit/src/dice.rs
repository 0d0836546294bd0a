use std::sync::{Arc, Mutex, PoisonError};

use rand::{Rng, RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use uuid::{Builder, Uuid};

/// The sandbox's only source of chance: seeded, so that a run can be repeated.
///
/// Cloning shares the source; [`Dice::fork`] makes an independent one, so that one more throw in
/// one part of the sandbox does not shift what another part gets.
#[derive(Debug, Clone)]
pub struct Dice(Arc<Mutex<ChaCha8Rng>>);

impl Dice {
    /// Dice that always fall the same way for the same seed.
    pub fn seeded(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(ChaCha8Rng::seed_from_u64(seed))))
    }

    /// An independent source that depends on this one's seed and on the label only.
    #[must_use]
    pub fn fork(&self, label: &str) -> Self {
        let mut seed = self.with(|rng| rng.get_seed());
        for (index, byte) in label.bytes().enumerate() {
            let slot = &mut seed[index % 32];
            *slot = slot.wrapping_mul(31).wrapping_add(byte).rotate_left(3);
        }
        Self(Arc::new(Mutex::new(ChaCha8Rng::from_seed(seed))))
    }

    /// True with the given probability (0 to 1).
    pub fn chance(&self, probability: f64) -> bool {
        probability > 0.0 && self.with(|rng| rng.random_bool(probability.clamp(0.0, 1.0)))
    }

    /// A number from `0` to `below - 1` (0 when `below` is 0).
    pub fn below(&self, below: usize) -> usize {
        if below == 0 { 0 } else { self.with(|rng| rng.random_range(0..below)) }
    }

    /// One of the choices, or `None` when there are none.
    pub fn pick<'a, T>(&self, choices: &'a [T]) -> Option<&'a T> {
        choices.get(self.below(choices.len()))
    }

    /// A random (version 4) UUID.
    pub fn uuid(&self) -> Uuid {
        let mut bytes = [0; 16];
        self.fill(&mut bytes);
        Builder::from_random_bytes(bytes).into_uuid()
    }

    /// Random bytes.
    pub fn fill(&self, bytes: &mut [u8]) {
        self.with(|rng| rng.fill_bytes(bytes));
    }

    fn with<T>(&self, body: impl FnOnce(&mut ChaCha8Rng) -> T) -> T {
        body(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
