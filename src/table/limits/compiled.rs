//! One limit, ready for requests: which it counts, by which values, and what it answers.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};

use super::key::{self, Part, Values};
use super::token::{Tokens, Verifier, Verifiers};
use crate::ir::limit::{Amount, Limit, Scope, When};
use crate::ir::{PathMatch, Pattern, ValueMatch, ValuePattern, claim};
use crate::limit::{Clock, header};
use crate::table::Query;
use crate::table::matcher::{Value, has_header};

/// A request as limits look at it.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Who asks.
    pub client: IpAddr,
    /// For what.
    pub query: Query<'a>,
    /// With which token.
    pub tokens: &'a Tokens<'a>,
}

/// A limit.
#[derive(Debug)]
pub struct Compiled {
    /// What it was compiled from.
    pub source: Arc<Limit>,
    /// What a denied request is answered.
    pub denial: Denial,
    key: Box<[Part]>,
    when: Box<[Condition]>,
}

/// An answer.
#[derive(Debug)]
pub struct Denial {
    /// Its status.
    pub status: StatusCode,
    /// The media type of its body.
    pub content_type: HeaderValue,
    /// Its body.
    pub body: Bytes,
}

/// What must hold for a request to be counted.
#[derive(Debug)]
struct Condition {
    methods: Vec<&'static str>,
    paths: Vec<PathMatch>,
    headers: Box<[(HeaderName, Value)]>,
}

impl Compiled {
    pub(super) fn new(source: &Arc<Limit>, verifiers: &Verifiers, clock: &Clock) -> Self {
        let conditions = source.when.iter().filter_map(Condition::new);
        Self {
            denial: Denial::new(source),
            key: source.key.iter().filter_map(|part| Part::new(part, verifiers, clock)).collect(),
            when: conditions.collect(),
            source: Arc::clone(source),
        }
    }

    /// Whether a request is counted.
    #[must_use]
    pub fn counts(&self, asked: &Asked<'_>) -> bool {
        self.counts_query(&asked.query) && self.counts_client(asked.client)
    }

    /// Whether a request is counted, whoever asks.
    #[must_use]
    pub fn counts_query(&self, query: &Query<'_>) -> bool {
        self.source.when.is_empty() || self.when.iter().any(|condition| condition.holds(query))
    }

    /// Whether the connections of a client are counted.
    #[must_use]
    pub fn counts_client(&self, client: IpAddr) -> bool {
        let client = client.to_canonical();
        !self.source.except.iter().any(|network| network.contains(&client))
    }

    /// Makes a limit ready for whoever only wants to know: what it verifies is counted nowhere.
    #[must_use]
    pub fn apart(source: &Arc<Limit>) -> Self {
        Self::new(source, &Verifiers::default(), &Clock::start())
    }

    /// Who verifies the tokens that it asks for.
    pub fn verifiers(&self) -> impl Iterator<Item = &Arc<Verifier>> {
        self.key.iter().filter_map(Part::verifier)
    }

    /// What tells a request from others; nothing if nothing does.
    pub(super) fn values(&self, asked: &Asked<'_>) -> Values {
        key::values(&self.key, asked)
    }

    /// Whether it counts connections before anything is known but their listener.
    pub(super) fn is_of_listener(&self) -> bool {
        matches!(self.source.amount, Amount::Connections(_)) && self.source.scope != Scope::Tenant
    }

    /// Whether requests are told apart by what they say.
    pub(super) fn has_key(&self) -> bool {
        !self.key.is_empty()
    }
}

impl Denial {
    fn new(limit: &Limit) -> Self {
        let status = limit.denial.status;
        match &limit.denial.body {
            Some(body) => Self {
                status,
                content_type: body.content_type.clone(),
                body: Bytes::copy_from_slice(body.text.as_bytes()),
            },
            None => Self {
                status,
                content_type: HeaderValue::from_static(header::PROBLEM),
                body: header::problem(status, &[&*limit.id.name]).into(),
            },
        }
    }
}

impl Condition {
    /// `None` for what cannot hold: to leave out a part of it would widen it.
    fn new(when: &When) -> Option<Self> {
        let headers = when.headers.iter().map(field).collect::<Option<_>>()?;
        Some(Self { methods: when.methods.clone(), paths: when.paths.clone(), headers })
    }

    fn holds(&self, query: &Query<'_>) -> bool {
        let Query { path, method, headers, .. } = *query;
        (self.methods.is_empty() || self.methods.contains(&method))
            && (self.paths.is_empty() || self.paths.iter().any(|wanted| covers(wanted, path)))
            && self.headers.iter().all(|(name, value)| has_header(headers, name, value))
    }
}

fn field(wanted: &ValueMatch) -> Option<(HeaderName, Value)> {
    let name = HeaderName::from_bytes(wanted.name.as_bytes()).ok()?;
    let value = match &wanted.value {
        ValuePattern::Exact(text) => Value::Exact(text.as_str().into()),
        ValuePattern::Regex(text) => Value::Pattern(Arc::new(Pattern::parse(text).ok()?)),
    };
    Some((name, value))
}

/// A prefix covers what claims take for below it: other spellings of its end must not be a way around a limit.
fn covers(wanted: &PathMatch, path: &str) -> bool {
    match wanted {
        PathMatch::Exact(exact) => exact == path,
        PathMatch::Prefix(prefix) => claim::covers(prefix.trim_end_matches('/'), path),
        PathMatch::Regex(_) | PathMatch::Grpc(_) => false,
    }
}
