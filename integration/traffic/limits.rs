//! Limits of requests: who is denied what, and what clients are told. The time stands still unless a test moves it.

#[path = "limits/concurrency.rs"]
mod concurrency;
#[path = "limits/global.rs"]
mod global;
#[path = "limits/token.rs"]
mod token;

use std::sync::Arc;
use std::time::Duration;

use http::response::Parts;
use http::{HeaderName, HeaderValue, Request};
use paifang::config::{AccessLogConfig, Config, Forwarded};
use paifang::limit::clock::Hand;
use paifang::limit::{Basis, Clock};
use paifang::proxy::server::Limits;
use paifang::telemetry::{AccessLog, Metrics};
use serde_json::{Value, json};

use crate::backend::named;
use crate::body::Streamed;
use crate::client::{fetch, get, http2, request, send2};
use crate::eventually;
use crate::world::{World, plain, route_to, service, to};

/// Limits that see the time which the hand shows.
pub(crate) fn still() -> (Limits, Hand) {
    let (clock, hand) = Clock::by_hand();
    (Limits { basis: Arc::new(Basis { clock, ..Basis::default() }), store: None }, hand)
}

/// A policy on the route `route`.
fn policy(limits: Value) -> Value {
    policy_on("HTTPRoute", "route", limits)
}

fn policy_on(kind: &str, target: &str, limits: Value) -> Value {
    json!({
        "apiVersion": "paifang.dev/v1alpha1", "kind": "RateLimitPolicy",
        "metadata": { "name": format!("on-{target}"), "namespace": "test" },
        "spec": {
            "targetRefs": [{ "group": "gateway.networking.k8s.io", "kind": kind, "name": target }],
            "limits": limits,
        },
    })
}

/// So many requests per second, together.
fn per_second(requests: u32) -> Value {
    json!({ "rate": { "requests": requests, "per": "1s", "burst": requests }, "scope": "Route", "counting": "PerReplica" })
}

/// The same with more to say.
fn with(mut limit: Value, more: Value) -> Value {
    for (name, value) in more.as_object().unwrap() {
        limit[name] = value.clone();
    }
    limit
}

async fn world(objects: impl IntoIterator<Item = Value>) -> (World, Hand) {
    let (limits, hand) = still();
    let backend = service("backend", &[named("hello").await]);
    let all = plain().into_iter().chain([backend, route_to("backend")]).chain(objects);
    (World::limited(limits, AccessLog::disabled(), all).await, hand)
}

async fn ask(world: &World, request: Request<Streamed>) -> (Parts, String) {
    let (head, body) = fetch(world.address("http"), request).await;
    (head, String::from_utf8(body.to_vec()).unwrap())
}

/// How many requests pass, one after the other.
async fn passes(world: &World, request: impl Fn() -> Request<Streamed>) -> usize {
    for n in 0..50 {
        match ask(world, request()).await.0.status.as_u16() {
            200 => {}
            429 => return n,
            other => panic!("{other}"),
        }
    }
    50
}

fn get_with(path: &str, name: &'static str, value: &'static str) -> Request<Streamed> {
    let mut request = get(path);
    request.headers_mut().append(HeaderName::from_static(name), HeaderValue::from_static(value));
    request
}

fn denied(world: &World, limit: &str, decision: &str) -> f64 {
    let (limit, decision) = (format!("limit=\"{limit}\""), format!("decision=\"{decision}\""));
    world.metric(&["paifang_limit_decisions_total", &limit, &decision])
}

#[tokio::test]
async fn a_burst_passes_and_what_is_more_is_told_when_to_come_again() {
    let (world, hand) = world([policy(json!({ "all": per_second(3) }))]).await;
    for left in [2, 1, 0] {
        let (head, body) = ask(&world, get("/")).await;
        assert_eq!((head.status.as_u16(), &*body), (200, "hello"));
        assert_eq!(head.headers["ratelimit-policy"], "\"all\";q=3;w=1");
        assert_eq!(head.headers["ratelimit"], format!("\"all\";r={left};t=1"));
        assert!(!head.headers.contains_key("retry-after"));
    }
    let (head, body) = ask(&world, get("/")).await;
    assert_eq!(head.status, 429);
    assert_eq!(head.headers["retry-after"], "1");
    assert_eq!(head.headers["ratelimit-policy"], "\"all\";q=3;w=1");
    assert_eq!(head.headers["ratelimit"], "\"all\";r=0;t=1");
    assert_eq!(head.headers["content-type"], "application/problem+json");
    let problem: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((&problem["status"], &problem["violated-policies"]), (&json!(429), &json!(["all"])));
    assert_eq!(denied(&world, "all", "denied"), 1.0);
    let requests = ["paifang_requests_total", "code=\"429\"", "reason=\"rate_limited\""];
    eventually("the request counted", || world.metric(&requests) == 1.0).await;
    hand.advance(Duration::from_millis(334));
    assert_eq!(passes(&world, || get("/")).await, 1);
}

#[tokio::test]
async fn each_value_of_a_key_has_its_own_limit() {
    let key = json!({ "key": [{ "type": "Header", "name": "x-key" }, { "type": "Cookie", "name": "id" }] });
    let (world, _hand) = world([policy(json!({ "keyed": with(per_second(2), key) }))]).await;
    assert_eq!(passes(&world, || get_with("/", "x-key", "a")).await, 2);
    assert_eq!(passes(&world, || get_with("/", "x-key", "b")).await, 2);
    assert_eq!(passes(&world, || get_with("/", "cookie", "x=1; id=a")).await, 2);
    assert_eq!(passes(&world, || get_with("/", "cookie", "id=a; y=2")).await, 0);
    assert_eq!(passes(&world, || get("/")).await, 2, "no value is a value of its own");
    assert!(world.metric(&["paifang_limit_key_bytes"]) > 0.0);
}

#[tokio::test]
async fn clients_are_told_apart_and_some_are_left_alone() {
    let key = json!({ "key": [{ "type": "ClientIP" }], "except": ["203.0.113.0/24"] });
    let (limits, _hand) = still();
    let trusted = Forwarded { trusted_proxies: vec!["127.0.0.0/8".parse().unwrap()], ..Forwarded::default() };
    let config = Config { forwarded: trusted, ..Config::default() };
    let objects = [service("backend", &[named("hello").await]), route_to("backend")];
    let objects = plain().into_iter().chain(objects).chain([policy(json!({ "each": with(per_second(2), key) }))]);
    let world = World::start_with(config, AccessLog::disabled(), limits, objects).await;
    let from = |client: &'static str| passes(&world, move || get_with("/", "x-forwarded-for", client));
    assert_eq!((from("192.0.2.1").await, from("192.0.2.2").await, from("192.0.2.1").await), (2, 2, 0));
    assert_eq!((from("2001:db8::1").await, from("2001:db8::2").await, from("2001:db8:0:1::1").await), (2, 0, 2));
    assert_eq!(from("203.0.113.7").await, 50);
    let (head, _) = ask(&world, get_with("/", "x-forwarded-for", "203.0.113.7")).await;
    assert!(!head.headers.contains_key("ratelimit"), "it is under no limit");
}

#[tokio::test]
async fn only_what_is_asked_for_is_counted_however_its_path_is_spelled() {
    let when = json!({ "when": [{ "paths": [{ "value": "/search" }], "methods": ["GET"] }] });
    let (world, _hand) = world([policy(json!({ "search": with(per_second(1), when) }))]).await;
    assert_eq!(passes(&world, || get("/other")).await, 50);
    assert_eq!(passes(&world, || get("/x/../%73earch?q=1")).await, 1);
    assert_eq!(passes(&world, || get("//search;v=1")).await, 0);
    assert_eq!(passes(&world, || request(http::Method::POST, "/search", Streamed::empty())).await, 50);
}

#[tokio::test]
async fn a_shadow_counts_and_hinders_nobody() {
    let shadow = with(per_second(1), json!({ "mode": "Shadow" }));
    let (world, _hand) = world([policy(json!({ "soon": shadow }))]).await;
    assert_eq!(passes(&world, || get("/")).await, 50);
    assert_eq!((denied(&world, "soon", "shadow_denied"), denied(&world, "soon", "denied")), (49.0, 0.0));
    assert!(!ask(&world, get("/")).await.0.headers.contains_key("ratelimit-policy"));
}

#[tokio::test]
async fn the_narrowest_of_all_levels_decides_and_a_denied_request_takes_nothing() {
    let gateway = with(per_second(5), json!({ "scope": "Gateway" }));
    let objects =
        [policy_on("Gateway", "edge", json!({ "wide": gateway })), policy(json!({ "narrow": per_second(2) }))];
    let (mut world, _hand) = world(objects).await;
    let (head, _) = ask(&world, get("/")).await;
    assert_eq!(head.headers["ratelimit-policy"], "\"wide\";q=5;w=1, \"narrow\";q=2;w=1");
    assert_eq!(head.headers["ratelimit"], "\"narrow\";r=1;t=1");
    assert_eq!(passes(&world, || get("/")).await, 1);
    assert_eq!(passes(&world, || get("/")).await, 0);
    world.remove("RateLimitPolicy/on-route").await;
    assert_eq!(passes(&world, || get("/")).await, 3, "what the narrow one denied the wide one did not count");
}

#[tokio::test]
async fn a_quota_that_changes_under_way_keeps_what_is_owed() {
    let (mut world, hand) = world([policy(json!({ "all": per_second(10) }))]).await;
    assert_eq!(passes(&world, || get("/")).await, 10);
    world.put([policy(json!({ "all": per_second(20) }))]).await;
    assert_eq!(passes(&world, || get("/")).await, 0);
    hand.advance(Duration::from_millis(100));
    assert_eq!(passes(&world, || get("/")).await, 2, "at the new rate");
    // what else changes is nothing to the limit
    world.put([json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
        "metadata": { "name": "route", "namespace": "test" },
        "spec": { "parentRefs": [{ "name": "edge" }], "rules": [{ "name": "new", "backendRefs": [to("backend")] }] },
    })])
    .await;
    assert_eq!(passes(&world, || get("/")).await, 0);
    assert_eq!(denied(&world, "all", "denied"), 4.0);
}

#[tokio::test]
async fn an_answer_is_as_the_policy_says() {
    let answer = json!({ "response": { "status": 503, "body": "later", "contentType": "text/x-later" } });
    let (world, _hand) = world([policy(json!({ "all": with(per_second(1), answer) }))]).await;
    ask(&world, get("/")).await;
    let (head, body) = ask(&world, get("/")).await;
    assert_eq!((head.status.as_u16(), &*body), (503, "later"));
    assert_eq!(head.headers["content-type"], "text/x-later");
    let (head, body) = ask(&world, request(http::Method::HEAD, "/", Streamed::empty())).await;
    assert_eq!((head.status.as_u16(), &*body), (503, ""));
}

#[tokio::test]
async fn a_call_of_grpc_is_denied_in_its_own_form() {
    let (world, _hand) = world([policy(json!({ "all": per_second(1) }))]).await;
    let call = || {
        let mut call = request(http::Method::POST, "/a.B/C", Streamed::empty());
        call.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
        call.headers_mut().insert("te", HeaderValue::from_static("trailers"));
        call
    };
    let mut client = http2(world.address("http")).await;
    send2(&mut client, call()).await;
    let (head, body) = send2(&mut client, call()).await;
    assert_eq!((head.status.as_u16(), body.len()), (200, 0));
    assert_eq!(head.headers["grpc-status"], "8");
    assert_eq!(head.headers["retry-after"], "1");
    assert_eq!(head.headers["content-type"], "application/grpc");
}

#[tokio::test]
async fn the_access_log_names_the_limit() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("access.log");
    let settings = AccessLogConfig { file: file.display().to_string(), ..AccessLogConfig::default() };
    let dropped = Metrics::new().unwrap().access_log_dropped.clone();
    let log = AccessLog::start(&settings, dropped).unwrap();
    let (limits, _hand) = still();
    let objects = [service("backend", &[named("hello").await]), route_to("backend")];
    let objects = plain().into_iter().chain(objects).chain([policy(json!({ "all": per_second(1) }))]);
    let world = World::limited(limits, log.clone(), objects).await;
    assert_eq!(passes(&world, || get("/")).await, 1);
    crate::eventually("two lines", || {
        assert!(log.flush(Duration::from_secs(5)), "the writer keeps up");
        std::fs::read_to_string(&file).is_ok_and(|text| text.lines().count() == 2)
    })
    .await;
    let text = std::fs::read_to_string(&file).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    // they came on two connections, and each thread has its own pace
    let of = |status: u16| lines.iter().find(|line| line["status"] == status).unwrap_or_else(|| panic!("{text}"));
    assert!(of(200)["limit"].is_null());
    let denied = of(429);
    assert_eq!(denied["limit"], "all");
    assert_eq!(denied["policy"], "RateLimitPolicy test/on-route");
    assert_eq!(denied["reason"], "rate_limited");
}
