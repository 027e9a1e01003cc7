//! HTTPRoute.

use super::{Violations, backend, filter, parent, repeated};
use crate::api::duration;
use crate::api::gateway::http_route::{
    HttpPathMatch, HttpRouteMatch, HttpRouteRule, HttpRouteSpec, HttpRouteTimeouts, PathMatchType,
};
use crate::api::gateway::shared::SessionPersistence;

/// Matches that all rules together may have.
const MAX_MATCHES: usize = 128;
/// What a path to match must not hold, and why.
const UNCLEAN: [(&str, &str); 6] = [
    ("//", "an empty segment"),
    ("/./", "a '.' segment"),
    ("/../", "a '..' segment"),
    ("%2f", "an encoded slash"),
    ("%2F", "an encoded slash"),
    ("#", "a fragment"),
];

/// Checks the rules between the fields of an HTTPRoute.
pub(super) fn check(spec: &HttpRouteSpec, out: &mut Violations) {
    parent::check(&spec.parent_refs, out);
    check_names(spec.rules.iter().map(|rule| rule.name.as_deref()), out);
    check_total(spec.rules.iter().map(|rule| rule.matches.len()).sum(), out);
    for (index, rule) in spec.rules.iter().enumerate() {
        check_rule(rule, &format!("spec.rules[{index}]"), out);
    }
}

/// Names of rules are unique in a route.
pub(super) fn check_names<'a>(names: impl Iterator<Item = Option<&'a str>>, out: &mut Violations) {
    let named: Vec<_> = names.enumerate().filter_map(|(index, name)| Some((index, name?))).collect();
    if let Some((index, name)) = repeated(named.iter().map(|(_, name)| *name)).and_then(|at| named.get(at)) {
        out.refuse(
            format!("spec.rules[{index}].name"),
            format!("'{name}' names a rule before it"),
            "rename one of them",
        );
    }
}

/// All rules together have a limit of matches.
pub(super) fn check_total(matches: usize, out: &mut Violations) {
    if matches > MAX_MATCHES {
        let message = format!("have {matches} matches together, at most {MAX_MATCHES} are allowed");
        out.refuse("spec.rules", message, "split the route");
    }
}

fn check_rule(rule: &HttpRouteRule, field: &str, out: &mut Violations) {
    for (index, one) in rule.matches.iter().enumerate() {
        if let Some(path) = &one.path {
            check_path(path, &format!("{field}.matches[{index}].path.value"), out);
        }
    }
    filter::check_http(&rule.filters, &format!("{field}.filters"), out);
    if !rule.backend_refs.is_empty() && rule.filters.iter().any(|filter| filter.request_redirect.is_some()) {
        let remedy = "a redirect is never forwarded: remove the backendRefs or the RequestRedirect filter";
        out.refuse(format!("{field}.backendRefs"), "a rule that redirects has no backends", remedy);
    }
    check_prefix_modifier(
        rule.filters.iter().any(filter::replaces_prefix),
        &rule.matches,
        &format!("{field}.filters"),
        out,
    );
    for (index, backend) in rule.backend_refs.iter().enumerate() {
        let field = format!("{field}.backendRefs[{index}]");
        backend::check_target(&backend.target, &field, out);
        let filters = format!("{field}.filters");
        filter::check_http(&backend.filters, &filters, out);
        check_prefix_modifier(backend.filters.iter().any(filter::replaces_prefix), &rule.matches, &filters, out);
    }
    if let Some(timeouts) = &rule.timeouts {
        check_timeouts(timeouts, &format!("{field}.timeouts"), out);
    }
    if let Some(persistence) = &rule.session_persistence {
        check_session(persistence, &format!("{field}.sessionPersistence"), out);
    }
}

fn check_path(path: &HttpPathMatch, field: &str, out: &mut Violations) {
    let literal = matches!(path.kind, None | Some(PathMatchType::Exact | PathMatchType::PathPrefix));
    let value = path.value.as_deref().unwrap_or("/");
    if !literal {
        return;
    }
    if !value.starts_with('/') {
        return out.refuse(field, format!("'{value}' does not start with '/'"), format!("write '/{value}'"));
    }
    let unclean = UNCLEAN.iter().find(|(part, _)| value.contains(part)).map(|(_, what)| *what);
    let ends = (value.ends_with("/.") || value.ends_with("/..")).then_some("a '.' or '..' segment");
    if let Some(what) = unclean.or(ends) {
        let remedy = "write the path as it is after normalisation";
        return out.refuse(field, format!("'{value}' holds {what}, which no request path matches"), remedy);
    }
    if !is_path(value) {
        let remedy = "write other characters percent-encoded, such as %20 for a blank";
        out.refuse(field, format!("'{value}' holds characters that no path has"), remedy);
    }
}

/// RFC 3986 §3.3: `pchar` and `/`.
fn is_path(value: &str) -> bool {
    let mut bytes = value.bytes();
    while let Some(byte) = bytes.next() {
        let holds = match byte {
            b'%' => [bytes.next(), bytes.next()].iter().all(|b| b.is_some_and(|b| b.is_ascii_hexdigit())),
            _ => byte.is_ascii_alphanumeric() || b"-/._~!$&'()*+,;=:@".contains(&byte),
        };
        if !holds {
            return false;
        }
    }
    true
}

fn check_prefix_modifier(replaces: bool, matches: &[HttpRouteMatch], field: &str, out: &mut Violations) {
    let is_prefix = |one: &HttpRouteMatch| {
        one.path.as_ref().is_some_and(|path| matches!(path.kind, None | Some(PathMatchType::PathPrefix)))
    };
    if replaces && !(matches.len() == 1 && matches.iter().all(is_prefix)) {
        let remedy = "give the rule exactly one match, with a path of type PathPrefix";
        out.refuse(field, "ReplacePrefixMatch needs one prefix that it replaces", remedy);
    }
}

fn check_timeouts(timeouts: &HttpRouteTimeouts, field: &str, out: &mut Violations) {
    let read = |text: &Option<String>| text.as_deref().and_then(|text| duration::parse(text).ok());
    if let (Some(request), Some(backend)) = (read(&timeouts.request), read(&timeouts.backend_request))
        && !request.is_zero()
        && backend > request
    {
        let remedy = "shorten backendRequest, or lengthen request, which holds all tries";
        out.refuse(format!("{field}.backendRequest"), "is longer than request", remedy);
    }
}

/// `sessionPersistence` of a route (GEP-1619).
pub(super) fn check_session(persistence: &SessionPersistence, field: &str, out: &mut Violations) {
    let kind = persistence.kind.as_ref().map_or("Cookie", |kind| kind.as_str());
    let members =
        [("Cookie", "cookie", persistence.cookie.is_some()), ("Header", "header", persistence.header.is_some())];
    filter::check_members(kind, &members, field, out);
    let lifetime = persistence.cookie.as_ref().and_then(|cookie| cookie.get("lifetimeType")?.as_str());
    if lifetime == Some("Permanent") && persistence.absolute_timeout.is_none() {
        let remedy = "say how long the cookie lives";
        out.refuse(format!("{field}.absoluteTimeout"), "is required for a permanent cookie", remedy);
    }
}
