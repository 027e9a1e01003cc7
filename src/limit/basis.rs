//! What all limits of a process share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::clock::Clock;
use super::keys::KeyHasher;

/// Keys of one counter that may be in debt at the same time, unless the settings say otherwise.
pub const USUAL_KEYS: usize = 100_000;

/// The time, the number of those who count, and what keys are made and bounded with. Copies share it.
#[derive(Debug, Clone)]
pub struct Basis {
    /// The time.
    pub clock: Clock,
    /// How many replicas take requests: what limits are divided by. 0 counts as 1.
    pub replicas: Arc<AtomicU32>,
    /// Makes keys.
    pub hasher: KeyHasher,
    /// Keys of one counter that may be in debt at the same time.
    pub max_keys: usize,
}

impl Basis {
    /// The part of each replica of a number that all may have together; at least one, of none nothing.
    #[must_use]
    pub fn part(&self, whole: u32) -> u32 {
        whole.div_ceil(self.replicas.load(Ordering::Relaxed).max(1))
    }

    /// The same of bytes.
    #[must_use]
    pub fn part_of_bytes(&self, whole: u64) -> u64 {
        whole.div_ceil(self.replicas.load(Ordering::Relaxed).max(1).into())
    }
}

impl Default for Basis {
    fn default() -> Self {
        let replicas = Arc::new(AtomicU32::new(1));
        Self { clock: Clock::start(), replicas, hasher: KeyHasher::default(), max_keys: USUAL_KEYS }
    }
}
