//! The rate of each of many things: cells by key, in bounded memory.
//!
//! A table made for `n` keys takes at most 20 bytes × `n` (16 for a place, a quarter more places than keys) and
//! 2 KiB to begin with, on first use. It grows in steps, when it has no place for a key, and never shrinks. The request
//! for which it grows, and others that bring new keys, wait for the memory: milliseconds for the step to a million keys.
//!
//! - A key is found in one or two cache lines for each step, without a lock. Nothing is allocated but the steps.
//! - A key has one cell at most: adding is serialised per key. It has none while it is in no debt, because
//!   that is what a new cell says.
//! - A new key takes the place of one without debt. A key that is in debt keeps its place, whatever comes: nobody
//!   can get rid of his limit by cycling through keys.
//! - If there is no place, the key shares one cell with all others that found none, as if they were one key:
//!   an unknown key is neither free nor takes memory. [`overflowed`](Keys::overflowed) counts such requests.
//!
//! Whoever can have `n` keys in debt at once, as by `n` addresses, can fill the table; then others that are new share
//! the overflow cell with his. So a table belongs to one limit, and its size is what one limit may cost.
//!
//! ```text
//!  key ─► bucket a ─► 8 keys │ 8 cells     two buckets of each step may hold it,
//!      └► bucket b ─► 8 keys │ 8 cells     the emptier one takes it
//! ```

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use super::clock::Moment;
use super::gcra::{Allowed, Cell, Denied, Params};
use bucket::{Bucket, Slot, WAYS};
pub use hash::{Key, KeyHasher};

mod bucket;
mod hash;

/// Sizes of all steps but the last, in buckets.
const STEPS: [usize; 4] = [16, 256, 4_096, 65_536];
/// Keys are added one after the other in each of so many classes of keys.
const GATES: usize = 32;
/// Times that a key is looked for again after it lost its place to another in between.
const TRIES: usize = 16;

/// Cells by key.
#[derive(Debug)]
pub struct Keys {
    sizes: [usize; STEPS.len() + 1],
    steps: [OnceLock<Box<[Bucket]>>; STEPS.len() + 1],
    gates: [Mutex<()>; GATES],
    overflow: Cell,
    overflowed: AtomicU64,
}

/// Where something was taken, to give it back.
#[derive(Debug, Clone, Copy)]
pub struct Place<'k>(Owner<'k>);

#[derive(Debug, Clone, Copy)]
enum Owner<'k> {
    Key(Slot<'k>),
    All(&'k Cell),
}

impl Keys {
    /// A table for `max` keys in debt at a time; at least 128.
    #[must_use]
    pub fn new(max: usize) -> Self {
        let mut rest = (max.saturating_add(max / 4)).div_ceil(WAYS).max(STEPS[0]);
        let sizes = std::array::from_fn(|n| {
            let size = STEPS.get(n).map_or(rest, |size| rest.min(*size));
            rest -= size;
            size
        });
        Self {
            sizes,
            steps: [const { OnceLock::new() }; STEPS.len() + 1],
            gates: [const { Mutex::new(()) }; GATES],
            overflow: Cell::default(),
            overflowed: AtomicU64::new(0),
        }
    }

    /// Admits what costs `cost` intervals of a key's cell, and says where to give it back.
    ///
    /// # Errors
    /// It was denied; nothing was taken.
    pub fn take(&self, key: Key, params: Params, now: Moment, cost: u32) -> Result<(Allowed, Place<'_>), Denied> {
        for _ in 0..TRIES {
            if let Some(slot) = self.find(key) {
                match slot.check(params, now, cost) {
                    Some(result) => return result.map(|allowed| (allowed, Place(Owner::Key(slot)))),
                    None => continue,
                }
            }
            // two requests with the same new key must not both give it a cell
            let _gate = self.gate(key).map(Mutex::lock);
            if self.find(key).is_some() {
                continue;
            }
            let (tat, allowed) = params.attempt(0, now, cost)?;
            match self.add(key, tat, now) {
                Some(slot) => return Ok((allowed, Place(Owner::Key(slot)))),
                None => break,
            }
        }
        self.overflowed.fetch_add(1, Ordering::Relaxed);
        self.overflow.check(params, now, cost).map(|allowed| (allowed, Place(Owner::All(&self.overflow))))
    }

    /// What [`take`](Self::take) would say, taking nothing; for a key without a cell, as if there were a place for it.
    ///
    /// # Errors
    /// It would be denied.
    pub fn peek(&self, key: Key, params: Params, now: Moment, cost: u32) -> Result<Allowed, Denied> {
        let known = self.find(key).and_then(|slot| slot.peek(params, now, cost));
        known.unwrap_or_else(|| params.attempt(0, now, cost).map(|(_, allowed)| allowed))
    }

    /// Cuts all debts down to `depth`, for parameters that are less deep than before; walks over the whole table.
    pub fn shorten(&self, depth: Duration, now: Moment) {
        self.overflow.shorten(depth, now);
        for bucket in self.steps.iter().filter_map(OnceLock::get).flatten() {
            bucket.shorten(now + depth);
        }
    }

    /// Requests whose key found no place.
    #[must_use]
    pub fn overflowed(&self) -> u64 {
        self.overflowed.load(Ordering::Relaxed)
    }

    /// Bytes that the places take now.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.steps.iter().filter_map(OnceLock::get).map(|step| size_of_val(&**step)).sum()
    }

    fn gate(&self, key: Key) -> Option<&Mutex<()>> {
        self.gates.get(usize::try_from(key.get() % GATES as u64).unwrap_or_default())
    }

    /// The key's place. The largest step has the most keys, so it is asked first.
    fn find(&self, key: Key) -> Option<Slot<'_>> {
        let steps = self.steps.iter().enumerate().rev();
        steps.filter_map(|(n, step)| Some((n, step.get()?))).find_map(|(n, step)| {
            let [one, other] = pair(step, n, key);
            one?.find(key).or_else(|| other?.find(key))
        })
    }

    /// A place for a new key, below its gate.
    fn add(&self, key: Key, tat: u64, now: Moment) -> Option<Slot<'_>> {
        let used = self.sizes.iter().zip(&self.steps).enumerate().filter(|(_, (size, _))| **size > 0);
        used.filter_map(|(n, (size, step))| {
            let step = step.get_or_init(|| (0..*size).map(|_| Bucket::default()).collect());
            let [one, other] = pair(step, n, key).map(|bucket| bucket.map(|bucket| (bucket.indebted(now), bucket)));
            let (one, other) = if one?.0 <= other?.0 { (one?.1, other?.1) } else { (other?.1, one?.1) };
            one.claim(key, tat, now).or_else(|| other.claim(key, tat, now))
        })
        .next()
    }
}

impl<'k> Place<'k> {
    /// A cell that stands alone.
    pub(super) fn of(cell: &'k Cell) -> Self {
        Self(Owner::All(cell))
    }

    /// Gives back what was taken just now; see [`Cell::refund`].
    pub fn refund(self, params: Params, cost: u32) {
        match self.0 {
            Owner::Key(slot) => slot.refund(params, cost),
            Owner::All(cell) => cell.refund(params, cost),
        }
    }
}

/// The two buckets of a step that may hold a key.
fn pair(step: &[Bucket], n: usize, key: Key) -> [Option<&Bucket>; 2] {
    // the high half of a product spreads evenly over any number of buckets
    let bucket = |hash: u64| (u128::from(hash) * step.len() as u128) >> u64::BITS;
    key.spread(n).map(|hash| step.get(usize::try_from(bucket(hash)).unwrap_or_default()))
}

#[cfg(test)]
mod tests;
