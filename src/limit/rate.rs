//! One rate limit: its name and quota, who counts, and the state that outlives a change of them.

use std::sync::Arc;

use super::clock::Moment;
use super::counting::{Counting, Quota};
use super::denials::Denials;
use super::gcra::{Allowed, Cell, Denied, Params};
use super::keys::{Key, Keys, Place};

/// Whether a limit denies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// It does.
    #[default]
    Enforce,
    /// It only counts what it would have denied.
    Shadow,
}

/// A rate limit.
#[derive(Debug)]
pub struct RateLimit {
    /// Its name, as clients shall read it.
    pub name: Arc<str>,
    /// What is admitted.
    pub quota: Quota,
    /// By whom it is counted.
    pub counting: Counting,
    /// Whether it denies.
    pub mode: Mode,
    denials: Arc<Denials>,
    store: Arc<Store>,
}

/// What was taken, to give it back.
#[derive(Debug, Clone, Copy)]
pub(super) struct Taken<'l> {
    place: Place<'l>,
    params: Params,
    cost: u32,
}

#[derive(Debug)]
enum Store {
    One(Cell),
    Each(Keys),
}

impl RateLimit {
    /// A limit that counts all requests together.
    #[must_use]
    pub fn of_all(name: &str, quota: Quota) -> Self {
        Self::new(name, quota, Store::One(Cell::default()))
    }

    /// A limit that counts the requests of each key, of at most `max` keys in debt at a time; see [`Keys::new`].
    #[must_use]
    pub fn of_each(name: &str, quota: Quota, max: usize) -> Self {
        Self::new(name, quota, Store::Each(Keys::new(max)))
    }

    fn new(name: &str, quota: Quota, store: Store) -> Self {
        Self {
            name: name.into(),
            quota,
            counting: Counting::default(),
            mode: Mode::default(),
            denials: Arc::default(),
            store: Arc::new(store),
        }
    }

    /// Lets it count its denials there.
    #[must_use]
    pub fn denying_in(self, denials: Arc<Denials>) -> Self {
        Self { denials, ..self }
    }

    /// Lets replicas count as `counting` says.
    #[must_use]
    pub fn counted(self, counting: Counting) -> Self {
        Self { counting, ..self }
    }

    /// The same in another mode.
    #[must_use]
    pub fn in_mode(self, mode: Mode) -> Self {
        Self { mode, ..self }
    }

    /// The same limit with what was changed, and with the debts and counters it has. Debts that the
    /// new quota forbids are cut; that costs a walk over the keys.
    #[must_use]
    pub fn changed(&self, quota: Quota, counting: Counting, mode: Mode, now: Moment) -> Self {
        let (name, denials, store) = (Arc::clone(&self.name), Arc::clone(&self.denials), Arc::clone(&self.store));
        let next = Self { name, quota, counting, mode, denials, store };
        let depth = next.params().depth();
        if depth < self.params().depth() {
            match &*self.store {
                Store::One(cell) => cell.shorten(depth, now),
                Store::Each(keys) => keys.shorten(depth, now),
            }
        }
        next
    }

    /// What it has denied, or would have in [`Mode::Shadow`].
    #[must_use]
    pub fn denied(&self) -> u64 {
        self.denials.of(Mode::Enforce) + self.denials.of(Mode::Shadow)
    }

    /// Its cells by key, unless it counts all together.
    #[must_use]
    pub fn keys(&self) -> Option<&Keys> {
        match &*self.store {
            Store::One(_) => None,
            Store::Each(keys) => Some(keys),
        }
    }

    /// What its cells are checked with now.
    #[must_use]
    pub fn params(&self) -> Params {
        self.counting.params(&self.quota)
    }

    /// Counts what was denied for it elsewhere.
    pub fn count_denied(&self) {
        self.denials.count(self.mode);
    }

    /// How many requests of a key it would admit at once; takes none.
    #[must_use]
    pub fn left(&self, key: Key, now: Moment) -> u64 {
        self.peek(key, now, 1).map_or_else(|denied| denied.remaining, |allowed| allowed.remaining + 1)
    }

    pub(super) fn peek(&self, key: Key, now: Moment, cost: u32) -> Result<Allowed, Denied> {
        match &*self.store {
            Store::One(cell) => cell.peek(self.params(), now, cost),
            Store::Each(keys) => keys.peek(key, self.params(), now, cost),
        }
    }

    pub(super) fn take(&self, key: Key, now: Moment, cost: u32) -> Result<(Allowed, Taken<'_>), Denied> {
        let params = self.params();
        let (allowed, place) = match &*self.store {
            Store::One(cell) => (cell.check(params, now, cost)?, Place::of(cell)),
            Store::Each(keys) => keys.take(key, params, now, cost)?,
        };
        Ok((allowed, Taken { place, params, cost }))
    }
}

impl Taken<'_> {
    /// How many it can be at once.
    pub(super) fn burst(&self) -> u64 {
        self.params.burst()
    }

    pub(super) fn give_back(self) {
        self.place.refund(self.params, self.cost);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn per_second(requests: u32) -> Quota {
        Quota { requests, period: Duration::from_secs(1), burst: requests }
    }

    #[test]
    fn a_change_of_the_quota_forgives_nothing_that_it_allows() {
        let (now, key) = (Moment::new(Duration::from_secs(9)), Key::new(1));
        for limit in [RateLimit::of_all("a", per_second(2)), RateLimit::of_each("a", per_second(2), 128)] {
            assert!(limit.take(key, now, 2).is_ok());
            let faster = limit.changed(per_second(20), Counting::PerReplica, Mode::Shadow, now);
            assert_eq!((faster.mode, &*faster.name), (Mode::Shadow, "a"));
            assert_eq!(faster.peek(key, now, 1).unwrap_err().retry_after, Duration::from_millis(50));
            let shallow = Quota { burst: 1, ..per_second(20) };
            let shallow = faster.changed(shallow, Counting::PerReplica, Mode::Enforce, now);
            assert_eq!(shallow.peek(key, now, 1).unwrap_err().reset_after, Duration::from_millis(50));
        }
    }

    #[test]
    fn counters_outlive_a_change() {
        let limit = RateLimit::of_each("a", per_second(2), 128);
        limit.count_denied();
        let next = limit.changed(per_second(3), Counting::PerReplica, Mode::Enforce, Moment::default());
        assert_eq!((next.denied(), next.keys().map(Keys::overflowed)), (1, Some(0)));
        assert!(RateLimit::of_all("a", per_second(1)).keys().is_none());
    }
}
