use http::header::AUTHORIZATION;
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
    told(snapshot, &get(url))
}

fn told(snapshot: &Snapshot, request: &Request) -> (String, Value) {
    let mut index = EndpointIndex::default();
    index.update(snapshot);
    let endpoints = |key: &BackendKey| index.resolve(key).iter().map(ToString::to_string).collect();
    let (translation, paths) = (translate(snapshot), PathRules::default());
    let world = World {
        snapshot,
        translation: &translation,
        paths: &paths,
        endpoints: &endpoints,
        left: &|_, _, _| Left::Nowhere,
    };
    let explanation = explain(&world, request).unwrap();
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
        left: &|_, _, _| Left::Nowhere,
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
    let line = "    limit concurrency of Tenant pay: 20 requests at one moment for each tenant, counted by each replica its part; \
        nothing is counted in a folder\n";
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
    let words = |sub| format!("key: Header x-app (none), JWTClaim sub by the keys of ConfigMap payments/login {sub}\n");
    assert!(text.contains(&words("(none)")), "{text}");
    let bearer = format!("Bearer {}", signer.token(&json!({"sub": "ann"})));
    let headers = HeaderMap::from_iter([(AUTHORIZATION, bearer.parse().unwrap())]);
    let (text, _) = told(&snapshot, &Request { headers, ..get("http://pay.example.com/") });
    assert!(text.contains(&words("\"ann\"")), "{text}");
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

/// Limits of the route that serves, and who is asked about them.
fn limited(limits: &Value, request: &Request) -> (String, Vec<Value>) {
    let mut snapshot = world();
    let target = json!({"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": "r"});
    let policy =
        json!({"metadata": {"namespace": "blog", "name": "p"}, "spec": {"targetRefs": [target], "limits": limits}});
    put(&mut snapshot, Kind::RateLimitPolicy, policy);
    let (translation, paths) = (translate(&snapshot), PathRules::default());
    let left = |rule: &RuleId, _: &LimitId, asked: &Asked<'_>| {
        assert_eq!((&*rule.route.key.namespace, asked.query.path), ("blog", "/pay"));
        Left::Here(if asked.client.is_ipv6() { 6 } else { 4 })
    };
    let endpoints = |_: &BackendKey| Vec::new();
    let world =
        World { snapshot: &snapshot, translation: &translation, paths: &paths, endpoints: &endpoints, left: &left };
    let explanation = explain(&world, request).unwrap();
    let limits = serde_json::to_value(&explanation).unwrap()["gateways"][0]["winner"]["limits"].take();
    (explanation.to_string(), limits.as_array().unwrap().clone())
}

/// A limit with these fields besides.
fn rate(more: Value) -> Value {
    let mut limit = json!({"rate": {"requests": 9, "per": "1s"}, "scope": "Route", "counting": "PerReplica"});
    limit.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    limit
}

fn of_client(client: Option<&str>) -> Request {
    let headers = ["x-user: alice", "cookie: a=1; id=7"];
    let request = Request::parse("GET", "http://a.example.com/pay?q=1&r=%61%1b[1m", headers.into_iter()).unwrap();
    request.from_client(client.map(|client| client.parse().unwrap()))
}

#[test]
fn a_key_is_shown_with_what_the_request_has_for_it() {
    let part = |kind: &str| json!({"type": kind});
    let named = |kind: &str, name: &str| json!({"type": kind, "name": name});
    let values = [named("Header", "X-User"), named("Header", "x-none"), named("Cookie", "id"), named("Query", "r")];
    let limits = json!({
        "a": rate(json!({"key": [part("ClientIP"), part("Method")]})),
        "b": rate(json!({"key": values})),
        "c": rate(json!({"key": [part("Path"), part("Tenant"), part("Namespace"), part("Route")]})),
    });
    let (text, of_json) = limited(&limits, &of_client(Some("2001:db8::7")));
    assert!(text.starts_with("GET a.example.com/pay from 2001:db8::7\n"), "{text}");
    let keys: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("      key: ")).collect();
    let expected = [
        r#"ClientIP "2001:db8::/64", Method "GET""#,
        r#"Header x-user "alice", Header x-none (none), Cookie id "7", Query r "a\u{1b}[1m""#,
        r#"Path "/pay", Tenant (none), Namespace "blog", Route "HTTPRoute blog/r""#,
    ];
    assert_eq!(keys, expected, "{text}");
    assert_eq!(of_json[0]["keyValues"][0], json!({"part": "ClientIP", "value": "2001:db8::/64"}));
    assert_eq!(of_json[1]["keyValues"][1], json!({"part": "Header x-none"}));
    let (text, _) = limited(&limits, &of_client(Some("::ffff:192.0.2.7")));
    assert!(text.contains(r#"key: ClientIP "192.0.2.7", "#), "{text}");
}

#[test]
fn what_is_left_is_said_where_it_is_known() {
    let limits = json!({
        "client": rate(json!({"key": [{"type": "ClientIP"}]})),
        "except": rate(json!({"except": ["10.0.0.0/8"]})),
        "other": rate(json!({"when": [{"methods": ["POST"]}], "except": ["10.0.0.0/8"]})),
        "plain": rate(json!({})),
    });
    let needed = json!("what is left depends on the client: say its address (--client-ip)");
    let uncounted = json!("it does not count this request");
    for (client, left, notes) in [
        (None, [None, None, None, Some(4)], [Some(&needed), Some(&needed), Some(&uncounted), None]),
        (Some("10.0.0.1"), [Some(4), None, None, Some(4)], [None, Some(&uncounted), Some(&uncounted), None]),
        (Some("::1"), [Some(6), Some(6), None, Some(6)], [None, None, Some(&uncounted), None]),
    ] {
        let (text, limits) = limited(&limits, &of_client(client));
        let said: Vec<_> = limits.iter().map(|limit| limit.get("left").and_then(Value::as_u64)).collect();
        assert_eq!(said, left, "{client:?}: {text}");
        assert_eq!(limits.iter().map(|limit| limit.get("note")).collect::<Vec<_>>(), notes, "{client:?}");
        assert!(text.lines().any(|line| line.contains("limit plain ") && line.ends_with(" left here")), "{text}");
    }
}

#[test]
fn what_stands_for_a_store_that_is_away_is_said() {
    use crate::ir::limit::StoreFailure;
    for (left, number, text) in [
        (Left::Together(3), Some(3), "; 3 left"),
        (
            Left::Apart(StoreFailure::Local, 2),
            Some(2),
            "; 2 left here; the store cannot be asked, so each replica counts its part",
        ),
        (Left::Apart(StoreFailure::Allow, 2), None, "; the store cannot be asked, so every request passes"),
        (
            Left::Apart(StoreFailure::Deny, 2),
            Some(0),
            "; 0 left here; the store cannot be asked, so every request is denied",
        ),
        (Left::Unsaid, None, ""),
    ] {
        assert_eq!(left.to_string(), text);
        let shown = serde_json::to_value(left).unwrap();
        assert_eq!(shown.get("left").and_then(Value::as_u64), number, "{shown}");
    }
}
