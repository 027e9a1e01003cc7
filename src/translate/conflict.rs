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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::translate::testing::{class, condition, gateway, snapshot, status_of};
    use crate::translate::{Translation, translate};

    fn translated(listeners: Value) -> (Translation, Value) {
        let translation = translate(&snapshot([class(), gateway(listeners)]));
        let status = status_of(&translation, "Gateway default/gw");
        (translation, status)
    }

    #[test]
    fn two_listeners_of_one_hostname_are_both_refused() {
        let (translation, status) = translated(json!([
            {"name": "a", "port": 80, "protocol": "HTTP", "hostname": "Same.example.com"},
            {"name": "b", "port": 80, "protocol": "HTTP", "hostname": "same.example.com"},
            {"name": "c", "port": 80, "protocol": "HTTP"},
        ]));
        for index in [0, 1] {
            let conditions = &status["listeners"][index]["conditions"];
            assert_eq!(condition(conditions, "Accepted"), ("False", "HostnameConflict", 3));
            assert_eq!(condition(conditions, "Programmed"), ("False", "HostnameConflict", 3));
            assert_eq!(condition(conditions, "Conflicted"), ("True", "HostnameConflict", 3));
        }
        assert_eq!(condition(&status["listeners"][2]["conditions"], "Conflicted").0, "Absent", "False is not written");
        assert_eq!(condition(&status["conditions"], "Accepted"), ("True", "ListenersNotValid", 3));
        let served: Vec<_> = translation.ir.listeners.iter().map(|listener| &*listener.name).collect();
        assert_eq!(served, ["c"], "inside one Gateway nobody wins");
    }

    #[test]
    fn http_and_https_cannot_share_a_port() {
        let (translation, status) = translated(json!([
            {"name": "a", "port": 80, "protocol": "HTTP"},
            {"name": "b", "port": 80, "protocol": "HTTPS", "hostname": "b.example.com"},
        ]));
        for index in [0, 1] {
            let conditions = &status["listeners"][index]["conditions"];
            assert_eq!(condition(conditions, "Accepted"), ("False", "ProtocolConflict", 3));
            assert_eq!(condition(conditions, "Conflicted"), ("True", "ProtocolConflict", 3));
        }
        assert_eq!(condition(&status["conditions"], "Accepted"), ("False", "ListenersNotValid", 3));
        assert_eq!(condition(&status["conditions"], "Programmed"), ("False", "Invalid", 3));
        assert!(translation.ir.listeners.is_empty());
    }

    #[test]
    fn overlapping_https_hostnames_are_told_and_never_denied() {
        let (_, status) = translated(json!([
            {"name": "a", "port": 443, "protocol": "HTTPS", "hostname": "*.example.com"},
            {"name": "b", "port": 443, "protocol": "HTTPS", "hostname": "b.example.com"},
            {"name": "c", "port": 443, "protocol": "HTTPS", "hostname": "c.example.org"},
            {"name": "d", "port": 8443, "protocol": "HTTPS", "hostname": "b.example.com"},
        ]));
        let overlap = |index: usize| condition(&status["listeners"][index]["conditions"], "OverlappingTLSConfig").0;
        assert_eq!([overlap(0), overlap(1), overlap(2), overlap(3)], ["True", "True", "Absent", "Absent"]);
    }
}
