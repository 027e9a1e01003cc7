//! How a tenant's TLS handshakes fare in the line for their turns.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Counters; those of all threads together.
#[derive(Debug, Default)]
pub struct Line {
    waiting: AtomicU64,
    nanoseconds: AtomicU64,
    turns: AtomicU64,
    crowded: AtomicU64,
    given_up: AtomicU64,
}

impl Line {
    /// One begins to wait.
    pub fn enter(&self) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
    }

    /// One that waited for so long does so no longer.
    pub fn leave(&self, waited: Duration) {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        // the sum is good for five hundred years
        self.nanoseconds.fetch_add(u64::try_from(waited.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// One has its turn.
    pub fn turn(&self) {
        self.turns.fetch_add(1, Ordering::Relaxed);
    }

    /// One was turned away: too many were waiting.
    pub fn crowd(&self) {
        self.crowded.fetch_add(1, Ordering::Relaxed);
    }

    /// One waited in vain: its time was up, or its listener went.
    pub fn give_up(&self) {
        self.given_up.fetch_add(1, Ordering::Relaxed);
    }

    /// How many wait.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// How long those that waited did so, all together.
    #[must_use]
    pub fn waited(&self) -> Duration {
        Duration::from_nanos(self.nanoseconds.load(Ordering::Relaxed))
    }

    /// How many had their turn.
    #[must_use]
    pub fn turns(&self) -> u64 {
        self.turns.load(Ordering::Relaxed)
    }

    /// How many were turned away.
    #[must_use]
    pub fn crowded(&self) -> u64 {
        self.crowded.load(Ordering::Relaxed)
    }

    /// How many waited in vain.
    #[must_use]
    pub fn given_up(&self) -> u64 {
        self.given_up.load(Ordering::Relaxed)
    }
}
