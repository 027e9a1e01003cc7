//! The routes of tenants with quotas, in the order in which they get what there is.
//!
//! A change costs what the routes of its tenant cost to count, and nothing when what is counted stays the same.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use foldhash::fast::RandomState;

use super::{Counted, Over, Quota, Quotas};
use crate::api::{Kind, ObjectKey};
use crate::ir::{Hostname, RouteId};

/// A route that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) tenant: Arc<str>,
    /// Its age; see [`crate::ir::Route::created`].
    pub(crate) created: i64,
    pub(crate) demand: Demand,
}

/// What a route takes of the quotas, besides being one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Demand {
    pub(crate) rules: usize,
    pub(crate) hostnames: Vec<Hostname>,
}

/// The routes of every tenant with quotas.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    accounts: HashMap<Arc<str>, Account, RandomState>,
    entries: HashMap<RouteId, Entry, RandomState>,
    /// Tenants of which something has changed since the last count.
    touched: BTreeSet<Arc<str>>,
}

/// The routes of one tenant.
#[derive(Debug, Default)]
struct Account {
    routes: BTreeMap<Turn, Demand>,
    /// Those that there is no room for.
    over: HashMap<RouteId, Over, RandomState>,
    used: Used,
}

/// When it is a route's turn: the oldest first, of two of an age the first by namespace and name.
type Turn = (i64, ObjectKey, Kind);

/// How much there is of everything, with what is over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Used {
    pub(crate) routes: usize,
    pub(crate) rules: usize,
    pub(crate) hostnames: usize,
}

impl Ledger {
    /// Notes what a route takes now; nothing when it is gone or its tenant has no quotas.
    pub(crate) fn note(&mut self, route: &RouteId, entry: Option<Entry>) {
        if self.entries.get(route) == entry.as_ref() {
            return;
        }
        if let Some(Entry { tenant, created, .. }) = self.entries.remove(route) {
            if let Some(account) = self.accounts.get_mut(&tenant) {
                account.routes.remove(&turn(created, route));
            }
            self.touched.insert(tenant);
        }
        if let Some(entry) = entry {
            let account = self.accounts.entry(Arc::clone(&entry.tenant)).or_default();
            account.routes.insert(turn(entry.created, route), entry.demand.clone());
            self.touched.insert(Arc::clone(&entry.tenant));
            self.entries.insert(route.clone(), entry);
        }
    }

    /// Counts anew where something changed: the routes for which there is room now and was none, or the
    /// other way round, or for another reason.
    pub(crate) fn count(&mut self, quotas: &Quotas) -> BTreeSet<RouteId> {
        let mut turned = BTreeSet::new();
        for tenant in std::mem::take(&mut self.touched) {
            let (Some(quota), Some(account)) = (quotas.of(Some(&tenant)), self.accounts.get_mut(&tenant)) else {
                continue;
            };
            let over = account.count(quota);
            account.used = account.sum(quota);
            let before = std::mem::replace(&mut account.over, over);
            let differs = |route: &&RouteId| before.get(*route) != account.over.get(*route);
            turned.extend(before.keys().chain(account.over.keys()).filter(differs).cloned());
        }
        turned
    }

    /// Why there is no room for a route.
    pub(crate) fn over(&self, route: &RouteId) -> Option<&Over> {
        self.accounts.get(&self.entries.get(route)?.tenant)?.over.get(route)
    }

    /// How much there is of a tenant.
    pub(crate) fn used(&self, quota: &Quota) -> Used {
        let nothing = Used { hostnames: quota.hostnames.all.len(), ..Used::default() };
        self.accounts.get(&quota.tenant).map_or(nothing, |account| account.used)
    }
}

fn turn(created: i64, route: &RouteId) -> Turn {
    (created, route.key.clone(), route.kind)
}

impl Account {
    /// Goes through the routes and gives each what is left, if that is enough.
    fn count(&self, quota: &Quota) -> HashMap<RouteId, Over, RandomState> {
        let limits = &quota.limits;
        let mut over = HashMap::default();
        let (mut routes, mut rules) = (0, 0);
        let mut hostnames: HashSet<&Hostname, RandomState> = quota.hostnames.within.iter().collect();
        for ((_, key, kind), demand) in &self.routes {
            let new = demand.hostnames.iter().filter(|hostname| !hostnames.contains(hostname)).count();
            let denied = quota
                .over((Counted::Routes, limits.routes), routes, 1)
                .or_else(|| quota.over((Counted::Rules, limits.rules), rules, demand.rules))
                .or_else(|| quota.over((Counted::Hostnames, limits.hostnames), hostnames.len(), new));
            match denied {
                Some(denied) => drop(over.insert(RouteId { kind: *kind, key: key.clone() }, denied)),
                None => {
                    routes += 1;
                    rules += demand.rules;
                    hostnames.extend(&demand.hostnames);
                }
            }
        }
        over
    }

    fn sum(&self, quota: &Quota) -> Used {
        let demands = || self.routes.values();
        let hostnames = demands().flat_map(|demand| &demand.hostnames).chain(&quota.hostnames.all);
        Used {
            routes: self.routes.len(),
            rules: demands().map(|demand| demand.rules).sum(),
            hostnames: hostnames.collect::<HashSet<_, RandomState>>().len(),
        }
    }
}
