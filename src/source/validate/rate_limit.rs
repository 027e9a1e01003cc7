//! RateLimitPolicy; the rules stand in its CRD as CEL.

use super::tenant::check_rate;
use super::{Violations, repeated};
use crate::api::policy::rate_limit::condition::Condition;
use crate::api::policy::rate_limit::key::{KeyPart, KeyType};
use crate::api::policy::rate_limit::{Counting, Limit, RateLimitPolicySpec, Scope, TargetReference};
use crate::api::{gateway, policy};
use crate::source::schema::Form;

/// What a policy may be put on.
const TARGETS: [(&str, &str); 5] = [
    (gateway::GROUP, "Gateway"),
    (gateway::GROUP, "HTTPRoute"),
    (gateway::GROUP, "GRPCRoute"),
    ("", "Namespace"),
    (policy::GROUP, "Tenant"),
];
/// The longest name of a limit.
const LONGEST_NAME: usize = 63;

/// Checks the rules between the fields of a RateLimitPolicy.
pub(super) fn check(spec: &RateLimitPolicySpec, out: &mut Violations) {
    for (index, target) in spec.target_refs.iter().enumerate() {
        check_target(target, &format!("spec.targetRefs[{index}]"), out);
    }
    if let Some(index) = repeated(spec.target_refs.iter()) {
        let remedy = "remove one, or give each its own sectionName";
        out.refuse(format!("spec.targetRefs[{index}]"), "names the same target as an entry before it", remedy);
    }
    for (name, limit) in &spec.limits {
        let field = format!("spec.limits.{name}");
        if name.len() > LONGEST_NAME || !Form::Label.holds(name) {
            let remedy = format!("write {}, at most {LONGEST_NAME} characters", Form::Label.words());
            out.refuse(field.as_str(), "is no name for a limit", remedy);
        }
        check_limit(limit, &field, out);
    }
}

fn check_target(target: &TargetReference, field: &str, out: &mut Violations) {
    let (group, kind) = (target.group.as_str(), target.kind.as_str());
    if !TARGETS.contains(&(group, kind)) {
        let meant = TARGETS.iter().find(|(_, known)| *known == kind);
        let remedy = meant.map_or_else(
            || "write Gateway, HTTPRoute, GRPCRoute, Namespace or Tenant".to_owned(),
            |(group, kind)| format!("the group of {kind} is '{group}'"),
        );
        out.refuse(field, format!("'{kind}' of group '{group}' cannot be limited"), remedy);
    }
    if target.section_name.is_some() && group != gateway::GROUP {
        out.refuse(format!("{field}.sectionName"), format!("a {kind} has no sections"), "remove it");
    }
}

fn check_limit(limit: &Limit, field: &str, out: &mut Violations) {
    let kinds =
        [limit.rate.is_some(), limit.concurrency.is_some(), limit.connections.is_some(), limit.bandwidth.is_some()];
    if kinds.iter().filter(|there| **there).count() != 1 {
        let remedy = "write one of them; give others a limit of their own";
        out.refuse(field, "needs exactly one of rate, concurrency, connections and bandwidth", remedy);
    }
    if let Some(rate) = &limit.rate {
        check_rate(rate, &format!("{field}.rate"), out);
    } else if limit.counting == Counting::Global {
        out.refuse(format!("{field}.counting"), "only a rate is counted Global", "write Divide or PerReplica");
    }
    if limit.connections.is_some() {
        check_connections(limit, field, out);
    }
    for (index, part) in limit.key.iter().enumerate() {
        check_key(part, &format!("{field}.key[{index}]"), out);
    }
    for (index, condition) in limit.when.iter().enumerate() {
        check_condition(condition, &format!("{field}.when[{index}]"), out);
    }
    if limit.response.content_type.is_some() && limit.response.body.is_none() {
        out.refuse(format!("{field}.response.contentType"), "needs a body", "write the body, or remove contentType");
    }
}

/// A connection is there before any request.
fn check_connections(limit: &Limit, field: &str, out: &mut Violations) {
    if matches!(limit.scope, Scope::Namespace | Scope::Route | Scope::Rule) {
        let message = format!("connections are not counted by {}: a connection has no route", limit.scope);
        out.refuse(format!("{field}.scope"), message, "write Gateway, Listener or Tenant");
    }
    if let Some(index) = limit.key.iter().position(|part| part.kind != KeyType::ClientIp) {
        let remedy = "connections can be told apart by ClientIP only";
        out.refuse(format!("{field}.key[{index}]"), "a connection does not have that", remedy);
    }
    if !limit.when.is_empty() {
        out.refuse(format!("{field}.when"), "is about requests, not connections", "remove it");
    }
}

fn check_key(part: &KeyPart, field: &str, out: &mut Violations) {
    let at = format!("{field}.name");
    match &part.name {
        None if part.kind.is_named() => out.refuse(at, format!("is required for {}", part.kind), "write the name"),
        Some(_) if !part.kind.is_named() => out.refuse(at, format!("does not belong to {}", part.kind), "remove it"),
        Some(name) if matches!(part.kind, KeyType::Header | KeyType::Cookie) && !Form::HeaderName.holds(name) => {
            out.refuse(at, format!("'{name}' is not valid"), format!("write {}", Form::HeaderName.words()));
        }
        _ => {}
    }
    let claims = part.kind == KeyType::JwtClaim;
    match &part.jwt {
        None if claims => {
            out.refuse(format!("{field}.jwt"), "is required for JWTClaim", "say where the keys of its tokens are");
        }
        Some(_) if !claims => {
            out.refuse(format!("{field}.jwt"), format!("does not belong to {}", part.kind), "remove it");
        }
        _ => {}
    }
}

fn check_condition(condition: &Condition, field: &str, out: &mut Violations) {
    if condition.methods.is_empty() && condition.paths.is_empty() && condition.headers.is_empty() {
        out.refuse(field, "needs methods, paths or headers", "remove the entry: without 'when' every request counts");
    }
}
