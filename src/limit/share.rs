//! Who may have requests in flight when all want more than there is: guarantees, and the rest by weight.
//!
//! ```text
//!  capacity  │ guaranteed to a │ to b │              pool              │
//!                 only a's      only b's   lent to anybody, up to its level
//! ```
//!
//! A request takes a guaranteed place of its member if one is free, and borrows from the pool otherwise; when one
//! ends, a borrowed place is given back first. Requests in flight are never taken back. So a
//! guarantee can be kept only if it is never lent, and then it is kept always. The pool is what idle members
//! leave to others. From this follow, in every moment and with any number of threads:
//!
//! - no more than `capacity` are in flight;
//! - who has fewer in flight than guaranteed is admitted.
//!
//! The pool is shared by *level*: a member may borrow `level × weight` places. As long as there is enough for all
//! there is no level. When somebody is refused, the level is found by which the pool is just used up, as
//! water fills a vessel: members that were refused within the last second wish half as much again as they have and
//! a little more, the others what they have. So all that want more get parts by weight, and what others leave
//! is theirs as well. Who comes back is refused while the pool is full, becomes one of those who wish more, and
//! gets the places that those above the new level give back.
//!
//! A request costs one to three atomic updates. A refusal may compute the level, once in 10 ms, by a walk over the
//! members under a lock for which nobody waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use super::clock::{Moment, nanos};
use super::concurrency::{more, one_more};
use level::{Wish, level};

mod level;

/// The level is not computed more often.
const INTERVAL: Duration = Duration::from_millis(10);
/// Who was refused wants more for so long; then a level is forgotten, too.
const HOLD: Duration = Duration::from_secs(1);

/// A capacity for requests in flight, and who shares it.
#[derive(Debug)]
pub struct Share {
    /// What is not guaranteed to anybody.
    pool: AtomicU32,
    /// What of it is in use; never less than what members have borrowed.
    lent: AtomicU32,
    /// Places per weight, the bits of an `f64`.
    level: AtomicU64,
    /// When that was computed.
    levelled: AtomicU64,
    members: Mutex<Members>,
}

/// One that shares the capacity, until it is dropped and its requests have ended.
#[derive(Debug)]
pub struct Member {
    share: Arc<Share>,
    account: Arc<Account>,
}

/// A request in flight, until it is dropped.
#[derive(Debug)]
#[must_use = "what is dropped at once takes no place"]
pub struct Admission(Arc<Member>);

#[derive(Debug)]
struct Members {
    capacity: u32,
    accounts: Vec<Arc<Account>>,
    wishes: Vec<Wish>,
}

#[derive(Debug, Default)]
struct Account {
    weight: AtomicU32,
    /// What shall be guaranteed, and what can be.
    asked: AtomicU32,
    granted: AtomicU32,
    /// What of it cannot be.
    missing: AtomicU32,
    /// Guaranteed places in use.
    own: AtomicU32,
    /// Places of the pool in use.
    borrowed: AtomicU32,
    /// When it was last refused, in nanoseconds; 0 before.
    refused: AtomicU64,
    denied: AtomicU64,
    /// Those of them at which less was in use than shall be guaranteed.
    denied_below: AtomicU64,
    left: AtomicBool,
}

impl Share {
    /// At most `capacity` requests in flight.
    #[must_use]
    pub fn new(capacity: u32) -> Arc<Self> {
        Arc::new(Self {
            pool: AtomicU32::new(capacity),
            lent: AtomicU32::new(0),
            level: AtomicU64::new(f64::INFINITY.to_bits()),
            levelled: AtomicU64::new(0),
            members: Mutex::new(Members { capacity, accounts: Vec::new(), wishes: Vec::new() }),
        })
    }

    /// Adds a member. If more is guaranteed than there is, all guarantees are cut in proportion.
    ///
    /// Where a guarantee takes from the pool what is lent, more than the capacity may be in flight until that
    /// is given back; the same when the capacity is lowered.
    #[must_use]
    pub fn join(self: &Arc<Self>, weight: u32, guaranteed: u32) -> Arc<Member> {
        let account = Arc::new(Account::default());
        self.members.lock().accounts.push(Arc::clone(&account));
        let member = Member { share: Arc::clone(self), account };
        member.set(weight, guaranteed);
        Arc::new(member)
    }

    /// Changes the capacity.
    pub fn set_capacity(&self, capacity: u32) {
        self.members.lock().capacity = capacity;
        self.settle();
    }

    /// The capacity.
    #[must_use]
    pub fn capacity(&self) -> u32 {
        self.members.lock().capacity
    }

    /// Requests in flight.
    #[must_use]
    pub fn used(&self) -> u32 {
        let own = |account: &Arc<Account>| account.own.load(Ordering::Relaxed);
        self.members.lock().accounts.iter().map(own).sum::<u32>() + self.lent.load(Ordering::Relaxed)
    }

    /// Divides the capacity into guarantees and pool.
    fn settle(&self) {
        let mut members = self.members.lock();
        members.accounts.retain(|account| !account.left.load(Ordering::Relaxed));
        let capacity = u64::from(members.capacity);
        let asked: u64 = members.accounts.iter().map(|account| u64::from(account.asked.load(Ordering::Relaxed))).sum();
        let mut pool = members.capacity;
        for account in &members.accounts {
            let wish = account.asked.load(Ordering::Relaxed);
            let part = if asked > capacity { u64::from(wish) * capacity / asked } else { u64::from(wish) };
            let part = u32::try_from(part).unwrap_or(wish);
            account.granted.store(part, Ordering::Relaxed);
            account.missing.store(wish.saturating_sub(part), Ordering::Relaxed);
            pool = pool.saturating_sub(part);
        }
        self.pool.store(pool, Ordering::Relaxed);
    }

    /// Places per weight.
    fn level(&self, now: Moment) -> f64 {
        let age = now.0.saturating_sub(self.levelled.load(Ordering::Relaxed));
        if age > nanos(HOLD) { f64::INFINITY } else { f64::from_bits(self.level.load(Ordering::Relaxed)) }
    }

    /// Computes the level, unless that was just done, or is being done. Says whether it is a new one.
    fn relevel(&self, now: Moment) -> bool {
        let last = self.levelled.load(Ordering::Relaxed);
        if last != 0 && now.0.saturating_sub(last) < nanos(INTERVAL) {
            return false;
        }
        let Some(mut members) = self.members.try_lock() else { return false };
        let Members { accounts, wishes, .. } = &mut *members;
        wishes.clear();
        wishes.extend(accounts.iter().map(|account| account.wish(now)));
        let level = level(self.pool.load(Ordering::Relaxed), wishes);
        self.level.store(level.to_bits(), Ordering::Relaxed);
        self.levelled.store(now.0.max(1), Ordering::Relaxed);
        true
    }
}

impl Member {
    /// Admits one more request, or counts a denial.
    pub fn acquire(self: &Arc<Self>, now: Moment) -> Option<Admission> {
        match self.enter(now) {
            Ok(()) => Some(Admission(Arc::clone(self))),
            Err(beyond) => {
                self.account.deny(beyond);
                None
            }
        }
    }

    /// Takes a place; if there is none, how many it had beyond what is guaranteed to it when it was refused.
    fn enter(&self, now: Moment) -> Result<(), u32> {
        let account = &*self.account;
        let granted = account.granted.load(Ordering::Relaxed);
        let Err(own) = one_more(&account.own, granted) else { return Ok(()) };
        let Err(borrowed) = self.borrow(now) else { return Ok(()) };
        account.refused.store(now.0.max(1), Ordering::Relaxed);
        let last = if self.share.relevel(now) { self.borrow(now) } else { Err(borrowed) };
        last.map_err(|borrowed| own - granted + borrowed)
    }

    /// Changes its part. A weight of 0 counts as 1.
    pub fn set(&self, weight: u32, guaranteed: u32) {
        self.account.weight.store(weight.max(1), Ordering::Relaxed);
        self.account.asked.store(guaranteed, Ordering::Relaxed);
        self.share.settle();
    }

    /// Its weight.
    #[must_use]
    pub fn weight(&self) -> u32 {
        self.account.weight.load(Ordering::Relaxed)
    }

    /// Its requests in flight.
    #[must_use]
    pub fn used(&self) -> u32 {
        self.account.own.load(Ordering::Relaxed) + self.account.borrowed.load(Ordering::Relaxed)
    }

    /// What is guaranteed to it: less than it was promised if too much was promised to all.
    #[must_use]
    pub fn guaranteed(&self) -> u32 {
        self.account.granted.load(Ordering::Relaxed)
    }

    /// How many of its requests were denied.
    #[must_use]
    pub fn denied(&self) -> u64 {
        self.account.denied.load(Ordering::Relaxed)
    }

    /// How many of its requests were denied while it had fewer than it asked to be guaranteed. None, unless guarantees had
    /// to be cut.
    #[must_use]
    pub fn denied_below(&self) -> u64 {
        self.account.denied_below.load(Ordering::Relaxed)
    }

    /// Takes a place of the pool; if there is none for it, how many it has.
    fn borrow(&self, now: Moment) -> Result<(), u32> {
        let (share, account) = (&*self.share, &*self.account);
        let most = account.most(share.level(now));
        let borrowed = account.borrowed.load(Ordering::Relaxed);
        // looked at before, so that who may not borrow does not take a place from others even for a moment
        if borrowed >= most || !more(&share.lent, share.pool.load(Ordering::Relaxed)) {
            return Err(borrowed);
        }
        one_more(&account.borrowed, most).inspect_err(|_| {
            share.lent.fetch_sub(1, Ordering::Relaxed);
        })
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.account.left.store(true, Ordering::Relaxed);
        self.share.settle();
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        let Member { share, account } = &*self.0;
        // what others can use is given back first
        let borrowed = account.borrowed.try_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1)).is_ok();
        let place = if borrowed { &share.lent } else { &account.own };
        place.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Account {
    /// Counts a denial. How many it had is what was seen where it was refused: looked at again, there may be fewer.
    fn deny(&self, beyond: u32) {
        self.denied.fetch_add(1, Ordering::Relaxed);
        if beyond < self.missing.load(Ordering::Relaxed) {
            self.denied_below.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many it may borrow.
    fn most(&self, level: f64) -> u32 {
        let places = level * f64::from(self.weight.load(Ordering::Relaxed));
        // up to the next whole one, or a part below one would get nothing; the conversion is limited to the type's range
        places.ceil() as u32
    }

    fn wish(&self, now: Moment) -> Wish {
        let refused = self.refused.load(Ordering::Relaxed);
        let borrowed = f64::from(self.borrowed.load(Ordering::Relaxed));
        let wants = refused != 0 && now.0.saturating_sub(refused) <= nanos(HOLD);
        // not without bound: who is refused now and then, far below its part, shall not keep all of it from others
        let places = if wants { borrowed * 1.5 + 4.0 } else { borrowed };
        Wish { weight: self.weight.load(Ordering::Relaxed).into(), places }
    }
}

#[cfg(test)]
mod tests;
