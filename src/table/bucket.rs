//! The rules of one path, best first, with an index for paths that carry very many.

use std::sync::Arc;

use http::HeaderName;

use super::matcher::{Conditions, Lookup, Value};
use super::{Map, Rule};

/// Buckets up to this size are scanned.
const SCANNED: usize = 16;

/// A rule and the conditions besides the path under which it is meant.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) rule: Arc<Rule>,
    /// None for a match on the path alone.
    pub(crate) conditions: Option<Arc<Conditions>>,
}

/// Entries of one path in order of precedence: the first that matches wins.
#[derive(Debug)]
pub(crate) struct Bucket {
    pub(crate) entries: Box<[Entry]>,
    index: Option<Box<HeaderIndex>>,
}

/// Entries by the value of the header that most of them ask for. Positions are sorted, so that
/// merging two lists keeps precedence.
#[derive(Debug)]
struct HeaderIndex {
    name: HeaderName,
    by_value: Map<Box<str>, Box<[u32]>>,
    /// Entries that do not ask for this header to the letter.
    others: Box<[u32]>,
}

impl Entry {
    /// Whether the conditions hold, and the rule may serve. To be asked last: what is refused is noted.
    pub(crate) fn matches<'t: 'a, 'a>(&'t self, lookup: &Lookup<'a>) -> bool {
        self.conditions.as_ref().is_none_or(|conditions| conditions.hold(lookup)) && lookup.admits(&self.rule)
    }

    fn exact_headers(&self) -> impl Iterator<Item = (&HeaderName, &str)> {
        let headers = self.conditions.iter().flat_map(|conditions| &conditions.headers);
        headers.filter_map(|(name, value)| match value {
            Value::Exact(value) => Some((name, &**value)),
            Value::Pattern(_) => None,
        })
    }
}

impl Bucket {
    /// A bucket of entries that are already in order.
    pub(crate) fn new(entries: Vec<Entry>) -> Self {
        let index = if entries.len() > SCANNED { HeaderIndex::new(&entries) } else { None };
        Self { entries: entries.into(), index: index.map(Box::new) }
    }

    /// The first entry that matches.
    pub(crate) fn find<'t: 'a, 'a>(&'t self, lookup: &Lookup<'a>) -> Option<&'t Arc<Rule>> {
        let found = match self.index.as_ref().and_then(|index| index.positions(lookup)) {
            Some(positions) => {
                let mut likely = positions.filter_map(|n| self.entries.get(n as usize));
                likely.find(|entry| entry.matches(lookup))
            }
            None => self.entries.iter().find(|entry| entry.matches(lookup)),
        };
        found.map(|entry| &entry.rule)
    }
}

impl HeaderIndex {
    fn new(entries: &[Entry]) -> Option<Self> {
        let mut counts: Map<&HeaderName, usize> = Map::default();
        for (name, _) in entries.iter().flat_map(Entry::exact_headers) {
            *counts.entry(name).or_default() += 1;
        }
        let (name, _) = counts.into_iter().filter(|(_, count)| *count > SCANNED / 2).max_by_key(|(_, count)| *count)?;
        let mut by_value: Map<Box<str>, Vec<u32>> = Map::default();
        let mut others = Vec::new();
        for (position, entry) in (0..).zip(entries) {
            match entry.exact_headers().find(|(header, _)| *header == name) {
                Some((_, value)) => by_value.entry(value.into()).or_default().push(position),
                None => others.push(position),
            }
        }
        let by_value = by_value.into_iter().map(|(value, positions)| (value, positions.into())).collect();
        Some(Self { name: name.clone(), by_value, others: others.into() })
    }

    /// Positions that may match, in order; none when the header has several fields, whose joined
    /// value only a scan can compare without allocating.
    fn positions(&self, lookup: &Lookup<'_>) -> Option<impl Iterator<Item = u32>> {
        let mut fields = lookup.request.headers.get_all(&self.name).iter();
        let field = fields.next();
        if fields.next().is_some() {
            return None;
        }
        let text = field.and_then(|field| std::str::from_utf8(field.as_bytes()).ok());
        let with_value = text.and_then(|text| self.by_value.get(text)).map_or(&[][..], |positions| &**positions);
        Some(merged(with_value, &self.others))
    }
}

/// Two sorted lists without common elements as one.
fn merged(left: &[u32], right: &[u32]) -> impl Iterator<Item = u32> {
    let (mut left, mut right) = (left.iter().copied().peekable(), right.iter().copied().peekable());
    std::iter::from_fn(move || match (left.peek(), right.peek()) {
        (Some(a), Some(b)) if a < b => left.next(),
        (Some(_), None) => left.next(),
        _ => right.next(),
    })
}
