//! Limits: those of RateLimitPolicies and the ceilings of Tenants, one list for the data plane, and what is said to
//! whoever wrote them.
//!
//! All limits on the way of a request hold, so there is nothing to decide between two policies: whoever adds
//! one can only lower what is let through.

mod amount;
mod ceiling;
mod condition;
mod key;
mod key_set;
mod policy;
mod read;
mod report;
mod target;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hash;
use std::sync::Arc;

use foldhash::fast::RandomState;

use self::key_set::KeySets;
use self::policy::Judged;
use self::report::Reports;
use super::field::Field;
use super::finding::Findings;
use super::reason::Reason;
use super::{Env, Translation};
use crate::api::{Kind, ObjectKey, ObjectRef};
use crate::ir::{Limit, RouteId, Share};
use crate::snapshot::{Snapshot, differences};

pub(crate) use ceiling::{ceilings, share};

/// Kinds that any policy may depend on: its target may be a Gateway of ours, or the tenant of its namespace.
const COMMON: [Kind; 4] = [Kind::GatewayClass, Kind::Gateway, Kind::Namespace, Kind::Tenant];

/// The policies as they were last judged. A change costs what changed, and a limit that stays the same stays
/// the very same.
#[derive(Debug, Default)]
pub(crate) struct Memo {
    /// What they depend on: the policies themselves, [`COMMON`], routes, and what holds keys of tokens.
    before: Snapshot,
    policies: BTreeMap<ObjectKey, Judged>,
    /// The policies that name a route, whether or not it is there.
    by_route: HashMap<RouteId, BTreeSet<ObjectKey>, RandomState>,
    /// Those that refer to a ConfigMap or Secret, whether or not it is there.
    by_key_set: HashMap<ObjectRef, BTreeSet<ObjectKey>, RandomState>,
    key_sets: KeySets,
    limits: Arc<[Arc<Limit>]>,
    shares: Arc<[Share]>,
    reports: Reports,
}

impl Memo {
    /// Judges what has to be judged, and says how everything stands.
    pub(crate) fn report(&mut self, env: &Env<'_>, out: &mut Translation) {
        let common = COMMON.into_iter().all(|kind| self.before.shares(env.snapshot, kind));
        let changed = if common { self.changed(env.snapshot) } else { self.all(env.snapshot) };
        self.keep(env.snapshot);
        for key in &changed {
            self.judge(env, key);
        }
        self.key_sets.retain(|object| self.by_key_set.contains_key(object));
        if !common || !changed.is_empty() {
            let limits = self.policies.values().flat_map(|judged| &judged.limits).chain(&env.tenants.limits);
            self.limits = same(&self.limits, limits.cloned().collect());
            if *self.shares != *env.tenants.shares {
                self.shares = env.tenants.shares.as_slice().into();
            }
        }
        self.give(&changed, out);
    }

    /// The policies that differ, and those that name a route that does.
    fn changed(&self, snapshot: &Snapshot) -> BTreeSet<ObjectKey> {
        let mut changed: BTreeSet<_> =
            differences(&self.before.rate_limit_policies, &snapshot.rate_limit_policies).cloned().collect();
        if !self.by_route.is_empty() {
            let id = |kind| move |key: &ObjectKey| RouteId { kind, key: key.clone() };
            let http = differences(&self.before.http_routes, &snapshot.http_routes).map(id(Kind::HttpRoute));
            let grpc = differences(&self.before.grpc_routes, &snapshot.grpc_routes).map(id(Kind::GrpcRoute));
            let named = http.chain(grpc).filter_map(|route| self.by_route.get(&route));
            changed.extend(named.flatten().cloned());
        }
        if !self.by_key_set.is_empty() {
            let object = |kind| move |key: &ObjectKey| ObjectRef::new(kind, key.clone());
            let maps = differences(&self.before.config_maps, &snapshot.config_maps).map(object(Kind::ConfigMap));
            let secrets = differences(&self.before.secrets, &snapshot.secrets).map(object(Kind::Secret));
            let named = maps.chain(secrets).filter_map(|object| self.by_key_set.get(&object));
            changed.extend(named.flatten().cloned());
        }
        changed
    }

    /// Every policy, and those that are gone.
    fn all(&self, snapshot: &Snapshot) -> BTreeSet<ObjectKey> {
        self.policies.keys().chain(snapshot.rate_limit_policies.keys()).cloned().collect()
    }

    /// Nothing but what is compared the next time: old objects must not be kept alive.
    fn keep(&mut self, snapshot: &Snapshot) {
        self.before = Snapshot {
            rate_limit_policies: snapshot.rate_limit_policies.clone(),
            gateway_classes: snapshot.gateway_classes.clone(),
            gateways: snapshot.gateways.clone(),
            namespaces: snapshot.namespaces.clone(),
            tenants: snapshot.tenants.clone(),
            http_routes: snapshot.http_routes.clone(),
            grpc_routes: snapshot.grpc_routes.clone(),
            config_maps: snapshot.config_maps.clone(),
            secrets: snapshot.secrets.clone(),
            ..Snapshot::default()
        };
    }

    fn judge(&mut self, env: &Env<'_>, key: &ObjectKey) {
        if let Some(before) = self.policies.remove(key) {
            before.routes.iter().for_each(|route| forget(&mut self.by_route, route, key));
            before.key_sets.iter().for_each(|object| forget(&mut self.by_key_set, object, key));
        }
        let Some(policy) = env.snapshot.rate_limit_policies.get(key) else { return };
        let judged = policy::judge(env, key, policy, &mut self.key_sets);
        for route in &judged.routes {
            self.by_route.entry(route.clone()).or_default().insert(key.clone());
        }
        for object in &judged.key_sets {
            self.by_key_set.entry(object.clone()).or_default().insert(key.clone());
        }
        self.policies.insert(key.clone(), judged);
    }

    fn give(&mut self, changed: &BTreeSet<ObjectKey>, out: &mut Translation) {
        if self.policies.is_empty() {
            self.reports = Reports::default();
        } else {
            let status = |key: &ObjectKey| {
                let status = self.policies.get(key).map(|judged| Arc::clone(&judged.status));
                (ObjectRef::new(Kind::RateLimitPolicy, key.clone()), status)
            };
            let others = std::mem::take(&mut out.statuses);
            out.statuses = self.reports.all(others, changed.iter().map(status));
            let problems = self.policies.values().flat_map(|judged| &judged.problems);
            out.problems.extend(problems.cloned());
        }
        out.ir.limits = Arc::clone(&self.limits);
        out.ir.shares = Arc::clone(&self.shares);
    }
}

/// A policy does not name something any more.
fn forget<K: Eq + Hash>(by: &mut HashMap<K, BTreeSet<ObjectKey>, RandomState>, named: &K, policy: &ObjectKey) {
    if let Some(policies) = by.get_mut(named) {
        policies.remove(policy);
        if policies.is_empty() {
            by.remove(named);
        }
    }
}

/// The new limits, sorted; each that is as it was is the very same, and so is the list.
fn same(before: &Arc<[Arc<Limit>]>, mut limits: Vec<Arc<Limit>>) -> Arc<[Arc<Limit>]> {
    limits.sort_by(|a, b| a.id.cmp(&b.id));
    for limit in &mut limits {
        let place = before.binary_search_by(|known| known.id.cmp(&limit.id));
        let known = place.ok().and_then(|place| before.get(place));
        if let Some(known) = known.filter(|known| *known == limit) {
            *limit = Arc::clone(known);
        }
    }
    if **before == *limits { Arc::clone(before) } else { limits.into() }
}

/// Says that something cannot be honoured as it is written.
fn invalid(findings: &mut Findings, at: &Field<'_>, message: impl Into<String>, remedy: &str) {
    findings.reject(Reason::Invalid, at, message, remedy);
}

#[cfg(test)]
mod tests;
