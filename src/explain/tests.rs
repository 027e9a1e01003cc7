use serde_json::{Value, json};

use super::*;
use crate::api::{Kind, ObjectKey};
use crate::snapshot::Object;
use crate::translate::endpoints::EndpointIndex;
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
    explained_in(&world(), url)
}

fn explained_in(snapshot: &Snapshot, url: &str) -> Value {
    asked(snapshot, url).1
}

/// As text and as JSON.
fn asked(snapshot: &Snapshot, url: &str) -> (String, Value) {
    let mut index = EndpointIndex::default();
    index.update(snapshot);
    let endpoints = |key: &BackendKey| index.resolve(key).iter().map(ToString::to_string).collect();
    let (translation, paths) = (translate(snapshot), PathRules::default());
    let world =
        World { snapshot, translation: &translation, paths: &paths, endpoints: &endpoints, left: &|_, _, _| None };
    let explanation = explain(&world, &get(url)).unwrap();
    let text = explanation.to_string();
    assert!(text.starts_with("GET "));
    (text, serde_json::to_value(explanation).unwrap())
}

fn get(url: &str) -> Request {
    Request::parse("GET", url, std::iter::empty()).unwrap()
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
    assert_eq!(gateway["losers"][0]["because"], "its path does not match /other");
    assert_eq!(explained("https://blog.example.com/")["gateways"], json!([]), "nobody listens on 443");
}

#[test]
fn what_is_refused_before_the_table_says_so() {
    let (snapshot, translation, paths) = (Snapshot::default(), Translation::default(), PathRules::default());
    let world = World {
        snapshot: &snapshot,
        translation: &translation,
        paths: &paths,
        endpoints: &|_: &BackendKey| Vec::new(),
        left: &|_, _, _| None,
    };
    let refused = |url: &str| explain(&world, &get(url)).unwrap_err().to_string();
    assert_eq!(refused("http://a.example.com/%00"), "every route refuses it with 400: the path is malformed");
    assert_eq!(
        refused("ftp://a.example.com/"),
        "'ftp://a.example.com/' is no URL of HTTP: write http://host/path or https://host/path"
    );
}

#[test]
fn the_limits_of_the_winner_are_listed() {
    let (text, explanation) = asked(&world(), "http://pay.example.com/");
    let limits = &explanation["gateways"][0]["winner"]["limits"];
    assert_eq!(limits[0]["id"], json!({ "source": "Tenant pay", "name": "concurrency" }));
    let line = "    limit concurrency of Tenant pay: 20 requests at one moment for each tenant, counted by each replica its part\n";
    assert!(text.contains(line), "{text}");
}

#[test]
fn what_a_limit_tells_requests_apart_by_is_said() {
    let signer = crate::jwt::testing::Signer::ed25519("a");
    let keys = crate::jwt::testing::set(&[&signer]).to_string();
    let key = json!([{"type": "Header", "name": "x-app"}, {"type": "JWTClaim", "name": "sub", "jwt": {"keys": {"name": "login"}}}]);
    let limits = json!({"each": {"concurrency": 2, "scope": "Namespace", "counting": "PerReplica", "key": key}});
    let target = json!({"group": "", "kind": "Namespace", "name": "payments"});
    let mut snapshot = world();
    put(
        &mut snapshot,
        Kind::ConfigMap,
        json!({"metadata": {"namespace": "payments", "name": "login"}, "data": {"jwks.json": keys}}),
    );
    put(
        &mut snapshot,
        Kind::RateLimitPolicy,
        json!({"metadata": {"namespace": "payments", "name": "p"}, "spec": {"targetRefs": [target], "limits": limits}}),
    );
    let (text, _) = asked(&snapshot, "http://pay.example.com/");
    let words = "for each namespace and Header x-app and JWTClaim sub by the keys of ConfigMap payments/login, counted";
    assert!(text.contains(words), "{text}");
}

fn put(snapshot: &mut Snapshot, kind: Kind, value: Value) {
    snapshot.put(Object::from_json(kind, &value).unwrap());
}

fn route(name: &str, gateway: &str, hostname: &str) -> Value {
    json!({"metadata": {"namespace": "blog", "name": name}, "spec": {
        "parentRefs": [{"name": gateway, "namespace": "infra"}], "hostnames": [hostname], "rules": [{}]}})
}

#[test]
fn routes_that_are_not_attached_are_listed_with_what_their_status_says() {
    let mut snapshot = world();
    let listener = json!({"name": "https", "port": 8443, "protocol": "HTTP", "hostname": "a.example.org"});
    let gateway = json!({"metadata": {"namespace": "infra", "name": "closed"},
        "spec": {"gatewayClassName": "paifang", "listeners": [listener]}});
    put(&mut snapshot, Kind::Gateway, gateway);
    put(&mut snapshot, Kind::HttpRoute, route("closed", "closed", "a.example.org"));
    put(&mut snapshot, Kind::HttpRoute, route("stolen", "gw", "pay.example.com"));
    put(&mut snapshot, Kind::HttpRoute, route("elsewhere", "closed", "b.example.org"));
    let told = |url: &str| {
        let explanation = explained_in(&snapshot, url);
        let told = explanation["notAttached"].as_array().cloned().unwrap_or_default();
        let told =
            told.iter().map(|it| ["route", "parent", "reason"].map(|field| it[field].as_str().unwrap().to_owned()));
        told.map(|it| it.join(" ")).collect::<Vec<_>>()
    };
    assert_eq!(
        told("http://a.example.org:8443/"),
        ["HTTPRoute blog/closed Gateway infra/closed NotAllowedByListeners"]
    );
    assert_eq!(told("http://pay.example.com/"), ["HTTPRoute blog/stolen Gateway infra/gw HostnameNotPermitted"]);
    assert!(told("http://c.example.org/").is_empty(), "they are for other hosts");
}

#[test]
fn of_many_matches_the_nearest_are_listed_and_the_rest_is_counted() {
    let mut snapshot = world();
    for n in 0..200 {
        put(&mut snapshot, Kind::HttpRoute, route(&format!("r{n}"), "gw", &format!("h{n}.example.org")));
    }
    put(&mut snapshot, Kind::HttpRoute, route("near", "gw", "*.example.org"));
    let gateway = &explained_in(&snapshot, "http://h7.example.org/")["gateways"][0];
    assert_eq!(gateway["winner"]["route"], "HTTPRoute blog/r7");
    assert_eq!(gateway["losers"][0]["route"], "HTTPRoute blog/near");
    assert_eq!(gateway["losers"][1]["because"], "its hostname does not cover h7.example.org");
    assert_eq!((gateway["losers"].as_array().unwrap().len(), &gateway["losersLeftOut"]), (50, &json!(152)));
}
