//! What happens to a request once its rule is known: everything already parsed and validated.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue, StatusCode};

use super::backend::BackendCell;
use super::limits::Bound;
use super::shares::Part;
use super::stats::RuleStats;
use crate::api::{Kind, ObjectKey};
use crate::ir::{Hostname, InvalidBackend, RouteId};

/// A rule as one listener serves it for one of the route's hostnames: what a request holds on to.
#[derive(Debug)]
pub struct Rule {
    /// Who it is, for metrics, logs and `explain`.
    pub id: RuleId,
    /// Age of its route: seconds since 1970, 0 when unknown.
    pub created: i64,
    /// What it does; shared between the listeners and hostnames of the route.
    pub action: Arc<Action>,
    /// What it is under.
    pub limits: Bound,
    /// Its counters; carried over from the previous table.
    pub stats: Arc<RuleStats>,
    /// What its tenant gets of a saturated gateway.
    pub share: Arc<Part>,
}

/// The identity of a rule: the label set of its metrics.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleId {
    /// The Gateway.
    pub gateway: ObjectKey,
    /// The listener's name.
    pub listener: Arc<str>,
    /// The route.
    pub route: RouteId,
    /// The rule's name, or its position.
    pub rule: Arc<str>,
    /// The tenant of the route's namespace.
    pub tenant: Option<Arc<str>>,
    /// The hostname pattern as the route writes it; none matches every host.
    pub hostname: Option<Hostname>,
}

impl RuleId {
    /// What stands for everything of a listener that is no rule of it.
    pub(crate) fn none_of(gateway: &ObjectKey, listener: &Arc<str>) -> Self {
        let route = RouteId { kind: Kind::HttpRoute, key: ObjectKey::new("", "") };
        let (gateway, listener) = (gateway.clone(), Arc::clone(listener));
        Self { gateway, listener, route, rule: "".into(), tenant: None, hostname: None }
    }
}

/// What a rule does.
#[derive(Debug)]
pub struct Action {
    /// Filters of the rule.
    pub filters: Filters,
    /// Where requests go.
    pub backends: Backends,
    /// The whole request over all tries.
    pub request_timeout: Option<Duration>,
    /// One try.
    pub backend_timeout: Option<Duration>,
    /// Retries, where the rule says something about them.
    pub retry: Option<Retry>,
}

/// Compiled filters of a rule or of one backend.
#[derive(Debug, Default)]
pub struct Filters {
    /// Header edits towards the backend.
    pub request_headers: Option<Box<HeaderEdit>>,
    /// Header edits towards the client.
    pub response_headers: Option<Box<HeaderEdit>>,
    /// Answer with a redirect.
    pub redirect: Option<Box<Redirect>>,
    /// New host or path.
    pub rewrite: Option<Box<Rewrite>>,
    /// Copies.
    pub mirrors: Box<[Mirror]>,
    /// Cross-origin rules.
    pub cors: Option<Box<Cors>>,
}

/// Compiled header edits: set, then add, then remove.
#[derive(Debug, Default)]
pub struct HeaderEdit {
    /// Replace.
    pub set: Box<[(HeaderName, HeaderValue)]>,
    /// Append.
    pub add: Box<[(HeaderName, HeaderValue)]>,
    /// Remove.
    pub remove: Box<[HeaderName]>,
}

/// Compiled redirect.
#[derive(Debug)]
pub struct Redirect {
    /// `http` or `https`.
    pub scheme: Option<Box<str>>,
    /// Host.
    pub hostname: Option<Box<str>>,
    /// Port.
    pub port: Option<u16>,
    /// Path.
    pub path: Option<PathModifier>,
    /// Status.
    pub status: StatusCode,
}

/// Compiled rewrite.
#[derive(Debug)]
pub struct Rewrite {
    /// Host.
    pub hostname: Option<HeaderValue>,
    /// Path.
    pub path: Option<PathModifier>,
}

/// A new path.
#[derive(Debug)]
pub enum PathModifier {
    /// This path.
    ReplaceFull(Box<str>),
    /// This in place of the matched prefix.
    ReplacePrefix(Box<str>),
}

/// One mirror.
#[derive(Debug)]
pub struct Mirror {
    /// Who receives the copy.
    pub backend: Arc<BackendCell>,
    /// How many of …
    pub numerator: u32,
    /// … how many.
    pub denominator: u32,
    /// Counts requests, so that the fraction is kept exactly.
    pub counter: std::sync::atomic::AtomicU64,
}

/// Compiled cross-origin rules.
#[derive(Debug)]
pub struct Cors {
    /// Allowed origins.
    pub origins: Box<[OriginPattern]>,
    /// Whether credentials may be sent.
    pub credentials: bool,
    /// Allowed methods.
    pub methods: AllowList,
    /// Allowed request headers.
    pub headers: AllowList,
    /// Exposed response headers.
    pub expose: AllowList,
    /// Seconds, rendered.
    pub max_age: HeaderValue,
}

/// An allowed origin.
#[derive(Debug)]
pub enum OriginPattern {
    /// `*`
    Any,
    /// `https://www.example.com[:port]`
    Exact(Box<str>),
    /// `scheme://` + any labels + `suffix`, the suffix beginning with a dot and perhaps ending in a port.
    Wildcard {
        /// `https://`
        scheme: Box<str>,
        /// `.example.com`
        suffix: Box<str>,
    },
}

/// A list of names, rendered for the header, or `*`.
#[derive(Debug)]
pub enum AllowList {
    /// Nothing was listed.
    Empty,
    /// `*`
    Any,
    /// The names, comma-separated.
    Listed(HeaderValue),
}

/// Where requests go.
#[derive(Debug, Default)]
pub struct Backends {
    /// In the order written; empty answers 500.
    pub list: Box<[Backend]>,
    /// Sum of the weights; 0 answers 500.
    pub total: u32,
    /// Walks through the shares, see [`Backends::choose`].
    pub turn: std::sync::atomic::AtomicU64,
}

/// One backend and its share.
#[derive(Debug)]
pub struct Backend {
    /// Sum of the weights up to and including this one.
    pub upto: u32,
    /// Where its share goes.
    pub target: Result<Arc<BackendCell>, InvalidBackend>,
    /// Filters of its share only.
    pub filters: Filters,
}

impl Backends {
    /// Chooses a backend by weight; returns its position in the list too.
    ///
    /// The shares are walked in steps of the golden ratio: over any run of requests each backend
    /// gets its share within one or two requests, without bursts and without a random number.
    #[must_use]
    pub fn choose(&self) -> Option<(usize, &Backend)> {
        if let ([only], 1..) = (&*self.list, self.total) {
            return Some((0, only));
        }
        if self.total == 0 {
            return None;
        }
        let turn = self.turn.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let fraction = turn.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        let ticket = ((fraction * u64::from(self.total)) >> 32) as u32;
        let position = self.list.partition_point(|backend| backend.upto <= ticket);
        self.list.get(position).map(|backend| (position, backend))
    }
}

impl Mirror {
    /// Whether this request is one of those that are copied.
    #[must_use]
    pub fn takes(&self) -> bool {
        if self.numerator >= self.denominator {
            return true;
        }
        let turn = self.counter.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let fraction = turn.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        ((fraction * u64::from(self.denominator)) >> 32) < u64::from(self.numerator)
    }
}

/// Compiled retries.
#[derive(Debug)]
pub struct Retry {
    /// Tries after the first; with 0 nothing is ever tried again.
    pub attempts: u32,
    /// Status codes that are tried again, sorted.
    pub codes: Box<[u16]>,
    /// Base interval between tries.
    pub backoff: Option<Duration>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(weights: &[u32]) -> Backends {
        let mut upto = 0;
        let list = weights
            .iter()
            .map(|weight| {
                upto += weight;
                Backend { upto, target: Err(InvalidBackend::BackendNotFound), filters: Filters::default() }
            })
            .collect();
        Backends { list, total: upto, turn: 0.into() }
    }

    #[test]
    fn shares_are_kept_to_within_two_requests_at_every_moment() {
        let weights = [1, 0, 5, 94];
        let backends = split(&weights);
        let mut counts = [0_u32; 4];
        for n in 1..=10_000_u32 {
            counts[backends.choose().unwrap().0] += 1;
            for (count, weight) in counts.iter().copied().zip(weights) {
                let ideal = f64::from(n) * f64::from(weight) / 100.0;
                assert!((f64::from(count) - ideal).abs() <= 2.5, "after {n}: {counts:?}");
            }
        }
    }

    #[test]
    fn a_backend_of_weight_0_gets_nothing_and_all_0_gets_none() {
        let backends = split(&[0, 7]);
        assert!((0..1000).all(|_| backends.choose().unwrap().0 == 1));
        assert!(split(&[0, 0]).choose().is_none());
        assert!(split(&[0]).choose().is_none());
        assert!(split(&[]).choose().is_none());
    }
}
