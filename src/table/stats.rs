//! Counters of one rule: plain atomics that hang on the rule itself.
//!
//! The request path adds to them directly; no label is looked up. They are allocated on a rule's
//! first request, carried from table to table, and gone with the rule, so that ten thousand idle
//! routes cost nothing and deleted ones leave no series behind.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds of the latency buckets, in microseconds; the last bucket is +Inf.
pub const BUCKETS_US: [u64; 14] = [
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000,
    10_000_000,
];

/// How many (code, reason) pairs one rule may count; further ones count as code 0.
pub(crate) const PAIRS: usize = 48;

/// Counters of one rule.
#[derive(Debug, Default)]
pub struct RuleStats(OnceLock<Box<Counters>>);

/// What is counted.
#[derive(Debug, Default)]
pub struct Counters {
    outcomes: OnceLock<Box<Outcome>>,
    buckets: [AtomicU64; BUCKETS_US.len() + 1],
    duration_us: AtomicU64,
    /// Bytes of request bodies read.
    pub request_bytes: AtomicU64,
    /// Bytes of response bodies sent.
    pub response_bytes: AtomicU64,
    /// Tries after the first.
    pub retries: AtomicU64,
    /// Requests that the rule would have won, had their host and path not been somebody else's.
    pub not_permitted: AtomicU64,
    /// Requests it served, and would not have if every claim was enforced.
    pub shadowed: AtomicU64,
}

/// One (code, reason) pair: a link of a list that only grows.
#[derive(Debug)]
struct Outcome {
    code: u16,
    reason: &'static str,
    count: AtomicU64,
    next: OnceLock<Box<Self>>,
}

impl RuleStats {
    /// The counters, made on first use.
    pub fn counters(&self) -> &Counters {
        self.0.get_or_init(Box::default)
    }

    /// The counters, if there was ever a request.
    #[must_use]
    pub fn used(&self) -> Option<&Counters> {
        self.0.get().map(|counters| &**counters)
    }
}

impl Counters {
    /// Counts one finished request. `reason` comes from a closed set and is empty when all went well.
    pub fn finish(&self, code: u16, reason: &'static str, took: Duration) {
        self.count(code, reason);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = BUCKETS_US.partition_point(|bound| *bound < micros);
        if let Some(bucket) = self.buckets.get(bucket) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        self.duration_us.fetch_add(micros, Ordering::Relaxed);
    }

    fn count(&self, code: u16, reason: &'static str) {
        let mut link = &self.outcomes;
        let mut length = 0;
        loop {
            // the last place is for everything that found none
            let (code, reason) = if length < PAIRS { (code, reason) } else { (0, "") };
            let outcome = link
                .get_or_init(|| Box::new(Outcome { code, reason, count: AtomicU64::new(0), next: OnceLock::new() }));
            if (outcome.code, outcome.reason) == (code, reason) || length > PAIRS {
                outcome.count.fetch_add(1, Ordering::Relaxed);
                return;
            }
            link = &outcome.next;
            length += 1;
        }
    }

    /// Requests by code and reason.
    pub fn outcomes(&self) -> impl Iterator<Item = (u16, &'static str, u64)> {
        let mut link = self.outcomes.get();
        std::iter::from_fn(move || {
            let outcome = link?;
            link = outcome.next.get();
            Some((outcome.code, outcome.reason, outcome.count.load(Ordering::Relaxed)))
        })
    }

    /// Requests in each latency bucket (not cumulative), and the sum of all durations.
    #[must_use]
    pub fn durations(&self) -> ([u64; BUCKETS_US.len() + 1], Duration) {
        let buckets = std::array::from_fn(|n| self.buckets.get(n).map_or(0, |count| count.load(Ordering::Relaxed)));
        (buckets, Duration::from_micros(self.duration_us.load(Ordering::Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_by_code_and_reason() {
        let stats = RuleStats::default();
        assert!(stats.used().is_none(), "an idle rule has no counters");
        stats.counters().finish(200, "", Duration::from_millis(3));
        stats.counters().finish(200, "", Duration::from_millis(700));
        stats.counters().finish(503, "no_endpoints", Duration::from_secs(60));
        let counters = stats.used().unwrap();
        assert_eq!(counters.outcomes().collect::<Vec<_>>(), [(200, "", 2), (503, "no_endpoints", 1)]);
        let (buckets, sum) = counters.durations();
        assert_eq!((buckets[3], buckets[10], buckets[14]), (1, 1, 1));
        assert_eq!(sum, Duration::from_millis(60_703));
    }

    #[test]
    fn a_flood_of_codes_stays_bounded_and_loses_no_count() {
        let counters = Counters::default();
        for code in 100..1000 {
            counters.finish(code, "", Duration::ZERO);
        }
        let all: Vec<_> = counters.outcomes().collect();
        assert_eq!(all.len(), PAIRS + 1);
        assert_eq!(all.last().unwrap().0, 0);
        assert_eq!(all.iter().map(|(_, _, count)| count).sum::<u64>(), 900);
    }
}
