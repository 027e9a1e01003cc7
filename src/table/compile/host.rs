//! One hostname pattern of one listener: merges the rules of all its routes in order.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::sync::Arc;

use super::grpc::GrpcIndex;
use super::precedence::Rank;
use super::route::{CompiledRoute, Matcher, PathMatcher};
use super::{Compiler, Map};
use crate::ir::{self, Hostname, Match, PathMatch, Pattern, Route, RouteId};
use crate::table::action::{Rule, RuleId};
use crate::table::bucket::{Bucket, Entry};
use crate::table::path::HostTable;

/// A route as one hostname of one listener serves it.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) compiled: Arc<CompiledRoute>,
    pub(crate) rules: Box<[Arc<Rule>]>,
}

/// Whose rules are compiled.
pub(super) struct Owner<'a> {
    pub(super) listener: &'a ir::Listener,
    pub(super) pattern: Option<&'a Hostname>,
}

/// An entry that still has to find its place.
pub(super) struct Candidate<'a> {
    pub(super) path: Cow<'a, str>,
    pub(super) rank: Rank<'a>,
    pub(super) entry: Entry,
}

impl<'a> Compiler<'a> {
    /// Compiles a hostname's routes. Routes that its previous table had and that are the same
    /// keep their rules; changed ones keep their counters.
    pub(super) fn host(
        &mut self,
        owner: &Owner<'_>,
        routes: &[&'a Arc<Route>],
        previous: Option<&Arc<HostTable>>,
    ) -> Arc<HostTable> {
        let old: Map<&RouteId, &Source> = previous
            .iter()
            .flat_map(|table| &table.sources)
            .map(|source| (&source.compiled.route.id, source))
            .collect();
        let sources: Box<[Source]> =
            routes.iter().map(|route| self.source(owner, route, old.get(&route.id).copied())).collect();
        Arc::new(index(sources))
    }

    fn source(&mut self, owner: &Owner<'_>, route: &'a Arc<Route>, old: Option<&Source>) -> Source {
        let same = old.filter(|old| self.is_same(&old.compiled.route, route));
        if let Some(same) = same {
            self.routes.entry(Arc::as_ptr(route)).or_insert_with(|| Arc::clone(&same.compiled));
            if self.limited_as_before {
                return Source { compiled: Arc::clone(&same.compiled), rules: same.rules.clone() };
            }
        }
        let compiled = same.map_or_else(|| self.route(route), |same| Arc::clone(&same.compiled));
        let share = self.shares.part(route.tenant.as_ref());
        let rules = route.rules.iter().enumerate().zip(&compiled.rules);
        let rules = rules.map(|((position, rule), compiled)| {
            let id = RuleId {
                gateway: owner.listener.gateway.clone(),
                listener: Arc::clone(&owner.listener.name),
                route: route.id.clone(),
                rule: self.label(rule.name.as_ref(), position),
                tenant: route.tenant.clone(),
                hostname: owner.pattern.cloned(),
            };
            let limits = self.limits.bind(&id, rule.name.as_ref());
            let known = old.and_then(|old| known(&old.rules, &id, position));
            match known.filter(|old| same.is_some() && old.limits.is_same(&limits)) {
                Some(unchanged) => Arc::clone(unchanged),
                None => {
                    let stats = known.map_or_else(Arc::default, |old| Arc::clone(&old.stats));
                    let (created, action, share) = (route.created, Arc::clone(&compiled.action), Arc::clone(&share));
                    Arc::new(Rule { id, created, action, limits, stats, share })
                }
            }
        });
        Source { rules: rules.collect(), compiled }
    }
}

/// The rule of this identity, most likely where it was before.
fn known<'r>(rules: &'r [Arc<Rule>], id: &RuleId, position: usize) -> Option<&'r Arc<Rule>> {
    let same = |rule: &&Arc<Rule>| rule.id == *id;
    rules.get(position).filter(same).or_else(|| rules.iter().find(same))
}

/// Puts every match of every rule into its bucket, in order of precedence.
fn index(sources: Box<[Source]>) -> HostTable {
    let (mut exact, mut prefixes, mut patterns) = (Vec::new(), Vec::new(), Vec::new());
    let mut grpc = GrpcIndex::default();
    for (candidate, path, matcher) in sources.iter().flat_map(candidates) {
        match (path, &matcher.path) {
            (PathMatch::Exact(_), _) => exact.push(candidate),
            (PathMatch::Prefix(_), _) => prefixes.push(candidate),
            (PathMatch::Regex(_), PathMatcher::Pattern(pattern)) => patterns.push((Arc::clone(pattern), candidate)),
            (PathMatch::Regex(_), _) => {}
            (PathMatch::Grpc(found), PathMatcher::Grpc(patterns)) => grpc.add(found, Some(patterns), candidate),
            (PathMatch::Grpc(found), _) => grpc.add(found, None, candidate),
        }
    }
    let grpc = grpc.build();
    patterns.sort_by(|(_, a), (_, b)| (Reverse(a.path.len()), &a.rank).cmp(&(Reverse(b.path.len()), &b.rank)));
    let patterns = patterns.into_iter().map(|(pattern, candidate)| (pattern, candidate.entry));
    let patterns: Box<[(Arc<Pattern>, Entry)]> = patterns.collect();
    let (exact, prefixes) = (buckets(exact), buckets(prefixes));
    HostTable::new(sources, grpc, exact, patterns, prefixes)
}

fn candidates(source: &Source) -> impl Iterator<Item = (Candidate<'_>, &PathMatch, &Matcher)> {
    let route = &source.compiled.route;
    let rules = route.rules.iter().zip(&source.compiled.rules).zip(&source.rules).enumerate();
    rules.flat_map(move |(position, ((rule, compiled), shared))| {
        let matches = rule.matches.iter().zip(&compiled.matchers).enumerate();
        matches.filter_map(move |(n, (found, matcher))| {
            let matcher = matcher.as_ref()?;
            let rank = Rank::new(route, found, (position, n));
            let entry = Entry { rule: Arc::clone(shared), conditions: matcher.conditions.clone() };
            Some((Candidate { path: key(found).into(), rank, entry }, &found.path, matcher))
        })
    })
}

fn key(found: &Match) -> &str {
    match &found.path {
        PathMatch::Exact(path) | PathMatch::Regex(path) => path,
        PathMatch::Prefix(path) => path.trim_end_matches('/'),
        // it has its own keys
        PathMatch::Grpc(_) => "",
    }
}

/// Buckets by path, in each the candidates by rank.
pub(super) fn buckets(mut candidates: Vec<Candidate<'_>>) -> Vec<(Box<str>, Bucket)> {
    candidates.sort_by(|a, b| (&a.path, &a.rank).cmp(&(&b.path, &b.rank)));
    let equal_paths = candidates.chunk_by(|a, b| a.path == b.path);
    equal_paths
        .filter_map(|bucket| {
            let entries = bucket.iter().map(|candidate| candidate.entry.clone()).collect();
            Some((bucket.first()?.path.as_ref().into(), Bucket::new(entries)))
        })
        .collect()
}
