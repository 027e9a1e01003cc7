//! Targets: what a policy may be put on, and whether it is there.

use std::sync::Arc;

use super::invalid;
use crate::api::gateway::CONTROLLER_NAME;
use crate::api::policy::rate_limit::TargetReference;
use crate::api::policy::status::AncestorReference;
use crate::api::{Kind, ObjectKey, gateway, policy};
use crate::ir::{LimitTarget, RouteId};
use crate::translate::Env;
use crate::translate::field::Field;
use crate::translate::finding::{Findings, qualified};
use crate::translate::reason::Reason;

/// What a reference names, before anybody looks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    Gateway,
    Route(Kind),
    Namespace,
    Tenant,
    Unknown,
}

impl Named {
    /// Reads group and kind.
    pub(super) fn of(reference: &TargetReference) -> Self {
        match (reference.group.as_str(), reference.kind.as_str()) {
            (gateway::GROUP, "Gateway") => Self::Gateway,
            (gateway::GROUP, "HTTPRoute") => Self::Route(Kind::HttpRoute),
            (gateway::GROUP, "GRPCRoute") => Self::Route(Kind::GrpcRoute),
            ("", "Namespace") => Self::Namespace,
            (policy::GROUP, "Tenant") => Self::Tenant,
            _ => Self::Unknown,
        }
    }

    /// Whether connections come to it: they are there before any route is chosen.
    pub(super) const fn has_connections(self) -> bool {
        matches!(self, Self::Gateway | Self::Tenant)
    }
}

/// A reference as it stands in the status.
pub(super) fn ancestor(namespace: &str, reference: &TargetReference) -> AncestorReference {
    let cluster_scoped = matches!(Named::of(reference), Named::Namespace | Named::Tenant);
    AncestorReference {
        group: reference.group.clone(),
        kind: reference.kind.clone(),
        namespace: (!cluster_scoped).then(|| namespace.to_owned()),
        name: reference.name.clone(),
        section_name: reference.section_name.clone(),
    }
}

/// The route that a reference names, whether or not it is there.
pub(super) fn route(namespace: &Arc<str>, reference: &TargetReference) -> Option<RouteId> {
    let Named::Route(kind) = Named::of(reference) else { return None };
    Some(RouteId { kind, key: ObjectKey::new(Arc::clone(namespace), reference.name.as_str()) })
}

/// A reference of a policy, to be followed.
#[derive(Clone, Copy)]
pub(super) struct Search<'s> {
    pub(super) env: &'s Env<'s>,
    /// That of the policy.
    pub(super) namespace: &'s Arc<str>,
    pub(super) reference: &'s TargetReference,
    /// Where it stands.
    pub(super) at: &'s Field<'s>,
}

/// Finds a target, or says why a policy of this namespace cannot be put on it.
pub(super) fn find(search: Search<'_>, findings: &mut Findings) -> Option<LimitTarget> {
    let Search { reference, at, .. } = search;
    let named = Named::of(reference);
    if reference.section_name.is_some() && matches!(named, Named::Namespace | Named::Tenant) {
        let message = format!("a {} has no sections", reference.kind);
        invalid(findings, &at.name("sectionName"), message, "remove it");
        return None;
    }
    match named {
        Named::Gateway => find_gateway(search, findings),
        Named::Route(kind) => find_route(search, kind, findings),
        Named::Namespace => find_namespace(search, findings),
        Named::Tenant => find_tenant(search, findings),
        Named::Unknown => {
            let kind = qualified(&reference.group, &reference.kind);
            let remedy = "name a Gateway, HTTPRoute, GRPCRoute, Namespace or Tenant";
            invalid(findings, &at.name("kind"), format!("'{kind}' cannot be limited"), remedy);
            None
        }
    }
}

fn find_gateway(search: Search<'_>, findings: &mut Findings) -> Option<LimitTarget> {
    let Search { env, namespace, reference, at } = search;
    let key = ObjectKey::new(Arc::clone(namespace), reference.name.as_str());
    let Some(gateway) = env.snapshot.gateways.get(&key) else {
        not_found(findings, &at.name("name"), format!("there is no Gateway '{key}'"), CREATE);
        return None;
    };
    let class = env.snapshot.gateway_classes.get(&ObjectKey::new("", gateway.spec.gateway_class_name.as_str()));
    if class.is_none_or(|class| class.spec.controller_name != CONTROLLER_NAME) {
        let remedy = "name a Gateway whose class is Paifang's";
        not_found(findings, &at.name("name"), format!("Paifang does not serve the Gateway '{key}'"), remedy);
        return None;
    }
    let listeners = gateway.spec.listeners.iter().map(|listener| listener.name.as_str());
    let listener = section(search, listeners, "listener", findings)?;
    Some(LimitTarget::Gateway { gateway: key, listener })
}

fn find_route(search: Search<'_>, kind: Kind, findings: &mut Findings) -> Option<LimitTarget> {
    let Search { env, namespace, reference, at } = search;
    let key = ObjectKey::new(Arc::clone(namespace), reference.name.as_str());
    let http = env.snapshot.http_routes.get(&key).filter(|_| kind == Kind::HttpRoute);
    let grpc = env.snapshot.grpc_routes.get(&key).filter(|_| kind == Kind::GrpcRoute);
    if http.is_none() && grpc.is_none() {
        not_found(findings, &at.name("name"), format!("there is no {kind} '{key}'"), CREATE);
        return None;
    }
    let http = http.into_iter().flat_map(|route| &route.spec.rules).filter_map(|rule| rule.name.as_deref());
    let grpc = grpc.into_iter().flat_map(|route| &route.spec.rules).filter_map(|rule| rule.name.as_deref());
    let rule = section(search, http.chain(grpc), "rule", findings)?;
    Some(LimitTarget::Route { route: RouteId { kind, key }, rule })
}

fn find_namespace(search: Search<'_>, findings: &mut Findings) -> Option<LimitTarget> {
    let Search { namespace: own, reference, at, .. } = search;
    if reference.name != **own {
        let message = format!("a policy of namespace '{own}' cannot limit namespace '{}'", reference.name);
        invalid(findings, &at.name("name"), message, "name the policy's own namespace");
        return None;
    }
    Some(LimitTarget::Namespace(Arc::clone(own)))
}

fn find_tenant(search: Search<'_>, findings: &mut Findings) -> Option<LimitTarget> {
    let Search { env, namespace, reference, at } = search;
    let (name, at) = (reference.name.as_str(), at.name("name"));
    let own = env.tenants.of(env.snapshot, namespace);
    if own.as_deref() == Some(name) {
        return own.map(LimitTarget::Tenant);
    }
    if !env.snapshot.tenants.contains_key(&ObjectKey::new("", name)) {
        not_found(findings, &at, format!("there is no Tenant '{name}'"), CREATE);
        return None;
    }
    let message = format!("namespace '{namespace}' does not belong to Tenant '{name}'");
    invalid(findings, &at, message, "name the Tenant that the policy's namespace belongs to");
    None
}

const CREATE: &str = "create it, or name another";

/// The section that is named, among those that the target has; the whole target when none is named.
fn section<'s>(
    Search { reference, at, .. }: Search<'_>,
    mut known: impl Iterator<Item = &'s str>,
    word: &str,
    findings: &mut Findings,
) -> Option<Option<Arc<str>>> {
    let Some(name) = reference.section_name.as_deref() else { return Some(None) };
    if known.any(|known| known == name) {
        return Some(Some(name.into()));
    }
    let message = format!("the {} '{}' has no {word} '{name}'", reference.kind, reference.name);
    not_found(findings, &at.name("sectionName"), message, "name one that it has, or remove sectionName");
    None
}

fn not_found(findings: &mut Findings, at: &Field<'_>, message: String, remedy: &str) {
    findings.reject(Reason::TargetNotFound, at, message, remedy);
}
