//! Where objects come from. Every source feeds the same [`Store`].

mod admit;
mod defaults;
mod endpoints;
pub mod finding;
pub mod folder;
pub mod kubernetes;
pub mod live;
mod manifest;
mod schema;
mod validate;
mod yaml;

pub use finding::{Finding, Level};

use std::time::Instant;

use parking_lot::Mutex;

use crate::api::ObjectRef;
use crate::snapshot::{Object, Snapshot};

/// One change of the world.
#[derive(Debug, Clone)]
pub enum Change {
    /// An object is new or different.
    Put(Object),
    /// An object is gone.
    Remove(ObjectRef),
}

/// A place in a file, counted from 1.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Location {
    /// Path as the user gave the folder, plus the file below it.
    pub file: std::path::PathBuf,
    /// Line.
    pub line: usize,
    /// Column.
    pub column: usize,
}

impl std::fmt::Display for Location {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}", self.file.display(), self.line, self.column)
    }
}

/// The route store: the one place sources write to and the controller reads from.
#[derive(Debug, Default)]
pub struct Store {
    state: tokio::sync::watch::Sender<State>,
    arrivals: Mutex<Vec<Instant>>,
}

/// What the store holds.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// The objects.
    pub snapshot: Snapshot,
    /// Counts applied batches of changes.
    pub version: u64,
    /// Whether every source has delivered its first full list. Nothing is served before.
    pub synced: bool,
    /// Whether objects come from disk, because their source could not be reached.
    pub restored: bool,
}

/// How whole the store is after a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// As whole as before.
    Partial,
    /// Filled from what was kept on disk.
    Restored,
    /// Every source has delivered everything.
    Complete,
}

/// Arrivals that are remembered; more are not worth their memory.
const MOST_ARRIVALS: usize = 4096;

impl Store {
    /// Applies a batch of changes as one; `synced` marks the first full list.
    pub fn apply(&self, changes: impl IntoIterator<Item = Change>, synced: bool) {
        self.apply_arrived(changes, if synced { Extent::Complete } else { Extent::Partial }, Instant::now());
    }

    /// Applies a batch of changes as one; the first of them arrived at the given time.
    pub fn apply_arrived(&self, changes: impl IntoIterator<Item = Change>, extent: Extent, arrived: Instant) {
        self.state.send_modify(|state| {
            for change in changes {
                match change {
                    Change::Put(object) => state.snapshot.put(object),
                    Change::Remove(object) => {
                        state.snapshot.remove(&object);
                    }
                }
            }
            state.version += 1;
            // What came before the first full list was not waiting for the controller.
            if state.synced {
                self.note_arrival(arrived);
            }
            state.synced |= extent != Extent::Partial;
            match extent {
                Extent::Partial => {}
                Extent::Restored => state.restored = true,
                Extent::Complete => state.restored = false,
            }
        });
    }

    fn note_arrival(&self, arrived: Instant) {
        let mut arrivals = self.arrivals.lock();
        if arrivals.len() < MOST_ARRIVALS {
            arrivals.push(arrived);
        }
    }

    /// When the batches arrived that were applied since the last call. What is taken before the state
    /// is read, is in the state that is read.
    #[must_use]
    pub fn take_arrivals(&self) -> Vec<Instant> {
        std::mem::take(&mut *self.arrivals.lock())
    }

    /// Looks at the state without copying it. The store stands still meanwhile.
    pub fn read<R>(&self, look: impl FnOnce(&State) -> R) -> R {
        look(&self.state.borrow())
    }

    /// Follows the store: the receiver sees every change, the latest state wins.
    #[must_use]
    pub fn subscribe(&self) -> tokio::sync::watch::Receiver<State> {
        self.state.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrivals_are_those_of_batches_after_the_first_full_list() {
        let store = Store::default();
        store.apply([], false);
        store.apply([], true);
        assert!(store.take_arrivals().is_empty());
        let arrived = Instant::now();
        store.apply_arrived([], Extent::Partial, arrived);
        assert_eq!(store.take_arrivals(), [arrived]);
        for _ in 0..=MOST_ARRIVALS {
            store.apply([], true);
        }
        assert_eq!(store.take_arrivals().len(), MOST_ARRIVALS);
        assert!(store.take_arrivals().is_empty());
    }

    #[test]
    fn what_was_restored_is_synced_until_everything_has_come() {
        let store = Store::default();
        let flags = || store.read(|state| (state.synced, state.restored));
        store.apply_arrived([], Extent::Restored, Instant::now());
        assert_eq!(flags(), (true, true));
        store.apply_arrived([], Extent::Partial, Instant::now());
        assert_eq!(flags(), (true, true));
        store.apply_arrived([], Extent::Complete, Instant::now());
        assert_eq!(flags(), (true, false));
    }
}
