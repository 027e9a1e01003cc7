//! How fast bytes may go: a token bucket that goes into debt.
//!
//! Bytes are never refused. Each chunk is told how long to wait, and is sent in one piece even if it is
//! larger than the bucket; those after it wait for it. If chunks are sent when they were told, then in any
//! window of length `t` no more than `burst + rate × t` bytes and one chunk go. Chunks wait in the order they
//! were reserved, so that all writers of one bucket get a part. What is reserved and not sent, because
//! the client went away, is paid for by the others: a chunk, once.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::clock::Moment;
pub use each::Each;

mod each;

const SECOND: u64 = 1_000_000_000;

/// A rate that some writers share.
#[derive(Debug)]
pub struct Bandwidth {
    rate: AtomicU64,
    burst: AtomicU64,
    /// When all that was reserved is paid, in nanoseconds.
    paid: AtomicU64,
}

impl Bandwidth {
    /// So many bytes per second, at least 1, and so many at once.
    #[must_use]
    pub fn new(rate: u64, burst: u64) -> Self {
        Self { rate: AtomicU64::new(rate.max(1)), burst: AtomicU64::new(burst), paid: AtomicU64::new(0) }
    }

    /// Takes bytes, and says how long to wait before they are sent.
    #[must_use = "who doesn't wait takes from the others"]
    pub fn reserve(&self, bytes: usize, now: Moment) -> Duration {
        let rate = self.rate.load(Ordering::Relaxed);
        let time = time(bytes as u64, rate);
        let begin = |paid: u64| paid.max(now.0);
        // never fails
        let paid = self.paid.update(Ordering::Relaxed, Ordering::Relaxed, |paid| begin(paid).saturating_add(time));
        let depth = self::time(self.burst.load(Ordering::Relaxed), rate);
        Duration::from_nanos((begin(paid) - now.0).saturating_sub(depth))
    }

    /// Whether nothing is owed.
    #[must_use]
    pub fn is_paid(&self, now: Moment) -> bool {
        self.paid.load(Ordering::Relaxed) <= now.0
    }

    /// Changes both. What is reserved is paid for at the rate at which it was.
    pub fn set(&self, rate: u64, burst: u64) {
        self.rate.store(rate.max(1), Ordering::Relaxed);
        self.burst.store(burst, Ordering::Relaxed);
    }
}

/// The time that bytes take at a rate, rounded up.
fn time(bytes: u64, rate: u64) -> u64 {
    let time = (u128::from(bytes) * u128::from(SECOND)).div_ceil(u128::from(rate));
    u64::try_from(time).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::thread;

    use proptest::prelude::*;

    use super::*;

    fn at(millis: u64) -> Moment {
        Moment::new(Duration::from_millis(millis))
    }

    fn wait(bandwidth: &Bandwidth, bytes: usize, millis: u64) -> u128 {
        bandwidth.reserve(bytes, at(millis)).as_millis()
    }

    #[test]
    fn a_burst_goes_at_once_and_what_follows_waits() {
        let bandwidth = Bandwidth::new(1_000, 500);
        assert_eq!(wait(&bandwidth, 400, 10), 0);
        assert_eq!(wait(&bandwidth, 400, 10), 0, "a chunk that begins within the burst");
        assert_eq!(wait(&bandwidth, 400, 10), 300);
        assert_eq!(wait(&bandwidth, 0, 10), 700, "in order");
        assert_eq!(wait(&bandwidth, 100, 2_000), 0, "rest fills the bucket");
        assert_eq!(wait(&bandwidth, 1_000, 2_000), 0, "a chunk larger than the bucket");
        assert_eq!(wait(&bandwidth, 1, 2_000), 600);
    }

    #[test]
    fn the_rate_can_be_changed() {
        let bandwidth = Bandwidth::new(1_000, 0);
        assert_eq!((wait(&bandwidth, 1_000, 5), wait(&bandwidth, 1_000, 5)), (0, 1_000));
        bandwidth.set(1_000_000, 0);
        assert_eq!((wait(&bandwidth, 1_000, 5), wait(&bandwidth, 1_000, 5)), (2_000, 2_001));
    }

    #[test]
    fn no_number_is_too_large_or_too_small() {
        let bandwidth = Bandwidth::new(0, u64::MAX);
        assert_eq!(wait(&bandwidth, usize::MAX, 5), 0);
        let bandwidth = Bandwidth::new(0, 0);
        assert_eq!(wait(&bandwidth, usize::MAX, 5), 0);
        assert!(wait(&bandwidth, usize::MAX, 5) > 1 << 40);
    }

    #[test]
    fn threads_together_wait_as_long_as_one_would() {
        let bandwidth = Bandwidth::new(1_000_000, 0);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..1_000).for_each(|_| _ = bandwidth.reserve(100, at(1))));
            }
        });
        assert_eq!(bandwidth.reserve(1, at(1)), Duration::from_millis(400));
    }

    proptest! {
        #[test]
        fn no_window_has_more_than_the_law(
            rate in 1_u64..10_000,
            burst in 0_u64..5_000,
            chunks in prop::collection::vec((0_u64..300, 1_usize..2_000), 1..60),
        ) {
            let bandwidth = Bandwidth::new(rate, burst);
            let (mut now, mut sent) = (at(1), Vec::new());
            for (gap, bytes) in chunks {
                now = now + Duration::from_millis(gap);
                sent.push((now + bandwidth.reserve(bytes, now), bytes));
            }
            for (from, (begin, _)) in sent.iter().enumerate() {
                let (mut sum, mut largest) = (0, 0);
                for (end, bytes) in sent.iter().skip(from) {
                    (sum, largest) = (sum + *bytes, largest.max(*bytes));
                    let time = Duration::from_nanos(end.0 - begin.0).as_secs_f64();
                    let law = burst as f64 + rate as f64 * time + largest as f64;
                    prop_assert!(sum as f64 <= law + 0.01, "{sum} bytes in {time} s");
                }
            }
        }

        #[test]
        fn who_stays_below_the_rate_never_waits(
            rate in 1_u64..10_000,
            chunks in prop::collection::vec(1_usize..2_000, 1..60),
        ) {
            let (bandwidth, mut now) = (Bandwidth::new(rate, 0), at(1));
            for bytes in chunks {
                prop_assert_eq!(bandwidth.reserve(bytes, now), Duration::ZERO);
                now = now + Duration::from_nanos(time(bytes as u64, rate));
            }
        }
    }
}
