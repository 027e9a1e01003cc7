//! Filters, whatever kind of route they stand in.

mod cors;
mod header;
mod url;

use super::backend;
use super::field::Field;
use super::reason::Reason;
use super::route::Scope;
use crate::api::gateway::grpc_route::{GrpcRouteFilter, GrpcRouteFilterType};
use crate::api::gateway::http_route::{
    HttpCors, HttpRequestRedirect, HttpRouteFilter, HttpRouteFilterType, HttpUrlRewrite,
};
use crate::api::gateway::shared::{HeaderModifier, RequestMirror};
use crate::ir::{Filters, Match, Mirror};

/// A filter as some kind writes it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum FilterSpec<'a> {
    RequestHeaders(&'a HeaderModifier),
    ResponseHeaders(&'a HeaderModifier),
    Mirror(&'a RequestMirror),
    Redirect(&'a HttpRequestRedirect),
    Rewrite(&'a HttpUrlRewrite),
    Cors(&'a HttpCors),
    /// The member that `type` names is absent.
    Incomplete(&'a str),
    /// We do not know it, or cannot do it.
    Unsupported(&'a str),
}

impl<'a> From<&'a HttpRouteFilter> for FilterSpec<'a> {
    fn from(written: &'a HttpRouteFilter) -> Self {
        use HttpRouteFilterType as Type;
        let known = match &written.kind {
            Type::RequestHeaderModifier => written.request_header_modifier.as_deref().map(Self::RequestHeaders),
            Type::ResponseHeaderModifier => written.response_header_modifier.as_deref().map(Self::ResponseHeaders),
            Type::RequestMirror => written.request_mirror.as_deref().map(Self::Mirror),
            Type::RequestRedirect => written.request_redirect.as_deref().map(Self::Redirect),
            Type::UrlRewrite => written.url_rewrite.as_deref().map(Self::Rewrite),
            Type::Cors => written.cors.as_deref().map(Self::Cors),
            Type::ExternalAuth | Type::ExtensionRef | Type::Other(_) => Some(Self::Unsupported(written.kind.as_str())),
        };
        known.unwrap_or(Self::Incomplete(written.kind.as_str()))
    }
}

impl<'a> From<&'a GrpcRouteFilter> for FilterSpec<'a> {
    fn from(written: &'a GrpcRouteFilter) -> Self {
        use GrpcRouteFilterType as Type;
        let known = match &written.kind {
            Type::RequestHeaderModifier => written.request_header_modifier.as_deref().map(Self::RequestHeaders),
            Type::ResponseHeaderModifier => written.response_header_modifier.as_deref().map(Self::ResponseHeaders),
            Type::RequestMirror => written.request_mirror.as_deref().map(Self::Mirror),
            Type::ExtensionRef | Type::Other(_) => Some(Self::Unsupported(written.kind.as_str())),
        };
        known.unwrap_or(Self::Incomplete(written.kind.as_str()))
    }
}

/// Where filters stand, with the matches of the rule they belong to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Position<'a> {
    /// On a rule.
    Rule(&'a [Match]),
    /// On one of a rule's backends.
    Backend(&'a [Match]),
}

/// Lowers filters in their order. What cannot be honoured is found against `Accepted`: a filter
/// must never be skipped silently.
pub(crate) fn lower<'a>(
    scope: &mut Scope<'_>,
    position: Position<'_>,
    written: impl Iterator<Item = FilterSpec<'a>>,
    at: &Field<'_>,
) -> Filters {
    let mut filters = Filters::default();
    for (index, filter) in written.enumerate() {
        add(scope, position, (&mut filters, filter), &at.item("filters", index));
    }
    if filters.redirect.is_some() && filters.rewrite.is_some() {
        let message = "URLRewrite and RequestRedirect cannot stand together: a redirect reaches no backend";
        let remedy = "keep one of them, or put them into different rules";
        scope.findings.reject(Reason::IncompatibleFilters, &at.name("filters"), message, remedy);
    }
    filters
}

fn add(
    scope: &mut Scope<'_>,
    position: Position<'_>,
    (filters, written): (&mut Filters, FilterSpec<'_>),
    at: &Field<'_>,
) {
    let findings = &mut scope.findings;
    match (written, position) {
        (FilterSpec::RequestHeaders(edit), _) => {
            let at = at.name("requestHeaderModifier");
            header::merge(filters.request_headers.get_or_insert_default(), edit, &at, findings);
        }
        (FilterSpec::ResponseHeaders(edit), _) => {
            let at = at.name("responseHeaderModifier");
            header::merge(filters.response_headers.get_or_insert_default(), edit, &at, findings);
        }
        (FilterSpec::Mirror(mirror), _) => filters.mirrors.push(lower_mirror(scope, mirror, &at.name("requestMirror"))),
        (FilterSpec::Redirect(redirect), Position::Rule(matches)) => {
            let lowered = url::redirect(redirect, matches, &at.name("requestRedirect"), findings);
            once(scope, &mut filters.redirect, lowered, at);
        }
        (FilterSpec::Rewrite(rewrite), Position::Rule(matches) | Position::Backend(matches)) => {
            let lowered = url::rewrite(rewrite, matches, &at.name("urlRewrite"), findings);
            once(scope, &mut filters.rewrite, lowered, at);
        }
        (FilterSpec::Cors(written), Position::Rule(_)) => {
            let lowered = cors::lower(written, &at.name("cors"), findings);
            once(scope, &mut filters.cors, Some(lowered), at);
        }
        (FilterSpec::Redirect(_) | FilterSpec::Cors(_), Position::Backend(_)) => {
            let message = "this filter is possible on rules only";
            findings.reject(Reason::UnsupportedValue, &at.name("type"), message, "move it to the rule's filters");
        }
        (FilterSpec::Incomplete(kind), _) => {
            let message = format!("type '{kind}' is said, but its member is missing");
            findings.reject(Reason::UnsupportedValue, at, message, "write the member that type names");
        }
        (FilterSpec::Unsupported(kind), _) => {
            let message = format!("filters of type '{kind}' are not supported, and must not be skipped");
            findings.reject(Reason::UnsupportedValue, &at.name("type"), message, "remove the filter");
        }
    }
}

/// Filters that may stand only once in a list.
fn once<T>(scope: &mut Scope<'_>, slot: &mut Option<Box<T>>, lowered: Option<T>, at: &Field<'_>) {
    if slot.is_some() {
        let message = "a filter of this type may stand only once in a list";
        scope.findings.reject(Reason::UnsupportedValue, &at.name("type"), message, "keep one of them");
    } else {
        *slot = lowered.map(Box::new);
    }
}

fn lower_mirror(scope: &mut Scope<'_>, written: &RequestMirror, at: &Field<'_>) -> Mirror {
    let target = backend::target(scope, &written.backend_ref, &at.name("backendRef"));
    let (numerator, denominator) = match (&written.fraction, written.percent) {
        (Some(fraction), _) => (fraction.numerator, fraction.denominator.unwrap_or(100)),
        (None, percent) => (percent.unwrap_or(100), 100),
    };
    let part = (u32::try_from(numerator).ok(), u32::try_from(denominator).ok().filter(|it| *it > 0));
    let (Some(numerator), Some(denominator)) = part else {
        let message = format!("{numerator}/{denominator} is not a fraction");
        scope.findings.reject(Reason::UnsupportedValue, at, message, "write a percent from 0 to 100, or a fraction");
        return Mirror { target, numerator: 0, denominator: 1 };
    };
    if numerator > denominator {
        let message = format!("{numerator}/{denominator} is more than everything; every request is mirrored");
        scope.findings.notice(Reason::UnsupportedValue, at, message, "write at most 100 percent");
    }
    Mirror { target, numerator: numerator.min(denominator), denominator }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::translate::testing::{route, rules, translated, verdict};

    fn translated_filters(filters: Value) -> crate::translate::Translation {
        translated(route("r", json!({"rules": [{"filters": filters, "backendRefs": [{"name": "web", "port": 80}]}]})))
    }

    fn lowered(filters: Value) -> Value {
        let translation = translated_filters(filters);
        assert_eq!(verdict(&translation, "Accepted").0, "True", "{:?}", translation.problems);
        rules(&translation)[0].clone()
    }

    #[test]
    fn a_redirect_leaves_no_backend() {
        let rule = lowered(json!([{"type": "RequestRedirect", "requestRedirect": {
            "scheme": "https", "hostname": "example.org", "port": 8443, "statusCode": 308,
            "path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": ""}}}]));
        assert_eq!(
            rule["filters"]["redirect"],
            json!({"scheme": "https", "hostname": "example.org", "port": 8443,
            "path": {"replacePrefix": ""}, "status": 308})
        );
        assert_eq!(rule["backends"], Value::Null);
        let rule = lowered(json!([{"type": "RequestRedirect", "requestRedirect": {}}]));
        assert_eq!(rule["filters"]["redirect"], json!({"status": 302}));
    }

    #[test]
    fn rewrites_mirrors_and_cors_are_lowered() {
        let rule = lowered(json!([
            {"type": "URLRewrite", "urlRewrite": {"hostname": "one.example.org",
                "path": {"type": "ReplaceFullPath", "replaceFullPath": "/one"}}},
            {"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "api", "port": 80}}},
            {"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "api", "port": 80}, "percent": 20}},
            {"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "api", "port": 80},
                "fraction": {"numerator": 1, "denominator": 1000}}},
            {"type": "CORS", "cors": {"allowOrigins": ["https://*.example.com"], "allowMethods": ["GET"],
                "allowHeaders": ["X-A"], "exposeHeaders": ["*"], "allowCredentials": true, "maxAge": 60}},
        ]));
        let mirror = |numerator: u32, denominator: u32| json!({"target": {"backend": "default/api:80"}, "numerator": numerator, "denominator": denominator});
        assert_eq!(
            rule["filters"],
            json!({
                "rewrite": {"hostname": "one.example.org", "path": {"replaceFull": "/one"}},
                "mirrors": [mirror(100, 100), mirror(20, 100), mirror(1, 1000)],
                "cors": {"allowOrigins": ["https://*.example.com"], "allowMethods": ["GET"], "allowHeaders": ["x-a"],
                    "exposeHeaders": ["*"], "allowCredentials": true, "maxAge": 60},
            })
        );
    }

    #[test]
    fn a_mirror_that_leads_nowhere_leaves_the_request_served() {
        let translation = translated_filters(json!([
            {"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "missing", "port": 80}}}]));
        assert_eq!(verdict(&translation, "Accepted").0, "True");
        assert_eq!(verdict(&translation, "ResolvedRefs"), ("False".to_owned(), "BackendNotFound".to_owned()));
        let rule = &rules(&translation)[0];
        assert_eq!(rule["filters"]["mirrors"][0]["target"], json!({"invalid": "BackendNotFound"}));
        assert_eq!(rule["backends"][0]["target"], json!({"backend": "default/web:80"}));
    }

    #[test]
    fn a_rewrite_and_a_redirect_are_incompatible() {
        let translation = translated_filters(json!([
            {"type": "URLRewrite", "urlRewrite": {"hostname": "a.example.org"}},
            {"type": "RequestRedirect", "requestRedirect": {"scheme": "https"}}]));
        assert_eq!(verdict(&translation, "Accepted"), ("False".to_owned(), "IncompatibleFilters".to_owned()));
    }

    #[test]
    fn a_filter_that_cannot_be_honoured_is_never_skipped() {
        let prefix = json!({"type": "ReplacePrefixMatch", "replacePrefixMatch": "/x"});
        for filter in [
            json!({"type": "ExtensionRef", "extensionRef": {"group": "x", "kind": "Y", "name": "z"}}),
            json!({"type": "ExternalAuth", "externalAuth": {}}),
            json!({"type": "FutureFilter"}),
            json!({"type": "URLRewrite"}),
            json!({"type": "RequestRedirect", "requestRedirect": {"statusCode": 200}}),
            json!({"type": "RequestRedirect", "requestRedirect": {"scheme": "ftp"}}),
            json!({"type": "RequestRedirect", "requestRedirect": {"hostname": "*.example.com"}}),
            json!({"type": "RequestRedirect", "requestRedirect": {"port": 0}}),
            json!({"type": "URLRewrite", "urlRewrite": {"path": {"type": "ReplaceRegex"}}}),
            json!({"type": "URLRewrite", "urlRewrite": {"path": {"type": "ReplaceFullPath", "replaceFullPath": "/a b"}}}),
            json!({"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "web", "port": 80},
                "fraction": {"numerator": 1, "denominator": 0}}}),
        ] {
            let translation = translated_filters(json!([filter]));
            assert_eq!(
                verdict(&translation, "Accepted"),
                ("False".to_owned(), "UnsupportedValue".to_owned()),
                "{filter}"
            );
            assert_eq!(rules(&translation)[0]["backends"], Value::Null, "requests get an error");
        }
        let exact = route(
            "r",
            json!({"rules": [{"matches": [{"path": {"type": "Exact", "value": "/a"}}],
            "filters": [{"type": "URLRewrite", "urlRewrite": {"path": prefix}}]}]}),
        );
        assert_eq!(verdict(&translated(exact), "Accepted").1, "UnsupportedValue", "there is no prefix to replace");
    }
}
