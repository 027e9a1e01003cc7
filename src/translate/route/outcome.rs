//! What a route comes to, kept apart from where it is added, so that it can be remembered.

use std::sync::Arc;

use crate::api::status::Status;
use crate::api::{ObjectKey, ObjectRef};
use crate::ir::{Attached, Backend, BackendKey};
use crate::translate::gateway::GatewayPlan;
use crate::translate::{Problem, Translation};

/// Everything that a route adds to the Gateways and to the translation.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(super) joins: Vec<Join>,
    /// Whether it counts as attached.
    pub(super) counts: bool,
    pub(super) backends: Vec<(BackendKey, Backend)>,
    pub(super) status: Option<Arc<Status>>,
    pub(super) problems: Vec<Problem>,
    /// The Services that were looked for.
    pub(crate) services: Vec<ObjectKey>,
}

/// A listener that a route is attached to, by the places of Gateway and listener.
#[derive(Debug)]
pub(super) struct Join {
    pub(super) gateway: usize,
    pub(super) listener: usize,
    pub(super) attached: Attached,
}

impl Outcome {
    /// Adds it.
    pub(super) fn apply(&self, object: ObjectRef, gateways: &mut [GatewayPlan<'_>], out: &mut Translation) {
        for join in &self.joins {
            let listener = gateways.get_mut(join.gateway).and_then(|it| it.listeners.get_mut(join.listener));
            let Some(listener) = listener else { continue };
            listener.attached += i32::from(self.counts);
            listener.routes.push(join.attached.clone());
        }
        out.ir.backends.extend(self.backends.iter().cloned());
        out.problems.extend(self.problems.iter().cloned());
        out.statuses.extend(self.status.clone().map(|status| (object, status)));
    }
}
