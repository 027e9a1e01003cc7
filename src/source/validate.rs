//! Refuses what an API server would refuse: first the shape of the JSON, then the rules between
//! fields that the Gateway API and our own CRDs write in CEL.

mod backend;
mod core;
mod filter;
mod grpc_route;
mod http_route;
mod listener;
mod parent;
mod policy;
mod rate_limit;
mod shape;
mod tenant;

use super::finding::Level;
use crate::snapshot::Object;

pub(super) use shape::check as check_shape;

/// One thing that is wrong with an object, before anyone knows where it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Violation {
    pub(super) level: Level,
    pub(super) field: String,
    pub(super) message: String,
    pub(super) remedy: String,
}

impl Violation {
    /// A violation from its parts.
    pub(super) fn new(
        level: Level,
        field: impl Into<String>,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { level, field: field.into(), message: message.into(), remedy: remedy.into() }
    }
}

/// What was found so far, and how it is added.
#[derive(Debug, Default)]
pub(super) struct Violations(pub(super) Vec<Violation>);

impl Violations {
    /// The object is refused.
    pub(super) fn refuse(&mut self, field: impl Into<String>, message: impl Into<String>, remedy: impl Into<String>) {
        self.0.push(Violation::new(Level::Error, field, message, remedy));
    }

    /// The object is taken, its author is told.
    pub(super) fn warn(&mut self, field: impl Into<String>, message: impl Into<String>, remedy: impl Into<String>) {
        self.0.push(Violation::new(Level::Warning, field, message, remedy));
    }

    /// Whether the object is refused.
    pub(super) fn refused(&self) -> bool {
        self.0.iter().any(|violation| violation.level == Level::Error)
    }
}

/// Checks the rules between fields of an object whose shape is right and whose defaults are set.
pub(super) fn check_rules(object: &Object, out: &mut Violations) {
    match object {
        Object::Gateway(gateway) => listener::check_gateway(&gateway.spec, out),
        Object::ListenerSet(set) => listener::check_listeners(&set.spec.listeners, out),
        Object::HttpRoute(route) => http_route::check(&route.spec, out),
        Object::GrpcRoute(route) => grpc_route::check(&route.spec, out),
        Object::TlsRoute(route) => {
            parent::check(&route.spec.parent_refs, out);
            backend::check_hostnames(&route.spec.hostnames, out);
            backend::check_l4_rules(&route.spec.rules, out);
        }
        Object::TcpRoute(route) => {
            parent::check(&route.spec.parent_refs, out);
            backend::check_l4_rules(&route.spec.rules, out);
        }
        Object::UdpRoute(route) => {
            parent::check(&route.spec.parent_refs, out);
            backend::check_l4_rules(&route.spec.rules, out);
        }
        Object::BackendTlsPolicy(policy) => policy::check(&policy.spec, out),
        Object::Tenant(tenant) => tenant::check(&tenant.spec, out),
        Object::ShareGrant(grant) => tenant::check_grant(&grant.spec, out),
        Object::RateLimitPolicy(policy) => rate_limit::check(&policy.spec, out),
        Object::Service(service) => core::check_service(service, out),
        Object::EndpointSlice(slice) => core::check_endpoint_slice(slice, out),
        Object::GatewayClass(_)
        | Object::ReferenceGrant(_)
        | Object::GatewayParameters(_)
        | Object::Namespace(_)
        | Object::Secret(_)
        | Object::ConfigMap(_) => {}
    }
}

/// The index of the second of two equal values, if there are any.
fn repeated<T: PartialEq>(values: impl Iterator<Item = T>) -> Option<usize> {
    let mut seen = Vec::new();
    for (index, value) in values.enumerate() {
        if seen.contains(&value) {
            return Some(index);
        }
        seen.push(value);
    }
    None
}

#[cfg(test)]
mod tests;
