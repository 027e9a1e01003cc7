//! Which hostnames of a listener have to be compiled again.

use std::collections::HashSet;
use std::sync::Arc;

use foldhash::fast::RandomState;

use super::Map;
use crate::ir::{Attached, Hostname, Route, RouteId};

/// Hostname patterns; `None` is the pattern of every host.
pub(super) type Patterns<'a> = HashSet<Option<&'a Hostname>, RandomState>;

/// The patterns a route is attached under.
pub(super) fn hosts_of(attached: &Attached) -> impl Iterator<Item = Option<&Hostname>> {
    let any = attached.hostnames.is_empty().then_some(None);
    attached.hostnames.iter().map(Some).chain(any)
}

/// The patterns under which some route appeared, disappeared or changed.
///
/// Both lists stand in the same order, so that usually only what lies between the common ends
/// must be sought by name.
pub(super) fn changed_hosts<'a>(
    old: &'a [Attached],
    new: &'a [Attached],
    is_same: impl Fn(&Arc<Route>, &Arc<Route>) -> bool,
) -> Patterns<'a> {
    let same = |(a, b): &(&Attached, &Attached)| is_same(&a.route, &b.route) && a.hostnames == b.hostnames;
    let front = old.iter().zip(new).take_while(same).count();
    let (old, new) = (old.get(front..).unwrap_or_default(), new.get(front..).unwrap_or_default());
    let back = old.iter().rev().zip(new.iter().rev()).take_while(same).count();
    let old = old.get(..old.len() - back).unwrap_or_default();
    let new = new.get(..new.len() - back).unwrap_or_default();

    let mut changed = Patterns::default();
    let mut gone: Map<&RouteId, &Attached> = Map::default();
    for attached in old {
        // attached twice: both count as changed
        if let Some(twin) = gone.insert(&attached.route.id, attached) {
            changed.extend(hosts_of(twin).chain(hosts_of(attached)));
        }
    }
    for attached in new {
        match gone.remove(&attached.route.id) {
            Some(twin) if same(&(twin, attached)) => {}
            twin => changed.extend(twin.into_iter().chain([attached]).flat_map(hosts_of)),
        }
    }
    changed.extend(gone.into_values().flat_map(hosts_of));
    changed
}
