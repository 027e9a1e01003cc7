//! Pauses between tries: longer each time, never the same for two replicas.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// A number from 0 to 1.
pub(super) type Random = fn() -> f64;

/// Pauses that double.
#[derive(Debug)]
pub(super) struct Backoff {
    first: Duration,
    most: Duration,
    next: Duration,
    random: Random,
}

impl Backoff {
    /// Pauses from the first to the longest.
    pub(super) const fn new(first: Duration, most: Duration, random: Random) -> Self {
        Self { first, most, next: first, random }
    }

    /// The next pause: between half and all of what is due.
    pub(super) fn pause(&mut self) -> Duration {
        let due = self.next;
        self.next = due.saturating_mul(2).min(self.most);
        due.mul_f64(0.5 + 0.5 * (self.random)().clamp(0.0, 1.0))
    }

    /// Begins again with the first.
    pub(super) const fn reset(&mut self) {
        self.next = self.first;
    }
}

/// A number that the process cannot foresee.
pub(super) fn random() -> f64 {
    let bits = u32::try_from(RandomState::new().hash_one(()) >> 32).unwrap_or_default();
    f64::from(bits) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_begin_anew() {
        let millis = |n| Duration::from_millis(n);
        let mut backoff = Backoff::new(millis(200), millis(700), || 1.0);
        assert_eq!(
            [backoff.pause(), backoff.pause(), backoff.pause(), backoff.pause()],
            [200, 400, 700, 700].map(millis)
        );
        backoff.reset();
        assert_eq!(backoff.pause(), millis(200));
        assert_eq!(Backoff::new(millis(200), millis(700), || 0.0).pause(), millis(100));
    }

    #[test]
    fn randomness_stays_within_its_bounds() {
        for _ in 0..100 {
            assert!((0.0..=1.0).contains(&random()));
        }
    }
}
