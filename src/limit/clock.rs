//! The time as limits see it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

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

/// What limits take for the time. Its copies agree; each `now` costs one reading of the system's clock.
#[derive(Debug, Clone)]
pub struct Clock(Source);

#[derive(Debug, Clone)]
enum Source {
    System(Instant),
    Hand(Arc<AtomicU64>),
}

/// Moves a clock that does not move by itself.
#[derive(Debug, Clone)]
pub struct Hand(Arc<AtomicU64>);

/// When a clock starts that does not move by itself: 2033-05-18T03:33:20Z.
pub const BY_HAND: u64 = 2_000_000_000;

impl Clock {
    /// The system's monotonic clock, from now on.
    #[must_use]
    pub fn start() -> Self {
        Self(Source::System(Instant::now()))
    }

    /// A clock that stands still until it is moved.
    #[must_use]
    pub fn by_hand() -> (Self, Hand) {
        let time = Arc::new(AtomicU64::new(0));
        (Self(Source::Hand(Arc::clone(&time))), Hand(time))
    }

    /// The time since the start.
    #[must_use]
    pub fn now(&self) -> Moment {
        match &self.0 {
            Source::System(_) => self.at(Instant::now()),
            Source::Hand(time) => Moment(time.load(Ordering::Acquire)),
        }
    }

    /// Seconds since 1970, as calendars count them; a clock that is moved by hand starts at [`BY_HAND`].
    #[must_use]
    pub fn unix(&self) -> u64 {
        match &self.0 {
            Source::System(_) => SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs()),
            Source::Hand(time) => BY_HAND + time.load(Ordering::Acquire) / 1_000_000_000,
        }
    }

    /// The time from the start to an instant that was read already; a clock that stands still has its own.
    #[must_use]
    pub fn at(&self, instant: Instant) -> Moment {
        match &self.0 {
            Source::System(start) => Moment::new(instant.saturating_duration_since(*start)),
            Source::Hand(_) => self.now(),
        }
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::start()
    }
}

impl Hand {
    /// Lets time pass.
    pub fn advance(&self, time: Duration) {
        self.0.fetch_add(nanos(time), Ordering::AcqRel);
    }
}

/// Whole nanoseconds, at most [`u64::MAX`].
pub(super) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
