use serde_json::{Value, json};

use crate::translate::testing::{class, condition, gateway, route, snapshot, status_of};
use crate::translate::{Translation, translate};

fn namespace(name: &str, team: &str) -> Value {
    json!({"kind": "Namespace", "metadata": {"name": name, "labels": {"team": team}}})
}

fn tenant(name: &str, created: &str, spec: Value) -> Value {
    let mut spec = spec;
    if spec["namespaces"].is_null() {
        spec["namespaces"] = json!({"matchLabels": {"team": name}});
    }
    json!({"kind": "Tenant", "metadata": {"name": name, "generation": 2, "creationTimestamp": created}, "spec": spec})
}

fn pay() -> Value {
    tenant(
        "pay",
        "2026-01-01T00:00:00Z",
        json!({"claims": [
        {"hostnames": ["pay.example.com", "*.pay.example.com"]},
        {"hostnames": ["shop.example.com"], "pathPrefixes": ["/checkout"]}]}),
    )
}

fn in_namespace(namespace: &str, spec: Value) -> Value {
    let mut spec = spec;
    spec["parentRefs"] = json!([{"name": "gw", "namespace": "default"}]);
    let mut route = route("r", spec);
    route["metadata"]["namespace"] = json!(namespace);
    route
}

fn world(objects: impl IntoIterator<Item = Value>) -> Translation {
    let everybody = json!({"namespaces": {"from": "All"}});
    let listeners = json!([{"name": "http", "port": 80, "protocol": "HTTP", "allowedRoutes": everybody}]);
    let fixed = [class(), gateway(listeners), namespace("payments", "pay"), namespace("blog", "blog"), pay()];
    translate(&snapshot(fixed.into_iter().chain(objects)))
}

fn verdict(translation: &Translation, route: &str, kind: &str) -> (String, String) {
    let status = status_of(translation, route);
    let (status, reason, _) = condition(&status["parents"][0]["conditions"], kind);
    (status.to_owned(), reason.to_owned())
}

#[test]
fn a_claimed_hostname_is_its_tenants_only() {
    let spec = json!({"hostnames": ["pay.example.com"]});
    let translation = world([in_namespace("payments", spec.clone()), in_namespace("blog", spec)]);
    assert_eq!(verdict(&translation, "HTTPRoute payments/r", "Accepted").0, "True");
    let refused = ("False".to_owned(), "HostnameNotPermitted".to_owned());
    assert_eq!(verdict(&translation, "HTTPRoute blog/r", "Accepted"), refused);
    let status = status_of(&translation, "HTTPRoute blog/r");
    let message = status["parents"][0]["conditions"][0]["message"].as_str().unwrap();
    assert!(message.contains("claimed by Tenant 'pay'"), "{message}");
    let tenants: Vec<_> =
        translation.ir.listeners[0].routes.iter().map(|attached| attached.route.tenant.as_deref()).collect();
    assert_eq!(tenants, [Some("pay")], "it does not even join");
}

#[test]
fn a_wider_route_serves_what_nobody_else_claims_and_is_told() {
    for spec in [
        json!({}),
        json!({"hostnames": ["*.example.com"]}),
        json!({"hostnames": ["shop.example.com", "pay.example.com"]}),
    ] {
        let translation = world([in_namespace("blog", spec)]);
        assert_eq!(verdict(&translation, "HTTPRoute blog/r", "Accepted").0, "True");
        let told = ("False".to_owned(), "HostnameNotPermitted".to_owned());
        assert_eq!(verdict(&translation, "HTTPRoute blog/r", "paifang.dev/HostnamePermitted"), told);
        assert_eq!(translation.ir.listeners[0].routes.len(), 1);
    }
    let translation = world([in_namespace("blog", json!({"hostnames": ["blog.example.com"]}))]);
    assert_eq!(verdict(&translation, "HTTPRoute blog/r", "paifang.dev/HostnamePermitted").0, "Absent");
}

#[test]
fn a_gateway_of_a_tenant_opens_no_listener_for_anothers_hostname() {
    let own = |namespace: &str| {
        let mut own =
            gateway(json!([{"name": "http", "port": 81, "protocol": "HTTP", "hostname": "a.pay.example.com"}]));
        own["metadata"]["namespace"] = json!(namespace);
        own
    };
    let translation = world([tenant("blog", "2026-01-01T00:00:00Z", json!({})), own("blog"), own("payments")]);
    let accepted = |gateway: &str| {
        let status = status_of(&translation, gateway);
        let (status, reason, _) = condition(&status["listeners"][0]["conditions"], "Accepted");
        (status.to_owned(), reason.to_owned())
    };
    assert_eq!(accepted("Gateway blog/gw"), ("False".to_owned(), "HostnameNotPermitted".to_owned()));
    assert_eq!(accepted("Gateway payments/gw").0, "True");
}

#[test]
fn what_two_tenants_want_is_the_older_ones_and_both_are_told() {
    let late = tenant(
        "late",
        "2026-02-01T00:00:00Z",
        json!({
        "namespaces": {"matchLabels": {"team": "pay"}}, "claims": [{"hostnames": ["pay.example.com", "late.example.com"]}]}),
    );
    let translation = world([late]);
    let (older, younger) = (status_of(&translation, "Tenant pay"), status_of(&translation, "Tenant late"));
    assert_eq!((&older["namespaces"], &younger["namespaces"]), (&json!(1), &json!(0)));
    assert_eq!((&older["claims"]["held"], &younger["claims"]["held"]), (&json!(3), &json!(1)));
    assert_eq!(older["claims"]["contests"][0]["tenant"], "late");
    assert_eq!(younger["claims"]["contests"][0]["tenant"], "pay");
    assert_eq!(condition(&younger["conditions"], "Accepted"), ("True", "Accepted", 2));
    assert_eq!(condition(&younger["conditions"], "Conflicted").0, "True");
    assert_eq!(condition(&older["conditions"], "Conflicted").0, "Absent");
}

#[test]
fn a_claimed_path_has_one_spelling() {
    let spec = json!({"claims": [{"hostnames": ["blog.example.com"], "pathPrefixes": ["/caf%c3%a9/", "/%61rchive"]}]});
    let translation = world([tenant("blog", "2026-01-01T00:00:00Z", spec)]);
    let blog = translation.ir.claims.iter().filter(|claim| &*claim.tenant == "blog");
    assert_eq!(blog.map(|claim| claim.prefix.as_str()).collect::<Vec<_>>(), ["/archive", "/caf%C3%A9"]);
}

#[test]
fn in_shadow_mode_nothing_is_denied() {
    let mut shadow = tenant(
        "blog",
        "2026-01-01T00:00:00Z",
        json!({"mode": "Shadow", "claims": [{"hostnames": ["blog.example.com"]}]}),
    );
    shadow["metadata"]["generation"] = json!(9);
    let translation = world([shadow, in_namespace("payments", json!({"hostnames": ["blog.example.com"]}))]);
    assert_eq!(verdict(&translation, "HTTPRoute payments/r", "Accepted").0, "True");
    assert!(translation.ir.claims.iter().any(|claim| !claim.enforced));
}

#[test]
fn a_tenant_that_would_select_everything_is_refused() {
    let all =
        tenant("all", "2025-01-01T00:00:00Z", json!({"namespaces": {}, "claims": [{"hostnames": ["x.example.com"]}]}));
    let translation = world([all, in_namespace("payments", json!({"hostnames": ["pay.example.com"]}))]);
    assert_eq!(verdict(&translation, "HTTPRoute payments/r", "Accepted").0, "True", "the namespace is still its own");
    let status = status_of(&translation, "Tenant all");
    assert_eq!(condition(&status["conditions"], "Accepted"), ("False", "UnsupportedValue", 2));
    assert_eq!(status["claims"]["held"], 0);
    assert_eq!(status_of(&translation, "Tenant pay")["namespaces"], 1);
}

#[test]
fn a_broken_hostname_leaves_the_other_claims_as_they_are() {
    let slip =
        tenant("slip", "2026-01-01T00:00:00Z", json!({"claims": [{"hostnames": ["not a name", "slip.example.com"]}]}));
    let translation = world([slip, in_namespace("blog", json!({"hostnames": ["slip.example.com"]}))]);
    assert_eq!(verdict(&translation, "HTTPRoute blog/r", "Accepted").1, "HostnameNotPermitted");
    assert_eq!(status_of(&translation, "Tenant slip")["claims"]["held"], 1);
    assert!(translation.problems.iter().any(|problem| problem.message == "'not a name' is not a hostname"));
}

#[test]
fn where_claims_are_required_a_route_needs_one() {
    let parameters = |claims: &str| json!({"kind": "GatewayParameters", "metadata": {"name": "shared", "namespace": "infra"}, "spec": {"claims": claims}});
    let mut class = class();
    class["spec"]["parametersRef"] =
        json!({"group": "paifang.dev", "kind": "GatewayParameters", "name": "shared", "namespace": "infra"});
    let open = || in_namespace("blog", json!({"hostnames": ["blog.example.com"]}));
    let accepted = |objects: Vec<Value>| {
        let translation = world(objects);
        verdict(&translation, "HTTPRoute blog/r", "Accepted")
    };
    assert_eq!(accepted(vec![class.clone(), parameters("Required"), open()]).1, "HostnameNotPermitted");
    assert_eq!(accepted(vec![class.clone(), parameters("Optional"), open()]).0, "True");
    let translation = world([class]);
    assert_eq!(
        condition(&status_of(&translation, "GatewayClass paifang")["conditions"], "Accepted").1,
        "InvalidParameters"
    );
}
