//! Two lines that take turns.
//!
//! What sums up others stands in a line of its own: a Gateway does not wait until each of its thousand
//! routes was told, nor a route behind a thousand Gateways.

use std::collections::BTreeSet;

use tokio::time::Instant;

use crate::api::{Kind, ObjectRef};

/// When an object is due, its number among those of that time, and the object.
type Place = (Instant, u64, ObjectRef);

/// Who waits.
#[derive(Debug, Default)]
pub(super) struct Lines {
    sums: BTreeSet<Place>,
    others: BTreeSet<Place>,
    /// The last one came from `sums`.
    others_turn: bool,
}

impl Lines {
    /// The line an object stands in.
    pub(super) const fn of(&mut self, object: &ObjectRef) -> &mut BTreeSet<Place> {
        match object.kind {
            Kind::GatewayClass | Kind::Gateway | Kind::Tenant | Kind::ShareGrant => &mut self.sums,
            _ => &mut self.others,
        }
    }

    /// Takes the first object that is due, from the line whose turn it is if it has one.
    pub(super) fn pop(&mut self, now: Instant) -> Option<ObjectRef> {
        let is_due = |line: &BTreeSet<Place>| line.first().is_some_and(|(due, ..)| *due <= now);
        let (sums, others) = (is_due(&self.sums), is_due(&self.others));
        let line = match (sums, others) {
            (false, false) => return None,
            (true, true) if self.others_turn => &mut self.others,
            (true, _) => &mut self.sums,
            (false, true) => &mut self.others,
        };
        self.others_turn = sums && !self.others_turn;
        line.pop_first().map(|(_, _, object)| object)
    }

    /// When the next object becomes due.
    pub(super) fn next(&self) -> Option<Instant> {
        [&self.sums, &self.others].into_iter().filter_map(|line| line.first()).map(|(due, ..)| *due).min()
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.sums.len() + self.others.len()
    }
}
