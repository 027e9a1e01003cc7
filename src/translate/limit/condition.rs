//! Conditions: which requests are counted.

use http::HeaderName;

use super::invalid;
use crate::api::gateway::shared::ValueMatchType;
use crate::api::policy::rate_limit::condition::{Condition, HeaderCondition, Method, PathCondition, PathType};
use crate::ir::limit::When;
use crate::ir::{PathMatch, ValueMatch, ValuePattern, one_spelling};
use crate::translate::field::Field;
use crate::translate::finding::Findings;
use crate::translate::pattern;

/// Reads one entry of `when`.
pub(super) fn when(written: &Condition, at: &Field<'_>, findings: &mut Findings) -> Option<When> {
    if written.methods.is_empty() && written.paths.is_empty() && written.headers.is_empty() {
        let remedy = "remove the entry: without 'when' every request counts";
        invalid(findings, at, "needs methods, paths or headers", remedy);
        return None;
    }
    let methods = written.methods.iter().enumerate();
    let methods = all(methods.map(|(index, it)| method(it, &at.item("methods", index), findings)));
    let paths = written.paths.iter().enumerate();
    let paths = all(paths.map(|(index, it)| path(it, &at.item("paths", index), findings)));
    let headers = written.headers.iter().enumerate();
    let headers = all(headers.map(|(index, it)| header(it, &at.item("headers", index), findings)));
    Some(When { methods: methods?, paths: paths?, headers: headers? })
}

/// All of them, if each is there; unlike `collect`, it looks at every one, so that each tells what is wrong with it.
pub(super) fn all<T>(items: impl Iterator<Item = Option<T>>) -> Option<Vec<T>> {
    let (mut all, mut sound) = (Vec::with_capacity(items.size_hint().0), true);
    for item in items {
        match item {
            Some(item) => all.push(item),
            None => sound = false,
        }
    }
    sound.then_some(all)
}

fn method(written: &Method, at: &Field<'_>, findings: &mut Findings) -> Option<&'static str> {
    let known = Method::KNOWN.iter().find(|known| **known == written.as_str()).copied();
    if known.is_none() {
        let remedy = format!("use one of: {}", Method::KNOWN.join(", "));
        invalid(findings, at, format!("unknown method '{written}'"), &remedy);
    }
    known
}

fn path(written: &PathCondition, at: &Field<'_>, findings: &mut Findings) -> Option<PathMatch> {
    if !written.value.starts_with('/') {
        invalid(findings, &at.name("value"), "a path starts with '/'", "write an absolute path such as /search");
        return None;
    }
    let path = one_spelling(&written.value);
    match &written.kind {
        PathType::Exact => Some(PathMatch::Exact(path)),
        // a trailing slash means nothing in a prefix
        PathType::Prefix => Some(PathMatch::Prefix(match path.trim_end_matches('/') {
            "" => "/".to_owned(),
            path => path.to_owned(),
        })),
        PathType::Other(kind) => {
            unknown_type(kind, PathType::KNOWN, at, findings);
            None
        }
    }
}

fn header(written: &HeaderCondition, at: &Field<'_>, findings: &mut Findings) -> Option<ValueMatch> {
    let name = HeaderName::from_bytes(written.name.as_bytes()).ok();
    if name.is_none() {
        let message = format!("'{}' is no name of a header", written.name);
        invalid(findings, &at.name("name"), message, "write a field name such as x-plan");
    }
    let value = value(written, at, findings);
    Some(ValueMatch { name: name?.as_str().to_owned(), value: value? })
}

fn value(written: &HeaderCondition, at: &Field<'_>, findings: &mut Findings) -> Option<ValuePattern> {
    let text = &written.value;
    match &written.kind {
        ValueMatchType::Exact => Some(ValuePattern::Exact(text.clone())),
        ValueMatchType::RegularExpression => match pattern::validate(text) {
            Ok(()) => Some(ValuePattern::Regex(text.clone())),
            Err(error) => {
                let remedy = "write a regular expression in the syntax of the regex crate (RE2-like, no look-around)";
                invalid(findings, &at.name("value"), format!("not a usable regular expression: {error}"), remedy);
                None
            }
        },
        ValueMatchType::Other(kind) => {
            unknown_type(kind, ValueMatchType::KNOWN, at, findings);
            None
        }
    }
}

fn unknown_type(kind: &str, known: &[&str], at: &Field<'_>, findings: &mut Findings) {
    let remedy = format!("use one of: {}", known.join(", "));
    invalid(findings, &at.name("type"), format!("unknown type '{kind}'"), &remedy);
}
