//! What becomes of a request, and why: who wins, who loses by what, whose the hostname is.
//!
//! The account is the oracle's ([`crate::table::oracle`]), to which property tests hold the table that
//! serves: what is explained is what is done.

mod text;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

use http::{HeaderMap, Method, Uri};
use serde::Serialize;

use crate::config::PathRules;
use crate::ir::{Claim, Filters, Ir, Limit, Listener, ListenerProtocol, Retry, Target, Timeouts, WeightedBackend};
use crate::proxy;
use crate::snapshot::{Snapshot, Socket};
use crate::table::action::RuleId;
use crate::table::oracle::{self, Candidate, Mismatch};
use crate::table::{Query, limits};
use crate::translate::endpoints::EndpointIndex;

/// A request that could come.
#[derive(Debug, Clone)]
pub struct Request {
    /// Method.
    pub method: Method,
    /// `http://host[:port]/path?query`, or `https`.
    pub url: Uri,
    /// Header fields; `Host` is that of the URL.
    pub headers: HeaderMap,
}

/// Why a request cannot be explained, or would be refused before anything is looked up.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// There is no host in it, or a scheme that is not HTTP's.
    #[error("'{0}' is no URL of HTTP: write http://host/path or https://host/path")]
    Url(Uri),
    /// The path is refused for every route.
    #[error("every route refuses it with {0}: {1}")]
    Path(u16, &'static str),
}

/// What becomes of a request at every Gateway that listens on its port.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation<'i> {
    /// The method.
    pub method: String,
    /// Lower case, without port and trailing dot.
    pub host: String,
    /// As routes see it.
    pub path: String,
    /// The claim that decides about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claim: Option<&'i Claim>,
    /// One entry for each Gateway; none when nobody listens there.
    pub gateways: Vec<AtGateway<'i>>,
}

/// What becomes of it at one Gateway.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AtGateway<'i> {
    /// Namespace and name of the Gateway.
    pub gateway: String,
    /// The listener with the most specific hostname.
    pub listener: &'i str,
    /// The match that serves it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub winner: Option<Winner<'i>>,
    /// Every other match of the listener, best first, each with why it does not serve.
    pub losers: Vec<Loser>,
}

/// The match that serves.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Winner<'i> {
    /// Where it stands.
    #[serde(flatten)]
    pub place: Place,
    /// The tenant of the route.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<&'i str>,
    /// What happens to the request and its response.
    #[serde(skip_serializing_if = "Filters::is_empty")]
    pub filters: &'i Filters,
    /// Time limits.
    #[serde(skip_serializing_if = "Timeouts::is_empty")]
    pub timeouts: Timeouts,
    /// Retries.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry: Option<&'i Retry>,
    /// What it is under, from the Gateway to the rule.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<&'i Limit>,
    /// Where it goes.
    pub backends: Vec<Backend>,
}

/// A backend and its share.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Backend {
    /// Namespace, Service and port, or why there is none.
    pub backend: String,
    /// Its share among the rule's backends.
    pub weight: u32,
    /// The addresses that take requests now.
    pub endpoints: Vec<SocketAddr>,
}

/// A match that does not serve.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Loser {
    /// Where it stands.
    #[serde(flatten)]
    pub place: Place,
    /// Why.
    pub because: String,
}

/// Where a match stands.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Place {
    /// Kind, namespace and name of the route.
    pub route: String,
    /// The rule's name, or its position.
    pub rule: String,
    /// The hostname as the route writes it, `*` for every host.
    pub hostname: String,
    /// The condition on the path.
    pub path: String,
}

/// Explains a request.
///
/// # Errors
/// When it is no request, or one that is refused before it is looked up.
pub fn explain<'i>(
    ir: &'i Ir,
    snapshot: &Snapshot,
    request: &Request,
    rules: &PathRules,
) -> Result<Explanation<'i>, Refused> {
    let refused = || Refused::Url(request.url.clone());
    let tls = match request.url.scheme_str() {
        Some("http") => false,
        Some("https") => true,
        _ => return Err(refused()),
    };
    let host = request.url.host().ok_or_else(refused)?.to_ascii_lowercase();
    let host = host.strip_suffix('.').unwrap_or(&host).to_owned();
    let port = request.url.port_u16().unwrap_or(if tls { 443 } else { 80 });
    let path = proxy::normal_path(request.url.path(), rules).map_err(|(status, why)| Refused::Path(status, why))?;
    let query = Query {
        host: &host,
        path: &path,
        query: request.url.query(),
        method: request.method.as_str(),
        headers: &request.headers,
    };
    let mut endpoints = EndpointIndex::default();
    endpoints.update(snapshot);
    let sockets = sockets(ir, port, tls);
    let listeners = sockets.into_iter().filter_map(|socket| oracle::listener(ir, socket, &host));
    let mut gateways: Vec<_> = listeners.map(|listener| at_gateway(ir, listener, &query, &endpoints)).collect();
    gateways.dedup_by(|a, b| (&a.gateway, a.listener) == (&b.gateway, b.listener));
    let claim = oracle::claim(ir, &query);
    Ok(Explanation { method: request.method.to_string(), claim, gateways, host, path })
}

/// Where a Gateway listens for requests to a port.
fn sockets(ir: &Ir, port: u16, tls: bool) -> BTreeSet<Socket> {
    let protocol = if tls { ListenerProtocol::Https } else { ListenerProtocol::Http };
    let asked = |listener: &&Arc<Listener>| listener.port == port && listener.protocol == protocol;
    ir.listeners.iter().filter(asked).flat_map(|listener| listener.sockets.iter().copied()).collect()
}

fn at_gateway<'i>(ir: &'i Ir, listener: &'i Listener, query: &Query<'_>, endpoints: &EndpointIndex) -> AtGateway<'i> {
    let (mut winner, mut losers) = (None, Vec::new());
    for candidate in oracle::explain(ir, listener, query) {
        match (candidate.mismatch, &winner) {
            (None, None) => winner = Some(won(ir, listener, &candidate, endpoints)),
            (mismatch, _) => losers.push(Loser { place: place(&candidate), because: because(mismatch, query) }),
        }
    }
    AtGateway { gateway: listener.gateway.to_string(), listener: &listener.name, winner, losers }
}

fn won<'i>(ir: &'i Ir, listener: &Listener, candidate: &Candidate<'i>, endpoints: &EndpointIndex) -> Winner<'i> {
    let rule = candidate.rule;
    let id = RuleId {
        gateway: listener.gateway.clone(),
        listener: Arc::clone(&listener.name),
        route: candidate.route.id.clone(),
        rule: rule.name.clone().unwrap_or_default(),
        tenant: candidate.route.tenant.clone(),
        hostname: candidate.hostname.cloned(),
    };
    let limits = limits::written(&ir.limits, &id, rule.name.as_ref());
    Winner {
        place: place(candidate),
        tenant: candidate.route.tenant.as_deref(),
        filters: &rule.filters,
        timeouts: rule.timeouts,
        retry: rule.retry.as_ref(),
        limits: limits.into_iter().map(|limit| &**limit).collect(),
        backends: rule.backends.iter().map(|backend| named(backend, endpoints)).collect(),
    }
}

fn named(backend: &WeightedBackend, endpoints: &EndpointIndex) -> Backend {
    let weight = backend.weight;
    match &backend.target {
        Target::Backend(key) => Backend { backend: key.to_string(), weight, endpoints: endpoints.resolve(key) },
        Target::Invalid(reason) => Backend { backend: format!("{reason:?}"), weight, endpoints: Vec::new() },
    }
}

fn place(candidate: &Candidate<'_>) -> Place {
    let (rule, _) = candidate.position;
    Place {
        route: candidate.route.id.to_string(),
        rule: candidate.rule.name.as_deref().map_or_else(|| rule.to_string(), ToOwned::to_owned),
        hostname: candidate.hostname.map_or_else(|| "*".to_owned(), ToString::to_string),
        path: text::path(&candidate.condition.path),
    }
}

fn because(mismatch: Option<Mismatch<'_>>, query: &Query<'_>) -> String {
    match mismatch {
        None => "it ranks lower".to_owned(),
        Some(Mismatch::Hostname) => format!("its hostname does not cover {}", query.host),
        Some(Mismatch::Path) => format!("its path does not match {}", query.path),
        Some(Mismatch::Method) => format!("its method is not {}", query.method),
        Some(Mismatch::Header(name)) => format!("the header '{name}' does not match"),
        Some(Mismatch::Query(name)) => format!("the query parameter '{name}' does not match"),
        Some(Mismatch::Claimed(tenant)) => format!("the host and path are claimed by Tenant '{tenant}'"),
        Some(Mismatch::Unclaimed) => "nobody claims the host and path, and its class requires a claim".to_owned(),
    }
}

#[cfg(test)]
mod tests;
