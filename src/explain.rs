//! What becomes of a request, and why: who wins, who loses by what, whose the hostname is.
//!
//! The account is the oracle's ([`crate::table::oracle`]), to which property tests hold the table that
//! serves: what is explained is what is done.

mod account;
mod filters;
mod key;
mod left;
mod limit;
mod question;
mod refused;
mod text;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use http::{HeaderMap, Method, Uri};

use crate::config::PathRules;
use crate::ir::{BackendKey, Ir, LimitId, Listener, ListenerProtocol, PathMatch, Target, WeightedBackend};
use crate::proxy;
use crate::proxy::redirect::Own;
use crate::snapshot::{Snapshot, Socket};
use crate::table::Query;
use crate::table::action::RuleId;
use crate::table::limits::{self, Asked};
use crate::table::oracle::{self, Candidate, Mismatch};
use crate::translate::Translation;
pub use account::{AtGateway, Backend, Explanation, Limited, Loser, Place, Winner};
pub use key::KeyValue;
pub use left::Left;
pub use question::Unclear;
pub use refused::NotAttached;

use limit::{Asking, limited};

/// The most of anything that an explanation lists; the rest is counted.
const MOST: usize = 50;

/// What is asked about.
pub struct World<'i> {
    /// The objects.
    pub snapshot: &'i Snapshot,
    /// What they mean.
    pub translation: &'i Translation,
    /// How paths are read.
    pub paths: &'i PathRules,
    /// The endpoints of a backend that take requests now.
    pub endpoints: &'i dyn Fn(&BackendKey) -> Vec<String>,
    /// What a limit of a rule has left for a request that it counts; takes nothing.
    pub left: &'i dyn Fn(&RuleId, &LimitId, &Asked<'_>) -> Left,
}

/// A request that could come.
#[derive(Debug, Clone)]
pub struct Request {
    /// Method.
    pub method: Method,
    /// `http://host[:port]/path?query`, or `https`.
    pub url: Uri,
    /// Header fields; `Host` is that of the URL.
    pub headers: HeaderMap,
    /// The client behind trusted proxies, if somebody says it.
    pub client: Option<IpAddr>,
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

/// Explains a request.
///
/// # Errors
/// When it is no request, or one that is refused before it is looked up.
pub fn explain<'i>(world: &World<'i>, request: &Request) -> Result<Explanation<'i>, Refused> {
    let refused = || Refused::Url(request.url.clone());
    let tls = match request.url.scheme_str() {
        Some("http") => false,
        Some("https") => true,
        _ => return Err(refused()),
    };
    let host = request.url.host().ok_or_else(refused)?.to_ascii_lowercase();
    let host = host.strip_suffix('.').unwrap_or(&host).to_owned();
    let port = request.url.port_u16().unwrap_or(if tls { 443 } else { 80 });
    let path = proxy::normal_path(request.url.path(), world.paths).map_err(|(code, why)| Refused::Path(code, why))?;
    let query = Query {
        host: &host,
        path: &path,
        query: request.url.query(),
        method: request.method.as_str(),
        headers: &request.headers,
    };
    let asking = Asking { query, client: request.client };
    let ir = &world.translation.ir;
    let listeners = sockets(ir, port, tls).into_iter().filter_map(|socket| oracle::listener(ir, socket, &host));
    let mut gateways: Vec<_> = listeners.map(|listener| at_gateway(world, listener, asking)).collect();
    gateways.dedup_by(|a, b| (&a.gateway, a.listener) == (&b.gateway, b.listener));
    let (claim, mut not_attached) = (oracle::claim(ir, &query), refused::not_attached(world, &host));
    let not_attached_left_out = cut(&mut not_attached);
    Ok(Explanation {
        method: request.method.to_string(),
        client: request.client,
        claim,
        gateways,
        not_attached,
        not_attached_left_out,
        host,
        path,
    })
}

/// Where a Gateway listens for requests to a port.
fn sockets(ir: &Ir, port: u16, tls: bool) -> BTreeSet<Socket> {
    let protocol = if tls { ListenerProtocol::Https } else { ListenerProtocol::Http };
    let asked = |listener: &&Arc<Listener>| listener.port == port && listener.protocol == protocol;
    ir.listeners.iter().filter(asked).flat_map(|listener| listener.sockets.iter().copied()).collect()
}

fn at_gateway<'i>(world: &World<'i>, listener: &'i Listener, asking: Asking<'_>) -> AtGateway<'i> {
    let query = &asking.query;
    let (mut winner, mut losers, mut elsewhere) = (None, Vec::new(), Vec::new());
    for candidate in oracle::explain(&world.translation.ir, listener, query) {
        let lost = |mismatch| Loser { place: place(&candidate), because: because(mismatch, query) };
        match (candidate.mismatch, &winner) {
            (None, None) => winner = Some(won(world, listener, &candidate, asking)),
            (Some(Mismatch::Hostname), _) => elsewhere.push(lost(Some(Mismatch::Hostname))),
            (mismatch, _) => losers.push(lost(mismatch)),
        }
    }
    losers.append(&mut elsewhere);
    let losers_left_out = cut(&mut losers);
    AtGateway { gateway: listener.gateway.to_string(), listener: &listener.name, winner, losers, losers_left_out }
}

/// The limits of a rule, and what they have left.
fn limits_of<'i>(
    world: &World<'i>,
    listener: &Listener,
    candidate: &Candidate<'i>,
    asking: Asking<'_>,
) -> Vec<Limited<'i>> {
    let rule = RuleId {
        gateway: listener.gateway.clone(),
        listener: Arc::clone(&listener.name),
        route: candidate.route.id.clone(),
        rule: place(candidate).rule.into(),
        tenant: candidate.route.tenant.clone(),
        hostname: candidate.hostname.cloned(),
    };
    let limits = limits::written(&world.translation.ir.limits, &rule, candidate.rule.name.as_ref());
    limits.into_iter().map(|limit| limited(world, limit, &rule, asking)).collect()
}

fn won<'i>(world: &World<'i>, listener: &Listener, candidate: &Candidate<'i>, asking: Asking<'_>) -> Winner<'i> {
    let (rule, query) = (candidate.rule, &asking.query);
    let own = Own {
        tls: listener.protocol == ListenerProtocol::Https,
        host: query.host,
        port: listener.port,
        path: query.path,
        prefix: match &candidate.condition.path {
            PathMatch::Prefix(prefix) => Some(prefix.trim_end_matches('/').len()),
            _ => None,
        },
        query: query.query,
    };
    Winner {
        place: place(candidate),
        tenant: candidate.route.tenant.as_deref(),
        filters: filters::applied(&rule.filters, &own),
        timeouts: rule.timeouts,
        retry: rule.retry.as_ref(),
        limits: limits_of(world, listener, candidate, asking),
        backends: rule.backends.iter().map(|backend| named(world, backend, &own)).collect(),
    }
}

fn named(world: &World<'_>, backend: &WeightedBackend, own: &Own<'_>) -> Backend {
    let mut endpoints = match &backend.target {
        Target::Backend(key) => (world.endpoints)(key),
        Target::Invalid(_) => Vec::new(),
    };
    Backend {
        backend: text::target(&backend.target),
        weight: backend.weight,
        filters: filters::applied(&backend.filters, own),
        endpoints_left_out: cut(&mut endpoints),
        endpoints,
    }
}

/// Shortens a list to what is listed; how many are left out.
fn cut<T>(list: &mut Vec<T>) -> usize {
    let left_out = list.len().saturating_sub(MOST);
    list.truncate(MOST);
    left_out
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
