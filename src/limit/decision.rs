//! All rate limits of one request: they admit it together or not at all.
//!
//! 1. Every limit is asked what it would say; nothing is taken. If some deny, the request is denied, and the
//!    answer names the one that asks for the longest wait, because the client would come back in vain before.
//! 2. Otherwise each limit takes. A limit may deny now, because another request came in between; then what the
//!    limits before it took is given back.
//!
//! So a request that is denied uses up no limit, and costs no write while it is the first step
//! that denies. What step 2 gives back was missing for an instant, in which others may have been denied.
//!
//! Limits in [`Mode::Shadow`] take part like the others, but what they would have denied passes, uncounted by them
//! except as [`denied`](RateLimit::denied), and they are never named.

use smallvec::SmallVec;

use super::clock::Moment;
use super::gcra::{Allowed, Denied};
use super::keys::Key;
use super::rate::{Mode, RateLimit, Taken};

/// Limits of one request for which nothing is allocated.
const USUAL: usize = 8;

/// Whatever has a rate limit: the limit itself, or what somebody wants to be told of.
pub trait Limited<'l>: Copy {
    /// The limit.
    fn rate(self) -> &'l RateLimit;
}

impl<'l> Limited<'l> for &'l RateLimit {
    fn rate(self) -> &'l RateLimit {
        self
    }
}

/// A request that does not pass. Nothing was taken.
#[derive(Debug, Clone, Copy)]
pub struct Refusal<L> {
    /// The limit that asks for the longest wait.
    pub limit: L,
    /// What it said.
    pub denied: Denied,
}

/// A request that passed.
#[derive(Debug)]
pub struct Passed<'l, L = &'l RateLimit> {
    /// The enforced limit with the smallest part of its burst left, the first of equals.
    pub tightest: Option<(L, Allowed)>,
    taken: SmallVec<[Taken<'l>; USUAL]>,
}

/// Decides on a request that has these keys under these limits and counts as `cost` requests.
///
/// # Errors
/// A limit denied it.
pub fn decide<'l, L: Limited<'l>>(limits: &[(L, Key)], now: Moment, cost: u32) -> Result<Passed<'l, L>, Refusal<L>> {
    // a single limit needs no look before the leap
    if limits.len() > 1
        && let Some(refusal) = refusal(limits, now, cost)
    {
        return Err(refusal);
    }
    take(limits, now, cost)
}

/// The limit that would deny for the longest time.
fn refusal<'l, L: Limited<'l>>(limits: &[(L, Key)], now: Moment, cost: u32) -> Option<Refusal<L>> {
    let mut worst: Option<Refusal<L>> = None;
    for (limit, key) in limits.iter().filter(|(limit, _)| limit.rate().mode == Mode::Enforce) {
        if let Err(denied) = limit.rate().peek(*key, now, cost) {
            limit.rate().count_denied();
            if worst.is_none_or(|other| denied.retry_after > other.denied.retry_after) {
                worst = Some(Refusal { limit: *limit, denied });
            }
        }
    }
    worst
}

fn take<'l, L: Limited<'l>>(limits: &[(L, Key)], now: Moment, cost: u32) -> Result<Passed<'l, L>, Refusal<L>> {
    let mut passed = Passed { tightest: None, taken: SmallVec::new() };
    let mut least = (1, 0);
    for (limit, key) in limits {
        let rate = limit.rate();
        match rate.take(*key, now, cost) {
            Ok((allowed, taken)) => {
                passed.taken.push(taken);
                let left = (allowed.remaining, taken.burst());
                if rate.mode == Mode::Enforce && is_less(left, least) {
                    least = left;
                    passed.tightest = Some((*limit, allowed));
                }
            }
            Err(denied) => {
                rate.count_denied();
                if rate.mode == Mode::Enforce {
                    passed.give_back();
                    return Err(Refusal { limit: *limit, denied });
                }
            }
        }
    }
    Ok(passed)
}

/// Compares fractions; a denominator of 0 makes the greatest.
fn is_less(one: (u64, u64), other: (u64, u64)) -> bool {
    u128::from(one.0) * u128::from(other.1) < u128::from(other.0) * u128::from(one.1)
}

impl<L> Passed<'_, L> {
    /// Gives everything back that was taken just now: something else denies the request.
    pub fn give_back(self) {
        self.taken.into_iter().for_each(Taken::give_back);
    }
}

#[cfg(test)]
mod tests;
