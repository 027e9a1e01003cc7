//! Which hostnames of a listener have to be compiled again.

use std::collections::HashSet;
use std::sync::Arc;

use foldhash::fast::RandomState;

use crate::ir::routes::{Difference, Routes};
use crate::ir::{Attached, Hostname, Route};

/// Hostname patterns; `None` is the pattern of every host.
pub(super) type Patterns<'a> = HashSet<Option<&'a Hostname>, RandomState>;

/// The patterns a route is attached under.
pub(super) fn hosts_of(attached: &Attached) -> impl Iterator<Item = Option<&Hostname>> {
    let any = attached.hostnames.is_empty().then_some(None);
    attached.hostnames.iter().map(Some).chain(any)
}

/// The patterns under which some route appeared, disappeared or changed.
pub(super) fn changed_hosts<'a>(
    old: &'a Routes,
    new: &'a Routes,
    is_same: impl Fn(&Arc<Route>, &Arc<Route>) -> bool,
) -> Patterns<'a> {
    let mut changed = Patterns::default();
    for Difference { old, new } in old.differences(new) {
        let same =
            |(old, new): (&Attached, &Attached)| old.hostnames == new.hostnames && is_same(&old.route, &new.route);
        if !old.zip(new).is_some_and(same) {
            changed.extend(old.into_iter().chain(new).flat_map(hosts_of));
        }
    }
    changed
}
