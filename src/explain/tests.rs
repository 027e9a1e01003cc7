use serde_json::{Value, json};

use super::*;
use crate::api::{Kind, ObjectKey};
use crate::snapshot::Object;
use crate::translate::translate;

fn world() -> Snapshot {
    let listener =
        json!({"name": "http", "port": 80, "protocol": "HTTP", "allowedRoutes": {"namespaces": {"from": "All"}}});
    let route = |namespace: &str, hostnames: Value, path: &str| {
        json!({"metadata": {"namespace": namespace, "name": "r"}, "spec": {
            "parentRefs": [{"name": "gw", "namespace": "infra"}], "hostnames": hostnames,
            "rules": [{"matches": [{"path": {"type": "PathPrefix", "value": path}}], "backendRefs": [{"name": "web", "port": 80}]}]}})
    };
    let meta = |namespace: &str, name: &str| json!({"namespace": namespace, "name": name});
    let objects = [
        (
            Kind::GatewayClass,
            json!({"metadata": {"name": "paifang"}, "spec": {"controllerName": crate::api::gateway::CONTROLLER_NAME}}),
        ),
        (
            Kind::Gateway,
            json!({"metadata": meta("infra", "gw"), "spec": {"gatewayClassName": "paifang", "listeners": [listener]}}),
        ),
        (Kind::Namespace, json!({"metadata": {"name": "payments", "labels": {"team": "pay"}}})),
        (
            Kind::Tenant,
            json!({"metadata": {"name": "pay"}, "spec": {
            "namespaces": {"matchLabels": {"team": "pay"}}, "limits": {"concurrency": 20}, "claims": [{"hostnames": ["pay.example.com"]}]}}),
        ),
        (Kind::HttpRoute, route("payments", json!(["pay.example.com"]), "/")),
        (Kind::HttpRoute, route("blog", json!(["*.example.com"]), "/pay")),
        (Kind::Service, json!({"metadata": meta("payments", "web"), "spec": {"ports": [{"port": 80}]}})),
        (
            Kind::EndpointSlice,
            json!({"metadata": {"namespace": "payments", "name": "web-1", "labels": {"kubernetes.io/service-name": "web"}},
            "addressType": "IPv4", "ports": [{"name": "", "port": 8080}], "endpoints": [{"addresses": ["10.0.0.1"], "conditions": {"ready": true}}]}),
        ),
    ];
    let mut snapshot = Snapshot::default();
    for (kind, value) in objects {
        snapshot.put(Object::from_json(kind, &value).unwrap());
    }
    assert!(snapshot.gateways.contains_key(&ObjectKey::new("infra", "gw")));
    snapshot
}

fn explained(url: &str) -> Value {
    let snapshot = world();
    let ir = translate(&snapshot).ir;
    let request = Request { method: Method::GET, url: url.parse().unwrap(), headers: HeaderMap::new() };
    let explanation = explain(&ir, &snapshot, &request, &PathRules::default()).unwrap();
    assert!(explanation.to_string().starts_with("GET "));
    serde_json::to_value(explanation).unwrap()
}

#[test]
fn the_winner_is_named_with_its_backends_and_each_loser_with_its_reason() {
    let explanation = explained("http://PAY.example.com./pay/now");
    assert_eq!(explanation["host"], "pay.example.com");
    assert_eq!(explanation["claim"]["tenant"], "pay");
    let gateway = &explanation["gateways"][0];
    assert_eq!((&gateway["gateway"], &gateway["listener"]), (&json!("infra/gw"), &json!("http")));
    assert_eq!(gateway["winner"]["route"], "HTTPRoute payments/r");
    assert_eq!(gateway["winner"]["tenant"], "pay");
    assert_eq!(gateway["winner"]["backends"][0]["endpoints"], json!(["10.0.0.1:8080"]));
    assert_eq!(gateway["losers"][0]["route"], "HTTPRoute blog/r");
    assert_eq!(gateway["losers"][0]["because"], "the host and path are claimed by Tenant 'pay'");
}

#[test]
fn what_nobody_serves_says_why_not() {
    let gateway = &explained("http://blog.example.com/other")["gateways"][0];
    assert!(gateway.get("winner").is_none());
    assert_eq!(gateway["losers"][1]["because"], "its path does not match /other");
    assert_eq!(explained("https://blog.example.com/")["gateways"], json!([]), "nobody listens on 443");
}

#[test]
fn what_is_refused_before_the_table_says_so() {
    let ir = Ir::default();
    let refused = |url: &str| {
        let request = Request { method: Method::GET, url: url.parse().unwrap(), headers: HeaderMap::new() };
        explain(&ir, &Snapshot::default(), &request, &PathRules::default()).unwrap_err().to_string()
    };
    assert_eq!(refused("http://a.example.com/%00"), "every route refuses it with 400: the path is malformed");
    assert_eq!(
        refused("ftp://a.example.com/"),
        "'ftp://a.example.com/' is no URL of HTTP: write http://host/path or https://host/path"
    );
}

#[test]
fn the_limits_of_the_winner_are_listed() {
    let explanation = explained("http://pay.example.com/");
    let limits = &explanation["gateways"][0]["winner"]["limits"];
    assert_eq!(limits[0]["id"], json!({ "source": "Tenant pay", "name": "concurrency" }));
    let snapshot = world();
    let ir = translate(&snapshot).ir;
    let url = "http://pay.example.com/".parse().unwrap();
    let request = Request { method: Method::GET, url, headers: HeaderMap::new() };
    let text = explain(&ir, &snapshot, &request, &PathRules::default()).unwrap().to_string();
    let line = "    limit concurrency of Tenant pay: 20 requests at one moment for each tenant, counted by each replica its part\n";
    assert!(text.contains(line), "{text}");
}
