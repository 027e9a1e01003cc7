//! Routes: what all listeners and hostnames of a route share.

use std::sync::Arc;

use http::HeaderName;

use super::Compiler;
use crate::ir::{self, GrpcMatch, GrpcParts, Match, PathMatch, Pattern, Route, Target, ValueMatch, ValuePattern};
use crate::table::BackendCell;
use crate::table::action::{Action, Backend, Backends, Retry};
use crate::table::grpc::Patterns;
use crate::table::matcher::{Conditions, Value};

/// A compiled route, before it belongs to a listener.
#[derive(Debug)]
pub(crate) struct CompiledRoute {
    pub(crate) route: Arc<Route>,
    /// In the order of the route's rules.
    pub(crate) rules: Box<[CompiledRule]>,
}

/// A compiled rule.
#[derive(Debug)]
pub(crate) struct CompiledRule {
    pub(crate) action: Arc<Action>,
    /// In the order of the rule's matches; none where a match cannot be compiled. Such a match
    /// is never met: to leave out one of its conditions would widen it.
    pub(crate) matchers: Box<[Option<Matcher>]>,
}

/// A compiled match.
#[derive(Debug)]
pub(crate) struct Matcher {
    /// The expressions of the path.
    pub(crate) path: PathMatcher,
    /// Everything else, if there is anything.
    pub(crate) conditions: Option<Arc<Conditions>>,
}

/// What of a path had to be compiled.
#[derive(Debug)]
pub(crate) enum PathMatcher {
    /// Nothing: it is looked up by name.
    Literal,
    /// A path.
    Pattern(Arc<Pattern>),
    /// Service and method.
    Grpc(Patterns),
}

impl<'a> Compiler<'a> {
    /// Compiles a route, once for all its listeners and hostnames.
    pub(super) fn route(&mut self, route: &'a Arc<Route>) -> Arc<CompiledRoute> {
        if let Some(known) = self.routes.get(&Arc::as_ptr(route)) {
            return Arc::clone(known);
        }
        let rules = route.rules.iter().map(|rule| CompiledRule {
            action: Arc::new(self.action(rule)),
            matchers: rule.matches.iter().map(|found| self.matcher(found)).collect(),
        });
        let compiled = Arc::new(CompiledRoute { rules: rules.collect(), route: Arc::clone(route) });
        self.routes.insert(Arc::as_ptr(route), Arc::clone(&compiled));
        compiled
    }

    fn action(&self, rule: &ir::Rule) -> Action {
        Action {
            filters: self.filters(&rule.filters),
            backends: self.backends(&rule.backends),
            request_timeout: rule.timeouts.request,
            backend_timeout: rule.timeouts.backend_request,
            retry: rule.retry.as_ref().map(retry),
        }
    }

    fn backends(&self, backends: &[ir::WeightedBackend]) -> Backends {
        let mut total = 0_u32;
        let list = backends.iter().map(|backend| {
            total = total.saturating_add(backend.weight);
            Backend { upto: total, target: self.cell(&backend.target), filters: self.filters(&backend.filters) }
        });
        Backends { list: list.collect(), total, turn: 0.into() }
    }

    /// The cell of a target.
    pub(super) fn cell(&self, target: &Target) -> Result<Arc<BackendCell>, ir::InvalidBackend> {
        match target {
            Target::Backend(key) => self.cells.get(key).cloned().ok_or(ir::InvalidBackend::BackendNotFound),
            Target::Invalid(reason) => Err(*reason),
        }
    }

    fn matcher(&mut self, found: &'a Match) -> Option<Matcher> {
        let path = match &found.path {
            PathMatch::Exact(_) | PathMatch::Prefix(_) | PathMatch::Grpc(GrpcMatch::Exact(_)) => PathMatcher::Literal,
            PathMatch::Regex(text) => PathMatcher::Pattern(self.pattern(text)?),
            PathMatch::Grpc(GrpcMatch::Regex(parts)) => PathMatcher::Grpc(self.parts(parts)?),
        };
        let headers = found.headers.iter().map(|header| {
            let name = HeaderName::from_bytes(header.name.as_bytes()).ok()?;
            Some((name, self.value(header)?))
        });
        let headers = headers.collect::<Option<_>>()?;
        let query = found.query.iter().map(|param| Some((param.name.as_str().into(), self.value(param)?)));
        let query = query.collect::<Option<_>>()?;
        let conditions = Conditions { method: found.method.as_deref().map(Into::into), headers, query };
        Some(Matcher { path, conditions: (!conditions.is_empty()).then(|| Arc::new(conditions)) })
    }

    fn parts(&mut self, parts: &'a GrpcParts<String>) -> Option<Patterns> {
        let mut part = |part: &'a Option<String>| match part {
            Some(text) => self.pattern(text).map(Some),
            None => Some(None),
        };
        Some(GrpcParts { service: part(&parts.service)?, method: part(&parts.method)? })
    }

    fn value(&mut self, condition: &'a ValueMatch) -> Option<Value> {
        match &condition.value {
            ValuePattern::Exact(text) => Some(Value::Exact(text.as_str().into())),
            ValuePattern::Regex(text) => self.pattern(text).map(Value::Pattern),
        }
    }

    fn pattern(&mut self, text: &'a str) -> Option<Arc<Pattern>> {
        self.patterns.entry(text).or_insert_with(|| Pattern::parse(text).ok().map(Arc::new)).clone()
    }
}

fn retry(retry: &ir::Retry) -> Retry {
    let mut codes = retry.codes.clone();
    codes.sort_unstable();
    Retry { attempts: retry.attempts, codes: codes.into(), backoff: retry.backoff }
}
