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
        for (index, listener) in gateway.listeners.iter_mut().enumerate() {
            if listener.obstacle().is_some() {
                continue;
            }
            let wanted = listener.wants(&gateway.addresses);
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
                let remedy = "ask for an address the machine has, or for none";
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
            "ask for an address the machine has, or for none".to_owned(),
        ),
        BindFailure::Other(text) => {
            (format!("{socket} cannot be bound: {text}"), "see the process's log for the circumstances".to_owned())
        }
    }
}
