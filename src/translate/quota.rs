//! Quotas: how many objects a tenant may have.
//!
//! Oldest first: what is there keeps its place, and what comes later than a quota allows is left out. What does
//! not fit does not stand in the way of the next, so that one route that grew too large hurts itself only.
//! Gateways come before routes, because hostnames of both are counted together.

mod ledger;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

use foldhash::fast::RandomState;

use super::Env;
use super::class::{Class, Classes};
use super::field::Field;
use super::finding::Findings;
use super::gateway::created;
use super::reason::Reason;
use super::tenant::Tenants;
use crate::api::ObjectKey;
use crate::api::gateway::listener::{Listener, Protocol};
use crate::api::gateway::shared::ObjectReference;
use crate::api::policy::status::QuotaStatus;
use crate::api::policy::tenant::Quotas as Limits;
use crate::ir::Hostname;
use crate::snapshot::Snapshot;

pub(crate) use ledger::{Demand, Entry, Ledger};

/// What whoever is over can do.
pub(crate) const REMEDY: &str = "remove what is no longer needed, or ask whoever runs the platform for more";

/// What a quota counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counted {
    Routes,
    Rules,
    Hostnames,
    Certificates,
}

impl Counted {
    /// As the Tenant writes it.
    const fn as_str(self) -> &'static str {
        match self {
            Self::Routes => "routes",
            Self::Rules => "rules",
            Self::Hostnames => "hostnames",
            Self::Certificates => "certificates",
        }
    }
}

/// Something that a quota has no room for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Over {
    tenant: Arc<str>,
    counted: Counted,
    limit: u32,
    /// How much was taken when its turn came.
    taken: usize,
    /// How much it would add.
    adds: usize,
    /// Whether it is denied.
    pub(crate) enforced: bool,
}

impl fmt::Display for Over {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tenant, limit, taken, adds, .. } = self;
        let counted = self.counted.as_str();
        write!(f, "Tenant '{tenant}' has a quota of {limit} for {counted}: older ones take {taken}, this adds {adds}")
    }
}

/// The quotas of one tenant.
#[derive(Debug)]
pub(crate) struct Quota {
    tenant: Arc<str>,
    limits: Limits,
    /// Whether they deny anything.
    enforced: bool,
    /// Hostnames of its listeners.
    hostnames: Tally<Hostname>,
    certificates: Tally<ObjectKey>,
}

/// Different things, of which the first have room.
#[derive(Debug)]
struct Tally<T> {
    all: BTreeSet<T>,
    within: BTreeSet<T>,
}

impl<T> Default for Tally<T> {
    fn default() -> Self {
        Self { all: BTreeSet::new(), within: BTreeSet::new() }
    }
}

impl<T: Ord + Clone> Tally<T> {
    fn take(&mut self, one: T, limit: Option<u32>) {
        if is_within(self.within.len() + 1, limit) {
            self.within.insert(one.clone());
        }
        self.all.insert(one);
    }
}

fn is_within(count: usize, limit: Option<u32>) -> bool {
    limit.is_none_or(|limit| u32::try_from(count).is_ok_and(|count| count <= limit))
}

impl Quota {
    /// The quotas of a tenant of which nothing is taken.
    pub(crate) fn new(tenant: Arc<str>, limits: Limits, enforced: bool) -> Self {
        Self { tenant, limits, enforced, hostnames: Tally::default(), certificates: Tally::default() }
    }

    fn over(&self, (counted, limit): (Counted, Option<u32>), taken: usize, adds: usize) -> Option<Over> {
        if adds == 0 || is_within(taken + adds, limit) {
            return None;
        }
        Some(Over { tenant: Arc::clone(&self.tenant), counted, limit: limit?, taken, adds, enforced: self.enforced })
    }

    /// Refuses the hostname of a listener that there is no room for.
    pub(crate) fn hostname(&self, hostname: &Hostname, at: &Field<'_>, findings: &mut Findings) -> Option<Over> {
        let over = self.beyond((Counted::Hostnames, self.limits.hostnames), &self.hostnames, hostname)?;
        if over.enforced {
            findings.reject(Reason::QuotaExceeded, &at.name("hostname"), over.to_string(), REMEDY);
        }
        Some(over)
    }

    /// A certificate of a listener that there is no room for.
    pub(crate) fn certificate(&self, secret: &ObjectKey) -> Option<Over> {
        self.beyond((Counted::Certificates, self.limits.certificates), &self.certificates, secret)
    }

    fn beyond<T: Ord>(&self, quota: (Counted, Option<u32>), tally: &Tally<T>, one: &T) -> Option<Over> {
        if tally.within.contains(one) || !tally.all.contains(one) {
            return None;
        }
        self.over(quota, tally.within.len(), 1)
    }

    fn take_listener(&mut self, namespace: &str, listener: &Listener) {
        let hostname = listener.hostname.as_deref().and_then(Hostname::parse);
        hostname.into_iter().for_each(|hostname| self.hostnames.take(hostname, self.limits.hostnames));
        if listener.protocol == Protocol::Https {
            for reference in listener.tls.iter().flat_map(|tls| &tls.certificate_refs) {
                let secret = secret(namespace, reference);
                secret.into_iter().for_each(|secret| self.certificates.take(secret, self.limits.certificates));
            }
        }
    }
}

/// The Secret that is meant, in a namespace that references without one mean.
fn secret(namespace: &str, reference: &ObjectReference) -> Option<ObjectKey> {
    let is_secret = reference.group.as_deref().is_none_or(str::is_empty)
        && reference.kind.as_deref().is_none_or(|kind| kind == "Secret");
    is_secret.then(|| ObjectKey::new(reference.namespace.as_deref().unwrap_or(namespace), reference.name.as_str()))
}

/// The quotas of every tenant that has some, with what the listeners of its Gateways take.
#[derive(Debug, Default)]
pub(crate) struct Quotas(HashMap<Arc<str>, Quota, RandomState>);

impl Quotas {
    /// Looks at the Gateways of ours. Without quotas there is nothing to look at.
    pub(crate) fn new(snapshot: &Snapshot, tenants: &Tenants, classes: &Classes) -> Self {
        let mut quotas: HashMap<_, _, _> = tenants.quotas().map(|quota| (Arc::clone(&quota.tenant), quota)).collect();
        if quotas.is_empty() {
            return Self::default();
        }
        let ours = |name: &str| matches!(classes.get(name), Class::Accepted(_) | Class::Refused);
        let gateways = snapshot.gateways.iter().filter(|(_, gateway)| ours(&gateway.spec.gateway_class_name));
        let mut gateways: Vec<_> = gateways.collect();
        gateways.sort_by_key(|(key, gateway)| (created(&gateway.metadata), *key));
        for (key, gateway) in gateways {
            let tenant = tenants.of(snapshot, &key.namespace);
            if let Some(quota) = tenant.and_then(|tenant| quotas.get_mut(&tenant)) {
                gateway.spec.listeners.iter().for_each(|listener| quota.take_listener(&key.namespace, listener));
            }
        }
        Self(quotas)
    }

    /// The quotas of a tenant, if it has any.
    pub(crate) fn of(&self, tenant: Option<&str>) -> Option<&Quota> {
        self.0.get(tenant?)
    }

    /// The quotas of the tenant of a namespace, if there are any.
    pub(crate) fn of_namespace(&self, env: &Env<'_>, namespace: &str) -> Option<&Quota> {
        if self.0.is_empty() {
            return None;
        }
        self.of(env.tenants.of(env.snapshot, namespace).as_deref())
    }

    /// What a tenant has of each quota.
    pub(crate) fn used(&self, tenant: &str, ledger: &Ledger) -> Vec<QuotaStatus> {
        let Some(quota) = self.of(Some(tenant)) else { return Vec::new() };
        let (limits, used) = (&quota.limits, ledger.used(quota));
        let counted = [
            (Counted::Routes, limits.routes, used.routes),
            (Counted::Rules, limits.rules, used.rules),
            (Counted::Hostnames, limits.hostnames, used.hostnames),
            (Counted::Certificates, limits.certificates, quota.certificates.all.len()),
        ];
        let status = |(counted, limit, used): (Counted, Option<u32>, usize)| {
            let used = u32::try_from(used).unwrap_or(u32::MAX);
            Some(QuotaStatus { name: counted.as_str().to_owned(), used, limit: limit? })
        };
        counted.into_iter().filter_map(status).collect()
    }
}
