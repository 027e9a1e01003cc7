//! GRPCRoute, lowered to the same rules as HTTPRoute, with matches of gRPC's own.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::http::notice_session_persistence;
use super::matching::{Condition, Values, conditions, regex, unknown_type};
use super::{RouteKind, Scope};
use crate::api::Kind;
use crate::api::gateway::GrpcRoute;
use crate::api::gateway::grpc_route::{GrpcMethodMatch, GrpcRouteMatch, GrpcRouteRule};
use crate::api::gateway::shared::{ParentReference, ValueMatchType};
use crate::ir::{BackendProtocol, GrpcMatch, GrpcParts, Match, PathMatch, Rule, Timeouts};
use crate::translate::backend::{self, BackendSpec};
use crate::translate::field::Field;
use crate::translate::filter::{self, Position};
use crate::translate::finding::Findings;
use crate::translate::reason::Reason;

impl RouteKind for GrpcRoute {
    fn kind(&self) -> Kind {
        Kind::GrpcRoute
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

    /// gRPC is HTTP/2, whatever the Service says or does not say.
    fn backend_protocol(&self) -> BackendProtocol {
        BackendProtocol::H2c
    }

    fn rule_count(&self) -> usize {
        self.spec.rules.len()
    }

    fn rule(&self, index: usize, scope: &mut Scope<'_>) -> Rule {
        let default = GrpcRouteRule::default();
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
        let backends = backend::lower(scope, &matches, backends, &at);
        notice_session_persistence(written.session_persistence.is_some(), &at, &mut scope.findings);
        Rule {
            name: written.name.as_deref().map(Into::into),
            matches,
            filters,
            backends,
            timeouts: Timeouts::default(),
            retry: None,
        }
    }
}

fn matches(written: &[GrpcRouteMatch], at: &Field<'_>, findings: &mut Findings) -> Vec<Match> {
    let everything = [GrpcRouteMatch::default()];
    let written = if written.is_empty() { &everything } else { written };
    let matches = written.iter().enumerate();
    matches.filter_map(|(index, written)| lower_match(written, &at.item("matches", index), findings)).collect()
}

fn lower_match(written: &GrpcRouteMatch, at: &Field<'_>, findings: &mut Findings) -> Option<Match> {
    let call = match &written.method {
        Some(method) => call(method, &at.name("method"), findings),
        None => Some(GrpcMatch::Exact(GrpcParts::default())),
    };
    let headers = written.headers.iter().map(|header| Condition {
        kind: header.kind.as_ref(),
        name: &header.name,
        value: &header.value,
    });
    let headers = conditions(Values::Headers, headers, at, findings);
    Some(Match { path: PathMatch::Grpc(call?), method: None, headers: headers?, query: Vec::new() })
}

/// Service and method; an empty one is as good as none.
fn call(written: &GrpcMethodMatch, at: &Field<'_>, findings: &mut Findings) -> Option<GrpcMatch> {
    let part = |part: &Option<String>| part.clone().filter(|text| !text.is_empty());
    let parts = GrpcParts { service: part(&written.service), method: part(&written.method) };
    let mut each = |is_sound: fn(&str, &Field<'_>, &mut Findings) -> bool| {
        let mut check =
            |name, part: &Option<String>| part.as_deref().is_none_or(|part| is_sound(part, &at.name(name), findings));
        // both, so that everything wrong is said at once
        check("service", &parts.service) & check("method", &parts.method)
    };
    match written.kind.as_ref().unwrap_or(&ValueMatchType::Exact) {
        ValueMatchType::Exact => each(is_name).then_some(GrpcMatch::Exact(parts)),
        ValueMatchType::RegularExpression => {
            each(|text, at, findings| regex(text, at, findings).is_some()).then_some(GrpcMatch::Regex(parts))
        }
        ValueMatchType::Other(kind) => {
            unknown_type(kind, ValueMatchType::KNOWN, at, findings);
            None
        }
    }
}

/// "Exact methods MUST be syntactically valid: Must not contain `/` character."
fn is_name(text: &str, at: &Field<'_>, findings: &mut Findings) -> bool {
    if text.contains('/') {
        let remedy = "write the service as package.Service and the method without a slash";
        findings.reject(Reason::UnsupportedValue, at, "a gRPC service or method contains no '/'", remedy);
        return false;
    }
    true
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::translate::testing::{rules, translated, verdict};

    fn route(rule: Value) -> Value {
        json!({"kind": "GRPCRoute", "metadata": {"name": "r", "generation": 5},
            "spec": {"parentRefs": [{"name": "gw"}], "rules": [rule]}})
    }

    fn call(method: Value) -> Value {
        rules(&translated(route(json!({"matches": [{"method": method}]}))))[0]["matches"][0]["path"]["grpc"].clone()
    }

    /// Conformance: GRPCExactMethodMatching.
    #[test]
    fn service_and_method_are_kept_apart() {
        let both = json!({"service": "pkg.Svc", "method": "Call"});
        assert_eq!(call(both.clone()), json!({"exact": both}));
        assert_eq!(call(json!({"service": "pkg.Svc"})), json!({"exact": {"service": "pkg.Svc"}}));
        assert_eq!(call(json!({"method": "Call", "service": ""})), json!({"exact": {"method": "Call"}}));
        let regex = json!({"type": "RegularExpression", "service": "a|b", "method": "C.*"});
        assert_eq!(call(regex), json!({"regex": {"service": "a|b", "method": "C.*"}}));
        assert_eq!(call(json!({})), json!({"exact": {}}));
    }

    #[test]
    fn a_rule_without_matches_takes_every_call_over_http_2() {
        let translation = translated(route(json!({"backendRefs": [{"name": "web", "port": 80}]})));
        let rule = &rules(&translation)[0];
        assert_eq!(rule["matches"], json!([{"path": {"grpc": {"exact": {}}}}]));
        assert_eq!(rule["backends"][0]["target"], json!({"backend": "default/web:80 (h2c)"}));
        assert_eq!(verdict(&translation, "Accepted").0, "True");
    }

    #[test]
    fn metadata_and_filters_are_lowered_like_those_of_http() {
        let translation = translated(route(json!({
            "name": "calls",
            "matches": [{"headers": [{"name": "Version", "value": "one"}]}],
            "filters": [{"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [{"name": "A", "value": "1"}]}}],
        })));
        let rule = &rules(&translation)[0];
        assert_eq!(rule["name"], "calls");
        assert_eq!(rule["matches"][0]["headers"], json!([{"name": "version", "value": {"exact": "one"}}]));
        assert_eq!(rule["filters"], json!({"requestHeaders": {"set": [["a", "1"]]}}));
    }

    #[test]
    fn a_method_with_a_slash_cannot_reach_another_service() {
        let translation = translated(route(json!({"matches": [{"method": {"service": "a/b", "method": "c"}}]})));
        assert_eq!(verdict(&translation, "Accepted"), ("False".to_owned(), "UnsupportedValue".to_owned()));
    }

    #[test]
    fn an_expression_that_cannot_be_read_is_named() {
        let method = json!({"type": "RegularExpression", "service": "a)|(b", "method": "("});
        let translation = translated(route(json!({"matches": [{"method": method}]})));
        assert_eq!(verdict(&translation, "Accepted"), ("False".to_owned(), "UnsupportedValue".to_owned()));
        let fields: Vec<_> = translation.problems.iter().map(|problem| problem.field.as_str()).collect();
        let field = "spec.rules[0].matches[0].method";
        assert_eq!(fields, [format!("{field}.method"), format!("{field}.service")]);
    }
}
