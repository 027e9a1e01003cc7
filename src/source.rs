//! Where objects come from. Every source feeds the same [`Store`].

mod admit;
mod defaults;
mod endpoints;
pub mod finding;
pub mod folder;
pub mod live;
mod manifest;
mod schema;
mod validate;
mod yaml;

pub use finding::{Finding, Level};

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
}

impl Store {
    /// Applies a batch of changes as one; `synced` marks the first full list.
    pub fn apply(&self, changes: impl IntoIterator<Item = Change>, synced: bool) {
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
            state.synced |= synced;
        });
    }

    /// Follows the store: the receiver sees every change, the latest state wins.
    #[must_use]
    pub fn subscribe(&self) -> tokio::sync::watch::Receiver<State> {
        self.state.subscribe()
    }
}
