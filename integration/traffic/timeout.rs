//! Time limits of routes and of the process.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use http::Response;
use http_body_util::BodyExt;
use paifang::config::{Config, Downstream, Upstream};
use serde_json::{Value, json};

use crate::backend::{Count, named, serve, silent};
use crate::body::Streamed;
use crate::client::{absolute, fetch, get, http1, http2, post};
use crate::raw::Raw;
use crate::world::{World, plain, route, service, to};
use crate::{eventually, within};

const LIMIT: Duration = Duration::from_millis(300);
/// Long after the limit, long before any other.
const SOON: Duration = Duration::from_secs(5);

fn manifests(backend: SocketAddr, mut rule: Value) -> Vec<Value> {
    rule["backendRefs"] = json!([to("backend")]);
    plain().into_iter().chain([service("backend", &[backend]), route("route", json!([rule]))]).collect()
}

async fn world(backend: SocketAddr, timeouts: Value) -> World {
    World::start(manifests(backend, json!({ "timeouts": timeouts }))).await
}

/// A backend that begins its answer and then says something now and then, or nothing.
async fn endless(talks: bool) -> SocketAddr {
    serve(move |_| async move {
        let (feed, body) = Streamed::fed();
        tokio::spawn(async move {
            while feed.data("piece").await {
                let pause = if talks { Duration::from_millis(20) } else { SOON * 4 };
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = feed.unwanted() => return,
                }
            }
        });
        Ok(Response::new(body))
    })
    .await
}

#[tokio::test]
async fn a_backend_that_does_not_answer_in_time_is_a_504_of_the_limit_that_was_met() {
    for (timeouts, reason) in [
        (json!({ "request": "300ms" }), "request_timeout"),
        (json!({ "request": "10s", "backendRequest": "300ms" }), "upstream_timeout"),
    ] {
        let world = world(silent().await, timeouts.clone()).await;
        let began = Instant::now();
        let (head, _) = fetch(world.address("http"), get("/")).await;
        assert_eq!(head.status, 504, "{timeouts}");
        assert!((LIMIT..SOON).contains(&began.elapsed()), "{timeouts}: {:?}", began.elapsed());
        eventually(reason, || world.metric(&["paifang_requests_total", reason]) == 1.0).await;
    }
}

#[tokio::test]
async fn an_answer_that_outlives_the_request_timeout_is_cut() {
    for talks in [true, false] {
        let world = world(endless(talks).await, json!({ "request": "300ms" })).await;
        let began = Instant::now();
        let mut client = http1(world.address("http")).await;
        let response = within("the head", client.send_request(get("/"))).await.unwrap();
        assert_eq!(response.status(), 200);
        assert!(within("the end", response.into_body().collect()).await.is_err(), "a cut answer must not look whole");
        assert!(began.elapsed() < SOON, "talks: {talks}: {:?}", began.elapsed());

        let mut client = http2(world.address("http")).await;
        let response = within("the head", client.send_request(absolute("http", get("/")))).await.unwrap();
        assert!(within("the end", response.into_body().collect()).await.is_err(), "the same for HTTP/2");
    }
}

#[tokio::test]
async fn an_upload_that_outlives_the_request_timeout_is_ended() {
    let world = world(named("backend").await, json!({ "request": "300ms" })).await;
    let mut client = Raw::connect(world.address("http")).await;
    let began = Instant::now();
    client.write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nonly a part").await;
    let answer = client.rest().await;
    assert!(answer.starts_with("HTTP/1.1 504"), "{answer}");
    assert!((LIMIT..SOON).contains(&began.elapsed()), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_try_that_takes_too_long_is_tried_again_where_the_route_lists_504() {
    let tries = Count::default();
    let counted = tries.clone();
    let backend = serve(move |_| {
        let first = counted.one() == 0;
        async move {
            if first {
                std::future::pending::<()>().await;
            }
            Ok(Response::new(Streamed::full("second")))
        }
    })
    .await;
    let rule = json!({
        "timeouts": { "request": "10s", "backendRequest": "300ms" },
        "retry": { "codes": [504], "attempts": 1, "backoff": "1ms" },
    });
    let world = World::start(manifests(backend, rule)).await;
    let (head, body) = fetch(world.address("http"), post("/", Streamed::full("x"))).await;
    assert_eq!((head.status.as_u16(), &*body, tries.get()), (200, &b"second"[..], 2));
}

#[tokio::test]
async fn the_process_wide_response_timeout_bounds_routes_that_name_none() {
    let upstream = Upstream { response_timeout: LIMIT, ..Upstream::default() };
    let config = Config { upstream, ..Config::default() };
    let world = World::with(config, manifests(silent().await, json!({}))).await;
    let began = Instant::now();
    let (head, _) = fetch(world.address("http"), get("/")).await;
    assert_eq!(head.status, 504);
    assert!((LIMIT..SOON).contains(&began.elapsed()), "{:?}", began.elapsed());
}

#[tokio::test]
async fn slow_and_silent_clients_are_ended() {
    let downstream =
        Downstream { idle_timeout: LIMIT, header_timeout: LIMIT, body_timeout: LIMIT, ..Downstream::default() };
    let config = Config { downstream, ..Config::default() };
    let world = World::with(config, manifests(named("backend").await, json!({}))).await;
    for (sent, expected, what) in [
        ("", "", "a connection without a byte"),
        ("GET / HTTP/1.1\r\nHost:", "HTTP/1.1 408", "a head that does not end"),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf", "HTTP/1.1 408", "a body that does not end"),
    ] {
        let mut client = Raw::connect(world.address("http")).await;
        let began = Instant::now();
        client.write(sent).await;
        let answer = client.rest().await;
        assert!(answer.starts_with(expected) && began.elapsed() < SOON, "{what}: {answer} {:?}", began.elapsed());
    }
}
