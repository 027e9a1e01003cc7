//! What a route comes to, and the sum of what all come to.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use foldhash::fast::RandomState;
use imbl::{OrdMap, OrdSet};

use crate::api::status::Status;
use crate::api::{ObjectKey, ObjectRef};
use crate::ir::{Attached, Backend, BackendKey, RouteId, Routes};
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
    /// The tenant of its namespace.
    pub(super) tenant: Option<Arc<str>>,
    pub(crate) sought: Sought,
}

/// What a route looked for beside itself.
#[derive(Debug, Default)]
pub(crate) struct Sought {
    /// The Services, whether or not they are there and may be used.
    pub(crate) services: Vec<ObjectKey>,
    /// The ShareGrants that permitted some of them.
    pub(crate) grants: BTreeSet<ObjectKey>,
}

impl Outcome {
    /// The tenant, if the route counts as attached anywhere.
    fn attached_tenant(&self) -> Option<&Arc<str>> {
        self.tenant.as_ref().filter(|_| self.counts && !self.joins.is_empty())
    }
}

/// Places of a Gateway and of a listener in it.
type Place = (usize, usize);

/// A listener that a route is attached to.
#[derive(Debug)]
pub(super) struct Join {
    pub(super) place: Place,
    pub(super) attached: Attached,
}

/// The sum of outcomes. To add or to take away one costs what that one is.
#[derive(Debug, Default)]
pub(crate) struct Sum {
    listeners: HashMap<Place, Tally, RandomState>,
    backends: OrdMap<BackendKey, Backend>,
    /// How many routes name a backend.
    users: HashMap<BackendKey, usize, RandomState>,
    statuses: OrdMap<ObjectRef, Arc<Status>>,
    problems: OrdSet<Problem>,
    /// How many routes are attached, by tenant.
    tenants: HashMap<Arc<str>, u32, RandomState>,
    /// Who refers to something by a ShareGrant.
    grants: HashMap<ObjectKey, BTreeSet<RouteId>, RandomState>,
}

/// What is attached to one listener.
#[derive(Debug, Default)]
struct Tally {
    routes: Routes,
    attached: i32,
}

impl Sum {
    /// Adds what a route comes to.
    pub(crate) fn add(&mut self, route: &RouteId, outcome: &Outcome) {
        for join in &outcome.joins {
            let tally = self.listeners.entry(join.place).or_default();
            tally.routes.insert(join.attached.clone());
            tally.attached += i32::from(outcome.counts);
        }
        for (key, backend) in &outcome.backends {
            *self.users.entry(key.clone()).or_default() += 1;
            self.backends.insert(key.clone(), backend.clone());
        }
        for grant in &outcome.sought.grants {
            self.grants.entry(grant.clone()).or_default().insert(route.clone());
        }
        if let Some(tenant) = outcome.attached_tenant() {
            *self.tenants.entry(Arc::clone(tenant)).or_default() += 1;
        }
        self.problems.extend(outcome.problems.iter().cloned());
        self.statuses.extend(outcome.status.clone().map(|status| (ObjectRef::from(route), status)));
    }

    /// Takes away what a route came to.
    pub(crate) fn subtract(&mut self, route: &RouteId, outcome: &Outcome) {
        for join in &outcome.joins {
            if let Some(tally) = self.listeners.get_mut(&join.place) {
                tally.routes.remove(&join.attached.route);
                tally.attached -= i32::from(outcome.counts);
            }
        }
        for (key, _) in &outcome.backends {
            if let Entry::Occupied(mut users) = self.users.entry(key.clone()) {
                *users.get_mut() -= 1;
                if *users.get() == 0 {
                    users.remove();
                    self.backends.remove(key);
                }
            }
        }
        for grant in &outcome.sought.grants {
            if let Some(users) = self.grants.get_mut(grant) {
                users.remove(route);
                if users.is_empty() {
                    self.grants.remove(grant);
                }
            }
        }
        if let Some(count) = outcome.attached_tenant().and_then(|tenant| self.tenants.get_mut(tenant)) {
            *count -= 1;
        }
        for problem in &outcome.problems {
            self.problems.remove(problem);
        }
        self.statuses.remove(&ObjectRef::from(route));
    }

    /// How many routes of a tenant are attached.
    pub(crate) fn attached_routes_of(&self, tenant: &str) -> u32 {
        self.tenants.get(tenant).copied().unwrap_or_default()
    }

    /// The routes that refer to something by a ShareGrant.
    pub(crate) fn users_of(&self, grant: &ObjectKey) -> impl ExactSizeIterator<Item = &RouteId> {
        self.grants.get(grant).map(BTreeSet::iter).unwrap_or_default()
    }

    /// Hands everything over, beside what is there already.
    pub(crate) fn give(&self, gateways: &mut [GatewayPlan<'_>], out: &mut Translation) {
        for ((gateway, listener), tally) in &self.listeners {
            let listener = gateways.get_mut(*gateway).and_then(|it| it.listeners.get_mut(*listener));
            let Some(listener) = listener else { continue };
            listener.attached = tally.attached;
            listener.routes = tally.routes.clone();
        }
        out.ir.backends = self.backends.clone();
        let (statuses, problems) = (std::mem::take(&mut out.statuses), std::mem::take(&mut out.problems));
        (out.statuses, out.problems) = (self.statuses.clone(), self.problems.clone());
        out.statuses.extend(statuses);
        out.problems.extend(problems);
    }
}
