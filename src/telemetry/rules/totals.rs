//! What one set of series shows: plain numbers, read from counters at one moment.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::table::stats::{BUCKETS_US, Counters, PAIRS};

/// The sum of some rules' counters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Totals {
    /// Requests by code and reason: as many pairs as one rule may have, and one of what is beyond.
    pub(super) outcomes: BTreeMap<(u16, &'static str), u64>,
    /// Requests in each latency bucket, not cumulative.
    pub(super) buckets: [u64; BUCKETS_US.len() + 1],
    pub(super) duration: Duration,
    pub(super) request_bytes: u64,
    pub(super) response_bytes: u64,
    pub(super) retries: u64,
    pub(super) not_permitted: u64,
    pub(super) shadowed: u64,
}

impl Totals {
    /// What counters say now.
    pub(super) fn read(counters: &Counters) -> Self {
        let value = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (buckets, duration) = counters.durations();
        Self {
            outcomes: counters.outcomes().map(|(code, reason, count)| ((code, reason), count)).collect(),
            buckets,
            duration,
            request_bytes: value(&counters.request_bytes),
            response_bytes: value(&counters.response_bytes),
            retries: value(&counters.retries),
            not_permitted: value(&counters.not_permitted),
            shadowed: value(&counters.shadowed),
        }
    }

    /// Adds another sum. A pair of code and reason that finds no place any more counts as code 0, as it
    /// does with one rule.
    pub(super) fn add(&mut self, other: &Self) {
        for ((code, reason), count) in &other.outcomes {
            *self.outcome(*code, reason) += count;
        }
        self.each(other, |sum, other| *sum += other);
        self.duration += other.duration;
    }

    /// What was counted since an earlier reading of the same counters. Each pair stays, also with 0: from
    /// there on Prometheus' `increase()` sees everything.
    pub(super) fn since(mut self, earlier: &Self) -> Self {
        for (pair, count) in &mut self.outcomes {
            *count = count.saturating_sub(earlier.outcomes.get(pair).copied().unwrap_or_default());
        }
        self.each(earlier, |sum, earlier| *sum = sum.saturating_sub(earlier));
        self.duration = self.duration.saturating_sub(earlier.duration);
        self
    }

    /// Makes sure that what had a place keeps it.
    pub(super) fn keep_pairs(&mut self, of: &Self) {
        for (code, reason) in of.outcomes.keys() {
            self.outcome(*code, reason);
        }
    }

    /// How many series it takes to show this.
    pub(super) fn series(&self) -> usize {
        // the buckets with sum and count; bytes of both directions and retries
        const ALWAYS: usize = BUCKETS_US.len() + 1 + 2 + 3;
        ALWAYS + self.outcomes.len() + usize::from(self.not_permitted > 0) + usize::from(self.shadowed > 0)
    }

    fn outcome(&mut self, code: u16, reason: &'static str) -> &mut u64 {
        let known = self.outcomes.len() < PAIRS || self.outcomes.contains_key(&(code, reason));
        self.outcomes.entry(if known { (code, reason) } else { (0, "") }).or_default()
    }

    fn each(&mut self, other: &Self, change: impl Fn(&mut u64, u64)) {
        self.buckets.iter_mut().zip(other.buckets).for_each(|(sum, other)| change(sum, other));
        change(&mut self.request_bytes, other.request_bytes);
        change(&mut self.response_bytes, other.response_bytes);
        change(&mut self.retries, other.retries);
        change(&mut self.not_permitted, other.not_permitted);
        change(&mut self.shadowed, other.shadowed);
    }
}
