//! The rules of one hostname pattern, found by path.
//!
//! A gRPC request asks the gRPC rules first ([`super::grpc`]); no other request sees them. Order of
//! all others: exact paths, then regular expressions (the longer expression first), then prefixes
//! (the longest first). The Gateway API leaves the rank of regular expressions open; they stand
//! before prefixes, because otherwise a catch-all `/` would hide every one of them. Among equal
//! paths entries are in order of precedence (see [`super::compile`]); the first full match wins.
//!
//! A lookup probes the exact path once, each regular expression once, and each *distinct prefix
//! length* at which the request's path has an element boundary once. All three are bounded by
//! the table, whatever the client sends.

use std::sync::Arc;

use super::bucket::{Bucket, Entry};
use super::compile::Source;
use super::grpc::GrpcTable;
use super::matcher::Lookup;
use super::{Hit, Map};
use crate::ir::Pattern;

/// Up to this many paths a scan is smaller and faster than a map.
const FEW: usize = 8;

/// The rules of one hostname pattern.
#[derive(Debug)]
pub struct HostTable {
    /// The routes it was compiled from.
    pub(crate) sources: Box<[Source]>,
    pub(crate) grpc: Option<Box<GrpcTable>>,
    pub(crate) exact: PathMap,
    pub(crate) patterns: Box<[(Arc<Pattern>, Entry)]>,
    pub(crate) prefixes: PathMap,
    /// Distinct lengths of many prefixes, longest first.
    lengths: Box<[u32]>,
}

/// Buckets by path. Prefixes stand without their trailing slash, so that `/` is empty.
#[derive(Debug)]
pub(crate) enum PathMap {
    /// Longest first.
    Few(Box<[(Box<str>, Bucket)]>),
    Many(Box<Map<Box<str>, Bucket>>),
}

impl HostTable {
    /// A table of buckets and patterns that are already in order.
    pub(crate) fn new(
        sources: Box<[Source]>,
        grpc: Option<Box<GrpcTable>>,
        exact: Vec<(Box<str>, Bucket)>,
        patterns: Box<[(Arc<Pattern>, Entry)]>,
        prefixes: Vec<(Box<str>, Bucket)>,
    ) -> Self {
        let lengths = if prefixes.len() > FEW { lengths(&prefixes) } else { Box::default() };
        Self { sources, grpc, exact: PathMap::new(exact), patterns, prefixes: PathMap::new(prefixes), lengths }
    }

    /// The best rule that matches completely.
    pub(crate) fn find<'t: 'a, 'a>(&'t self, lookup: &Lookup<'a>) -> Option<Hit<'t>> {
        let path = lookup.request.path;
        let exact = || self.exact.get(path).and_then(|bucket| bucket.find(lookup));
        let pattern = || {
            let mut patterns = self.patterns.iter();
            let found = patterns.find(|(pattern, entry)| pattern.matches(path) && entry.matches(lookup));
            found.map(|(_, entry)| &entry.rule)
        };
        let grpc = self.grpc.as_ref().and_then(|grpc| grpc.find(lookup));
        match grpc.or_else(exact).or_else(pattern) {
            Some(rule) => Some(Hit { rule, prefix: None }),
            None => self.find_prefix(lookup),
        }
    }

    fn find_prefix<'t: 'a, 'a>(&'t self, lookup: &Lookup<'a>) -> Option<Hit<'t>> {
        let path = lookup.request.path;
        let hit = |length, bucket: &'t Bucket| bucket.find(lookup).map(|rule| Hit { rule, prefix: Some(length) });
        match &self.prefixes {
            PathMap::Few(buckets) => buckets.iter().find_map(|(prefix, bucket)| {
                let length = prefix.len();
                prefix_of(path, length).filter(|front| *front == &**prefix).and_then(|_| hit(length, bucket))
            }),
            PathMap::Many(buckets) => self.lengths.iter().find_map(|length| {
                let length = *length as usize;
                hit(length, prefix_of(path, length).and_then(|prefix| buckets.get(prefix))?)
            }),
        }
    }
}

fn lengths(prefixes: &[(Box<str>, Bucket)]) -> Box<[u32]> {
    let mut lengths: Vec<_> = prefixes.iter().filter_map(|(path, _)| u32::try_from(path.len()).ok()).collect();
    lengths.sort_unstable_by(|a, b| b.cmp(a));
    lengths.dedup();
    lengths.into()
}

/// The first bytes of a path, if they are whole path elements.
fn prefix_of(path: &str, length: usize) -> Option<&str> {
    let whole = length == 0 || length == path.len() || path.as_bytes().get(length) == Some(&b'/');
    if whole { path.get(..length) } else { None }
}

impl PathMap {
    /// A map of buckets with distinct paths.
    pub(crate) fn new(mut buckets: Vec<(Box<str>, Bucket)>) -> Self {
        buckets.sort_by_key(|(path, _)| std::cmp::Reverse(path.len()));
        if buckets.len() <= FEW {
            Self::Few(buckets.into())
        } else {
            Self::Many(Box::new(buckets.into_iter().collect()))
        }
    }

    /// The bucket of exactly this path.
    pub(crate) fn get(&self, path: &str) -> Option<&Bucket> {
        match self {
            Self::Few(buckets) => buckets.iter().find(|(key, _)| **key == *path).map(|(_, bucket)| bucket),
            Self::Many(buckets) => buckets.get(path),
        }
    }

    /// Every path and its bucket, in no order.
    pub(crate) fn iter(&self) -> Box<dyn Iterator<Item = (&str, &Bucket)> + '_> {
        match self {
            Self::Few(buckets) => Box::new(buckets.iter().map(|(path, bucket)| (&**path, bucket))),
            Self::Many(buckets) => Box::new(buckets.iter().map(|(path, bucket)| (&**path, bucket))),
        }
    }
}
