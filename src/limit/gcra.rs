//! The rate of one thing: the generic cell rate algorithm, as a leaky bucket in one atomic word.
//!
//! A cell holds its *theoretical arrival time* (TAT): when the bucket is empty of debt again. What is
//! admitted pushes it by one interval; nothing is admitted that would push it further than the depth
//! ahead of now. With rate = 1 / interval and burst = depth / interval, two laws hold exactly, whatever
//! the number of threads:
//!
//! 1. In any window of length `t`, no more than `burst + rate × t` is admitted.
//! 2. Who stays below `burst + rate × t` in every window is never denied.
//!
//! The interval is whole nanoseconds, rounded up. So the rate is at most one part in `10⁹ / rate` lower than
//! written: exact for those that divide a thousand million, 0.0001 % low at 1,000 per second, 0.1 % at a
//! million.
//!
//! Parameters are no part of the cell and may change from one check to the next; the debt, which is a
//! time, stays.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::clock::{Moment, nanos};

/// The largest TAT; what is above is for the use of [`super::keys`].
const LATEST: u64 = u64::MAX - 1;

/// How fast and how deep, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Params {
    interval: u64,
    depth: u64,
}

/// What was admitted left so much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowed {
    /// How many more would be admitted at once.
    pub remaining: u64,
    /// The time to a full burst, if nobody asks.
    pub reset_after: Duration,
}

/// What was not admitted, and left no trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Denied {
    /// The time after which it would be admitted, if nobody else asks; [`Duration::MAX`] for what costs more than a burst.
    pub retry_after: Duration,
    /// How many of cost 1 would be admitted at once.
    pub remaining: u64,
    /// The time to a full burst, if nobody asks.
    pub reset_after: Duration,
}

/// The state of one thing that has a rate: 8 bytes. A new one has a full burst.
#[derive(Debug, Default)]
pub struct Cell {
    tat: AtomicU64,
}

impl Params {
    /// One each `interval` (1 ns at least), and as many at once as fit into `depth` (one at least).
    #[must_use]
    pub fn new(interval: Duration, depth: Duration) -> Self {
        let interval = nanos(interval).max(1);
        Self { interval, depth: nanos(depth).max(interval) }
    }

    /// The time between two at the full rate.
    #[must_use]
    pub fn interval(self) -> Duration {
        Duration::from_nanos(self.interval)
    }

    /// The time in which nothing becomes a full burst.
    #[must_use]
    pub fn depth(self) -> Duration {
        Duration::from_nanos(self.depth)
    }

    /// How many are admitted at once.
    #[must_use]
    pub fn burst(self) -> u64 {
        self.depth / self.interval
    }

    /// The time that `cost` pushes a TAT.
    pub(super) fn weight(self, cost: u32) -> u64 {
        self.interval.saturating_mul(u64::from(cost))
    }

    /// What a check of a cell with this TAT finds, and the TAT after it.
    pub(super) fn attempt(self, tat: u64, now: Moment, cost: u32) -> Result<(u64, Allowed), Denied> {
        let weight = self.weight(cost);
        let limit = now.0.saturating_add(self.depth).min(LATEST);
        let next = tat.max(now.0).saturating_add(weight);
        if next > limit {
            let retry_after = if weight > self.depth { u64::MAX } else { next - limit };
            return Err(Denied {
                retry_after: if retry_after == u64::MAX { Duration::MAX } else { Duration::from_nanos(retry_after) },
                remaining: limit.saturating_sub(tat.max(now.0)) / self.interval,
                reset_after: Duration::from_nanos(tat.saturating_sub(now.0)),
            });
        }
        let remaining = (limit - next) / self.interval;
        Ok((next, Allowed { remaining, reset_after: Duration::from_nanos(next.saturating_sub(now.0)) }))
    }
}

impl Cell {
    /// Admits what costs `cost` intervals, or says when to come again.
    ///
    /// # Errors
    /// It was denied; the cell is as before.
    pub fn check(&self, params: Params, now: Moment, cost: u32) -> Result<Allowed, Denied> {
        let mut tat = self.tat.load(Ordering::Relaxed);
        loop {
            let (next, allowed) = params.attempt(tat, now, cost)?;
            // the word is all there is to the cell, so nothing has to be ordered around it
            match self.tat.compare_exchange_weak(tat, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Ok(allowed),
                Err(other) => tat = other,
            }
        }
    }

    /// What [`check`](Self::check) would say, taking nothing.
    ///
    /// # Errors
    /// It would be denied.
    pub fn peek(&self, params: Params, now: Moment, cost: u32) -> Result<Allowed, Denied> {
        params.attempt(self.tat.load(Ordering::Relaxed), now, cost).map(|(_, allowed)| allowed)
    }

    /// Takes an admission back that happened just now.
    ///
    /// Exact while the cell is in debt from one to the other; if it was free of debt in between, the
    /// time that passed is gained.
    pub fn refund(&self, params: Params, cost: u32) {
        let weight = params.weight(cost);
        self.tat.update(Ordering::Relaxed, Ordering::Relaxed, |tat| tat.saturating_sub(weight));
    }

    /// Cuts a debt down to `depth`: for parameters that are less deep than the ones before, with which
    /// nobody could have made it.
    pub fn shorten(&self, depth: Duration, now: Moment) {
        self.tat.fetch_min((now + depth).0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
