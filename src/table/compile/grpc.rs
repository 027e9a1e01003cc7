//! Sorts the gRPC matches of one hostname pattern into their table.

use std::borrow::Cow;
use std::cmp::Reverse;

use super::host::{Candidate, buckets};
use crate::ir::{GrpcMatch, GrpcParts};
use crate::table::bucket::Entry;
use crate::table::grpc::{GrpcTable, Patterns};
use crate::table::path::PathMap;

/// Matches on their way into a table.
#[derive(Default)]
pub(super) struct GrpcIndex<'a> {
    calls: Vec<Candidate<'a>>,
    services: Vec<Candidate<'a>>,
    methods: Vec<Candidate<'a>>,
    any: Vec<Candidate<'a>>,
    patterns: Vec<(Specificity, Patterns, Candidate<'a>)>,
}

/// The rank of expressions, service before method: any comes last, the longer one first.
type Specificity = [(bool, Reverse<usize>); 2];

impl<'a> GrpcIndex<'a> {
    /// Adds a match; `patterns` are its expressions, if it is made of them.
    pub(super) fn add(&mut self, found: &'a GrpcMatch, patterns: Option<&Patterns>, candidate: Candidate<'a>) {
        let (GrpcMatch::Exact(parts) | GrpcMatch::Regex(parts)) = found;
        let Candidate { rank, entry, .. } = candidate;
        let at = |path| Candidate { path, rank, entry };
        match (parts.service.as_deref(), parts.method.as_deref(), patterns) {
            (None, None, _) => self.any.push(at(Cow::default())),
            (_, _, Some(patterns)) => self.patterns.push((specificity(parts), patterns.clone(), at(Cow::default()))),
            // no request names such a method; as part of a path it would name another service
            (_, Some(method), None) if method.contains('/') => {}
            (Some(service), Some(method), None) => self.calls.push(at(format!("/{service}/{method}").into())),
            (Some(service), None, None) => self.services.push(at(service.into())),
            (None, Some(method), None) => self.methods.push(at(method.into())),
        }
    }

    /// The table, if there was any match.
    pub(super) fn build(mut self) -> Option<Box<GrpcTable>> {
        self.patterns.sort_by(|(a, _, one), (b, _, other)| (a, &one.rank).cmp(&(b, &other.rank)));
        let patterns = self.patterns.into_iter().map(|(_, patterns, candidate)| (patterns, candidate.entry));
        let (of_services, of_methods): (Vec<(Patterns, Entry)>, Vec<_>) =
            patterns.partition(|(patterns, _)| patterns.service.is_some());
        let named = [self.calls, self.services, self.methods].map(buckets);
        let any = buckets(self.any).pop().map(|(_, bucket)| bucket);
        let empty = named.iter().all(Vec::is_empty) && of_services.is_empty() && of_methods.is_empty();
        if empty && any.is_none() {
            return None;
        }
        let [calls, services, methods] = named.map(PathMap::new);
        let (service_patterns, method_patterns) = (of_services.into(), of_methods.into());
        Some(Box::new(GrpcTable { calls, services, service_patterns, methods, method_patterns, any }))
    }
}

fn specificity(parts: &GrpcParts<String>) -> Specificity {
    [&parts.service, &parts.method]
        .map(|part| part.as_ref().map_or((true, Reverse(0)), |text| (false, Reverse(text.len()))))
}
