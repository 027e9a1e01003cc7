use serde_json::{Value, json};

use super::*;
use crate::api::Kind;
use crate::source::admit::admit;

/// What is said about an object with this spec: `field: message`, errors only.
fn refused(kind: Kind, spec: Value) -> Vec<String> {
    let object = json!({"metadata": {"name": "a"}, "spec": spec});
    let violations = admit(kind, "gateway.networking.k8s.io/v1", object).violations.0;
    violations.iter().filter(|v| v.level == Level::Error).map(|v| format!("{}: {}", v.field, v.message)).collect()
}

fn http(rule: Value) -> Vec<String> {
    refused(Kind::HttpRoute, json!({"rules": [rule]}))
}

fn gateway(listeners: Value) -> Vec<String> {
    refused(Kind::Gateway, json!({"gatewayClassName": "c", "listeners": listeners}))
}

#[track_caller]
fn says(found: &[String], field: &str, message: &str) {
    let one = found.iter().any(|text| text.starts_with(&format!("{field}: ")) && text.contains(message));
    assert!(one, "'{field}: …{message}' is not in {found:?}");
}

const FINE: [String; 0] = [];

#[test]
fn required_fields_and_types_are_asked_for() {
    says(&refused(Kind::Gateway, json!({})), "spec.gatewayClassName", "required");
    says(&refused(Kind::Gateway, json!({"gatewayClassName": "c", "listeners": []})), "spec.listeners", "empty");
    says(&refused(Kind::GatewayClass, json!({"controllerName": "nobody"})), "spec.controllerName", "not valid");
    says(&http(json!({"backendRefs": [{"port": 80}]})), "spec.rules[0].backendRefs[0].name", "required");
    says(&http(json!({"backendRefs": {"name": "a"}})), "spec.rules[0].backendRefs", "an object stands where a list");
    says(
        &refused(Kind::TlsRoute, json!({"rules": [{"backendRefs": [{"name": "a", "port": 1}]}]})),
        "spec.hostnames",
        "required",
    );
    says(&refused(Kind::TcpRoute, json!({"rules": [{}, {}]})), "spec.rules", "at most 1");
    says(
        &refused(Kind::ReferenceGrant, json!({"from": [], "to": [{"group": "", "kind": "Service"}]})),
        "spec.from",
        "empty",
    );
    let object = admit(Kind::HttpRoute, "v1", json!({"metadata": {"name": "Shop"}}));
    assert!(object.violations.0.iter().any(|v| v.field == "metadata.name"), "names are lower case");
    assert!(object.violations.0.iter().any(|v| v.field == "spec"), "spec is required");
}

#[test]
fn a_tenant_is_told_what_has_no_effect_yet() {
    let said = |spec: Value| {
        let object = json!({"metadata": {"name": "a"}, "spec": spec});
        let violations = admit(Kind::Tenant, "paifang.dev/v1alpha1", object).violations.0;
        violations.into_iter().map(|violation| (violation.level, violation.field)).collect::<Vec<_>>()
    };
    let namespaces = json!({"matchLabels": {"team": "a"}});
    assert_eq!(said(json!({"namespaces": namespaces, "claims": [{"hostnames": ["a.example.com"]}]})), []);
    let all = json!({"namespaces": namespaces, "quotas": {"routes": 1}, "limits": {"concurrency": 1}, "share": {"weight": 2}});
    assert_eq!(said(all), [(Level::Warning, "spec.quotas".to_owned())]);
}

#[test]
fn unknown_values_of_enumerations_are_left_to_the_translator() {
    assert_eq!(http(json!({"matches": [{"path": {"type": "Glob", "value": "/*"}, "method": "BREW"}]})), FINE);
    assert_eq!(http(json!({"filters": [{"type": "FromTheFuture"}]})), FINE);
    assert_eq!(gateway(json!([{"name": "a", "port": 80, "protocol": "example.com/QUIC"}])), FINE);
}

#[test]
fn unknown_fields_are_reported_with_the_nearest_known_one() {
    let object = json!({"metadata": {"name": "a"}, "spec": {"rules": [{"backendRef": [], "colour": 1}]}});
    let violations = admit(Kind::HttpRoute, "v1", object).violations;
    assert!(violations.refused(), "'matchs' instead of 'matches' would match everything");
    let said: Vec<_> = violations.0.iter().map(|v| format!("{} {}", v.field, v.remedy)).collect();
    assert_eq!(said, ["spec.rules[0].backendRef did you mean 'backendRefs'?", "spec.rules[0].colour remove it"]);
}

#[test]
fn what_a_cluster_adds_is_no_unknown_field() {
    let metadata = json!({"name": "a", "managedFields": [{}], "ownerReferences": [], "finalizers": ["x"]});
    let object = json!({"metadata": metadata, "spec": {"rules": [{}]}, "status": {"parents": [{"own": 1}]}});
    assert_eq!(admit(Kind::HttpRoute, "v1", object).violations.0, []);
    let object = json!({"metadata": {"name": "a"}, "spec": {"ports": [{"port": 80}], "clusterIP": "None", "own": 1}});
    assert_eq!(admit(Kind::Service, "v1", object).violations.0, [], "core kinds are pasted whole");
}

#[test]
fn names_of_listeners_and_their_places_are_unique() {
    let two = |a: Value, b: Value| gateway(json!([a, b]));
    let listener = |name: &str, port: u16, host: Option<&str>| match host {
        Some(host) => json!({"name": name, "port": port, "protocol": "HTTP", "hostname": host}),
        None => json!({"name": name, "port": port, "protocol": "HTTP"}),
    };
    says(&two(listener("a", 80, None), listener("a", 81, None)), "spec.listeners[1]", "stands in this list before");
    says(
        &two(listener("a", 80, None), listener("b", 80, None)),
        "spec.listeners[1]",
        "same port, protocol and hostname",
    );
    assert_eq!(two(listener("a", 80, None), listener("b", 80, Some("x.y"))), FINE);
}

#[test]
fn tls_is_there_exactly_when_the_protocol_needs_it() {
    let one = |listener: Value| gateway(json!([listener]));
    let tls = json!({"certificateRefs": [{"name": "c"}]});
    says(
        &one(json!({"name": "a", "port": 80, "protocol": "HTTP", "tls": tls})),
        "spec.listeners[0].tls",
        "does not belong",
    );
    says(&one(json!({"name": "a", "port": 80, "protocol": "TLS"})), "spec.listeners[0].tls", "required");
    says(
        &one(json!({"name": "a", "port": 443, "protocol": "HTTPS", "tls": {}})),
        "spec.listeners[0].tls.certificateRefs",
        "required",
    );
    says(
        &one(json!({"name": "a", "port": 443, "protocol": "HTTPS", "tls": {"mode": "Passthrough"}})),
        "spec.listeners[0].tls.mode",
        "passed through",
    );
    says(
        &one(json!({"name": "a", "port": 1, "protocol": "TCP", "hostname": "a.b"})),
        "spec.listeners[0].hostname",
        "does not belong",
    );
    says(&one(json!({"name": "a", "port": 0, "protocol": "HTTP"})), "spec.listeners[0].port", "out of range");
    says(&one(json!({"name": "a", "port": 65536, "protocol": "HTTP"})), "spec.listeners[0].port", "out of range");
    says(
        &one(json!({"name": "a", "port": 80, "protocol": "HTTP", "hostname": "*"})),
        "spec.listeners[0].hostname",
        "not valid",
    );
    assert_eq!(one(json!({"name": "a", "port": 443, "protocol": "HTTPS", "tls": tls})), FINE);
    assert_eq!(one(json!({"name": "a", "port": 443, "protocol": "TLS", "tls": {"mode": "Passthrough"}})), FINE);
}

#[test]
fn parents_are_told_apart() {
    let parents = |refs: Value| refused(Kind::HttpRoute, json!({ "parentRefs": refs }));
    says(&parents(json!([{"name": "g"}, {"name": "g"}])), "spec.parentRefs[1]", "same parent");
    says(&parents(json!([{"name": "g"}, {"name": "g", "sectionName": "a"}])), "spec.parentRefs[1]", "different choice");
    assert_eq!(parents(json!([{"name": "g", "port": 80}, {"name": "g", "port": 81}])), FINE);
    assert_eq!(parents(json!([{"name": "g"}, {"name": "g", "namespace": "b"}])), FINE);
}

#[test]
fn paths_are_clean() {
    let path = |kind: &str, value: &str| http(json!({"matches": [{"path": {"type": kind, "value": value}}]}));
    for value in
        ["", "a", "/a//b", "/a/./b", "/a/../b", "/a%2fb", "/a%2Fb", "/a#b", "/a/.", "/a/..", "/a b", "/a%zz", "/ä"]
    {
        says(&path("Exact", value), "spec.rules[0].matches[0].path.value", "'");
        assert_eq!(path("RegularExpression", value), FINE, "a pattern is no path");
    }
    for value in ["/", "/a/b.c", "/a%20b", "/a:b@c", "/..a"] {
        assert_eq!(path("PathPrefix", value), FINE, "{value}");
    }
}

#[test]
fn the_member_of_a_filter_is_that_of_its_type() {
    let filters = |filters: Value| http(json!({ "filters": filters }));
    says(&filters(json!([{"type": "CORS"}])), "spec.rules[0].filters[0].cors", "required");
    says(
        &filters(json!([{"type": "CORS", "cors": {}, "urlRewrite": {}}])),
        "spec.rules[0].filters[0].urlRewrite",
        "does not belong",
    );
    let path = json!({"type": "ReplaceFullPath", "replacePrefixMatch": "/"});
    let found = filters(json!([{"type": "URLRewrite", "urlRewrite": {"path": path}}]));
    says(&found, "spec.rules[0].filters[0].urlRewrite.path.replaceFullPath", "required");
    says(&found, "spec.rules[0].filters[0].urlRewrite.path.replacePrefixMatch", "does not belong");
    let grpc = refused(Kind::GrpcRoute, json!({"rules": [{"filters": [{"type": "RequestMirror"}]}]}));
    says(&grpc, "spec.rules[0].filters[0].requestMirror", "required");
}

#[test]
fn filters_that_exclude_each_other_do() {
    let redirect = json!({"type": "RequestRedirect", "requestRedirect": {"scheme": "https"}});
    let rewrite = json!({"type": "URLRewrite", "urlRewrite": {"hostname": "a.b"}});
    let mirror = json!({"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "m", "port": 80}}});
    let backend = json!([{"name": "s", "port": 80}]);
    says(
        &http(json!({"filters": [redirect, rewrite]})),
        "spec.rules[0].filters",
        "both RequestRedirect and URLRewrite",
    );
    says(&http(json!({"filters": [redirect], "backendRefs": backend})), "spec.rules[0].backendRefs", "redirects");
    says(&http(json!({"filters": [rewrite, rewrite]})), "spec.rules[0].filters[1]", "only once");
    assert_eq!(http(json!({"filters": [mirror, mirror], "backendRefs": backend})), FINE);
}

#[test]
fn a_prefix_is_replaced_only_where_one_matched() {
    let path = json!({"type": "ReplacePrefixMatch", "replacePrefixMatch": "/x"});
    let filters = json!([{"type": "URLRewrite", "urlRewrite": {"path": path}}]);
    let rule = |matches: Value| http(json!({"matches": matches, "filters": filters}));
    let prefix = json!({"path": {"type": "PathPrefix", "value": "/a"}});
    assert_eq!(rule(json!([prefix])), FINE);
    says(&rule(json!([prefix, prefix])), "spec.rules[0].filters", "one prefix");
    says(&rule(json!([{"path": {"type": "Exact", "value": "/a"}}])), "spec.rules[0].filters", "one prefix");
    let backend = json!([{"name": "s", "port": 1, "filters": filters}]);
    says(
        &http(json!({"matches": [prefix, prefix], "backendRefs": backend})),
        "spec.rules[0].backendRefs[0].filters",
        "one prefix",
    );
}

#[test]
fn backends_have_ports_and_sane_weights() {
    let backend = |backend: Value| http(json!({"backendRefs": [backend]}));
    says(&backend(json!({"name": "s"})), "spec.rules[0].backendRefs[0].port", "required for a Service");
    says(
        &backend(json!({"name": "s", "port": 1, "weight": -1})),
        "spec.rules[0].backendRefs[0].weight",
        "out of range",
    );
    says(
        &backend(json!({"name": "s", "port": 1, "weight": 1_000_001})),
        "spec.rules[0].backendRefs[0].weight",
        "out of range",
    );
    let group = "gateway.networking.x-k8s.io";
    says(
        &backend(json!({"group": group, "kind": "XBackend", "name": "s", "port": 1})),
        "spec.rules[0].backendRefs[0].port",
        "its own port",
    );
    assert_eq!(backend(json!({"group": "example.com", "kind": "Bucket", "name": "s"})), FINE);
    let l4 = refused(Kind::UdpRoute, json!({"rules": [{"backendRefs": [{"name": "s"}]}]}));
    says(&l4, "spec.rules[0].backendRefs[0].port", "required");
}

#[test]
fn shares_of_mirrors_are_shares() {
    let mirror = |mut share: Value| {
        share["backendRef"] = json!({"name": "m", "port": 80});
        http(json!({"filters": [{"type": "RequestMirror", "requestMirror": share}]}))
    };
    let field = "spec.rules[0].filters[0].requestMirror";
    says(&mirror(json!({"percent": 101})), &format!("{field}.percent"), "out of range");
    says(&mirror(json!({"fraction": {"numerator": 101}})), &format!("{field}.fraction"), "greater");
    says(&mirror(json!({"percent": 1, "fraction": {"numerator": 1}})), field, "both");
    assert_eq!(mirror(json!({"fraction": {"numerator": 3, "denominator": 4}})), FINE);
}

#[test]
fn timeouts_and_retries_are_in_range() {
    let timeouts =
        |request: &str, backend: &str| http(json!({"timeouts": {"request": request, "backendRequest": backend}}));
    says(&timeouts("1s", "2s"), "spec.rules[0].timeouts.backendRequest", "longer");
    says(&timeouts("1.5s", "1s"), "spec.rules[0].timeouts.request", "not valid");
    assert_eq!(timeouts("0s", "2s"), FINE, "0s is no limit");
    says(&http(json!({"retry": {"codes": [399]}})), "spec.rules[0].retry.codes[0]", "out of range");
    says(&http(json!({"retry": {"codes": [500, 500]}})), "spec.rules[0].retry.codes[1]", "before");
    assert_eq!(http(json!({"retry": {"codes": [400, 599], "attempts": 0, "backoff": "100ms"}})), FINE);
}

#[test]
fn headers_queries_and_rule_names_are_unique() {
    let header = json!({"name": "x", "value": "1"});
    says(&http(json!({"matches": [{"headers": [header, header]}]})), "spec.rules[0].matches[0].headers[1]", "before");
    says(
        &http(json!({"matches": [{"queryParams": [header, header]}]})),
        "spec.rules[0].matches[0].queryParams[1]",
        "before",
    );
    says(
        &http(json!({"matches": [{"headers": [{"name": "a b", "value": "1"}]}]})),
        "spec.rules[0].matches[0].headers[0].name",
        "not valid",
    );
    let rules = json!({"rules": [{"name": "a"}, {}, {"name": "a"}]});
    says(&refused(Kind::HttpRoute, rules.clone()), "spec.rules[2].name", "before it");
    says(&refused(Kind::GrpcRoute, rules), "spec.rules[2].name", "before it");
    let many: Vec<_> = (0..3).map(|_| json!({"matches": vec![json!({}); 64]})).collect();
    says(&refused(Kind::HttpRoute, json!({ "rules": many })), "spec.rules", "192 matches");
}

#[test]
fn cors_lists_hold_a_star_or_values() {
    let cors = |cors: Value| http(json!({"filters": [{"type": "CORS", "cors": cors}]}));
    let field = "spec.rules[0].filters[0].cors";
    says(&cors(json!({"allowOrigins": ["*", "https://a.b"]})), &format!("{field}.allowOrigins"), "beside");
    says(&cors(json!({"allowMethods": ["*", "GET"]})), &format!("{field}.allowMethods"), "beside");
    says(&cors(json!({"allowOrigins": ["a.b"]})), &format!("{field}.allowOrigins[0]"), "not valid");
    says(&cors(json!({"maxAge": 0})), &format!("{field}.maxAge"), "out of range");
    assert_eq!(cors(json!({"allowOrigins": ["https://*.a.b"], "allowCredentials": true})), FINE);
}

#[test]
fn grpc_methods_are_names() {
    let method = |method: Value| refused(Kind::GrpcRoute, json!({"rules": [{"matches": [{"method": method}]}]}));
    let field = "spec.rules[0].matches[0].method";
    says(&method(json!({})), field, "neither");
    says(&method(json!({"service": "a/b"})), &format!("{field}.service"), "no gRPC service");
    says(&method(json!({"method": "1"})), &format!("{field}.method"), "no gRPC method");
    assert_eq!(method(json!({"service": "shop.v1.Cart", "method": "Add"})), FINE);
    assert_eq!(method(json!({"type": "RegularExpression", "service": "a.*/"})), FINE);
}

#[test]
fn session_persistence_and_external_auth_are_unions() {
    let session = |session: Value| http(json!({ "sessionPersistence": session }));
    says(&session(json!({})), "spec.rules[0].sessionPersistence.cookie", "required");
    says(
        &session(json!({"cookie": {"lifetimeType": "Permanent"}})),
        "spec.rules[0].sessionPersistence.absoluteTimeout",
        "required",
    );
    assert_eq!(session(json!({"type": "Header", "header": {"name": "x"}})), FINE);
    let auth =
        json!({"type": "ExternalAuth", "externalAuth": {"protocol": "GRPC", "http": {}, "backendRef": {"name": "a"}}});
    let found = http(json!({ "filters": [auth] }));
    says(&found, "spec.rules[0].filters[0].externalAuth.grpc", "required");
    says(&found, "spec.rules[0].filters[0].externalAuth.http", "does not belong");
    says(&found, "spec.rules[0].filters[0].externalAuth.backendRef.port", "required");
}

#[test]
fn a_policy_trusts_one_source_and_names_each_target_once() {
    let policy = |targets: Value, validation: Value| {
        refused(Kind::BackendTlsPolicy, json!({"targetRefs": targets, "validation": validation}))
    };
    let target = json!({"group": "", "kind": "Service", "name": "s"});
    let system = json!({"hostname": "a.b", "wellKnownCACertificates": "System"});
    assert_eq!(policy(json!([target]), system.clone()), FINE);
    says(&policy(json!([target, target]), system), "spec.targetRefs[1]", "same target");
    says(&policy(json!([target]), json!({"hostname": "a.b"})), "spec.validation", "exactly one");
    let names = json!({"hostname": "a.b", "wellKnownCACertificates": "System", "subjectAltNames": [{"type": "URI"}]});
    says(&policy(json!([target]), names), "spec.validation.subjectAltNames[0].uri", "required");
}

#[test]
fn services_and_slices_are_those_of_kubernetes() {
    let service = |spec: Value| refused(Kind::Service, spec);
    assert!(!service(json!({"ports": [{"port": 0}]})).is_empty());
    let core = |spec: Value| {
        let object = json!({"metadata": {"name": "a"}, "spec": spec});
        let violations = admit(Kind::Service, "v1", object).violations.0;
        violations.iter().map(|v| format!("{}: {}", v.field, v.message)).collect::<Vec<_>>()
    };
    says(&core(json!({})), "spec.ports", "required");
    says(&core(json!({"ports": [{"port": 1}, {"port": 2}]})), "spec.ports[0].name", "several");
    assert_eq!(core(json!({"clusterIP": "None"})), FINE);
    let slice = |kind: &str, address: &str| {
        let object = json!({"metadata": {"name": "a"}, "addressType": kind, "endpoints": [{"addresses": [address]}]});
        admit(Kind::EndpointSlice, "discovery.k8s.io/v1", object).violations.0.len()
    };
    assert_eq!((slice("IPv4", "127.0.0.1"), slice("IPv4", "::1"), slice("IPv6", "::1")), (0, 1, 0));
}

#[test]
fn addresses_of_a_gateway_are_unique() {
    let addresses = |addresses: Value| {
        let listeners = json!([{"name": "a", "port": 80, "protocol": "HTTP"}]);
        refused(Kind::Gateway, json!({"gatewayClassName": "c", "listeners": listeners, "addresses": addresses}))
    };
    says(&addresses(json!([{"value": "10.0.0.1"}, {"value": "10.0.0.1"}])), "spec.addresses[1]", "twice");
    says(&addresses(json!([{"type": "Hostname", "value": "A_b"}])), "spec.addresses[0].value", "no hostname");
    assert_eq!(addresses(json!([{}, {}])), FINE, "two free choices");
}
