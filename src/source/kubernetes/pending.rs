//! Changes that are not in the store yet.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::api::ObjectRef;
use crate::snapshot::{Object, Snapshot};
use crate::source::Change;

/// Changes by object: the last one counts.
#[derive(Debug, Default)]
pub(super) struct Pending {
    changes: BTreeMap<ObjectRef, (Option<Object>, Instant)>,
}

/// Changes that can be applied, and when the first of them arrived.
#[derive(Debug)]
pub(super) struct Ready {
    /// The changes.
    pub(super) changes: Vec<Change>,
    /// When.
    pub(super) arrived: Instant,
}

impl Pending {
    /// An object is there.
    pub(super) fn put(&mut self, object: Object, at: Instant) {
        self.note(object.reference(), Some(object), at);
    }

    /// An object is gone.
    pub(super) fn remove(&mut self, object: ObjectRef, at: Instant) {
        self.note(object, None, at);
    }

    fn note(&mut self, object: ObjectRef, change: Option<Object>, at: Instant) {
        let entry = self.changes.entry(object).or_insert((None, at));
        entry.0 = change;
    }

    /// The objects that wait.
    pub(super) fn objects(&self) -> impl Iterator<Item = &Object> {
        self.changes.values().filter_map(|(object, _)| object.as_ref())
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Takes what may be applied and changes anything.
    pub(super) fn take(&mut self, snapshot: &Snapshot, may: impl Fn(&Object) -> bool) -> Option<Ready> {
        let mut ready: Option<Ready> = None;
        let taken = self.changes.extract_if(.., |_, (object, _)| object.as_ref().is_none_or(&may));
        for (reference, (object, at)) in taken {
            if snapshot.get(&reference) == object {
                continue;
            }
            let change = object.map_or_else(|| Change::Remove(reference), Change::Put);
            let ready = ready.get_or_insert_with(|| Ready { changes: Vec::new(), arrived: at });
            ready.changes.push(change);
            ready.arrived = ready.arrived.min(at);
        }
        ready
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::api::Kind;

    fn object(name: &str, label: &str) -> Object {
        let value = json!({"metadata": {"name": name, "labels": {"l": label}}});
        Object::from_json(Kind::Namespace, &value).unwrap()
    }

    #[test]
    fn only_what_changes_anything_is_applied_and_only_the_last_of_it() {
        let (mut pending, mut snapshot) = (Pending::default(), Snapshot::default());
        let at = Instant::now();
        snapshot.put(object("same", "1"));
        pending.put(object("same", "2"), at);
        pending.put(object("same", "1"), at);
        assert!(pending.take(&snapshot, |_| true).is_none());
        pending.put(object("new", "1"), at);
        pending.put(object("new", "2"), at);
        pending.remove(object("absent", "1").reference(), at);
        let ready = pending.take(&snapshot, |_| true).unwrap();
        assert_eq!(ready.changes.len(), 1);
        assert!(matches!(&ready.changes[0], Change::Put(put) if *put == object("new", "2")));
        assert!(pending.is_empty());
    }

    #[test]
    fn what_may_not_be_applied_yet_waits() {
        let mut pending = Pending::default();
        pending.put(object("a", "1"), Instant::now());
        assert!(pending.take(&Snapshot::default(), |_| false).is_none());
        assert_eq!(pending.objects().count(), 1);
        assert!(pending.take(&Snapshot::default(), |_| true).is_some());
    }
}
