//! What a Tenant may take: its ceilings, and its share of a gateway that has no more to give.

use std::sync::Arc;

use super::amount;
use crate::api::policy::Mode;
use crate::api::policy::tenant::{self, TenantLimits, TenantSpec};
use crate::ir::limit::{Amount, Counting, Scope};
use crate::ir::{Limit, LimitId, LimitSource, LimitTarget, Share};
use crate::translate::field::Field;
use crate::translate::finding::Findings;

/// The least and the most weight.
const WEIGHTS: (u32, u32) = (1, 1000);

/// The ceilings of a Tenant. One that cannot be read does not take the others along: a slip must not let through
/// everything else.
pub(crate) fn ceilings(name: &Arc<str>, spec: &TenantSpec, findings: &mut Findings) -> Vec<Arc<Limit>> {
    let mut found = Findings::default();
    let limits = amounts(&spec.limits, &mut found).into_iter().map(|(which, amount)| {
        let id = LimitId { source: LimitSource::Tenant(Arc::clone(name)), name: which.into() };
        let plain = Limit::plain(id, vec![LimitTarget::Tenant(Arc::clone(name))], Scope::Tenant, amount);
        Arc::new(Limit { counting: Counting::Divide, enforced: spec.mode == Mode::Enforce, ..plain })
    });
    let limits = limits.collect();
    findings.append(found.into_notices());
    limits
}

fn amounts(limits: &TenantLimits, findings: &mut Findings) -> Vec<(&'static str, Amount)> {
    let at = Field::SPEC;
    let at = at.name("limits");
    let requests = limits.requests.as_ref();
    let requests = requests.and_then(|it| amount::rate(&it.to_rate(), "rate", &at.name("requests"), findings));
    let concurrency = limits.concurrency.and_then(|it| amount::count(it, &at.name("concurrency"), findings));
    let connections = limits.connections.and_then(|it| amount::count(it, &at.name("connections"), findings));
    let bandwidth = limits.bandwidth.as_ref();
    let bandwidth = bandwidth.and_then(|it| amount::bandwidth(it, &at.name("bandwidth"), findings));
    let all = [
        ("requests", requests),
        ("concurrency", concurrency.map(Amount::Concurrency)),
        ("connections", connections.map(Amount::Connections)),
        ("bandwidth", bandwidth),
    ];
    all.into_iter().filter_map(|(name, amount)| Some((name, amount?))).collect()
}

/// The share of a Tenant, if it is not the one that everybody has. In Shadow mode it always is: nothing may be
/// denied to such a tenant.
pub(crate) fn share(name: &Arc<str>, spec: &TenantSpec) -> Option<Share> {
    let enforced = spec.mode == Mode::Enforce;
    let usual = enforced && spec.share == tenant::Share::default();
    let (least, most) = WEIGHTS;
    (!usual).then(|| Share {
        tenant: Arc::clone(name),
        weight: spec.share.weight.clamp(least, most),
        guaranteed: spec.share.guaranteed.map_or(0, |guaranteed| guaranteed.concurrency),
        enforced,
    })
}
