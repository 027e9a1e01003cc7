//! HTTPRoute, lowered.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::matching::{Condition, Values, conditions, regex, unknown_type};
use super::{RouteKind, Scope};
use crate::api::gateway::HttpRoute;
use crate::api::gateway::http_route::{
    HttpPathMatch, HttpRouteMatch, HttpRouteRetry, HttpRouteRule, HttpRouteTimeouts, HttpValueMatch, PathMatchType,
};
use crate::api::gateway::shared::ParentReference;
use crate::api::{Kind, duration};
use crate::ir::{BackendProtocol, Match, PathMatch, Retry, Rule, Timeouts, one_spelling};
use crate::translate::backend::{self, BackendSpec};
use crate::translate::field::Field;
use crate::translate::filter::{self, Position};
use crate::translate::finding::Findings;
use crate::translate::reason::Reason;

/// Methods that a match may name.
const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];
/// How long a path condition may be, in bytes.
const MAX_PATH: usize = 1024;

impl RouteKind for HttpRoute {
    fn kind(&self) -> Kind {
        Kind::HttpRoute
    }

    fn metadata(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn parents(&self) -> &[ParentReference] {
        &self.spec.parent_refs
    }

    fn hostnames(&self) -> &[String] {
        &self.spec.hostnames
    }

    fn backend_protocol(&self) -> BackendProtocol {
        BackendProtocol::Http1
    }

    /// A route without rules has the default one, which matches everything.
    fn rule_count(&self) -> usize {
        self.spec.rules.len().max(1)
    }

    fn rule(&self, index: usize, scope: &mut Scope<'_>) -> Rule {
        let default = HttpRouteRule::default();
        let written = self.spec.rules.get(index).unwrap_or(&default);
        let at = Field::SPEC;
        let at = at.item("rules", index);
        let matches = matches(&written.matches, &at, &mut scope.findings);
        let filters = filter::lower(scope, Position::Rule(&matches), written.filters.iter().map(Into::into), &at);
        let backends = written.backend_refs.iter().map(|reference| BackendSpec {
            target: &reference.target,
            weight: reference.weight,
            filters: reference.filters.iter().map(Into::into).collect(),
        });
        let backends =
            if filters.redirect.is_some() { Vec::new() } else { backend::lower(scope, &matches, backends, &at) };
        notice_session_persistence(written.session_persistence.is_some(), &at, &mut scope.findings);
        Rule {
            name: written.name.as_deref().map(Into::into),
            timeouts: timeouts(written.timeouts.as_deref(), &at, &mut scope.findings),
            retry: written.retry.as_ref().and_then(|retry| self::retry(retry, &at, &mut scope.findings)),
            matches,
            filters,
            backends,
        }
    }
}

fn matches(written: &[HttpRouteMatch], at: &Field<'_>, findings: &mut Findings) -> Vec<Match> {
    if written.is_empty() {
        return vec![Match {
            path: PathMatch::Prefix("/".to_owned()),
            method: None,
            headers: Vec::new(),
            query: Vec::new(),
        }];
    }
    // Exact, because a route lives long and a filtering iterator would make room for four.
    let mut matches = Vec::with_capacity(written.len());
    let written = written.iter().enumerate();
    matches.extend(written.filter_map(|(index, it)| lower_match(it, &at.item("matches", index), findings)));
    matches
}

/// `None` when a condition cannot be honoured; the finding drops the rule.
fn lower_match(written: &HttpRouteMatch, at: &Field<'_>, findings: &mut Findings) -> Option<Match> {
    let path = path(written.path.as_ref(), &at.name("path"), findings);
    let method = match written.method.as_deref() {
        Some(method) if !METHODS.contains(&method) => {
            let remedy = format!("use one of: {}", METHODS.join(", "));
            let message = format!("unknown method '{method}'");
            findings.reject(Reason::UnsupportedValue, &at.name("method"), message, &remedy);
            None
        }
        method => Some(method.map(str::to_owned)),
    };
    let headers = conditions(Values::Headers, written.headers.iter().map(condition), at, findings);
    let query = conditions(Values::Query, written.query_params.iter().map(condition), at, findings);
    Some(Match { path: path?, method: method?, headers: headers?, query: query? })
}

fn condition(written: &HttpValueMatch) -> Condition<'_> {
    Condition { kind: written.kind.as_ref(), name: &written.name, value: &written.value }
}

fn path(written: Option<&HttpPathMatch>, at: &Field<'_>, findings: &mut Findings) -> Option<PathMatch> {
    let kind = written.and_then(|path| path.kind.as_ref()).unwrap_or(&PathMatchType::PathPrefix);
    let value = written.and_then(|path| path.value.as_deref()).unwrap_or("/");
    let value_at = at.name("value");
    match kind {
        PathMatchType::RegularExpression => return regex(value, &value_at, findings).map(PathMatch::Regex),
        PathMatchType::Other(kind) => {
            unknown_type(kind, PathMatchType::KNOWN, at, findings);
            return None;
        }
        PathMatchType::Exact | PathMatchType::PathPrefix => {}
    }
    if !value.starts_with('/') || value.len() > MAX_PATH {
        let message = format!("a path starts with '/' and has at most {MAX_PATH} bytes");
        findings.reject(Reason::UnsupportedValue, &value_at, message, "write an absolute path such as /shop");
        return None;
    }
    let path = one_spelling(value);
    Some(if *kind == PathMatchType::Exact { PathMatch::Exact(path) } else { prefix(&path) })
}

/// A trailing slash means nothing in a prefix (`/abc/` is `/abc`).
fn prefix(value: &str) -> PathMatch {
    let trimmed = value.trim_end_matches('/');
    PathMatch::Prefix(if trimmed.is_empty() { "/" } else { trimmed }.to_owned())
}

fn timeouts(written: Option<&HttpRouteTimeouts>, at: &Field<'_>, findings: &mut Findings) -> Timeouts {
    let Some(written) = written else { return Timeouts::default() };
    let at = at.name("timeouts");
    let request = duration_of(written.request.as_deref(), &at.name("request"), findings);
    let backend_request = duration_of(written.backend_request.as_deref(), &at.name("backendRequest"), findings);
    Timeouts { request, backend_request }
}

/// Zero disables, and is then absent.
fn duration_of(text: Option<&str>, at: &Field<'_>, findings: &mut Findings) -> Option<std::time::Duration> {
    match duration::parse(text?) {
        Ok(duration) => Some(duration).filter(|duration| !duration.is_zero()),
        Err(error) => {
            findings.reject(Reason::UnsupportedValue, at, error.to_string(), "write a duration such as 10s");
            None
        }
    }
}

/// Without `attempts` one retry; 0 switches every retry off, connection errors too.
fn retry(written: &HttpRouteRetry, at: &Field<'_>, findings: &mut Findings) -> Option<Retry> {
    let at = at.name("retry");
    let backoff = duration_of(written.backoff.as_deref(), &at.name("backoff"), findings);
    let mut codes = written.codes.clone();
    codes.sort_unstable();
    codes.dedup();
    if let Some(code) = codes.iter().find(|code| !(400..=599).contains(*code)) {
        let message = format!("{code} cannot be retried");
        findings.reject(Reason::UnsupportedValue, &at.name("codes"), message, "list codes from 400 to 599");
    }
    let attempts = u32::try_from(written.attempts.unwrap_or(1)).unwrap_or_default();
    Some(Retry { attempts, codes, backoff })
}

/// Session persistence is experimental and not supported: said, and otherwise ignored, because
/// requests are still answered correctly without it.
pub(super) fn notice_session_persistence(asked: bool, at: &Field<'_>, findings: &mut Findings) {
    if asked {
        let message = "session persistence is not supported yet; requests are balanced without it";
        let remedy = "remove it, or set sessionAffinity: ClientIP on the Service";
        findings.notice(Reason::UnsupportedValue, &at.name("sessionPersistence"), message, remedy);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::translate::testing::{route, rules, translated, verdict};

    fn yes(reason: &str) -> (String, String) {
        ("True".to_owned(), reason.to_owned())
    }

    fn no(reason: &str) -> (String, String) {
        ("False".to_owned(), reason.to_owned())
    }

    fn rule(fields: Value) -> Value {
        let mut rule = json!({"backendRefs": [{"name": "web", "port": 80}]});
        rule.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        route("r", json!({"rules": [rule]}))
    }

    #[test]
    fn every_kind_of_condition_is_lowered() {
        let translation = translated(rule(json!({"name": "main", "matches": [{
            "path": {"type": "PathPrefix", "value": "/shop/"},
            "method": "GET",
            "headers": [{"name": "X-Env", "value": "a"}, {"name": "x-env", "value": "b"},
                {"name": "v", "type": "RegularExpression", "value": "[0-9]+"}],
            "queryParams": [{"name": "Q", "value": "1"}, {"name": "q", "value": "2"}, {"name": "Q", "value": "3"}],
        }]})));
        assert_eq!(verdict(&translation, "Accepted"), yes("Accepted"));
        assert_eq!(verdict(&translation, "ResolvedRefs"), yes("ResolvedRefs"));
        let rule = &rules(&translation)[0];
        assert_eq!(rule["name"], "main");
        assert_eq!(
            rule["matches"],
            json!([{
                "path": {"prefix": "/shop"},
                "method": "GET",
                "headers": [{"name": "x-env", "value": {"exact": "a"}}, {"name": "v", "value": {"regex": "[0-9]+"}}],
                "query": [{"name": "Q", "value": {"exact": "1"}}, {"name": "q", "value": {"exact": "2"}}],
            }])
        );
    }

    #[test]
    fn paths_lose_their_trailing_slash_only_as_prefixes() {
        for (path, want) in [
            (json!({"value": "/"}), json!({"prefix": "/"})),
            (json!({"type": "PathPrefix", "value": "/a/b//"}), json!({"prefix": "/a/b"})),
            (json!({"type": "Exact", "value": "/a/"}), json!({"exact": "/a/"})),
            (json!({"type": "RegularExpression", "value": "/v[12]/.*"}), json!({"regex": "/v[12]/.*"})),
        ] {
            let translation = translated(rule(json!({"matches": [{"path": path}]})));
            assert_eq!(rules(&translation)[0]["matches"][0]["path"], want);
        }
    }

    #[test]
    fn a_condition_that_cannot_be_honoured_drops_the_rule() {
        for broken in [
            json!({"path": {"type": "RegularExpression", "value": "("}}),
            json!({"path": {"type": "Glob", "value": "/*"}}),
            json!({"path": {"value": "relative"}}),
            json!({"method": "get"}),
            json!({"headers": [{"name": "not a name", "value": "x"}]}),
            json!({"headers": [{"name": "a", "type": "Glob", "value": "x"}]}),
            json!({"queryParams": [{"name": "a", "type": "RegularExpression", "value": "("}]}),
        ] {
            let translation = translated(rule(json!({"matches": [broken]})));
            assert_eq!(verdict(&translation, "Accepted"), no("UnsupportedValue"), "{broken}");
            assert_eq!(rules(&translation), json!([]), "no condition is left to match by");
        }
    }

    #[test]
    fn one_dropped_rule_of_two_makes_the_route_partially_invalid() {
        let translation = translated(route(
            "r",
            json!({"rules": [
                {"matches": [{"path": {"value": "/a"}}], "filters": [{"type": "ExtensionRef"}],
                    "backendRefs": [{"name": "web", "port": 80}]},
                {"matches": [{"path": {"value": "/b"}}], "backendRefs": [{"name": "web", "port": 80}]},
            ]}),
        ));
        assert_eq!(verdict(&translation, "Accepted"), yes("Accepted"));
        assert_eq!(verdict(&translation, "PartiallyInvalid"), yes("UnsupportedValue"));
        let status = crate::translate::testing::status_of(&translation, "HTTPRoute default/r");
        let message = status["parents"][0]["conditions"][2]["message"].as_str().unwrap();
        assert!(message.starts_with("Dropped Rule 0"), "{message}");
        let rules = rules(&translation);
        assert_eq!(rules[0], json!({"matches": [{"path": {"prefix": "/a"}}]}), "it answers 500, and nobody else does");
        assert_eq!(rules[1]["backends"][0]["target"], json!({"backend": "default/web:80"}));
    }

    /// Conformance: HTTPRouteNoBackendRefs.
    #[test]
    fn a_route_without_rules_or_backends_matches_everything_and_has_no_backend() {
        let translation = translated(route("r", json!({})));
        assert_eq!(verdict(&translation, "Accepted"), yes("Accepted"));
        assert_eq!(rules(&translation), json!([{"matches": [{"path": {"prefix": "/"}}]}]));
    }

    #[test]
    fn timeouts_of_zero_are_no_limits() {
        let lowered = |timeouts: Value| rules(&translated(rule(json!({"timeouts": timeouts}))))[0]["timeouts"].clone();
        assert_eq!(
            lowered(json!({"request": "1s", "backendRequest": "500ms"})),
            json!({"request": "1000ms", "backendRequest": "500ms"})
        );
        assert_eq!(lowered(json!({"request": "0s"})), Value::Null);
        let translation = translated(rule(json!({"timeouts": {"request": "soon"}})));
        assert_eq!(verdict(&translation, "Accepted"), no("UnsupportedValue"));
    }

    /// Conformance: HTTPRouteRetry.
    #[test]
    fn retries_default_to_one_and_zero_means_none() {
        let lowered = |retry: Value| rules(&translated(rule(json!({"retry": retry}))))[0]["retry"].clone();
        assert_eq!(lowered(json!({})), json!({"attempts": 1}));
        assert_eq!(lowered(json!({"attempts": 0, "codes": [500]})), json!({"attempts": 0, "codes": [500]}));
        assert_eq!(
            lowered(json!({"attempts": 3, "codes": [503, 500, 503], "backoff": "100ms"})),
            json!({"attempts": 3, "codes": [500, 503], "backoff": "100ms"})
        );
        let translation = translated(rule(json!({"retry": {"codes": [200]}})));
        assert_eq!(verdict(&translation, "Accepted"), no("UnsupportedValue"));
    }

    #[test]
    fn session_persistence_is_ignored_but_never_silently() {
        let translation = translated(rule(json!({"sessionPersistence": {"type": "Cookie"}})));
        assert_eq!(verdict(&translation, "Accepted"), yes("Accepted"));
        assert_eq!(translation.problems.get_min().unwrap().field, "spec.rules[0].sessionPersistence");
    }
}
