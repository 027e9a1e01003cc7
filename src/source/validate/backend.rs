//! Backend references of every route kind.

use std::net::IpAddr;

use super::Violations;
use crate::api::gateway::l4_route::L4RouteRule;
use crate::api::gateway::shared::{BackendObjectReference, Fraction, RequestMirror};

/// A Service needs a port; an XBackend has its own.
pub(super) fn check_target(target: &BackendObjectReference, field: &str, out: &mut Violations) {
    let group = target.group.as_deref().unwrap_or_default();
    match (group, target.kind.as_deref().unwrap_or("Service")) {
        ("", "Service") if target.port.is_none() => {
            out.refuse(
                format!("{field}.port"),
                "is required for a Service",
                "write the port of the Service, not of its pods",
            );
        }
        ("gateway.networking.x-k8s.io", "XBackend") if target.port.is_some() => {
            out.refuse(format!("{field}.port"), "an XBackend has its own port", "remove the port");
        }
        _ => {}
    }
}

/// The one rule of a TLSRoute, TCPRoute or UDPRoute.
pub(super) fn check_l4_rules(rules: &[L4RouteRule], out: &mut Violations) {
    for (r, rule) in rules.iter().enumerate() {
        for (b, backend) in rule.backend_refs.iter().enumerate() {
            check_target(&backend.target, &format!("spec.rules[{r}].backendRefs[{b}]"), out);
        }
    }
}

/// Server names are names, never addresses (RFC 6066 §3).
pub(super) fn check_hostnames(hostnames: &[String], out: &mut Violations) {
    for (index, hostname) in hostnames.iter().enumerate() {
        if hostname.parse::<IpAddr>().is_ok() {
            out.refuse(format!("spec.hostnames[{index}]"), format!("'{hostname}' is an address"), "write a hostname");
        }
    }
}

/// `requestMirror`: its target, and how much of the traffic.
pub(super) fn check_mirror(mirror: &RequestMirror, field: &str, out: &mut Violations) {
    check_target(&mirror.backend_ref, &format!("{field}.backendRef"), out);
    if mirror.percent.is_some() && mirror.fraction.is_some() {
        out.refuse(field, "has both percent and fraction", "keep one of them");
    }
    if let Some(Fraction { numerator, denominator }) = &mirror.fraction
        && *numerator > denominator.unwrap_or(100)
    {
        out.refuse(
            format!("{field}.fraction"),
            "the numerator is greater than the denominator",
            "write a share of at most 1",
        );
    }
}
