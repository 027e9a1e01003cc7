//! One RateLimitPolicy: its limits, its targets, its status.
//!
//! A limit that cannot be honoured refuses the whole policy: half of what somebody wrote together may mean the
//! opposite of it. A target that cannot be limited is refused alone, and so is a limit whose reference leads nowhere.

use std::sync::Arc;

use super::key_set::{KeySets, Source};
use super::target::{self, Named, Search};
use super::{invalid, read};
use crate::api::gateway::CONTROLLER_NAME;
use crate::api::policy::RateLimitPolicy;
use crate::api::policy::rate_limit::RateLimitPolicySpec;
use crate::api::status::{Condition, PolicyAncestorStatus, PolicyStatus, Status};
use crate::api::{Kind, ObjectKey, ObjectRef};
use crate::ir::{Limit, LimitId, LimitSource, LimitTarget, RouteId};
use crate::translate::field::Field;
use crate::translate::finding::{Concern, Findings};
use crate::translate::reason::Reason;
use crate::translate::{Env, Problem, status};

/// GEP-713 and our CRD allow no more.
const MOST_TARGETS: usize = 16;

/// What a policy comes to.
#[derive(Debug)]
pub(super) struct Judged {
    pub(super) limits: Vec<Arc<Limit>>,
    pub(super) status: Arc<Status>,
    pub(super) problems: Vec<Problem>,
    /// The routes it names, whether or not they are there.
    pub(super) routes: Vec<RouteId>,
    /// The ConfigMaps and Secrets it refers to, whether or not they are there.
    pub(super) key_sets: Vec<ObjectRef>,
}

/// Judges a policy.
pub(super) fn judge(env: &Env<'_>, key: &ObjectKey, policy: &RateLimitPolicy, sets: &mut KeySets) -> Judged {
    let spec = &policy.spec;
    let mut broken = Findings::default();
    let mut source = Source { snapshot: env.snapshot, sets, namespace: &key.namespace };
    let limits = limits(key, spec, &mut source, &mut broken);
    let refused = broken.against(Concern::Accepted);
    let said = Said {
        generation: policy.metadata.generation.unwrap_or_default(),
        programmed: programmed(&limits),
        has_references: spec.key_sets().next().is_some(),
    };
    let object = ObjectRef::new(Kind::RateLimitPolicy, key.clone());
    let (mut targets, mut ancestors) = (Vec::new(), Vec::<PolicyAncestorStatus>::new());
    let mut problems: Vec<Problem> = broken.clone().into_problems(&object).collect();
    for (index, reference) in spec.target_refs.iter().take(MOST_TARGETS).enumerate() {
        let ancestor_ref = target::ancestor(&key.namespace, reference);
        if ancestors.iter().any(|known| known.ancestor_ref == ancestor_ref) {
            continue;
        }
        let (at, mut findings) = (Field::SPEC, Findings::default());
        let at = at.item("targetRefs", index);
        let found = target::find(Search { env, namespace: &key.namespace, reference, at: &at }, &mut findings);
        if !Named::of(reference).has_connections() {
            refuse_connections(spec, &at, &mut findings);
        }
        let sound = !findings.against(Concern::Accepted);
        targets.extend(found.filter(|_| sound && !refused));
        problems.extend(findings.clone().into_problems(&object));
        let mut all = broken.clone();
        all.append(findings);
        let conditions = said.conditions(&all);
        ancestors.push(PolicyAncestorStatus { ancestor_ref, controller_name: CONTROLLER_NAME, conditions });
    }
    Judged {
        limits: put(limits, targets),
        status: Arc::new(Status::Policy(PolicyStatus { ancestors })),
        problems,
        routes: spec.target_refs.iter().filter_map(|it| target::route(&key.namespace, it)).collect(),
        key_sets: spec.key_sets().filter_map(|reference| reference.object(&key.namespace)).collect(),
    }
}

fn limits(key: &ObjectKey, spec: &RateLimitPolicySpec, source: &mut Source<'_>, findings: &mut Findings) -> Vec<Limit> {
    let at = Field::SPEC;
    let at = at.name("limits");
    let read = |(name, limit): (&String, _)| {
        let id = LimitId { source: LimitSource::Policy(key.clone()), name: name.as_str().into() };
        read::limit(id, limit, source, &at.name(name), findings)
    };
    spec.limits.iter().filter_map(read).collect()
}

/// A connection is there before it is known which route it is for.
fn refuse_connections(spec: &RateLimitPolicySpec, at: &Field<'_>, findings: &mut Findings) {
    if let Some((name, _)) = spec.limits.iter().find(|(_, limit)| limit.connections.is_some()) {
        let message = format!("limit '{name}' counts connections, and a connection has no route");
        invalid(findings, at, message, "put it on a Gateway or a Tenant, in a policy of its own");
    }
}

/// Every limit, on all targets; none without a target.
fn put(limits: Vec<Limit>, mut targets: Vec<LimitTarget>) -> Vec<Arc<Limit>> {
    targets.sort();
    if targets.is_empty() {
        return Vec::new();
    }
    limits.into_iter().map(|limit| Arc::new(Limit { targets: targets.clone(), ..limit })).collect()
}

/// What is said of limits that hold.
fn programmed(limits: &[Limit]) -> &'static str {
    match limits.iter().filter(|limit| limit.enforced).count() {
        0 => "what its limits would deny is counted; in Shadow mode they deny nothing",
        count if count == limits.len() => "its limits hold in all that is served",
        _ => "its limits hold in all that is served; those in Shadow mode deny nothing",
    }
}

/// What the conditions of every target have in common.
struct Said {
    generation: i64,
    programmed: &'static str,
    /// Whether there is anything to say about them.
    has_references: bool,
}

impl Said {
    fn conditions(&self, findings: &Findings) -> Vec<Condition> {
        let generation = self.generation;
        let accepted = findings.verdict(Concern::Accepted);
        let programmed = if accepted.is_some() {
            status::fails(status::PROGRAMMED, Reason::Invalid, "the policy is not accepted", generation)
        } else if findings.against(Concern::ResolvedRefs) {
            let message = "limits that need what ResolvedRefs names do not hold; the others do";
            status::fails(status::PROGRAMMED, Reason::Invalid, message, generation)
        } else {
            status::holds(status::PROGRAMMED, Reason::Programmed, self.programmed, generation)
        };
        let accepted = match accepted {
            Some((reason, message)) => status::fails(status::ACCEPTED, reason, message, generation),
            None => status::holds(status::ACCEPTED, Reason::Accepted, "the policy is accepted", generation),
        };
        let references = self.has_references.then(|| status::resolved_refs(findings, generation));
        [accepted, programmed].into_iter().chain(references).collect()
    }
}
