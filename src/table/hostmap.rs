//! Values by hostname pattern, looked up by host.

use std::sync::Arc;

use super::Map;
use crate::ir::Hostname;

/// Values by hostname pattern; `None` is the pattern of every host.
///
/// A lookup hashes the host once, and once each suffix of it whose length some wildcard has: the
/// table bounds the work, not the client.
#[derive(Debug, Clone)]
pub(crate) struct HostMap<T> {
    exact: Map<Arc<str>, T>,
    /// By suffix, without `*.`.
    wildcard: Map<Arc<str>, T>,
    /// Distinct lengths of the suffixes, longest first.
    lengths: Box<[usize]>,
    any: Option<T>,
}

impl<T> Default for HostMap<T> {
    fn default() -> Self {
        Self { exact: Map::default(), wildcard: Map::default(), lengths: Box::default(), any: None }
    }
}

impl<T> HostMap<T> {
    /// Applies changes: a value to set, or none to remove.
    pub(crate) fn update(&mut self, changes: impl Iterator<Item = (Option<Hostname>, Option<T>)>) {
        for (pattern, value) in changes {
            match pattern {
                Some(Hostname::Exact(name)) => put(&mut self.exact, name, value),
                Some(Hostname::Wildcard(suffix)) => put(&mut self.wildcard, suffix, value),
                None => self.any = value,
            }
        }
        let mut lengths: Vec<_> = self.wildcard.keys().map(|suffix| suffix.len()).collect();
        lengths.sort_unstable_by(|a, b| b.cmp(a));
        lengths.dedup();
        self.lengths = lengths.into();
    }

    /// The value of a pattern.
    pub(crate) fn get(&self, pattern: Option<&Hostname>) -> Option<&T> {
        match pattern {
            Some(Hostname::Exact(name)) => self.exact.get(name),
            Some(Hostname::Wildcard(suffix)) => self.wildcard.get(suffix),
            None => self.any.as_ref(),
        }
    }

    /// The value of a host to the letter.
    pub(crate) fn exact(&self, host: &str) -> Option<&T> {
        self.exact.get(host)
    }

    /// The values whose wildcards cover a host, the longer first, then that of every host.
    pub(crate) fn wider(&self, host: &str) -> impl Iterator<Item = &T> {
        let suffixes = self.lengths.iter().filter_map(move |length| suffix_of(host, *length));
        let wildcards = suffixes.filter_map(|suffix| self.wildcard.get(suffix));
        wildcards.chain(&self.any)
    }

    /// The values whose patterns cover a host, the most specific first: exact, then [`Self::wider`].
    pub(crate) fn covering(&self, host: &str) -> impl Iterator<Item = &T> {
        self.exact(host).into_iter().chain(self.wider(host))
    }

    /// Changes the values of exact hosts.
    pub(crate) fn for_each_exact(&mut self, mut change: impl FnMut(&str, &mut T)) {
        self.exact.iter_mut().for_each(|(name, value)| change(name, value));
    }

    /// Every value, in no order.
    pub(crate) fn values(&self) -> impl Iterator<Item = &T> {
        self.exact.values().chain(self.wildcard.values()).chain(&self.any)
    }

    /// Every pattern and its value, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Option<Hostname>, &T)> {
        let exact = self.exact.iter().map(|(name, value)| (Some(Hostname::Exact(Arc::clone(name))), value));
        let wildcard = self.wildcard.iter().map(|(name, value)| (Some(Hostname::Wildcard(Arc::clone(name))), value));
        exact.chain(wildcard).chain(self.any.iter().map(|value| (None, value)))
    }
}

fn put<T>(map: &mut Map<Arc<str>, T>, key: Arc<str>, value: Option<T>) {
    match value {
        Some(value) => map.insert(key, value),
        None => map.remove(&key),
    };
}

/// The last bytes of a host, if they are whole labels and at least one label stands before them.
fn suffix_of(host: &str, length: usize) -> Option<&str> {
    let dot = host.len().checked_sub(length + 1).filter(|front| *front > 0)?;
    if host.as_bytes().get(dot) == Some(&b'.') { host.get(dot + 1..) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(patterns: &[&str]) -> HostMap<String> {
        let mut map = HostMap::default();
        map.update(patterns.iter().map(|text| (Hostname::parse(text), Some((*text).to_owned()))));
        map
    }

    #[test]
    fn the_most_specific_pattern_comes_first() {
        let map = map(&["*.com", "a.b.com", "*", "*.b.com", "b.com"]);
        let covering = |host| map.covering(host).map(String::as_str).collect::<Vec<_>>();
        assert_eq!(covering("a.b.com"), ["a.b.com", "*.b.com", "*.com", "*"]);
        assert_eq!(covering("x.y.b.com"), ["*.b.com", "*.com", "*"]);
        assert_eq!(covering("b.com"), ["b.com", "*.com", "*"]);
        assert_eq!(covering("com"), ["*"]);
        assert_eq!(covering(".com"), ["*"]);
        assert_eq!(covering(""), ["*"]);
    }

    #[test]
    fn a_removed_pattern_covers_nothing() {
        let mut map = map(&["*.com", "*", "a.com"]);
        map.update(["*.com", "*", "a.com"].iter().map(|text| (Hostname::parse(text), None)));
        assert_eq!(map.covering("a.com").count() + map.lengths.len(), 0);
    }
}
