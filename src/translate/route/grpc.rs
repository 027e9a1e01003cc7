//! GRPCRoute, lowered to the same rules: a call is a request for `/service/method`.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::http::notice_session_persistence;
use super::matching::{Condition, Values, conditions, regex, unknown_type};
use super::{RouteKind, Scope};
use crate::api::Kind;
use crate::api::gateway::GrpcRoute;
use crate::api::gateway::grpc_route::{GrpcMethodMatch, GrpcRouteMatch, GrpcRouteRule};
use crate::api::gateway::shared::{ParentReference, ValueMatchType};
use crate::ir::{BackendProtocol, Match, PathMatch, Rule, Timeouts};
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
    let path = match &written.method {
        Some(method) => path(method, &at.name("method"), findings),
        None => Some(PathMatch::Prefix("/".to_owned())),
    };
    let headers = written.headers.iter().map(|header| Condition {
        kind: header.kind.as_ref(),
        name: &header.name,
        value: &header.value,
    });
    let headers = conditions(Values::Headers, headers, at, findings);
    Some(Match { path: path?, method: None, headers: headers?, query: Vec::new() })
}

fn path(written: &GrpcMethodMatch, at: &Field<'_>, findings: &mut Findings) -> Option<PathMatch> {
    let part = |part: &Option<String>| part.clone().filter(|text| !text.is_empty());
    let (service, method) = (part(&written.service), part(&written.method));
    match written.kind.as_ref().unwrap_or(&ValueMatchType::Exact) {
        ValueMatchType::Exact => exact(service, method, at, findings),
        ValueMatchType::RegularExpression => {
            let part = |part: Option<String>, name, findings: &mut Findings| match part {
                Some(text) => regex(&text, &at.name(name), findings).map(|text| format!("(?:{text})")),
                None => Some("[^/]+".to_owned()),
            };
            let (service, method) = (part(service, "service", findings), part(method, "method", findings));
            // Both together must stay within the limits too.
            regex(&format!("/{}/{}", service?, method?), at, findings).map(PathMatch::Regex)
        }
        ValueMatchType::Other(kind) => {
            unknown_type(kind, ValueMatchType::KNOWN, at, findings);
            None
        }
    }
}

fn exact(
    service: Option<String>,
    method: Option<String>,
    at: &Field<'_>,
    findings: &mut Findings,
) -> Option<PathMatch> {
    if [&service, &method].into_iter().flatten().any(|part| part.contains('/')) {
        let remedy = "write the service as package.Service and the method without a slash";
        findings.reject(Reason::UnsupportedValue, at, "a gRPC service or method contains no '/'", remedy);
        return None;
    }
    Some(match (service, method) {
        (Some(service), Some(method)) => PathMatch::Exact(format!("/{service}/{method}")),
        (Some(service), None) => PathMatch::Prefix(format!("/{service}")),
        (None, Some(method)) => PathMatch::Regex(format!("/[^/]+/{}", ::regex::escape(&method))),
        (None, None) => PathMatch::Prefix("/".to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::translate::testing::{rules, translated, verdict};

    fn route(rule: Value) -> Value {
        json!({"kind": "GRPCRoute", "metadata": {"name": "r", "generation": 5},
            "spec": {"parentRefs": [{"name": "gw"}], "rules": [rule]}})
    }

    fn path(method: Value) -> Value {
        rules(&translated(route(json!({"matches": [{"method": method}]}))))[0]["matches"][0]["path"].clone()
    }

    /// Conformance: GRPCExactMethodMatching.
    #[test]
    fn service_and_method_become_a_path() {
        assert_eq!(path(json!({"service": "pkg.Svc", "method": "Call"})), json!({"exact": "/pkg.Svc/Call"}));
        assert_eq!(path(json!({"service": "pkg.Svc"})), json!({"prefix": "/pkg.Svc"}));
        assert_eq!(path(json!({"method": "Ca.l"})), json!({"regex": "/[^/]+/Ca\\.l"}));
        let regex = json!({"type": "RegularExpression", "service": "a|b", "method": "C.*"});
        assert_eq!(path(regex), json!({"regex": "/(?:a|b)/(?:C.*)"}));
        assert_eq!(path(json!({})), json!({"prefix": "/"}));
    }

    #[test]
    fn a_rule_without_matches_takes_every_call_over_http_2() {
        let translation = translated(route(json!({"backendRefs": [{"name": "web", "port": 80}]})));
        let rule = &rules(&translation)[0];
        assert_eq!(rule["matches"], json!([{"path": {"prefix": "/"}}]));
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
}
