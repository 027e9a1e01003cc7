//! Filters: the member must be that of the type, and most types may stand only once.

use serde_json::Value;

use super::{Violations, backend};
use crate::api::gateway::grpc_route::GrpcRouteFilter;
use crate::api::gateway::http_route::{HttpCors, HttpPathModifier, HttpRouteFilter, HttpRouteFilterType};

/// Types that may stand once in a list.
const ONCE: [&str; 5] = ["CORS", "RequestHeaderModifier", "ResponseHeaderModifier", "RequestRedirect", "URLRewrite"];

/// Checks a list of HTTPRoute filters.
pub(super) fn check_http(filters: &[HttpRouteFilter], field: &str, out: &mut Violations) {
    check_repeats(filters.iter().map(|filter| filter.kind.as_str()), field, out);
    let has = |kind: &HttpRouteFilterType| filters.iter().any(|filter| filter.kind == *kind);
    if has(&HttpRouteFilterType::RequestRedirect) && has(&HttpRouteFilterType::UrlRewrite) {
        out.refuse(field, "has both RequestRedirect and URLRewrite", "a redirect is never forwarded: keep one of them");
    }
    for (index, filter) in filters.iter().enumerate() {
        let field = format!("{field}[{index}]");
        check_members(filter.kind.as_str(), &http_members(filter), &field, out);
        if let Some(mirror) = &filter.request_mirror {
            backend::check_mirror(mirror, &format!("{field}.requestMirror"), out);
        }
        if let Some(path) = filter.request_redirect.as_ref().and_then(|redirect| redirect.path.as_ref()) {
            check_path_modifier(path, &format!("{field}.requestRedirect.path"), out);
        }
        if let Some(path) = filter.url_rewrite.as_ref().and_then(|rewrite| rewrite.path.as_ref()) {
            check_path_modifier(path, &format!("{field}.urlRewrite.path"), out);
        }
        if let Some(cors) = &filter.cors {
            check_cors(cors, &format!("{field}.cors"), out);
        }
        if let Some(auth) = &filter.external_auth {
            check_external_auth(auth, &format!("{field}.externalAuth"), out);
        }
    }
}

/// Checks a list of GRPCRoute filters.
pub(super) fn check_grpc(filters: &[GrpcRouteFilter], field: &str, out: &mut Violations) {
    check_repeats(filters.iter().map(|filter| filter.kind.as_str()), field, out);
    for (index, filter) in filters.iter().enumerate() {
        let field = format!("{field}[{index}]");
        let members = [
            ("RequestHeaderModifier", "requestHeaderModifier", filter.request_header_modifier.is_some()),
            ("ResponseHeaderModifier", "responseHeaderModifier", filter.response_header_modifier.is_some()),
            ("RequestMirror", "requestMirror", filter.request_mirror.is_some()),
            ("ExtensionRef", "extensionRef", filter.extension_ref.is_some()),
        ];
        check_members(filter.kind.as_str(), &members, &field, out);
        if let Some(mirror) = &filter.request_mirror {
            backend::check_mirror(mirror, &format!("{field}.requestMirror"), out);
        }
    }
}

/// Whether a filter replaces the matched prefix, which needs a prefix that matched.
pub(super) fn replaces_prefix(filter: &HttpRouteFilter) -> bool {
    let redirect = filter.request_redirect.as_ref().and_then(|redirect| redirect.path.as_ref());
    let rewrite = filter.url_rewrite.as_ref().and_then(|rewrite| rewrite.path.as_ref());
    redirect.into_iter().chain(rewrite).any(|path| path.replace_prefix_match.is_some())
}

fn http_members(filter: &HttpRouteFilter) -> [(&'static str, &'static str, bool); 8] {
    [
        ("RequestHeaderModifier", "requestHeaderModifier", filter.request_header_modifier.is_some()),
        ("ResponseHeaderModifier", "responseHeaderModifier", filter.response_header_modifier.is_some()),
        ("RequestMirror", "requestMirror", filter.request_mirror.is_some()),
        ("RequestRedirect", "requestRedirect", filter.request_redirect.is_some()),
        ("URLRewrite", "urlRewrite", filter.url_rewrite.is_some()),
        ("CORS", "cors", filter.cors.is_some()),
        ("ExternalAuth", "externalAuth", filter.external_auth.is_some()),
        ("ExtensionRef", "extensionRef", filter.extension_ref.is_some()),
    ]
}

/// Members of a union: (type, field, whether the field is there).
pub(super) fn check_members(kind: &str, members: &[(&str, &str, bool)], field: &str, out: &mut Violations) {
    for (of, member, there) in members {
        if *of == kind && !there {
            out.refuse(format!("{field}.{member}"), format!("is required for type {kind}"), format!("add '{member}'"));
        } else if *of != kind && *there {
            let remedy = format!("remove '{member}', or set the type to {of}");
            out.refuse(format!("{field}.{member}"), format!("does not belong to type {kind}"), remedy);
        }
    }
}

fn check_repeats<'a>(kinds: impl Iterator<Item = &'a str>, field: &str, out: &mut Violations) {
    let mut seen = Vec::new();
    for (index, kind) in kinds.enumerate() {
        if ONCE.contains(&kind) && seen.contains(&kind) {
            out.refuse(
                format!("{field}[{index}]"),
                format!("{kind} may stand only once in a list"),
                "join the two filters",
            );
        }
        seen.push(kind);
    }
}

fn check_path_modifier(path: &HttpPathModifier, field: &str, out: &mut Violations) {
    let members = [
        ("ReplaceFullPath", "replaceFullPath", path.replace_full_path.is_some()),
        ("ReplacePrefixMatch", "replacePrefixMatch", path.replace_prefix_match.is_some()),
    ];
    check_members(path.kind.as_str(), &members, field, out);
}

fn check_cors(cors: &HttpCors, field: &str, out: &mut Violations) {
    let lists = [
        ("allowOrigins", &cors.allow_origins),
        ("allowMethods", &cors.allow_methods),
        ("allowHeaders", &cors.allow_headers),
    ];
    for (name, list) in lists {
        if list.len() > 1 && list.iter().any(|item| item == "*") {
            out.refuse(format!("{field}.{name}"), "has '*' beside other values", "keep '*' alone, or list the values");
        }
    }
}

/// `externalAuth`, of a route or a listener filter.
pub(super) fn check_external_auth(auth: &Value, field: &str, out: &mut Violations) {
    let protocol = auth.get("protocol").and_then(Value::as_str).unwrap_or_default();
    let members = [("GRPC", "grpc", auth.get("grpc").is_some()), ("HTTP", "http", auth.get("http").is_some())];
    check_members(protocol, &members, field, out);
    if let Some(target) = auth.get("backendRef").and_then(|target| serde_json::from_value(target.clone()).ok()) {
        backend::check_target(&target, &format!("{field}.backendRef"), out);
    }
}
