//! How many at once: requests in flight, connections, or anything else that begins and ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

pub use each::Each;

use super::keys::Key;

mod each;

/// A number that may be in use at once. One serves for requests as well as for connections.
#[derive(Debug)]
pub struct Concurrency {
    max: AtomicU32,
    used: AtomicU32,
    denied: AtomicU64,
}

/// One that is in use, until it is dropped.
#[derive(Debug)]
#[must_use = "what is dropped at once limits nothing"]
pub struct Permit(Of);

#[derive(Debug)]
enum Of {
    All(Arc<Concurrency>),
    Key(Arc<Each>, Key),
}

impl Concurrency {
    /// At most `max` at once; 0 admits none.
    #[must_use]
    pub fn new(max: u32) -> Arc<Self> {
        Arc::new(Self { max: AtomicU32::new(max), used: AtomicU32::new(0), denied: AtomicU64::new(0) })
    }

    /// Admits one more, or counts a denial.
    pub fn acquire(self: &Arc<Self>) -> Option<Permit> {
        let permit = self.enter(self.max.load(Ordering::Relaxed));
        if permit.is_none() {
            self.denied.fetch_add(1, Ordering::Relaxed);
        }
        permit
    }

    /// Admits one more if there are less than `max`, whatever the maximum is else; counts no denial.
    pub fn enter(self: &Arc<Self>, max: u32) -> Option<Permit> {
        more(&self.used, max).then(|| Permit(Of::All(Arc::clone(self))))
    }

    /// Changes the maximum. What is in use stays in use, even if that is more.
    pub fn set_max(&self, max: u32) {
        self.max.store(max, Ordering::Relaxed);
    }

    /// How many are in use.
    #[must_use]
    pub fn used(&self) -> u32 {
        self.used.load(Ordering::Relaxed)
    }

    /// How many were denied.
    #[must_use]
    pub fn denied(&self) -> u64 {
        self.denied.load(Ordering::Relaxed)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        match &self.0 {
            Of::All(limit) => _ = limit.used.fetch_sub(1, Ordering::Relaxed),
            Of::Key(each, key) => each.leave(*key),
        }
    }
}

/// Adds one to a number unless that makes it greater than `max`.
pub(super) fn more(number: &AtomicU32, max: u32) -> bool {
    one_more(number, max).is_ok()
}

/// The same; where it is not done, the number that forbade it.
pub(super) fn one_more(number: &AtomicU32, max: u32) -> Result<(), u32> {
    // an exchange and not an addition that is taken back: that would deny others for a moment
    number.try_update(Ordering::Relaxed, Ordering::Relaxed, |n| (n < max).then(|| n + 1)).map(|_| ())
}

#[cfg(test)]
mod tests {
    use std::thread;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_permit_lasts_until_it_is_dropped() {
        let limit = Concurrency::new(2);
        let (one, other) = (limit.acquire(), limit.acquire());
        assert!(one.is_some() && other.is_some() && limit.acquire().is_none());
        drop(one);
        assert!(limit.acquire().is_some(), "and is dropped at once");
        assert_eq!((limit.used(), limit.denied()), (1, 1));
        assert!(Concurrency::new(0).acquire().is_none());
    }

    #[test]
    fn a_permit_can_go_anywhere_and_is_not_lost_in_a_panic() {
        let limit = Concurrency::new(1);
        let permit = limit.acquire().unwrap();
        let thread = thread::spawn(move || {
            let _permit = permit;
            panic!("a request fails");
        });
        assert!(thread.join().is_err());
        assert_eq!(limit.used(), 0);
    }

    #[test]
    fn a_lower_maximum_waits_for_those_in_use() {
        let limit = Concurrency::new(3);
        let mut permits: Vec<_> = (0..3).map(|_| limit.acquire().unwrap()).collect();
        limit.set_max(2);
        permits.pop();
        assert!(limit.acquire().is_none());
        permits.pop();
        assert!(limit.acquire().is_some());
    }

    #[test]
    fn threads_together_are_never_more() {
        let limit = Concurrency::new(3);
        let seen = AtomicU32::new(0);
        thread::scope(|scope| {
            for _ in 0..5 {
                scope.spawn(|| {
                    for _ in 0..10_000 {
                        let permit = limit.acquire();
                        seen.fetch_max(limit.used(), Ordering::Relaxed);
                        drop(permit);
                    }
                });
            }
        });
        assert_eq!(limit.used(), 0);
        assert!((1..=3).contains(&seen.into_inner()));
    }

    proptest! {
        #[test]
        fn what_is_used_is_what_is_held(max in 0_u32..5, steps in prop::collection::vec(any::<bool>(), 0..50)) {
            let limit = Concurrency::new(max);
            let mut held = Vec::new();
            for acquire in steps {
                if acquire {
                    let free = held.len() < max as usize;
                    let permit = limit.acquire();
                    prop_assert_eq!(permit.is_some(), free);
                    held.extend(permit);
                } else {
                    held.pop();
                }
                prop_assert_eq!(limit.used() as usize, held.len());
            }
        }
    }
}
