//! The time as limits see it.

use std::time::{Duration, Instant};

/// Nanoseconds since some moment in the past, the same for all that shares a state. Lasts 584 years.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Moment(pub(super) u64);

impl Moment {
    /// The moment that is `since` after the origin.
    #[must_use]
    pub fn new(since: Duration) -> Self {
        Self(nanos(since))
    }
}

impl std::ops::Add<Duration> for Moment {
    type Output = Self;

    fn add(self, wait: Duration) -> Self {
        Self(self.0.saturating_add(nanos(wait)))
    }
}

/// The process's monotonic clock. Its copies agree; each `now` costs one reading of the system's.
#[derive(Debug, Clone, Copy)]
pub struct Clock(Instant);

impl Clock {
    /// A clock that starts now.
    #[must_use]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// The time since the start.
    #[must_use]
    pub fn now(&self) -> Moment {
        self.at(Instant::now())
    }

    /// The time from the start to an instant that was read already.
    #[must_use]
    pub fn at(&self, instant: Instant) -> Moment {
        Moment::new(instant.saturating_duration_since(self.0))
    }
}

/// Whole nanoseconds, at most [`u64::MAX`].
pub(super) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
