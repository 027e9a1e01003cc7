//! What metrics and the access log say about requests.

use std::time::Duration;

use paifang::config::{AccessLogConfig, Config, MetricsConfig};
use paifang::telemetry::{AccessLog, Metrics};
use serde_json::{Value, json};

use crate::backend::{named, refusing};
use crate::body::Streamed;
use crate::client::{fetch, get, post};
use crate::eventually;
use crate::raw::Raw;
use crate::world::{World, plain, route_on, service, to};

const LABELS: [&str; 8] = [
    "gateway_namespace=\"test\"",
    "gateway=\"edge\"",
    "listener=\"http\"",
    "route_kind=\"HTTPRoute\"",
    "route_namespace=\"test\"",
    "route=\"shop\"",
    "rule=\"cart\"",
    "hostname=\"*.example\"",
];

async fn manifests() -> Vec<Value> {
    let at = |prefix: &str| json!([{ "path": { "type": "PathPrefix", "value": prefix } }]);
    let (refused, held) = refusing();
    std::mem::forget(held);
    let rules = json!([
        { "name": "cart", "matches": at("/cart"), "backendRefs": [to("cart")] },
        { "name": "empty", "matches": at("/empty"), "backendRefs": [to("empty")] },
        { "name": "refused", "matches": at("/refused"), "backendRefs": [to("refused")] },
        { "name": "none", "matches": at("/none"), "backendRefs": [{ "name": "cart", "port": 80, "weight": 0 }] },
        { "name": "invalid", "matches": at("/invalid"), "backendRefs": [to("nowhere")] },
    ]);
    let services = [service("cart", &[named("cart").await]), service("empty", &[]), service("refused", &[refused])];
    let route = route_on("shop", json!([{ "name": "edge" }]), json!(["*.example"]), rules);
    plain().into_iter().chain(services).chain([route]).collect()
}

#[tokio::test]
async fn a_request_is_counted_with_the_labels_of_its_rule() {
    let world = World::start(manifests().await).await;
    let (head, _) = fetch(world.address("http"), post("/cart/1?q", Streamed::full("four"))).await;
    assert_eq!(head.status, 200);
    let value = |name: &'static str, more: &'static str| {
        let parts: Vec<_> = LABELS.iter().copied().chain([name, more]).collect();
        world.metric(&parts)
    };
    for (name, more, expected) in [
        ("paifang_requests_total", "code=\"200\",reason=\"\"", 1.0),
        ("paifang_request_bytes_total", "", 4.0),
        ("paifang_response_bytes_total", "", 4.0),
        ("paifang_request_duration_seconds_count", "", 1.0),
    ] {
        eventually(name, || value(name, more) == expected).await;
    }
    assert_eq!(world.metric(&["paifang_upstream_connects_total", "opened"]), 1.0);
    assert!(!world.scrape().contains("/cart/1"), "no label holds what a client wrote");
}

#[tokio::test]
async fn the_reason_of_every_failure_is_counted() {
    let world = World::start(manifests().await).await;
    for (path, reason) in [
        ("/empty", "no_endpoints"),
        ("/refused", "upstream_connect"),
        ("/none", "no_backend"),
        ("/invalid", "invalid_backend"),
    ] {
        let (head, _) = fetch(world.address("http"), get(path)).await;
        let series =
            ["paifang_requests_total", &format!("code=\"{}\"", head.status.as_u16()), &format!("reason=\"{reason}\"")];
        eventually(reason, || world.metric(&series) == 1.0).await;
    }
    for (path, status, reason) in [("/other", 404, "route_not_found"), ("/%zz", 400, "bad_request")] {
        let mut client = Raw::connect(world.address("http")).await;
        client.write(format!("GET {path} HTTP/1.1\r\nHost: test.example\r\n\r\n")).await;
        assert_eq!(client.message().await.status(), status, "{path}");
        let series =
            ["paifang_requests_unrouted_total", &format!("code=\"{status}\""), &format!("reason=\"{reason}\"")];
        eventually(reason, || world.metric(&series) == 1.0).await;
    }
}

#[tokio::test]
async fn the_series_of_a_removed_route_disappear() {
    let mut world = World::start(manifests().await).await;
    fetch(world.address("http"), get("/cart")).await;
    eventually("the request counted", || world.metric(&["paifang_requests_total", "rule=\"cart\""]) == 1.0).await;
    world.remove("HTTPRoute/shop").await;
    assert_eq!(fetch(world.address("http"), get("/cart")).await.0.status, 404);
    assert!(!world.scrape().contains("route=\"shop\""), "nothing is left of it");
}

#[tokio::test]
async fn a_line_of_the_access_log_says_what_became_of_a_request() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("access.log");
    let config = AccessLogConfig { file: file.display().to_string(), ..AccessLogConfig::default() };
    let dropped = Metrics::new().unwrap().access_log_dropped.clone();
    let log = AccessLog::start(&config, dropped).unwrap();
    let world = World::logging(Config::default(), log.clone(), manifests().await).await;
    fetch(world.address("http"), post("/cart/1?secret=1", Streamed::full("four"))).await;
    fetch(world.address("http"), get("/empty")).await;
    fetch(world.address("http"), get("/other")).await;
    let lines = || {
        assert!(log.flush(Duration::from_secs(5)), "the writer keeps up");
        std::fs::read_to_string(&file).unwrap()
    };
    eventually("three lines", || lines().lines().count() == 3).await;
    let text = lines();
    assert!(!text.contains("secret"), "a query may hold secrets: {text}");
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |path: &str| lines.iter().find(|line| line["path"] == path).unwrap_or_else(|| panic!("{path}: {text}"));
    let cart = of("/cart/1");
    for (field, value) in [
        ("method", json!("POST")),
        ("host", json!("test.example")),
        ("status", json!(200)),
        ("tls", json!(false)),
        ("protocol", json!("HTTP/1.1")),
        ("client", json!("127.0.0.1")),
        ("gateway_namespace", json!("test")),
        ("gateway", json!("edge")),
        ("listener", json!("http")),
        ("route", json!("shop")),
        ("rule", json!("cart")),
        ("hostname", json!("*.example")),
        ("request_bytes", json!(4)),
        ("response_bytes", json!(4)),
        ("tries", json!(1)),
    ] {
        assert_eq!(cart[field], value, "{field}: {cart}");
    }
    assert!(cart["upstream"].as_str().unwrap().starts_with("127.0.0.1:") && cart["reason"].is_null(), "{cart}");
    assert_eq!((&of("/empty")["status"], &of("/empty")["reason"]), (&json!(503), &json!("no_endpoints")));
    let other = of("/other");
    assert_eq!((&other["status"], &other["reason"]), (&json!(404), &json!("route_not_found")));
    assert!(other["route"].is_null(), "it met no route: {other}");
}

fn settings(series_per_tenant: usize) -> Config {
    Config { metrics: MetricsConfig { series_per_tenant }, ..Config::default() }
}

/// A route for one path of its own.
fn shop(n: usize) -> Value {
    let path = json!([{ "path": { "type": "Exact", "value": format!("/{n}") } }]);
    let rules = json!([{ "matches": path, "backendRefs": [to("shop")] }]);
    route_on(&format!("shop-{n}"), json!([{ "name": "edge" }]), json!(["*.example"]), rules)
}

#[tokio::test]
async fn rules_beyond_the_budget_are_summed_up_and_the_sum_outlives_them() {
    let service = service("shop", &[named("shop").await]);
    let manifests = plain().into_iter().chain([service]).chain((0..6).map(shop));
    // two rules with one code each
    let mut world = World::with(settings(42), manifests).await;
    for n in 0..6 {
        assert_eq!(fetch(world.address("http"), get(&format!("/{n}"))).await.0.status, 200);
        let total = || world.metric(&["paifang_requests_total"]);
        eventually("the request counted", || total() == n as f64 + 1.0).await;
    }
    let summed_up = ["paifang_requests_total", "route=\"__overflow__\"", "tenant=\"\""];
    assert_eq!(world.metric(&summed_up), 4.0);
    assert_eq!(world.metric(&["paifang_rules_overflowed{tenant=\"\"}"]), 4.0);
    assert_eq!(world.metric(&["paifang_requests_total", "route=\"shop-5\""]), 0.0);

    world.remove("HTTPRoute/shop-5").await;
    assert_eq!((world.metric(&summed_up), world.metric(&["paifang_rules_overflowed"])), (4.0, 3.0));
    world.remove("HTTPRoute/shop-0").await;
    assert!(!world.scrape().contains("route=\"shop-0\""), "its series went with it");
    assert_eq!((world.metric(&summed_up), world.metric(&["paifang_rules_overflowed"])), (4.0, 2.0));

    let own = ["paifang_requests_total", "route=\"shop-2\""];
    fetch(world.address("http"), get("/2")).await;
    eventually("the next request counted", || world.metric(&own) == 1.0).await;
    assert_eq!(world.metric(&summed_up), 4.0, "what it counted before stays where it was");
}
