//! The status of Gateways and their listeners, and their listeners' IR.

use std::net::IpAddr;
use std::sync::Arc;

use super::GatewayPlan;
use crate::api::gateway::listener::{GatewayAddress, RouteGroupKind};
use crate::api::status::{Condition, GatewayStatus, ListenerStatus, Status};
use crate::api::{Kind, ObjectKey, ObjectRef};
use crate::ir::{Listener, ListenerProtocol};
use crate::snapshot::Facts;
use crate::translate::finding::Concern;
use crate::translate::listener::ListenerPlan;
use crate::translate::reason::Reason;
use crate::translate::{Translation, address, socket, status};

/// Writes what became of the Gateways: listeners to the IR, conditions to the statuses.
pub(crate) fn report(gateways: Vec<GatewayPlan<'_>>, facts: &Facts, out: &mut Translation) {
    for mut gateway in gateways {
        socket::observe(&mut gateway, facts);
        let listeners =
            gateway.listeners.iter_mut().filter_map(|listener| lower((gateway.key, gateway.claims_required), listener));
        out.ir.listeners.extend(listeners.map(Arc::new));
        let object = ObjectRef::new(Kind::Gateway, gateway.key.clone());
        out.statuses.insert(object.clone(), Arc::new(Status::Gateway(gateway_status(&gateway))));
        let services = gateway.service.into_iter().flat_map(|service| service.wanted);
        out.services.extend(services.map(|(key, service)| (key, Arc::new(service))));
        out.problems.extend(gateway.findings.into_problems(&object));
        for listener in gateway.listeners {
            out.problems.extend(listener.findings.into_problems(&object));
        }
    }
    out.ir.listeners.sort_by(|a, b| (&a.gateway, &a.name).cmp(&(&b.gateway, &b.name)));
}

/// A listener that has sockets serves, also while the operating system refuses them: the process
/// keeps trying.
fn lower((gateway, claims_required): (&ObjectKey, bool), listener: &mut ListenerPlan<'_>) -> Option<Listener> {
    if listener.sockets.is_empty() {
        return None;
    }
    Some(Listener {
        gateway: gateway.clone(),
        name: listener.spec.name.as_str().into(),
        port: listener.spec.port,
        sockets: listener.sockets.clone(),
        protocol: listener.protocol?,
        hostname: listener.hostname.clone(),
        certificates: std::mem::take(&mut listener.certificates),
        claims_required,
        routes: std::mem::take(&mut listener.routes),
    })
}

fn gateway_status(gateway: &GatewayPlan<'_>) -> GatewayStatus {
    let generation = gateway.object.metadata.generation.unwrap_or_default();
    let accepted = accepted(gateway, generation);
    GatewayStatus {
        addresses: if gateway.is_accepted() { reached_at(gateway) } else { Vec::new() },
        conditions: [accepted, programmed(gateway, generation)]
            .into_iter()
            .chain(unresolved(gateway, generation))
            .collect(),
        listeners: gateway.listeners.iter().map(|listener| listener_status(gateway, listener, generation)).collect(),
    }
}

/// Where clients reach it.
fn reached_at(gateway: &GatewayPlan<'_>) -> Vec<GatewayAddress> {
    match &gateway.service {
        Some(service) => service.assigned.clone(),
        None => {
            let usable = |address: &&IpAddr| !address.is_unspecified() && !gateway.unusable.contains(address);
            gateway.addresses.iter().filter(usable).copied().map(address::assigned).collect()
        }
    }
}

fn accepted(gateway: &GatewayPlan<'_>, generation: i64) -> Condition {
    if let Some((reason, message)) = gateway.findings.verdict(Concern::Accepted) {
        return status::fails(status::ACCEPTED, reason, message, generation);
    }
    let refused = gateway.listeners.iter().filter(|listener| listener.findings.against(Concern::Accepted));
    let refused: Vec<&str> = refused.map(|listener| listener.spec.name.as_str()).take(8).collect();
    let any_valid = gateway.listeners.iter().any(|listener| !listener.findings.against(Concern::Accepted));
    let named = || format!("listeners that are not accepted: {}", refused.join(", "));
    if gateway.listeners.is_empty() {
        status::fails(status::ACCEPTED, Reason::ListenersNotValid, "the Gateway has no listeners", generation)
    } else if !any_valid {
        status::fails(status::ACCEPTED, Reason::ListenersNotValid, named(), generation)
    } else if !refused.is_empty() {
        status::holds(status::ACCEPTED, Reason::ListenersNotValid, named(), generation)
    } else {
        status::holds(status::ACCEPTED, Reason::Accepted, "the Gateway is accepted", generation)
    }
}

fn programmed(gateway: &GatewayPlan<'_>, generation: i64) -> Condition {
    let fails = |reason, message: String| status::fails(status::PROGRAMMED, reason, message, generation);
    if !gateway.is_accepted() {
        return fails(Reason::Invalid, "the Gateway is not accepted".to_owned());
    }
    if let Some((reason, message)) = gateway.findings.verdict(Concern::Programmed) {
        return fails(reason, message);
    }
    if let Some((reason, message)) = gateway.service.as_ref().and_then(|service| service.lacking.clone()) {
        return fails(reason, message);
    }
    let states: Vec<_> = gateway.listeners.iter().map(|listener| not_programmed(gateway, listener)).collect();
    if let Some((reason, message)) = states.iter().flatten().find(|(reason, _)| *reason == Reason::Pending) {
        return fails(*reason, message.clone());
    }
    let serving = states.iter().filter(|state| state.is_none()).count();
    if serving == 0 {
        return fails(Reason::Invalid, "none of its listeners serves".to_owned());
    }
    let mut message = format!("{serving} of {} listeners serve", states.len());
    if gateway.service.is_none() && reached_at(gateway).is_empty() {
        message.push_str(", on every address of their machines: which these are is not known here");
    }
    status::holds(status::PROGRAMMED, Reason::Programmed, message, generation)
}

/// `ResolvedRefs` of the Gateway sums up its listeners; it is written only when one is wrong.
fn unresolved(gateway: &GatewayPlan<'_>, generation: i64) -> Option<Condition> {
    let broken = gateway.listeners.iter().filter(|listener| listener.findings.against(Concern::ResolvedRefs));
    let broken: Vec<&str> = broken.map(|listener| listener.spec.name.as_str()).take(8).collect();
    let message = format!("listeners with references that lead nowhere: {}", broken.join(", "));
    (!broken.is_empty())
        .then(|| status::fails(status::RESOLVED_REFS, Reason::ListenersNotResolved, message, generation))
}

/// Why a listener does not serve.
fn not_programmed(gateway: &GatewayPlan<'_>, listener: &ListenerPlan<'_>) -> Option<(Reason, String)> {
    if let Some(conflict) = &listener.conflict {
        return Some(conflict.clone());
    }
    if !gateway.is_accepted() {
        return Some((Reason::Invalid, "the Gateway is not accepted".to_owned()));
    }
    // Certificates may already have moved to the IR: a listener with sockets had some.
    if listener.sockets.is_empty() {
        if gateway.service.is_some() && listener.obstacle().is_none() {
            return Some((Reason::Pending, "waiting for a Service to record the port".to_owned()));
        }
        let obstacle = listener.obstacle().unwrap_or("the Gateway has no usable address");
        return Some((Reason::Invalid, obstacle.to_owned()));
    }
    if listener.findings.against(Concern::Accepted) {
        return Some((Reason::Invalid, "the listener is not accepted".to_owned()));
    }
    if let Some(verdict) = listener.findings.verdict(Concern::Programmed) {
        return Some(verdict);
    }
    let socket = listener.pending.first()?;
    Some((Reason::Pending, format!("waiting for {socket} to be bound")))
}

fn listener_status(gateway: &GatewayPlan<'_>, listener: &ListenerPlan<'_>, generation: i64) -> ListenerStatus {
    let mut conditions = vec![
        match listener.findings.verdict(Concern::Accepted) {
            Some((reason, message)) => status::fails(status::ACCEPTED, reason, message, generation),
            None => status::holds(status::ACCEPTED, Reason::Accepted, "the listener is accepted", generation),
        },
        match not_programmed(gateway, listener) {
            Some((reason, message)) => status::fails(status::PROGRAMMED, reason, message, generation),
            None => status::holds(status::PROGRAMMED, Reason::Programmed, "the listener serves", generation),
        },
        status::resolved_refs(&listener.findings, generation),
    ];
    if let Some((reason, message)) = &listener.conflict {
        conditions.push(status::holds(status::CONFLICTED, *reason, message.clone(), generation));
    }
    if listener.overlaps && listener.protocol == Some(ListenerProtocol::Https) {
        let message = "another HTTPS listener of this port covers some of the same hosts: a client may send \
                       requests for one over a connection made for the other, which is answered with 421";
        conditions.push(status::holds(status::OVERLAPPING_TLS, Reason::OverlappingHostnames, message, generation));
    }
    conditions.extend(listener.shadowed.as_ref().map(|over| status::beyond_quota(over, generation)));
    ListenerStatus {
        name: listener.spec.name.clone(),
        supported_kinds: listener.kinds.iter().map(|kind| supported(*kind)).collect(),
        attached_routes: listener.attached,
        conditions,
    }
}

fn supported(kind: Kind) -> RouteGroupKind {
    RouteGroupKind { group: Some(kind.group().to_owned()), kind: kind.as_str().to_owned() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::translate::testing::{class, condition, gateway, snapshot, status_of};
    use crate::translate::translate;

    /// Conformance: GatewayListenerUnsupportedProtocol.
    #[test]
    fn a_listener_of_an_unknown_protocol_supports_no_kinds() {
        let world = snapshot([class(), gateway(json!([{"name": "a", "port": 80, "protocol": "example.com/Magic"}]))]);
        let status = status_of(&translate(&world), "Gateway default/gw");
        assert_eq!(condition(&status["conditions"], "Accepted"), ("False", "ListenersNotValid", 3));
        assert_eq!(condition(&status["conditions"], "Programmed").0, "False");
        assert_eq!(condition(&status["listeners"][0]["conditions"], "Accepted"), ("False", "UnsupportedProtocol", 3));
        assert_eq!(status["listeners"][0]["supportedKinds"], json!([]));
    }

    /// Conformance: GatewayInvalidRouteKind.
    #[test]
    fn invalid_route_kinds_leave_only_the_valid_ones() {
        let world = snapshot([
            class(),
            gateway(json!([
                {"name": "none", "port": 80, "protocol": "HTTP", "allowedRoutes": {"kinds": [{"kind": "InvalidRoute"}]}},
                {"name": "some", "port": 81, "protocol": "HTTP",
                    "allowedRoutes": {"kinds": [{"kind": "InvalidRoute"}, {"kind": "HTTPRoute"}]}},
                {"name": "all", "port": 82, "protocol": "HTTP"},
            ])),
        ]);
        let status = status_of(&translate(&world), "Gateway default/gw");
        let group = "gateway.networking.k8s.io";
        assert_eq!(status["listeners"][0]["supportedKinds"], json!([]));
        assert_eq!(status["listeners"][1]["supportedKinds"], json!([{"group": group, "kind": "HTTPRoute"}]));
        for index in [0, 1] {
            let conditions = &status["listeners"][index]["conditions"];
            assert_eq!(condition(conditions, "ResolvedRefs"), ("False", "InvalidRouteKinds", 3));
        }
        assert_eq!(condition(&status["listeners"][2]["conditions"], "ResolvedRefs"), ("True", "ResolvedRefs", 3));
        assert_eq!(status["listeners"][2]["supportedKinds"].as_array().unwrap().len(), 2);
        assert_eq!(condition(&status["conditions"], "ResolvedRefs"), ("False", "ListenersNotResolved", 3));
    }

    /// Conformance: GatewayInvalidParametersRef.
    #[test]
    fn a_gateway_with_parameters_is_refused() {
        let mut manifest = gateway(json!([{"name": "a", "port": 80, "protocol": "HTTP"}]));
        manifest["spec"]["infrastructure"] =
            json!({"parametersRef": {"group": "invalid.io", "kind": "Fake", "name": "x"}});
        let translation = translate(&snapshot([class(), manifest]));
        let status = status_of(&translation, "Gateway default/gw");
        assert_eq!(condition(&status["conditions"], "Accepted"), ("False", "InvalidParameters", 3));
        assert_eq!(condition(&status["conditions"], "Programmed"), ("False", "Invalid", 3));
        assert!(translation.ir.listeners.is_empty());
    }

    /// Conformance: GatewayStaticAddresses.
    #[test]
    fn an_address_of_an_unknown_type_is_refused() {
        for kind in ["Hostname", "test/fake-invalid-type"] {
            let mut manifest = gateway(json!([{"name": "a", "port": 80, "protocol": "HTTP"}]));
            manifest["spec"]["addresses"] = json!([{"type": kind, "value": "x"}, {"value": "127.0.0.2"}]);
            let status = status_of(&translate(&snapshot([class(), manifest])), "Gateway default/gw");
            assert_eq!(condition(&status["conditions"], "Accepted"), ("False", "UnsupportedAddress", 3));
        }
    }

    #[test]
    fn a_gateway_that_asks_for_client_certificates_is_not_served_without() {
        let mut manifest = gateway(json!([
            {"name": "a", "port": 443, "protocol": "HTTPS"},
            {"name": "b", "port": 8443, "protocol": "HTTPS"},
            {"name": "c", "port": 80, "protocol": "HTTP"},
        ]));
        manifest["spec"]["tls"] = json!({"frontend": {
            "default": {"validation": {"caCertificateRefs": [{"kind": "ConfigMap", "name": "ca"}]}},
            "perPort": [{"port": 8443, "tls": {}}],
        }});
        let status = status_of(&translate(&snapshot([class(), manifest])), "Gateway default/gw");
        let accepted = |index: usize| condition(&status["listeners"][index]["conditions"], "Accepted");
        assert_eq!(accepted(0), ("False", "UnsupportedValue", 3));
        assert_eq!(accepted(1).0, "True", "this port asks for none");
        assert_eq!(accepted(2).0, "True", "HTTP has no client certificates");
    }

    #[test]
    fn listener_filters_are_not_skipped() {
        let listener = json!([{"name": "a", "port": 80, "protocol": "HTTP", "filters": {"requests": []}}]);
        let status = status_of(&translate(&snapshot([class(), gateway(listener)])), "Gateway default/gw");
        assert_eq!(condition(&status["listeners"][0]["conditions"], "Accepted"), ("False", "UnsupportedValue", 3));
    }

    #[test]
    fn a_gateway_of_a_class_nobody_made_is_a_problem_without_status() {
        let translation = translate(&snapshot([gateway(json!([]))]));
        assert!(translation.statuses.is_empty());
        assert!(translation.problems.get_min().unwrap().message.contains("no GatewayClass 'paifang'"));
    }
}
