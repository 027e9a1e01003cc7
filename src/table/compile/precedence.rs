//! The order among matches of one path.

use std::cmp::{Ordering, Reverse};

use crate::api::ObjectKey;
use crate::ir::{Match, Route};

/// The rank of a match among those of equal path; the least wins. The order of the fields is the
/// order of the Gateway API (HTTPRouteRule, `matches`).
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank<'a> {
    method: Reverse<bool>,
    headers: Reverse<usize>,
    query: Reverse<usize>,
    created: i64,
    name: Alphabetical<'a>,
    kind: crate::api::Kind,
    /// Rule, then match.
    position: (usize, usize),
}

impl<'a> Rank<'a> {
    /// The rank of one match of a route.
    pub(super) fn new(route: &'a Route, found: &Match, position: (usize, usize)) -> Self {
        Self {
            method: Reverse(found.method.is_some()),
            headers: Reverse(found.headers.len()),
            query: Reverse(found.query.len()),
            created: route.created,
            name: Alphabetical(&route.id.key),
            kind: route.id.kind,
            position,
        }
    }
}

/// Orders keys as the text `namespace/name`, which differs from the order by namespace, then
/// name: `a-b/x` comes before `a/x`.
#[derive(Debug, PartialEq, Eq)]
struct Alphabetical<'a>(&'a ObjectKey);

impl Ord for Alphabetical<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        let text = |key: &'_ ObjectKey| -> Vec<u8> { [key.namespace.as_bytes(), b"/", key.name.as_bytes()].concat() };
        if self.0.namespace == other.0.namespace {
            return self.0.name.cmp(&other.0.name);
        }
        text(self.0).cmp(&text(other.0))
    }
}

impl PartialOrd for Alphabetical<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_ordered_as_text() {
        let key = |namespace: &str, name: &str| ObjectKey::new(namespace, name);
        assert!(Alphabetical(&key("a-b", "x")) < Alphabetical(&key("a", "x")));
        assert!(Alphabetical(&key("a", "x")) < Alphabetical(&key("a", "y")));
        assert!(Alphabetical(&key("a", "z")) < Alphabetical(&key("b", "a")));
    }
}
