//! What a rate means where several replicas count for themselves.
//!
//! [`Counting::Divide`] makes the interval of each of `n` replicas `n` times as long, and leaves the depth,
//! which is a time, as it is. So the rates of all replicas add up to the whole one exactly, for
//! every `n`, and none is ever 0; the bursts add up to the whole one, too, but each replica admits whole
//! requests only: of 15 over ten replicas, ten at once and the others half an interval later. Where there are
//! more replicas than a burst has requests, each still admits one at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::clock::nanos;
use super::gcra::Params;

/// So many requests per period, and so many at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Requests per period; 0 counts as 1.
    pub requests: u32,
    /// The period; at least 1 ns for each request, and at most some years.
    pub period: Duration,
    /// Requests at once; 0 counts as 1.
    pub burst: u32,
}

/// Who counts.
#[derive(Debug, Clone, Default)]
pub enum Counting {
    /// Each replica for itself: together they admit the quota times their number.
    #[default]
    PerReplica,
    /// Each replica its part: the quota is divided by this number of live replicas, which may change at
    /// any time; 0 counts as 1. Debts stay when it does.
    Divide(Arc<AtomicU32>),
}

impl Quota {
    /// What a cell that counts all requests is checked with.
    #[must_use]
    pub fn params(&self) -> Params {
        self.divided(1)
    }

    fn divided(&self, replicas: u32) -> Params {
        let interval = nanos(self.period).div_ceil(u64::from(self.requests.max(1))).max(1);
        let depth = interval.saturating_mul(u64::from(self.burst.max(1)));
        let interval = interval.saturating_mul(u64::from(replicas.max(1)));
        Params::new(Duration::from_nanos(interval), Duration::from_nanos(depth))
    }
}

impl Counting {
    /// What this replica's cells are checked with now.
    #[must_use]
    pub fn params(&self, quota: &Quota) -> Params {
        match self {
            Self::PerReplica => quota.params(),
            Self::Divide(replicas) => quota.divided(replicas.load(Ordering::Relaxed)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::limit::clock::Moment;
    use crate::limit::gcra::Cell;

    fn quota(requests: u32, burst: u32) -> Quota {
        Quota { requests, period: Duration::from_secs(1), burst }
    }

    #[test]
    fn nothing_is_ever_divided_down_to_nothing() {
        let replicas = Arc::new(AtomicU32::new(0));
        let counting = Counting::Divide(Arc::clone(&replicas));
        let burst = |quota| counting.params(&quota).burst();
        assert_eq!((burst(quota(10, 20)), burst(quota(0, 0))), (20, 1));
        replicas.store(4, Ordering::Relaxed);
        assert_eq!((burst(quota(10, 20)), burst(quota(10, 3)), burst(quota(1, 1))), (5, 1, 1));
        assert_eq!(counting.params(&quota(10, 20)).interval(), Duration::from_millis(400));
        replicas.store(u32::MAX, Ordering::Relaxed);
        assert_eq!(burst(quota(u32::MAX, u32::MAX)), 1);
        assert_eq!(Counting::PerReplica.params(&quota(10, 20)).burst(), 20);
    }

    proptest! {
        #[test]
        fn replicas_together_admit_what_one_would(
            replicas in 1_u32..=10,
            requests in 10_u32..5_000,
            burst in 10_u32..5_000,
        ) {
            let quota = quota(requests, burst);
            let counting = Counting::Divide(Arc::new(AtomicU32::new(replicas)));
            let params = counting.params(&quota);
            let rate = f64::from(replicas) / params.interval().as_secs_f64();
            prop_assert!((rate / f64::from(requests) - 1.0).abs() < 0.001, "{rate} for {requests}");
            // by clients that always ask, from a full burst on, in the time of ten more intervals
            let (mut sum, window) = (0, params.interval() * 10);
            for _ in 0..replicas {
                let (cell, mut now) = (Cell::default(), Moment::new(Duration::from_secs(1)));
                let end = now + window;
                while now <= end {
                    match cell.check(params, now, 1) {
                        Ok(_) => sum += 1,
                        Err(denied) => now = now + denied.retry_after,
                    }
                }
            }
            let whole = f64::from(burst) + f64::from(requests) * window.as_secs_f64();
            prop_assert!(f64::from(sum) <= whole * 1.001 && f64::from(sum) >= whole * 0.9, "{sum} of {whole}");
        }
    }
}
