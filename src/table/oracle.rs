//! The specification, evaluated naively: what [`Table`](super::Table) must answer, and why.
//!
//! Linear, unindexed, straight from the text of the Gateway API, and independent of everything
//! that is compiled. Property tests hold the table against it.

use std::cmp::Reverse;

use super::Query;
use crate::ir::{
    Claim, GrpcMatch, Hostname, Ir, Listener, Match, PathMatch, Pattern, Route, Rule, ValueMatch, ValuePattern,
};
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
    /// Everything holds, but the host and path are claimed by this tenant.
    Claimed(&'i str),
    /// Everything holds, but nobody claims the host and path, and somebody must.
    Unclaimed,
}

/// The listener that serves a host on a socket: exact, then the longest wildcard, then none.
#[must_use]
pub fn listener<'i>(ir: &'i Ir, socket: Socket, host: &str) -> Option<&'i Listener> {
    let on_socket = ir.listeners.iter().filter(|listener| listener.sockets.contains(&socket));
    let covering = on_socket.filter(|listener| covers(listener.hostname.as_ref(), host));
    covering.min_by_key(|listener| hostname_rank(listener.hostname.as_ref())).map(|listener| &**listener)
}

/// The claim that decides about a host and path: of the most specific hostname that has one for the path,
/// that with the longest prefix.
#[must_use]
pub fn claim<'i>(ir: &'i Ir, query: &Query<'_>) -> Option<&'i Claim> {
    let enforced = ir.claims.iter().filter(|claim| claim.enforced);
    let covering = enforced.filter(|claim| claim.hostname.covers(query.host) && claim.covers_path(query.path));
    covering.min_by_key(|claim| (hostname_rank(Some(&claim.hostname)), Reverse(claim.prefix.len())))
}

/// The match that wins a request at a listener.
#[must_use]
pub fn find<'i>(ir: &'i Ir, listener: &'i Listener, query: &Query<'_>) -> Option<Candidate<'i>> {
    explain(ir, listener, query).into_iter().find(|candidate| candidate.mismatch.is_none())
}

/// Every match of a listener in order of precedence, each with its first mismatch.
#[must_use]
pub fn explain<'i>(ir: &'i Ir, listener: &'i Listener, query: &Query<'_>) -> Vec<Candidate<'i>> {
    let mut candidates = Vec::new();
    let claim = claim(ir, query);
    for attached in listener.routes.iter() {
        let hostnames: Vec<_> = match &*attached.hostnames {
            [] => vec![None],
            hostnames => hostnames.iter().map(Some).collect(),
        };
        for hostname in hostnames {
            for (n, rule) in attached.route.rules.iter().enumerate() {
                for (m, condition) in rule.matches.iter().enumerate() {
                    let mismatch = mismatch(hostname, condition, query);
                    let mismatch = mismatch.or_else(|| not_permitted(listener, &attached.route, claim));
                    let (route, position) = (&*attached.route, (n, m));
                    candidates.push(Candidate { hostname, route, rule, position, condition, mismatch });
                }
            }
        }
    }
    candidates.sort_by_cached_key(precedence);
    candidates
}

/// Why a route may not serve, though everything matches.
fn not_permitted<'i>(listener: &Listener, route: &Route, claim: Option<&'i Claim>) -> Option<Mismatch<'i>> {
    match claim {
        Some(claim) if route.tenant.as_ref() != Some(&claim.tenant) => Some(Mismatch::Claimed(&claim.tenant)),
        None if listener.claims_required => Some(Mismatch::Unclaimed),
        _ => None,
    }
}

/// The order of the Gateway API; the least wins.
fn precedence(candidate: &Candidate<'_>) -> impl Ord + use<> {
    let condition = candidate.condition;
    let id = &candidate.route.id;
    (
        hostname_rank(candidate.hostname),
        path_rank(&condition.path),
        (Reverse(condition.method.is_some()), Reverse(condition.headers.len()), Reverse(condition.query.len())),
        (candidate.route.created, format!("{}/{}", id.key.namespace, id.key.name), id.kind),
        candidate.position,
    )
}

/// What decides among matches of one hostname before anything else; the least wins.
///
/// GRPCRouteRule, `matches`: the most characters in a matching service, then in a matching method.
/// Expressions stand below every name, because their characters count nothing in a request, and
/// above a part that is left out. HTTPRouteRule, `matches`: exact paths, then the longest prefix.
/// Expressions stand between them, see [`super::path`]. The two kinds are never mixed: a gRPC
/// request asks the GRPCRoutes of a hostname first.
fn path_rank(path: &PathMatch) -> (u8, [(u8, Reverse<usize>); 2]) {
    let only = |rank, text: &str| (rank, [(0, Reverse(text.len())), (0, Reverse(0))]);
    match path {
        PathMatch::Grpc(GrpcMatch::Exact(parts)) => (0, [grpc_rank(0, &parts.service), grpc_rank(0, &parts.method)]),
        PathMatch::Grpc(GrpcMatch::Regex(parts)) => (0, [grpc_rank(1, &parts.service), grpc_rank(1, &parts.method)]),
        PathMatch::Exact(_) => only(1, ""),
        PathMatch::Regex(pattern) => only(2, pattern),
        PathMatch::Prefix(prefix) => only(3, prefix.trim_end_matches('/')),
    }
}

fn grpc_rank(kind: u8, part: &Option<String>) -> (u8, Reverse<usize>) {
    part.as_ref().map_or((2, Reverse(0)), |text| (kind, Reverse(text.len())))
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
    if !matches_path(&condition.path, query) {
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

fn matches_path(condition: &PathMatch, query: &Query<'_>) -> bool {
    let path = query.path;
    match condition {
        PathMatch::Exact(expected) => path == expected,
        PathMatch::Regex(pattern) => matches_pattern(pattern, path),
        PathMatch::Prefix(prefix) if prefix == "/" => true,
        PathMatch::Prefix(prefix) => {
            let wanted: Vec<_> = prefix.trim_end_matches('/').split('/').collect();
            let elements: Vec<_> = path.split('/').collect();
            elements.starts_with(&wanted)
        }
        PathMatch::Grpc(condition) => is_grpc(query) && matches_grpc(condition, path),
    }
}

/// gRPC over HTTP/2, "Requests": `Content-Type → "application/grpc" [("+proto" / "+json" / …)]`.
fn is_grpc(query: &Query<'_>) -> bool {
    let kind = query.headers.get("content-type").map(|value| value.as_bytes().to_ascii_lowercase());
    let kind = kind.and_then(|kind| String::from_utf8(kind).ok()).unwrap_or_default();
    kind.split(['+', ';', ' ']).next() == Some("application/grpc")
}

/// gRPC over HTTP/2, "Requests": `Path → "/" Service-Name "/" {method name}`.
fn matches_grpc(condition: &GrpcMatch, path: &str) -> bool {
    let (GrpcMatch::Exact(parts) | GrpcMatch::Regex(parts)) = condition;
    if parts.service.is_none() && parts.method.is_none() {
        return true;
    }
    let mut split = path.rsplitn(2, '/');
    let (method, service) = (split.next().unwrap_or_default(), split.next().unwrap_or_default());
    let service = service.strip_prefix('/').unwrap_or_default();
    let fits = |wanted: &Option<String>, found: &str| match (wanted, condition) {
        (None, _) => true,
        (Some(name), GrpcMatch::Exact(_)) => name == found,
        (Some(pattern), GrpcMatch::Regex(_)) => matches_pattern(pattern, found),
    };
    !service.is_empty() && !method.is_empty() && fits(&parts.service, service) && fits(&parts.method, method)
}

fn matches_pattern(pattern: &str, text: &str) -> bool {
    Pattern::parse(pattern).is_ok_and(|pattern| pattern.matches(text))
}

fn matches_value(condition: &ValueMatch, value: Option<Vec<u8>>) -> bool {
    let Some(value) = value else { return false };
    match &condition.value {
        ValuePattern::Exact(expected) => value == expected.as_bytes(),
        ValuePattern::Regex(pattern) => String::from_utf8(value).is_ok_and(|value| matches_pattern(pattern, &value)),
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
