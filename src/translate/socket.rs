//! Who gets which socket, and what the operating system says about it.

use std::collections::HashMap;

use super::field::Field;
use super::gateway::GatewayPlan;
use super::listener::ListenerPlan;
use super::reason::Reason;
use crate::api::ObjectKey;
use crate::snapshot::{BindFailure, Facts, Socket, SocketState};

/// Gives every servable listener its sockets. Gateways come oldest first: who is older keeps a
/// socket, and the listeners of the others are refused.
pub(crate) fn claim(gateways: &mut [GatewayPlan<'_>]) {
    let mut owners: HashMap<Socket, ObjectKey> = HashMap::new();
    for gateway in gateways.iter_mut().filter(|gateway| gateway.is_accepted()) {
        let wanted: Vec<_> = gateway.listeners.iter().map(|listener| gateway.sockets(listener.spec.port)).collect();
        for (index, (listener, wanted)) in gateway.listeners.iter_mut().zip(wanted).enumerate() {
            if listener.obstacle().is_some() {
                continue;
            }
            let taken = |socket: &Socket| owners.get(socket).filter(|owner| *owner != gateway.key);
            match wanted.iter().find_map(|socket| Some((socket, taken(socket)?))) {
                Some((socket, owner)) => {
                    let message = format!("{socket} already belongs to Gateway '{owner}', which is older");
                    let remedy = "choose another port or address, or attach to that Gateway instead";
                    refuse(listener, index, message, remedy);
                }
                None => {
                    owners.extend(wanted.iter().map(|socket| (*socket, gateway.key.clone())));
                    listener.sockets = wanted;
                }
            }
        }
    }
}

fn refuse(listener: &mut ListenerPlan<'_>, index: usize, message: String, remedy: &str) {
    let at = Field::SPEC;
    let at = at.item("listeners", index);
    listener.findings.reject(Reason::PortUnavailable, &at.name("port"), message, remedy);
}

/// Compares a Gateway's sockets with the facts. A listener with one bound socket serves; what is
/// wrong with the others is said without speaking against it.
pub(crate) fn observe(gateway: &mut GatewayPlan<'_>, facts: &Facts) {
    for (index, listener) in gateway.listeners.iter_mut().enumerate() {
        let (mut bound, mut failed) = (0_usize, Vec::new());
        for socket in &listener.sockets {
            match facts.sockets.get(socket) {
                Some(SocketState::Bound) => bound += 1,
                Some(SocketState::Failed(failure)) => failed.push((*socket, failure)),
                None if facts.assume_bound => bound += 1,
                None => listener.pending.push(*socket),
            }
        }
        let serves = bound > 0;
        if serves {
            listener.pending.clear();
        }
        for (socket, failure) in failed {
            if *failure == BindFailure::NoSuchAddress && !gateway.unusable.contains(&socket.address) {
                gateway.unusable.push(socket.address);
                let message = format!("{} is not an address of this machine", socket.address);
                let remedy = "ask for an address the machine has, or for none and set --bind to one";
                gateway.findings.unprogrammed(
                    Reason::AddressNotUsable,
                    &Field::SPEC.name("addresses"),
                    message,
                    remedy,
                );
            }
            blame(listener, index, (socket, failure), serves);
        }
    }
}

fn blame(listener: &mut ListenerPlan<'_>, index: usize, (socket, failure): (Socket, &BindFailure), serves: bool) {
    let at = Field::SPEC;
    let at = at.item("listeners", index);
    let at = at.name("port");
    let (message, remedy) = describe(socket, failure);
    let findings = &mut listener.findings;
    match failure {
        _ if serves => findings.notice(Reason::PortUnavailable, &at, message, &remedy),
        BindFailure::InUse | BindFailure::Denied => findings.reject(Reason::PortUnavailable, &at, message, &remedy),
        BindFailure::NoSuchAddress | BindFailure::Other(_) => {
            findings.unprogrammed(Reason::Invalid, &at, message, &remedy);
        }
    }
}

fn describe(socket: Socket, failure: &BindFailure) -> (String, String) {
    let port = socket.port;
    match failure {
        BindFailure::InUse => (
            format!("{socket} is in use by another program"),
            format!(
                "stop that program, choose another port, or map port {port} to a free one with portMap in conf/paifang.yaml"
            ),
        ),
        BindFailure::Denied => (
            format!("this process may not listen on {socket}"),
            format!(
                "map port {port} to one of 1024 or above with portMap in conf/paifang.yaml, choose such a port, \
                 or give the process the capability CAP_NET_BIND_SERVICE"
            ),
        ),
        BindFailure::NoSuchAddress => (
            format!("{socket} cannot be bound: the machine has no such address"),
            "ask for an address the machine has, or for none and set --bind to one".to_owned(),
        ),
        BindFailure::Other(text) => {
            (format!("{socket} cannot be bound: {text}"), "see the process's log for the circumstances".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::*;
    use crate::snapshot::Snapshot;
    use crate::translate::testing::{class, condition, gateway, snapshot, status_of};
    use crate::translate::translate;

    fn with_facts(mut world: Snapshot, sockets: &[(&str, SocketState)], assume_bound: bool) -> Snapshot {
        let sockets: BTreeMap<_, _> = sockets
            .iter()
            .map(|(text, state)| {
                let address: std::net::SocketAddr = text.parse().unwrap();
                (Socket { address: address.ip(), port: address.port() }, state.clone())
            })
            .collect();
        world.facts = Arc::new(Facts { sockets, assume_bound, ..Facts::default() });
        world
    }

    fn http(port: u16) -> Value {
        json!([{"name": "http", "port": port, "protocol": "HTTP"}])
    }

    #[test]
    fn a_socket_nobody_tried_is_pending() {
        let world = with_facts(snapshot([class(), gateway(http(80))]), &[], false);
        let translation = translate(&world);
        let status = status_of(&translation, "Gateway default/gw");
        assert_eq!(condition(&status["conditions"], "Accepted"), ("True", "Accepted", 3));
        assert_eq!(condition(&status["conditions"], "Programmed"), ("False", "Pending", 3));
        assert_eq!(condition(&status["listeners"][0]["conditions"], "Programmed"), ("False", "Pending", 3));
        assert_eq!(translation.ir.listeners.len(), 1, "the process must know what to bind");
        assert!(translation.problems.is_empty(), "waiting is nobody's mistake");
    }

    #[test]
    fn a_bound_socket_is_programmed() {
        let world = with_facts(snapshot([class(), gateway(http(80))]), &[("127.0.0.1:80", SocketState::Bound)], false);
        let status = status_of(&translate(&world), "Gateway default/gw");
        assert_eq!(condition(&status["conditions"], "Programmed"), ("True", "Programmed", 3));
        assert_eq!(status["addresses"], json!([{"type": "IPAddress", "value": "127.0.0.1"}]));
    }

    #[test]
    fn a_port_that_cannot_be_had_is_unavailable_and_the_remedy_says_how() {
        for (failure, want) in [(BindFailure::InUse, "another program"), (BindFailure::Denied, "may not listen")] {
            let failed = [("127.0.0.1:80", SocketState::Failed(failure))];
            let translation = translate(&with_facts(snapshot([class(), gateway(http(80))]), &failed, true));
            let status = status_of(&translation, "Gateway default/gw");
            let conditions = &status["listeners"][0]["conditions"];
            assert_eq!(condition(conditions, "Accepted"), ("False", "PortUnavailable", 3));
            assert_eq!(condition(conditions, "Programmed"), ("False", "Invalid", 3));
            assert_eq!(translation.ir.listeners.len(), 1, "the process keeps trying");
            assert!(translation.problems.get_min().unwrap().message.contains(want));
            assert!(translation.problems.get_min().unwrap().remedy.contains("portMap in conf/paifang.yaml"));
        }
    }

    /// Conformance: GatewayStaticAddresses.
    #[test]
    fn an_address_of_another_machine_is_not_usable() {
        let mut manifest = gateway(http(80));
        manifest["spec"]["addresses"] = json!([{"value": "192.0.2.1"}, {"type": "IPAddress", "value": ""}]);
        let failed = [("192.0.2.1:80", SocketState::Failed(BindFailure::NoSuchAddress))];
        let status =
            status_of(&translate(&with_facts(snapshot([class(), manifest]), &failed, true)), "Gateway default/gw");
        assert_eq!(condition(&status["conditions"], "Accepted"), ("True", "Accepted", 3));
        assert_eq!(condition(&status["conditions"], "Programmed"), ("False", "AddressNotUsable", 3));
        assert_eq!(
            condition(&status["listeners"][0]["conditions"], "Programmed").0,
            "True",
            "the other address serves"
        );
        assert_eq!(status["addresses"], json!([{"type": "IPAddress", "value": "127.0.0.1"}]));
    }

    /// Conformance: GatewayStaticAddresses, its three steps in turn.
    #[test]
    fn a_gateway_is_programmed_once_its_last_bad_address_is_gone() {
        let failed = [("192.0.2.1:80", SocketState::Failed(BindFailure::NoSuchAddress))];
        let unsupported = json!({"type": "test/fake-invalid-type", "value": "x"});
        let (unusable, usable) = (json!({"value": "192.0.2.1"}), json!({"type": "IPAddress", "value": "127.0.0.1"}));
        let step = |addresses: Value| {
            let mut manifest = gateway(http(80));
            manifest["spec"]["addresses"] = addresses;
            let world = with_facts(snapshot([class(), manifest]), &failed, true);
            let status = status_of(&translate(&world), "Gateway default/gw");
            let verdict = |kind: &str| condition(&status["conditions"], kind).1.to_owned();
            (verdict("Accepted"), verdict("Programmed"), status["addresses"].clone())
        };
        let want = |accepted: &str, programmed: &str, addresses: Value| (accepted.into(), programmed.into(), addresses);
        let (bad, all) = (json!([]), json!([usable]));
        assert_eq!(step(json!([unsupported, unusable, usable])), want("UnsupportedAddress", "Invalid", bad.clone()));
        assert_eq!(step(json!([unusable, usable])), want("Accepted", "AddressNotUsable", all.clone()));
        assert_eq!(step(json!([unusable])), want("Accepted", "AddressNotUsable", bad));
        assert_eq!(step(json!([usable])), want("Accepted", "Programmed", all));
    }

    #[test]
    fn the_older_gateway_keeps_a_socket_both_want() {
        let mut older = gateway(http(80));
        older["metadata"]["name"] = json!("z-older");
        older["metadata"]["creationTimestamp"] = json!("2026-01-01T00:00:00Z");
        let mut newer = gateway(json!([{"name": "http", "port": 80, "protocol": "HTTP"},
            {"name": "alt", "port": 81, "protocol": "HTTP"}]));
        newer["metadata"]["creationTimestamp"] = json!("2026-01-02T00:00:00Z");
        let translation = translate(&snapshot([class(), older, newer]));
        let status = status_of(&translation, "Gateway default/gw");
        assert_eq!(condition(&status["listeners"][0]["conditions"], "Accepted"), ("False", "PortUnavailable", 3));
        assert_eq!(condition(&status["listeners"][1]["conditions"], "Accepted").0, "True");
        let served: Vec<_> = translation.ir.listeners.iter().map(|it| format!("{} {}", it.gateway, it.name)).collect();
        assert_eq!(served, ["default/gw alt", "default/z-older http"]);
        assert!(translation.problems.get_min().unwrap().message.contains("default/z-older"));
    }
}
