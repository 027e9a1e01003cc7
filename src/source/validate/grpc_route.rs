//! GRPCRoute.

use super::{Violations, backend, filter, http_route, parent};
use crate::api::gateway::grpc_route::{GrpcMethodMatch, GrpcRouteRule, GrpcRouteSpec};
use crate::api::gateway::shared::ValueMatchType;

/// Checks the rules between the fields of a GRPCRoute.
pub(super) fn check(spec: &GrpcRouteSpec, out: &mut Violations) {
    parent::check(&spec.parent_refs, out);
    http_route::check_names(spec.rules.iter().map(|rule| rule.name.as_deref()), out);
    http_route::check_total(spec.rules.iter().map(|rule| rule.matches.len()).sum(), out);
    for (index, rule) in spec.rules.iter().enumerate() {
        check_rule(rule, &format!("spec.rules[{index}]"), out);
    }
}

fn check_rule(rule: &GrpcRouteRule, field: &str, out: &mut Violations) {
    for (index, one) in rule.matches.iter().enumerate() {
        if let Some(method) = &one.method {
            check_method(method, &format!("{field}.matches[{index}].method"), out);
        }
    }
    filter::check_grpc(&rule.filters, &format!("{field}.filters"), out);
    for (index, backend) in rule.backend_refs.iter().enumerate() {
        let field = format!("{field}.backendRefs[{index}]");
        backend::check_target(&backend.target, &field, out);
        filter::check_grpc(&backend.filters, &format!("{field}.filters"), out);
    }
    if let Some(persistence) = &rule.session_persistence {
        http_route::check_session(persistence, &format!("{field}.sessionPersistence"), out);
    }
}

fn check_method(method: &GrpcMethodMatch, field: &str, out: &mut Violations) {
    if method.service.is_none() && method.method.is_none() {
        return out.refuse(field, "has neither service nor method", "write at least one of them");
    }
    if !matches!(method.kind, None | Some(ValueMatchType::Exact)) {
        return;
    }
    if let Some(service) = method.service.as_deref().filter(|service| !is_service(service)) {
        let remedy = "write package and service such as 'shop.v1.Cart', or use type RegularExpression";
        out.refuse(format!("{field}.service"), format!("'{service}' is no gRPC service"), remedy);
    }
    if let Some(name) = method.method.as_deref().filter(|name| !is_identifier(name)) {
        let remedy = "write a method such as 'Add', or use type RegularExpression";
        out.refuse(format!("{field}.method"), format!("'{name}' is no gRPC method"), remedy);
    }
}

fn is_service(service: &str) -> bool {
    service.strip_prefix('.').unwrap_or(service).split('.').all(is_identifier)
}

fn is_identifier(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
