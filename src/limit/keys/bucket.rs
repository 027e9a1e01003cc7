//! Eight places for keys, and how one changes hands while others look at it.
//!
//! A place is two words: whose it is, and the TAT. To take over a place without debt,
//!
//! 1. its TAT is exchanged for [`CLAIMED`], which fails if its owner was faster,
//! 2. the new owner is written,
//! 3. the new TAT is written, which is later than the old one was.
//!
//! Who uses a place reads the TAT before the owner, and exchanges that very TAT. If the place changes
//! hands in between, the exchange fails, for TATs of later owners are all greater.

use std::sync::atomic::{AtomicU64, Ordering};

use super::hash::Key;
use crate::limit::clock::Moment;
use crate::limit::gcra::{Allowed, Denied, Params};

/// Places of a bucket: their keys fill a cache line, their TATs another.
pub(super) const WAYS: usize = 8;
/// The key of a place that nobody had yet.
const NOBODY: u64 = 0;
/// The TAT of a place that changes hands.
const CLAIMED: u64 = u64::MAX;

/// Eight places.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(super) struct Bucket {
    owners: [AtomicU64; WAYS],
    tats: [AtomicU64; WAYS],
}

/// The place of a key, for as long as it keeps it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slot<'b> {
    key: Key,
    owner: &'b AtomicU64,
    tat: &'b AtomicU64,
}

impl Bucket {
    /// The place of a key.
    pub(super) fn find(&self, key: Key) -> Option<Slot<'_>> {
        let n = self.owners.iter().position(|owner| owner.load(Ordering::Acquire) == key.get())?;
        let slot = Slot { key, owner: self.owners.get(n)?, tat: self.tats.get(n)? };
        slot.tat().is_some().then_some(slot)
    }

    /// How many places are of no use for a new key.
    pub(super) fn indebted(&self, now: Moment) -> usize {
        self.tats.iter().filter(|tat| tat.load(Ordering::Relaxed) >= now.0.max(1)).count()
    }

    /// Gives a key one of the places that have no debt, with a TAT that is not before now.
    pub(super) fn claim(&self, key: Key, tat: u64, now: Moment) -> Option<Slot<'_>> {
        self.owners.iter().zip(&self.tats).find_map(|(owner, word)| {
            let old = word.load(Ordering::Acquire);
            let vacant = old < now.0 || owner.load(Ordering::Acquire) == NOBODY && old != CLAIMED;
            if !vacant || word.compare_exchange(old, CLAIMED, Ordering::AcqRel, Ordering::Relaxed).is_err() {
                return None;
            }
            owner.store(key.get(), Ordering::Release);
            word.store(tat, Ordering::Release);
            Some(Slot { key, owner, tat: word })
        })
    }

    /// Lowers all TATs to `latest`.
    pub(super) fn shorten(&self, latest: Moment) {
        for word in &self.tats {
            let shorter = |tat| (tat != CLAIMED && tat > latest.0).then_some(latest.0);
            let _ = word.fetch_update(Ordering::AcqRel, Ordering::Relaxed, shorter);
        }
    }
}

impl Slot<'_> {
    /// Admits something; `None` if the place is the key's no more.
    pub(super) fn check(&self, params: Params, now: Moment, cost: u32) -> Option<Result<Allowed, Denied>> {
        loop {
            let tat = self.tat()?;
            let (next, allowed) = match params.attempt(tat, now, cost) {
                Ok(admitted) => admitted,
                Err(denied) => return Some(Err(denied)),
            };
            if self.tat.compare_exchange_weak(tat, next, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
                return Some(Ok(allowed));
            }
        }
    }

    /// What `check` would say.
    pub(super) fn peek(&self, params: Params, now: Moment, cost: u32) -> Option<Result<Allowed, Denied>> {
        Some(params.attempt(self.tat()?, now, cost).map(|(_, allowed)| allowed))
    }

    /// Gives back what was just taken. If the place has a new owner, the debt was over anyway.
    pub(super) fn refund(&self, params: Params, cost: u32) {
        let weight = params.weight(cost);
        while let Some(tat) = self.tat() {
            let less = tat.saturating_sub(weight);
            if self.tat.compare_exchange_weak(tat, less, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
                return;
            }
        }
    }

    /// The key's TAT. The order of the two readings matters.
    fn tat(&self) -> Option<u64> {
        let tat = self.tat.load(Ordering::Acquire);
        (tat != CLAIMED && self.owner.load(Ordering::Acquire) == self.key.get()).then_some(tat)
    }
}
