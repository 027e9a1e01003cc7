//! How fast bytes may go for each of many keys.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::FixedState;
use parking_lot::Mutex;

use super::Bandwidth;
use crate::limit::Moment;
use crate::limit::keys::Key;

/// Rates by key. A key is forgotten when nobody writes for it and all that was written is paid for. If there are too
/// many, those that find no place share one.
#[derive(Debug)]
pub struct Each {
    known: Mutex<Known>,
    shared: Arc<Bandwidth>,
    max: usize,
}

#[derive(Debug, Default)]
struct Known {
    /// Keys are hashes that nobody can foresee.
    rates: HashMap<Key, Arc<Bandwidth>, FixedState>,
    /// New keys until those that are paid for are swept out: as many as are looked at then.
    due: usize,
}

impl Each {
    /// Rates of at most so many keys.
    #[must_use]
    pub fn new(max: usize) -> Self {
        Self { known: Mutex::default(), shared: Arc::new(Bandwidth::new(1, 0)), max }
    }

    /// The rate of a key, to hold on to for as long as there is something to write.
    pub fn of(&self, key: Key, now: Moment) -> Arc<Bandwidth> {
        let Known { rates, due } = &mut *self.known.lock();
        if let Some(known) = rates.get(&key) {
            return Arc::clone(known);
        }
        if *due == 0 {
            rates.retain(|_, rate| Arc::strong_count(rate) > 1 || !rate.is_paid(now));
            *due = 1 + rates.len();
        } else {
            *due -= 1;
        }
        if rates.len() >= self.max {
            return Arc::clone(&self.shared);
        }
        Arc::clone(rates.entry(key).or_insert_with(|| Arc::new(Bandwidth::new(1, 0))))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::new(Duration::from_secs(seconds))
    }

    #[test]
    fn a_key_keeps_its_debt_and_others_have_their_own() {
        let each = Each::new(10);
        let write = |key, bytes| {
            let rate = each.of(Key::new(key), at(1));
            rate.set(1_000, 0);
            rate.reserve(bytes, at(1)).as_millis()
        };
        assert_eq!((write(1, 1_000), write(1, 500), write(2, 500)), (0, 1_000, 0));
    }

    #[test]
    fn what_is_paid_for_is_forgotten_and_what_is_not_is_kept() {
        let each = Each::new(3);
        let rates = [1, 2, 3].map(|key| each.of(Key::new(key), at(1)));
        for rate in &rates {
            rate.set(1_000, 0);
            assert!(rate.reserve(5_000, at(1)).is_zero());
        }
        let same = |one: &Arc<Bandwidth>, key, now| Arc::ptr_eq(one, &each.of(Key::new(key), now));
        let shared = each.of(Key::new(4), at(2));
        assert!(same(&shared, 5, at(2)), "there is no place");
        let first = Arc::clone(&rates[0]);
        drop(rates);
        assert!(same(&shared, 6, at(3)) && same(&first, 1, at(3)), "nothing is paid for yet");
        assert!(!same(&shared, 6, at(9)) && same(&first, 1, at(9)), "one is still in use");
    }
}
