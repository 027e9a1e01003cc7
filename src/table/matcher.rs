//! The conditions of a match besides its path: method, headers, query.

use std::cell::Cell;
use std::sync::Arc;

use http::header::ValueIter;
use http::{HeaderMap, HeaderName, HeaderValue};
use smallvec::SmallVec;

use super::query::Params;
use super::{Query, Rule};
use crate::ir::Pattern;

/// One lookup: the request, and what has been read of it.
#[derive(Debug)]
pub(crate) struct Lookup<'a> {
    pub(crate) request: &'a Query<'a>,
    pub(crate) params: Params<'a>,
    /// Who may serve it.
    pub(crate) may: May<'a>,
    /// The first rule that matches and may not.
    pub(crate) refused: Cell<Option<&'a Arc<Rule>>>,
}

/// Whose rules a request may be served by.
#[derive(Debug, Clone, Copy)]
pub(crate) enum May<'a> {
    /// Everybody's.
    All,
    /// This tenant's.
    Only(&'a Arc<str>),
    /// Nobody's: it is not claimed, and must be.
    None,
}

impl May<'_> {
    /// Whether a rule may serve.
    pub(crate) fn includes(self, rule: &Rule) -> bool {
        match self {
            Self::All => true,
            // mostly the same one, whose name then need not be read
            Self::Only(owner) => {
                rule.id.tenant.as_ref().is_some_and(|tenant| Arc::ptr_eq(tenant, owner) || tenant == owner)
            }
            Self::None => false,
        }
    }
}

/// Conditions of which all must hold; shared by the listeners and hostnames of a route.
#[derive(Debug, Default)]
pub(crate) struct Conditions {
    pub(crate) method: Option<Box<str>>,
    pub(crate) headers: Box<[(HeaderName, Value)]>,
    pub(crate) query: Box<[(Box<str>, Value)]>,
}

/// What a header or query parameter must be.
#[derive(Debug)]
pub(crate) enum Value {
    /// To the letter.
    Exact(Box<str>),
    /// As a whole.
    Pattern(Arc<Pattern>),
}

impl<'a> Lookup<'a> {
    /// Starts a lookup.
    pub(crate) const fn new(request: &'a Query<'a>, may: May<'a>) -> Self {
        Self { request, params: Params::new(request.query), may, refused: Cell::new(None) }
    }

    /// Whether a rule that matches may serve.
    pub(crate) fn admits(&self, rule: &'a Arc<Rule>) -> bool {
        let admitted = self.may.includes(rule);
        if !admitted && self.refused.get().is_none() {
            self.refused.set(Some(rule));
        }
        admitted
    }
}

impl Conditions {
    /// Whether there is none.
    pub(crate) const fn is_empty(&self) -> bool {
        self.method.is_none() && self.headers.is_empty() && self.query.is_empty()
    }

    /// Whether all hold.
    pub(crate) fn hold<'a>(&'a self, lookup: &Lookup<'a>) -> bool {
        self.method.as_deref().is_none_or(|method| method == lookup.request.method)
            && self.headers.iter().all(|(name, value)| has_header(lookup.request.headers, name, value))
            && self.query.iter().all(|(name, value)| lookup.params.matches(name, value))
    }
}

/// Several fields of one name count as one, joined by commas (RFC 9110 §5.3).
pub(super) fn has_header(headers: &HeaderMap, name: &HeaderName, value: &Value) -> bool {
    let mut fields = headers.get_all(name).iter();
    let Some(first) = fields.next() else { return false };
    match value {
        Value::Exact(expected) => equals_joined(first, fields, expected.as_bytes()),
        Value::Pattern(pattern) => matches_joined(first, fields, pattern),
    }
}

fn equals_joined(first: &HeaderValue, others: ValueIter<'_, HeaderValue>, expected: &[u8]) -> bool {
    let mut rest = expected.strip_prefix(first.as_bytes());
    for other in others {
        rest = rest.and_then(|rest| rest.strip_prefix(b",")).and_then(|rest| rest.strip_prefix(other.as_bytes()));
    }
    rest.is_some_and(<[u8]>::is_empty)
}

fn matches_joined(first: &HeaderValue, others: ValueIter<'_, HeaderValue>, pattern: &Pattern) -> bool {
    let mut others = others.peekable();
    if others.peek().is_none() {
        return std::str::from_utf8(first.as_bytes()).is_ok_and(|text| pattern.matches(text));
    }
    let mut joined: SmallVec<[u8; 512]> = SmallVec::from_slice(first.as_bytes());
    for other in others {
        joined.push(b',');
        joined.extend_from_slice(other.as_bytes());
    }
    std::str::from_utf8(&joined).is_ok_and(|text| pattern.matches(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[&'static str]) -> HeaderMap {
        values.iter().map(|value| (HeaderName::from_static("x-a"), HeaderValue::from_static(value))).collect()
    }

    fn exact(values: &[&'static str], expected: &str) -> bool {
        has_header(&headers(values), &HeaderName::from_static("x-a"), &Value::Exact(expected.into()))
    }

    #[test]
    fn several_fields_are_compared_as_if_joined_by_commas() {
        assert!(exact(&["a"], "a") && exact(&["a", "b"], "a,b") && exact(&["a,b"], "a,b") && exact(&["", ""], ","));
        assert!(!exact(&["a", "b"], "a") && !exact(&["a"], "a,b") && !exact(&["a", "b"], "a,b,c") && !exact(&[], "a"));
    }

    #[test]
    fn a_pattern_sees_the_joined_fields() {
        let value = Value::Pattern(Arc::new(Pattern::parse("a,b+").unwrap()));
        let is = |values: &[&'static str]| has_header(&headers(values), &HeaderName::from_static("x-a"), &value);
        assert!(is(&["a", "bb"]) && is(&["a,b"]) && !is(&["a"]) && !is(&["b", "a"]) && !is(&[]));
    }
}
