//! The statuses of policies among those of everything else.

use std::sync::Arc;

use imbl::OrdMap;

use crate::api::ObjectRef;
use crate::api::status::Status;
use crate::snapshot::differences;

type Statuses = OrdMap<ObjectRef, Arc<Status>>;

/// All statuses as they were last, so that the cost of the next pass is what changed, however many policies and
/// routes there are.
#[derive(Debug, Default)]
pub(super) struct Reports {
    others: Statuses,
    all: Statuses,
}

impl Reports {
    /// The statuses of all: `others` as they are now, and the policies that changed, without a status where one is
    /// gone.
    pub(super) fn all(
        &mut self,
        others: Statuses,
        changed: impl Iterator<Item = (ObjectRef, Option<Arc<Status>>)>,
    ) -> Statuses {
        let news = differences(&self.others, &others).map(|object| (object.clone(), others.get(object).cloned()));
        for (object, status) in news.chain(changed) {
            match status {
                Some(status) => self.all.insert(object, status),
                None => self.all.remove(&object),
            };
        }
        self.others = others;
        self.all.clone()
    }
}
