//! How many at once for each of many keys.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use foldhash::fast::FixedState;
use parking_lot::Mutex;

use super::{Of, Permit};
use crate::limit::keys::Key;

/// Parts that are locked apart, each for the time of one look.
const PARTS: usize = 64;

/// Numbers in use by key. There are no more keys than there are permits, so whatever bounds these bounds the memory.
#[derive(Debug)]
pub struct Each {
    parts: [Mutex<Numbers>; PARTS],
}

/// Keys are hashes that nobody can foresee.
type Numbers = HashMap<Key, u32, FixedState>;

impl Each {
    /// Nothing is in use.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::new(Self { parts: std::array::from_fn(|_| Mutex::default()) })
    }

    /// Admits one more of a key if it has less than `max`; counts no denial.
    pub fn enter(self: &Arc<Self>, key: Key, max: u32) -> Option<Permit> {
        let mut numbers = self.part(key)?.lock();
        match numbers.entry(key) {
            Entry::Occupied(mut number) if *number.get() < max => *number.get_mut() += 1,
            Entry::Vacant(number) if max > 0 => _ = number.insert(1),
            _ => return None,
        }
        Some(Permit(Of::Key(Arc::clone(self), key)))
    }

    /// How many of a key are in use.
    #[must_use]
    pub fn used(&self, key: Key) -> u32 {
        self.part(key).and_then(|part| part.lock().get(&key).copied()).unwrap_or_default()
    }

    /// How many keys have something in use.
    #[must_use]
    pub fn keys(&self) -> usize {
        self.parts.iter().map(|part| part.lock().len()).sum()
    }

    pub(super) fn leave(&self, key: Key) {
        let Some(part) = self.part(key) else { return };
        if let Entry::Occupied(mut number) = part.lock().entry(key) {
            match number.get() {
                2.. => *number.get_mut() -= 1,
                _ => _ = number.remove(),
            }
        }
    }

    fn part(&self, key: Key) -> Option<&Mutex<Numbers>> {
        self.parts.get(usize::try_from(key.get() % PARTS as u64).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn each_key_has_its_own_number_and_leaves_nothing_behind() {
        let (each, one, other) = (Each::new(), Key::new(1), Key::new(2));
        let held = (each.enter(one, 2), each.enter(one, 2), each.enter(other, 2));
        assert!(held.0.is_some() && held.1.is_some() && held.2.is_some());
        assert!(each.enter(one, 2).is_none() && each.enter(one, 3).is_some());
        assert_eq!((each.keys(), each.used(one), each.used(other), each.used(Key::new(3))), (2, 2, 1, 0));
        drop(held);
        assert_eq!(each.keys(), 0);
        assert!(each.enter(one, 0).is_none());
    }

    #[test]
    fn threads_together_are_never_more() {
        let each = Each::new();
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for n in 0..10_000 {
                        let key = Key::new(n % 3 + 1);
                        let held: Vec<_> = (0..4).filter_map(|_| each.enter(key, 2)).collect();
                        assert!(held.len() <= 2);
                    }
                });
            }
        });
        assert_eq!(each.keys(), 0);
    }
}
