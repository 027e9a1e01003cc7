//! How often a limit denied, and how often it would have.

use std::sync::atomic::{AtomicU64, Ordering};

use super::rate::Mode;

/// Counters of whoever shares them.
#[derive(Debug, Default)]
pub struct Denials {
    denied: AtomicU64,
    shadowed: AtomicU64,
}

impl Denials {
    /// Counts one of a limit in this mode.
    pub fn count(&self, mode: Mode) {
        self.counter(mode).fetch_add(1, Ordering::Relaxed);
    }

    /// How many there were in this mode.
    #[must_use]
    pub fn of(&self, mode: Mode) -> u64 {
        self.counter(mode).load(Ordering::Relaxed)
    }

    const fn counter(&self, mode: Mode) -> &AtomicU64 {
        match mode {
            Mode::Enforce => &self.denied,
            Mode::Shadow => &self.shadowed,
        }
    }
}
