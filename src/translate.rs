//! The Gateway API: from objects to what shall be served and what their status says.
//!
//! A pure function. No clock, no I/O, no randomness; what the world must tell (which sockets are
//! bound) comes in as [`crate::snapshot::Facts`]. Bad input is never an error: each step returns
//! its best result and says what is wrong as a [`Problem`].

mod problem;

use std::collections::BTreeMap;

pub use problem::Problem;

use crate::api::ObjectRef;
use crate::api::status::Status;
use crate::ir::Ir;
use crate::snapshot::Snapshot;

/// What a snapshot means.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Translation {
    /// What shall be served.
    pub ir: Ir,
    /// The status of every object that is ours to report on.
    pub statuses: BTreeMap<ObjectRef, Status>,
    /// Everything that is wrong, by object.
    pub problems: Vec<Problem>,
}

/// Translates a snapshot.
#[must_use]
pub fn translate(_snapshot: &Snapshot) -> Translation {
    Translation::default()
}
