//! Listeners of one Gateway that get in each other's way (`gateway-api.md` §5.4). Inside one
//! Gateway nobody wins: all of them are refused.

use std::collections::BTreeMap;

use super::field::Field;
use super::listener::ListenerPlan;
use super::reason::Reason;
use crate::ir::{Hostname, ListenerProtocol};

/// Marks conflicts and overlaps among the listeners of one Gateway.
pub(crate) fn mark(listeners: &mut [ListenerPlan<'_>]) {
    let mut ports: BTreeMap<u16, Vec<usize>> = BTreeMap::new();
    for (index, listener) in listeners.iter().enumerate() {
        if listener.protocol.is_some() {
            ports.entry(listener.spec.port).or_default().push(index);
        }
    }
    for members in ports.values() {
        mark_protocols(listeners, members);
        mark_hostnames(listeners, members);
        mark_overlaps(listeners, members);
    }
}

fn mark_protocols(listeners: &mut [ListenerPlan<'_>], members: &[usize]) {
    let protocols: Vec<_> = members.iter().filter_map(|index| listeners.get(*index)?.protocol).collect();
    if protocols.iter().any(|protocol| Some(protocol) != protocols.first()) {
        for index in members {
            refuse(listeners, *index, Reason::ProtocolConflict, "HTTP and HTTPS cannot share a port");
        }
    }
}

fn mark_hostnames(listeners: &mut [ListenerPlan<'_>], members: &[usize]) {
    let mut hostnames: BTreeMap<(ListenerProtocol, Option<Hostname>), Vec<usize>> = BTreeMap::new();
    for index in members {
        let Some(listener) = listeners.get(*index) else { continue };
        let Some(protocol) = listener.protocol else { continue };
        hostnames.entry((protocol, listener.hostname.clone())).or_default().push(*index);
    }
    for same in hostnames.into_values().filter(|same| same.len() > 1) {
        for index in same {
            refuse(listeners, index, Reason::HostnameConflict, "another listener has the same port and hostname");
        }
    }
}

fn refuse(listeners: &mut [ListenerPlan<'_>], index: usize, reason: Reason, message: &str) {
    let Some(listener) = listeners.get_mut(index) else { return };
    if listener.conflict.is_none() {
        listener.conflict = Some((reason, message.to_owned()));
        let at = Field::SPEC;
        let at = at.item("listeners", index);
        listener.findings.reject(reason, &at, message, "give each listener a port and hostname of its own");
    }
}

/// HTTPS listeners of one port whose hostnames cover a common host: a client may reuse a
/// connection made for one to ask for the other, so the API wants people to be told.
fn mark_overlaps(listeners: &mut [ListenerPlan<'_>], members: &[usize]) {
    let https: Vec<(usize, Option<Hostname>)> = members
        .iter()
        .filter_map(|index| Some((*index, listeners.get(*index)?)))
        .filter(|(_, listener)| listener.protocol == Some(ListenerProtocol::Https))
        .map(|(index, listener)| (index, listener.hostname.clone()))
        .collect();
    for (index, own) in &https {
        let overlaps =
            https.iter().any(|(other, hostname)| other != index && intersect(own.as_ref(), hostname.as_ref()));
        if let Some(listener) = listeners.get_mut(*index) {
            listener.overlaps = overlaps;
        }
    }
}

fn intersect(a: Option<&Hostname>, b: Option<&Hostname>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => a.intersects(b),
        _ => true,
    }
}
