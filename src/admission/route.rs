//! Routes: none may ask only for what other tenants have. What is asked is what `translate::claim` asks, before it
//! is known which listeners narrow the hostnames: a route that is refused here is refused at each of them.

use k8s_openapi::api::admissionregistration::v1::Variable;

use super::cel::{covering, covers, standing, world};
use super::facts::Facts;
use super::{Subject, variable};

/// The paths that an HTTPRoute's match is for: one path, or with `below` all below it. Of an expression nothing is
/// known, nor of what may be spelled in two ways.
const HTTP_REACH: &str = "\
!has(it.path) || it.path.type == 'RegularExpression' || it.path.value.contains('%') ? {'path': '', 'below': ''}
      : it.path.type == 'Exact' ? {'path': string(it.path.value)}
      : it.path.value.endsWith('/') ? {'path': it.path.value.substring(0, size(it.path.value) - 1), 'below': ''}
      : {'path': string(it.path.value), 'below': ''}";

/// The same for a GRPCRoute: a service is a path.
const GRPC_REACH: &str = "\
!has(it.method) || it.method.type != 'Exact' || !has(it.method.service) ? {'path': '', 'below': ''}
      : has(it.method.method) ? {'path': '/' + it.method.service + '/' + it.method.method}
      : {'path': '/' + it.method.service, 'below': ''}";

/// Whether anything is certain: not at others' Gateways, and not where listeners may give the hostname.
const JUDGED: &str = "\
size(variables.standings) > 0 && !('foreign' in variables.standings)
  && size(variables.asked) > 0 && variables.reaches.exists(rule, size(rule) > 0)";

/// What is asked about HTTPRoutes.
pub(super) fn http(facts: &Facts) -> Subject {
    route("httproutes", HTTP_REACH, facts)
}

/// What is asked about GRPCRoutes.
pub(super) fn grpc(facts: &Facts) -> Subject {
    route("grpcroutes", GRPC_REACH, facts)
}

fn route(resource: &'static str, reach: &str, facts: &Facts) -> Subject {
    let mut variables = world(facts);
    variables.extend([
        standings(facts),
        variable("required", "variables.standings.all(it, it == 'required')"),
        asked(facts),
        reaches(reach),
        refused(),
        variable("judged", JUDGED),
    ]);
    Subject { resource, variables, permitted: "!variables.judged || !variables.refused", message: message() }
}

/// What claims mean at each parent; a Service is none of ours.
fn standings(facts: &Facts) -> Variable {
    let key = "((has(parent.namespace) ? parent.namespace : request.namespace) + '/' + parent.name)";
    let standing = standing(&facts.gateways, facts.others, key);
    let gateway = "(!has(parent.kind) || parent.kind == 'Gateway') \
                   && (!has(parent.group) || parent.group == 'gateway.networking.k8s.io')";
    let parents = "(has(object.spec.parentRefs) ? object.spec.parentRefs : [])";
    variable("standings", format!("{parents}.map(parent,\n  {gateway}\n  ? {standing} : 'foreign')"))
}

/// For each rule what its matches are for.
fn reaches(reach: &str) -> Variable {
    let rules = "(has(object.spec.rules) ? object.spec.rules : [])";
    let matches = "(has(rule.matches) && size(rule.matches) > 0 ? dyn(rule.matches) : dyn([{}]))";
    variable("reaches", format!("{rules}.map(rule,\n  {matches}.map(it,\n      {reach}))"))
}

/// Each hostname with what is claimed of the patterns that cover it.
fn asked(facts: &Facts) -> Variable {
    let hostnames = "(has(object.spec.hostnames) ? object.spec.hostnames : [])";
    let covering = covering(facts, "hostname");
    let both = format!("{{'hostname': dyn(hostname), 'covering': dyn(\n    {covering})}}");
    variable("asked", format!("{hostnames}.map(hostname, {both})"))
}

/// Whether nothing is left of any hostname with any path.
fn refused() -> Variable {
    let (owner, own) = (owner("at.path"), own_inside());
    let theirs = "size(owner) == 0 ? variables.required : owner[0].tenant != variables.tenant";
    let all = format!(
        "variables.asked.all(it, variables.reaches.all(rule, rule.all(at,\n  \
         {owner}\n    .all(owner, {theirs})\n  \
         && !({own}))))"
    );
    variable("refused", all)
}

/// In a list, the claim that decides about a hostname and path, in a list again, which is empty when nobody does.
fn owner(path: &str) -> String {
    let covers = covers("claim.path", path);
    format!(
        "[it.covering.filter(claims, claims.exists(claim, {covers}))\n    \
         .map(claims, claims.filter(claim, {covers})[0])]"
    )
}

/// Whether an own claim decides about a part of a hostname and path: deeper in it, or on a hostname below a
/// wildcard.
fn own_inside() -> String {
    let deeper = format!("own.tenant == variables.tenant && 'below' in at && {}", covers("at.path", "own.path"));
    let (on_it, below) = (owner("own.path"), covers("claim.path", "at.path"));
    format!(
        "it.covering.exists(claims, claims.exists(own, {deeper}\n    \
         && {on_it}[0][0].tenant == own.tenant))\n  \
         || it.hostname.startsWith('*.') && variables.claims.exists(part, part.exists(name,\n    \
         name != it.hostname && name.endsWith(it.hostname.substring(1))\n    \
         && (part[name].exists(own, {deeper})\n    \
         || [part[name].filter(claim, {below})]\n      \
         .exists(first, size(first) > 0 && first[0].tenant == variables.tenant))))"
    )
}

/// Who has each hostname, at its first path.
fn message() -> String {
    let owner = owner("variables.reaches[0][0].path");
    let who = "size(owner) == 0 ? 'nobody claims it'\n  \
               : \"'\" + owner[0].what + \"' is claimed by Tenant '\" + owner[0].tenant + \"'\"";
    format!("variables.asked.map(it, {owner}\n  .map(owner, \"'\" + it.hostname + \"': \" + ({who}))[0]).join('; ')")
}
