//! Routes of every kind: attached to listeners, lowered to rules, reported on.

mod grpc;
mod http;
mod matching;
mod outcome;
mod report;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::attach::{self, Applicant, Attachment, Refusal};
use super::claim::{Asker, Left};
use super::field::Field;
use super::finding::{Concern, Findings};
use super::gateway::{GatewayPlan, created};
use super::grant::Referrer;
use super::memo::Memo;
use super::quota::{self, Demand, Entry, Over};
use super::reason::Reason;
use super::{Env, Problem, Translation, backend};
use crate::api::gateway::GROUP;
use crate::api::gateway::shared::ParentReference;
use crate::api::{Kind, ObjectKey, ObjectRef};
use crate::ir::{Attached, BackendProtocol, Filters, Hostname, Route, RouteId, Rule, Timeouts};
use crate::snapshot::Object;

use outcome::Join;
pub(crate) use outcome::{Outcome, Sought, Sum};

/// What translation needs to know about a kind of route; everything else is written once, here.
pub(crate) trait RouteKind {
    /// The kind.
    fn kind(&self) -> Kind;
    /// Its metadata.
    fn metadata(&self) -> &ObjectMeta;
    /// `spec.parentRefs`
    fn parents(&self) -> &[ParentReference];
    /// `spec.hostnames`
    fn hostnames(&self) -> &[String];
    /// What its backends speak when the Service does not say.
    fn backend_protocol(&self) -> BackendProtocol;
    /// How many rules it has.
    fn rule_count(&self) -> usize;
    /// Lowers one rule. A finding against `Accepted` drops it.
    fn rule(&self, index: usize, scope: &mut Scope<'_>) -> Rule;
}

/// What lowering one rule may look at, and where it says what is wrong.
#[derive(Debug)]
pub(crate) struct Scope<'e> {
    pub(crate) env: &'e Env<'e>,
    /// The route, as grants see it.
    pub(crate) from: Referrer<'e>,
    pub(crate) protocol: BackendProtocol,
    pub(crate) findings: Findings,
    /// What was looked for so far, in every rule.
    pub(crate) sought: Sought,
}

/// A route with everything known about it apart from its parents.
struct Lowered {
    route: Arc<Route>,
    hostnames: Vec<Hostname>,
    findings: Findings,
    /// Indices of rules that answer 500 because they cannot be honoured.
    dropped: Vec<usize>,
    /// Whether nothing of it can be honoured.
    refused: bool,
    /// Whether it may not serve at all, not even errors.
    hostless: bool,
    /// What a quota in Shadow mode would deny.
    shadowed: Option<Over>,
}

/// A parentRef that names a Gateway of ours, judged.
struct Judged<'a> {
    index: usize,
    parent: &'a ParentReference,
    gateway: usize,
    verdict: Result<Vec<Attachment>, Refusal>,
    /// What others claim of what it asks for.
    lost: Option<String>,
}

/// Attaches every route and reports on those that name a Gateway of ours.
pub(crate) fn attach_all(env: &Env<'_>, memo: &mut Memo, gateways: &mut [GatewayPlan<'_>], out: &mut Translation) {
    let index: HashMap<ObjectKey, usize> =
        gateways.iter().enumerate().map(|(index, gateway)| (gateway.key.clone(), index)).collect();
    let changed = memo.begin(env.snapshot);
    for id in memo.count(&env.quotas, changed, |id| entry(env, &index, id)) {
        let Some(object) = env.snapshot.get(&ObjectRef::from(&id)) else { continue };
        let Some(route) = kind_of(&object) else { continue };
        let over = memo.ledger().over(&id);
        let outcome = judge_one(env, &index, gateways, (&id.key, route), over);
        memo.remember(id, outcome);
    }
    memo.sum().give(gateways, out);
}

fn kind_of(object: &Object) -> Option<&dyn RouteKind> {
    match object {
        Object::HttpRoute(route) => Some(&**route),
        Object::GrpcRoute(route) => Some(&**route),
        _ => None,
    }
}

/// What a route takes of the quotas of its tenant, if there are any and it names a Gateway of ours.
fn entry(env: &Env<'_>, index: &HashMap<ObjectKey, usize>, id: &RouteId) -> Option<Entry> {
    env.quotas.of_namespace(env, &id.key.namespace)?;
    let object = env.snapshot.get(&ObjectRef::from(id))?;
    let route = kind_of(&object)?;
    if parents_of_ours(env, index, (&id.key, route), &mut Vec::new()).is_empty() {
        return None;
    }
    let hostnames: BTreeSet<Hostname> = route.hostnames().iter().filter_map(|text| Hostname::parse(text)).collect();
    let demand = Demand { rules: route.rule_count(), hostnames: hostnames.into_iter().collect() };
    Some(Entry { tenant: env.tenants.of(env.snapshot, &id.key.namespace)?, created: created(route.metadata()), demand })
}

fn judge_one(
    env: &Env<'_>,
    index: &HashMap<ObjectKey, usize>,
    gateways: &[GatewayPlan<'_>],
    (key, route): (&ObjectKey, &dyn RouteKind),
    over: Option<&Over>,
) -> Outcome {
    let mut outcome = Outcome::default();
    let ours = parents_of_ours(env, index, (key, route), &mut outcome.problems);
    if !ours.is_empty() {
        attach_one(env, gateways, (key, route), (ours, over), &mut outcome);
    }
    outcome
}

/// The parentRefs that name a Gateway of ours, with the Gateway. A parent that nobody knows is
/// a problem for people, but gets no status entry.
fn parents_of_ours<'r>(
    env: &Env<'_>,
    index: &HashMap<ObjectKey, usize>,
    (key, route): (&ObjectKey, &'r dyn RouteKind),
    problems: &mut Vec<Problem>,
) -> Vec<(usize, &'r ParentReference, usize)> {
    let mut ours: Vec<(usize, &ParentReference, usize)> = Vec::new();
    for (position, parent) in route.parents().iter().enumerate() {
        if parent.group.as_deref().unwrap_or(GROUP) != GROUP {
            continue;
        }
        let namespace = parent.namespace.as_deref().map_or_else(|| Arc::clone(&key.namespace), Arc::from);
        let named = ObjectKey::new(namespace, parent.name.as_str());
        let unknown = match parent.kind.as_deref().unwrap_or("Gateway") {
            "Gateway" => match index.get(&named) {
                Some(gateway) => {
                    if !ours.iter().any(|(_, known, _)| *known == parent) {
                        ours.push((position, parent, *gateway));
                    }
                    continue;
                }
                None if env.snapshot.gateways.contains_key(&named) => continue,
                None => (format!("there is no Gateway '{named}'"), "create it, or name another"),
            },
            "ListenerSet" => ("ListenerSets are not supported yet".to_owned(), "attach to a Gateway instead"),
            _ => continue,
        };
        let at = Field::SPEC;
        problems.push(Problem {
            object: ObjectRef::new(route.kind(), key.clone()),
            field: at.item("parentRefs", position).to_string(),
            reason: Reason::NoMatchingParent.as_str(),
            message: unknown.0,
            remedy: unknown.1.to_owned(),
        });
    }
    ours
}

fn attach_one(
    env: &Env<'_>,
    gateways: &[GatewayPlan<'_>],
    (key, route): (&ObjectKey, &dyn RouteKind),
    (ours, over): (Vec<(usize, &ParentReference, usize)>, Option<&Over>),
    outcome: &mut Outcome,
) {
    let mut lowered = lower(env, key, route, &mut outcome.sought);
    let (denied, shadowed) = over.cloned().map_or((None, None), |over| match over.enforced {
        true => (Some(over), None),
        false => (None, Some(over)),
    });
    lowered.shadowed = shadowed;
    outcome.tenant.clone_from(&lowered.route.tenant);
    let applicant = Applicant { kind: route.kind(), key, hostnames: &lowered.hostnames };
    let judged = ours.into_iter().filter_map(|(index, parent, gateway)| {
        let plan = gateways.get(gateway)?;
        let verdict = attach::judge(env.snapshot, applicant, parent, plan);
        let (verdict, lost) = permit(env, &lowered.route, plan, verdict);
        let verdict = verdict.and_then(|attachments| make_room(attachments, denied.as_ref()));
        Some(Judged { index, parent, gateway, verdict, lost })
    });
    let judged: Vec<Judged<'_>> = judged.collect();
    if !lowered.hostless {
        let (route, counts) = (&lowered.route, !lowered.refused);
        let used = judged.iter().filter(|judged| judged.verdict.is_ok()).count() > 0;
        if used {
            outcome.backends = backend::named(env, &route.rules);
        }
        outcome.joins = joins(&judged, route);
        outcome.counts = counts;
    }
    report::report(key, route, lowered, judged, outcome);
}

/// Holds what a Gateway's listeners allow against what others claim.
fn permit(
    env: &Env<'_>,
    route: &Route,
    gateway: &GatewayPlan<'_>,
    verdict: Result<Vec<Attachment>, Refusal>,
) -> (Result<Vec<Attachment>, Refusal>, Option<String>) {
    let Ok(attachments) = &verdict else { return (verdict, None) };
    let asked = attachments.iter().flat_map(|attachment| attach::asked(gateway, attachment));
    let asked: BTreeSet<Option<Hostname>> = asked.collect();
    let matches: Vec<_> = route.rules.iter().flat_map(|rule| &rule.matches).collect();
    let asker = Asker { tenant: route.tenant.as_deref(), required: gateway.claims_required };
    match env.tenants.owners.left(asker, &asked, &matches) {
        Left::All => (verdict, None),
        Left::Some(lost) => (verdict, Some(lost)),
        Left::Nothing(message) => {
            let remedy = "use a hostname or path of your own, or ask whoever runs the platform for a claim";
            (Err(Refusal { reason: Reason::HostnameNotPermitted, message, remedy }), None)
        }
    }
}

/// What a quota has no room for is attached nowhere.
fn make_room(attachments: Vec<Attachment>, denied: Option<&Over>) -> Result<Vec<Attachment>, Refusal> {
    match denied {
        Some(over) => Err(Refusal { reason: Reason::QuotaExceeded, message: over.to_string(), remedy: quota::REMEDY }),
        None => Ok(attachments),
    }
}

/// Each listener that takes the route, once, however many parentRefs lead there. A refused route
/// joins too, so that its requests get an error and not somebody else's answer, but does not count.
fn joins(judged: &[Judged<'_>], route: &Arc<Route>) -> Vec<Join> {
    let mut joined: BTreeMap<(usize, usize), &Attachment> = BTreeMap::new();
    for judged in judged {
        for attachment in judged.verdict.iter().flatten() {
            joined.insert((judged.gateway, attachment.listener), attachment);
        }
    }
    let join = |(place, attachment): (_, &Attachment)| Join {
        place,
        attached: Attached { hostnames: attachment.hostnames.clone(), route: Arc::clone(route) },
    };
    joined.into_iter().map(join).collect()
}

fn lower(env: &Env<'_>, key: &ObjectKey, route: &dyn RouteKind, sought: &mut Sought) -> Lowered {
    let mut findings = Findings::default();
    let hostnames = hostnames(route.hostnames(), &mut findings);
    let hostless = hostnames.is_empty() && !route.hostnames().is_empty();
    let from = Referrer::route(route.kind(), &key.namespace);
    let (mut rules, mut dropped) = (Vec::with_capacity(route.rule_count()), Vec::new());
    for index in 0..route.rule_count() {
        let so_far = std::mem::take(sought);
        let mut scope =
            Scope { env, from, protocol: route.backend_protocol(), findings: Findings::default(), sought: so_far };
        let mut rule = route.rule(index, &mut scope);
        if scope.findings.against(Concern::Accepted) {
            dropped.push(index);
            rule = answer_500(rule);
        }
        findings.append(scope.findings);
        *sought = scope.sought;
        if !rule.matches.is_empty() {
            rules.push(rule);
        }
    }
    let id = RouteId { kind: route.kind(), key: key.clone() };
    let refused = hostless || (!dropped.is_empty() && dropped.len() == route.rule_count());
    let tenant = env.tenants.of(env.snapshot, &key.namespace);
    let route = Arc::new(Route { id, tenant, created: created(route.metadata()), rules });
    Lowered { route, hostnames, findings, dropped, refused, hostless, shadowed: None }
}

/// A rule that cannot be honoured still owns its requests: they get an error instead of a
/// treatment their owner did not ask for.
fn answer_500(rule: Rule) -> Rule {
    Rule { filters: Filters::default(), backends: Vec::new(), timeouts: Timeouts::default(), retry: None, ..rule }
}

/// Reads hostnames. If none of them is one, the route must not serve every host instead.
fn hostnames(written: &[String], findings: &mut Findings) -> Vec<Hostname> {
    let mut hostnames = Vec::with_capacity(written.len());
    let mut broken = Vec::new();
    for (index, text) in written.iter().enumerate() {
        match Hostname::parse(text) {
            Some(hostname) if hostnames.contains(&hostname) => {}
            Some(hostname) => hostnames.push(hostname),
            None => broken.push((index, format!("'{text}' is not a hostname"))),
        }
    }
    for (index, message) in broken {
        let at = Field::SPEC;
        let at = at.item("hostnames", index);
        let remedy = "write a DNS name, or a wildcard such as *.example.com";
        if hostnames.is_empty() {
            findings.reject(Reason::UnsupportedValue, &at, message, remedy);
        } else {
            findings.notice(Reason::UnsupportedValue, &at, message, remedy);
        }
    }
    hostnames
}
