//! Tenants: whose a namespace is, and what belongs to whom.
//!
//! Where two Tenants want the same, the older one has it and both are told: a mistake of the platform
//! must not take traffic from whom it was given to.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use foldhash::fast::RandomState;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use parking_lot::Mutex;

use super::claim::Owners;
use super::field::Field;
use super::finding::{Concern, Findings};
use super::gateway::created;
use super::limit;
use super::reason::Reason;
use super::{Translation, selector, status};
use crate::api::policy::status::{ClaimsStatus, Contest};
use crate::api::policy::{Mode, Tenant};
use crate::api::status::{Condition, Status, TenantStatus};
use crate::api::{Kind, ObjectKey, ObjectRef};
use crate::ir::{Claim, Hostname, Limit, Share, one_spelling};
use crate::snapshot::{Objects, Snapshot};

/// How many contests a status lists.
const MOST_CONTESTS: usize = 16;

/// The Tenants of a snapshot.
#[derive(Debug, Default)]
pub(crate) struct Tenants {
    /// Oldest first.
    tenants: Vec<Judged>,
    /// What was asked for before.
    by_namespace: Mutex<HashMap<Arc<str>, Option<Arc<str>>, RandomState>>,
    /// What belongs to whom, and how it is looked up.
    pub(crate) owners: Owners,
    /// The ceilings of all.
    pub(crate) limits: Vec<Arc<Limit>>,
    /// Their shares, sorted by tenant.
    pub(crate) shares: Vec<Share>,
}

#[derive(Debug)]
struct Judged {
    name: Arc<str>,
    /// Absent when it would select every namespace.
    selector: Option<LabelSelector>,
    /// Whether its claims deny anything.
    enforced: bool,
    generation: i64,
    findings: Findings,
    namespaces: u32,
    claims: ClaimsStatus,
    limits: Vec<Arc<Limit>>,
    share: Option<Share>,
}

/// The Tenants as they were last judged: they change seldom.
#[derive(Debug, Default)]
pub(crate) struct Memo {
    tenants: Objects<Tenant>,
    namespaces: Objects<k8s_openapi::api::core::v1::Namespace>,
    judged: Arc<Tenants>,
}

impl Memo {
    /// The Tenants of a snapshot.
    pub(crate) fn tenants(&mut self, snapshot: &Snapshot) -> Arc<Tenants> {
        if !self.tenants.ptr_eq(&snapshot.tenants) || !self.namespaces.ptr_eq(&snapshot.namespaces) {
            self.judged = Arc::new(Tenants::new(snapshot));
            (self.tenants, self.namespaces) = (snapshot.tenants.clone(), snapshot.namespaces.clone());
        }
        Arc::clone(&self.judged)
    }
}

impl Tenants {
    fn new(snapshot: &Snapshot) -> Self {
        let mut objects: Vec<_> = snapshot.tenants.iter().collect();
        objects.sort_by_key(|(key, tenant)| (created(&tenant.metadata), *key));
        let mut taken = BTreeMap::new();
        let mut judged: Vec<_> = objects.into_iter().map(|(key, it)| judge(key, it, &mut taken)).collect();
        tell_contests(&mut judged);
        count_namespaces(snapshot, &mut judged);
        let mut shares: Vec<_> = judged.iter().filter_map(|tenant| tenant.share.clone()).collect();
        shares.sort_by(|a, b| a.tenant.cmp(&b.tenant));
        Self {
            owners: Owners::new(taken.into_values()),
            limits: judged.iter().flat_map(|tenant| &tenant.limits).cloned().collect(),
            shares,
            tenants: judged,
            by_namespace: Mutex::default(),
        }
    }

    /// The tenant of a namespace.
    pub(crate) fn of(&self, snapshot: &Snapshot, namespace: &Arc<str>) -> Option<Arc<str>> {
        if self.tenants.is_empty() {
            return None;
        }
        let find = || self.selecting(snapshot, namespace).next().map(|tenant| Arc::clone(&tenant.name));
        self.by_namespace.lock().entry(Arc::clone(namespace)).or_insert_with(find).clone()
    }

    fn selecting<'t>(&'t self, snapshot: &'t Snapshot, namespace: &'t str) -> impl Iterator<Item = &'t Judged> {
        self.tenants.iter().filter(move |tenant| tenant.selects(snapshot, namespace))
    }

    /// Says how each Tenant stands. `routes` are those attached, by tenant.
    pub(crate) fn report(&self, routes: impl Fn(&str) -> u32, out: &mut Translation) {
        for tenant in &self.tenants {
            let object = ObjectRef::new(Kind::Tenant, ObjectKey::new("", Arc::clone(&tenant.name)));
            let status = TenantStatus {
                conditions: conditions(tenant),
                namespaces: tenant.namespaces,
                routes: routes(&tenant.name),
                claims: tenant.claims.clone(),
            };
            out.statuses.insert(object.clone(), Arc::new(Status::Tenant(status)));
            out.problems.extend(tenant.findings.clone().into_problems(&object));
        }
    }
}

impl Judged {
    /// Whether a namespace is meant; one that is refused means none.
    fn selects(&self, snapshot: &Snapshot, namespace: &str) -> bool {
        self.selector.as_ref().is_some_and(|selector| selector::selects(snapshot, selector, namespace))
    }
}

fn conditions(tenant: &Judged) -> Vec<Condition> {
    let generation = tenant.generation;
    let mut conditions = match tenant.findings.verdict(Concern::Accepted) {
        Some((reason, message)) => vec![
            status::fails(status::ACCEPTED, reason, message, generation),
            status::fails(status::PROGRAMMED, Reason::Invalid, "the Tenant is not accepted", generation),
        ],
        None => {
            let message = match tenant.enforced {
                true => "its claims hold in all that is served",
                false => "what its claims would deny is counted; in Shadow mode they deny nothing",
            };
            vec![
                status::holds(status::ACCEPTED, Reason::Accepted, "the Tenant is accepted", generation),
                status::holds(status::PROGRAMMED, Reason::Programmed, message, generation),
            ]
        }
    };
    if let Some((reason, message)) = tenant.findings.verdict(Concern::Programmed) {
        conditions.push(status::holds(status::CONFLICTED, reason, message, generation));
    }
    conditions
}

/// Claims by whether they are enforced, hostname and path.
type Taken = BTreeMap<(bool, Hostname, String), Claim>;

/// Reads one Tenant and takes what it claims, as far as no older one has.
fn judge(key: &ObjectKey, tenant: &Tenant, taken: &mut Taken) -> Judged {
    let (name, spec) = (&key.name, &tenant.spec);
    let mut judged = Judged {
        name: Arc::clone(name),
        selector: Some(spec.namespaces.clone()).filter(|selector| !selector::selects_everything(selector)),
        // a mode that this version does not know must not deny what it does not understand
        enforced: spec.mode == Mode::Enforce,
        generation: tenant.metadata.generation.unwrap_or_default(),
        findings: Findings::default(),
        namespaces: 0,
        claims: ClaimsStatus::default(),
        limits: Vec::new(),
        share: None,
    };
    if judged.selector.is_none() {
        // Nobody means every namespace. The API server refuses it; an object from before may still say it.
        let at = Field::SPEC;
        let remedy = "select by at least one label";
        judged.findings.reject(Reason::UnsupportedValue, &at.name("namespaces"), "it selects every namespace", remedy);
        return judged;
    }
    judged.limits = limit::ceilings(name, spec, &mut judged.findings);
    judged.share = limit::share(name, spec);
    let enforced = judged.enforced;
    for (index, claim) in spec.claims.iter().enumerate() {
        for hostname in &claim.hostnames {
            let Some(hostname) = Hostname::parse(hostname) else {
                let at = Field::SPEC;
                let at = at.item("claims", index);
                let message = format!("'{hostname}' is not a hostname");
                // the others hold: one slip must not lay open what is claimed beside it
                judged.findings.notice(Reason::UnsupportedValue, &at.name("hostnames"), message, "write a DNS name");
                continue;
            };
            let whole = claim.path_prefixes.is_empty().then_some("/");
            for prefix in claim.path_prefixes.iter().map(String::as_str).chain(whole) {
                let prefix = one_spelling(prefix.trim_end_matches('/'));
                take(
                    &mut judged,
                    taken,
                    Claim { hostname: hostname.clone(), prefix, tenant: Arc::clone(name), enforced },
                );
            }
        }
    }
    judged
}

fn take(judged: &mut Judged, taken: &mut Taken, claim: Claim) {
    let place = (claim.enforced, claim.hostname.clone(), claim.prefix.clone());
    match taken.get(&place) {
        Some(older) if older.tenant != claim.tenant => {
            judged.claims.contested += 1;
            judged.claims.contests.push(Contest {
                hostname: claim.hostname.to_string(),
                path_prefix: (!claim.prefix.is_empty()).then_some(claim.prefix),
                tenant: older.tenant.to_string(),
            });
        }
        Some(_) => {}
        None => {
            judged.claims.held += 1;
            taken.insert(place, claim);
        }
    }
}

/// Both sides of a contest see it; the older one keeps what it has.
fn tell_contests(judged: &mut [Judged]) {
    let mut challenged: BTreeMap<String, Vec<Contest>> = BTreeMap::new();
    for tenant in judged.iter_mut() {
        for contest in &tenant.claims.contests {
            let seen = Contest { tenant: tenant.name.to_string(), ..contest.clone() };
            challenged.entry(contest.tenant.clone()).or_default().push(seen);
        }
        if let Some(first) = tenant.claims.contests.first() {
            let message = format!("'{}' belongs to the older Tenant '{}'", first.hostname, first.tenant);
            let at = Field::SPEC;
            let remedy = "let one Tenant claim it";
            tenant.findings.unprogrammed(Reason::ClaimConflict, &at.name("claims"), message, remedy);
        }
    }
    for tenant in judged {
        tenant.claims.contests.extend(challenged.remove(&*tenant.name).unwrap_or_default());
        tenant.claims.contests.truncate(MOST_CONTESTS);
    }
}

fn count_namespaces(snapshot: &Snapshot, judged: &mut [Judged]) {
    for key in snapshot.namespaces.keys() {
        let mut selecting = judged.iter_mut().filter(|tenant| tenant.selects(snapshot, &key.name));
        let Some(first) = selecting.next() else { continue };
        first.namespaces += 1;
        let owner = Arc::clone(&first.name);
        for other in selecting {
            let message = format!("namespace '{}' belongs to the older Tenant '{owner}'", key.name);
            let at = Field::SPEC;
            let remedy = "let one Tenant select it";
            other.findings.unprogrammed(Reason::NamespaceConflict, &at.name("namespaces"), message, remedy);
        }
    }
}

#[cfg(test)]
mod tests;
