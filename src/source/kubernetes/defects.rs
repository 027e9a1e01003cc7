//! Objects that cannot be read.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::event::Defect;
use super::health::Malformed;
use crate::api::{Kind, ObjectRef};

/// The objects that cannot be read at the moment.
#[derive(Debug, Default)]
pub(super) struct Defects {
    found: BTreeMap<ObjectRef, Malformed>,
    /// All of them as they were last asked for, unless they have changed.
    shared: Option<Arc<[Malformed]>>,
}

impl Defects {
    /// Notes that an object cannot be read, and says so if that is news.
    pub(super) fn note(&mut self, object: ObjectRef, defect: Defect) {
        let Defect { field, message } = defect;
        let malformed = Malformed { object: object.clone(), field, message };
        if self.found.get(&object) == Some(&malformed) {
            return;
        }
        let Malformed { field, message, .. } = &malformed;
        tracing::warn!(%object, field, problem = message, "the object cannot be read; its last good version stays");
        self.found.insert(object, malformed);
        self.shared = None;
    }

    /// Notes that an object can be read, or is gone.
    pub(super) fn clear(&mut self, object: &ObjectRef) {
        if self.found.remove(object).is_some() {
            self.shared = None;
        }
    }

    /// Those of one kind.
    pub(super) fn of(&self, kind: Kind) -> impl Iterator<Item = &ObjectRef> {
        self.found.keys().filter(move |object| object.kind == kind)
    }

    /// All of them.
    pub(super) fn all(&mut self) -> Arc<[Malformed]> {
        let found = &self.found;
        Arc::clone(self.shared.get_or_insert_with(|| found.values().cloned().collect()))
    }
}
