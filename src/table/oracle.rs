//! The specification, evaluated naively: what [`Table`](super::Table) must answer, and why.
//!
//! Linear, unindexed, straight from the text of the Gateway API, and independent of everything
//! that is compiled. Property tests hold the table against it.

use std::cmp::Reverse;

use super::Query;
use crate::ir::{Hostname, Ir, Listener, Match, PathMatch, Pattern, Route, Rule, ValueMatch, ValuePattern};
use crate::snapshot::Socket;

/// One match of one rule for one request, and whether it holds.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'i> {
    /// The hostname as the route writes it; none matches every host.
    pub hostname: Option<&'i Hostname>,
    /// The route.
    pub route: &'i Route,
    /// The rule.
    pub rule: &'i Rule,
    /// Position of the rule in the route, and of the match in the rule.
    pub position: (usize, usize),
    /// The match.
    pub condition: &'i Match,
    /// The first condition that does not hold.
    pub mismatch: Option<Mismatch<'i>>,
}

/// A condition that does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mismatch<'i> {
    /// The hostname.
    Hostname,
    /// The path.
    Path,
    /// The method.
    Method,
    /// The header of this name.
    Header(&'i str),
    /// The query parameter of this name.
    Query(&'i str),
}

/// The listener that serves a host on a socket: exact, then the longest wildcard, then none.
#[must_use]
pub fn listener<'i>(ir: &'i Ir, socket: Socket, host: &str) -> Option<&'i Listener> {
    let on_socket = ir.listeners.iter().filter(|listener| listener.sockets.contains(&socket));
    let covering = on_socket.filter(|listener| covers(listener.hostname.as_ref(), host));
    covering.min_by_key(|listener| hostname_rank(listener.hostname.as_ref())).map(|listener| &**listener)
}

/// The match that wins a request at a listener.
#[must_use]
pub fn find<'i>(listener: &'i Listener, query: &Query<'_>) -> Option<Candidate<'i>> {
    explain(listener, query).into_iter().find(|candidate| candidate.mismatch.is_none())
}

/// Every match of a listener in order of precedence, each with its first mismatch.
#[must_use]
pub fn explain<'i>(listener: &'i Listener, query: &Query<'_>) -> Vec<Candidate<'i>> {
    let mut candidates = Vec::new();
    for attached in &listener.routes {
        let hostnames: Vec<_> = match &*attached.hostnames {
            [] => vec![None],
            hostnames => hostnames.iter().map(Some).collect(),
        };
        for hostname in hostnames {
            for (n, rule) in attached.route.rules.iter().enumerate() {
                for (m, condition) in rule.matches.iter().enumerate() {
                    let mismatch = mismatch(hostname, condition, query);
                    let (route, position) = (&*attached.route, (n, m));
                    candidates.push(Candidate { hostname, route, rule, position, condition, mismatch });
                }
            }
        }
    }
    candidates.sort_by_cached_key(precedence);
    candidates
}

/// The order of the Gateway API; the least wins. Regular expressions stand between exact paths
/// and prefixes, see [`super::path`].
fn precedence(candidate: &Candidate<'_>) -> impl Ord + use<> {
    let path = match &candidate.condition.path {
        PathMatch::Exact(_) => (0, Reverse(0)),
        PathMatch::Regex(pattern) => (1, Reverse(pattern.len())),
        PathMatch::Prefix(prefix) => (2, Reverse(prefix.trim_end_matches('/').len())),
    };
    let condition = candidate.condition;
    let id = &candidate.route.id;
    (
        hostname_rank(candidate.hostname),
        path,
        (Reverse(condition.method.is_some()), Reverse(condition.headers.len()), Reverse(condition.query.len())),
        (candidate.route.created, format!("{}/{}", id.key.namespace, id.key.name), id.kind),
        candidate.position,
    )
}

fn hostname_rank(hostname: Option<&Hostname>) -> (u8, Reverse<usize>) {
    match hostname {
        Some(Hostname::Exact(_)) => (0, Reverse(0)),
        Some(Hostname::Wildcard(suffix)) => (1, Reverse(suffix.len())),
        None => (2, Reverse(0)),
    }
}

fn covers(hostname: Option<&Hostname>, host: &str) -> bool {
    hostname.is_none_or(|hostname| hostname.covers(host))
}

fn mismatch<'i>(hostname: Option<&Hostname>, condition: &'i Match, query: &Query<'_>) -> Option<Mismatch<'i>> {
    if !covers(hostname, query.host) {
        return Some(Mismatch::Hostname);
    }
    if !matches_path(&condition.path, query.path) {
        return Some(Mismatch::Path);
    }
    if condition.method.as_deref().is_some_and(|method| method != query.method) {
        return Some(Mismatch::Method);
    }
    let header = condition.headers.iter().find(|header| !matches_value(header, header_value(query, &header.name)));
    if let Some(header) = header {
        return Some(Mismatch::Header(&header.name));
    }
    let param = condition.query.iter().find(|param| !matches_value(param, query_value(query, &param.name)));
    param.map(|param| Mismatch::Query(&param.name))
}

fn matches_path(condition: &PathMatch, path: &str) -> bool {
    match condition {
        PathMatch::Exact(expected) => path == expected,
        PathMatch::Regex(pattern) => Pattern::parse(pattern).is_ok_and(|pattern| pattern.matches(path)),
        PathMatch::Prefix(prefix) if prefix == "/" => true,
        PathMatch::Prefix(prefix) => {
            let wanted: Vec<_> = prefix.trim_end_matches('/').split('/').collect();
            let elements: Vec<_> = path.split('/').collect();
            elements.starts_with(&wanted)
        }
    }
}

fn matches_value(condition: &ValueMatch, value: Option<Vec<u8>>) -> bool {
    let Some(value) = value else { return false };
    match &condition.value {
        ValuePattern::Exact(expected) => value == expected.as_bytes(),
        ValuePattern::Regex(pattern) => Pattern::parse(pattern)
            .is_ok_and(|pattern| String::from_utf8(value).is_ok_and(|value| pattern.matches(&value))),
    }
}

fn header_value(query: &Query<'_>, name: &str) -> Option<Vec<u8>> {
    let fields = query.headers.iter().filter(|(field, _)| field.as_str().eq_ignore_ascii_case(name));
    let values: Vec<_> = fields.map(|(_, value)| value.as_bytes()).collect();
    (!values.is_empty()).then(|| values.join(&b','))
}

fn query_value(query: &Query<'_>, name: &str) -> Option<Vec<u8>> {
    let pairs = query.query?.split('&').filter(|pair| !pair.is_empty());
    let mut decoded = pairs.map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(name), decode(value))
    });
    decoded.find(|(found, _)| found == name.as_bytes()).map(|(_, value)| value)
}

fn decode(text: &str) -> Vec<u8> {
    let text = text.replace('+', " ");
    let mut parts = text.split('%');
    let mut decoded = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let digits = part.get(..2).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                decoded.push(byte);
                decoded.extend_from_slice(part.get(2..).unwrap_or_default().as_bytes());
            }
            None => {
                decoded.push(b'%');
                decoded.extend_from_slice(part.as_bytes());
            }
        }
    }
    decoded
}
