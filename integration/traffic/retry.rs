//! Trying again: when, where, with what, and when not.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Response;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::backend::{Count, named, raw, refusing, serve};
use crate::body::Streamed;
use crate::client::{fetch, get, post};
use crate::eventually;
use crate::world::{World, plain, route, service, to};

async fn world(endpoints: &[SocketAddr], mut rule: Value) -> World {
    rule["backendRefs"] = json!([to("backend")]);
    let objects = [service("backend", endpoints), route("route", json!([rule]))];
    World::start(plain().into_iter().chain(objects)).await
}

/// A backend that reads each request whole, counts it, and answers 503 with the number of the try.
async fn failing(tries: &Count) -> SocketAddr {
    let tries = tries.clone();
    serve(move |request| {
        let tries = tries.clone();
        async move {
            request.into_body().collect().await.map_err(io::Error::other)?;
            let number = (tries.one() + 1).to_string();
            Ok(Response::builder().status(503).header("x-try", number).body(Streamed::full("failed")).unwrap())
        }
    })
    .await
}

#[tokio::test]
async fn a_body_is_replayed_whole_to_another_endpoint() {
    let tries = Count::default();
    let endpoints = [failing(&tries).await, crate::backend::mirroring().await];
    let world = world(&endpoints, json!({ "retry": { "codes": [503], "attempts": 1, "backoff": "1ms" } })).await;
    let body = Bytes::from(vec![b'b'; 30_000]);
    for _ in 0..4 {
        let (head, back) = fetch(world.address("http"), post("/", Streamed::full(body.clone()))).await;
        assert_eq!((head.status.as_u16(), &back), (200, &body), "the second endpoint gets the same body");
    }
    assert!(tries.get() > 0, "the first endpoint had its turn");
}

#[tokio::test]
async fn exhausted_tries_answer_with_what_the_last_one_said() {
    for (retry, expected) in [
        (json!({ "codes": [503], "attempts": 2, "backoff": "1ms" }), 3),
        (json!({ "codes": [503], "backoff": "1ms" }), 2),
        (json!({ "codes": [503], "attempts": 0 }), 1),
        (json!({ "codes": [502], "attempts": 3, "backoff": "1ms" }), 1),
    ] {
        let tries = Count::default();
        let world = world(&[failing(&tries).await], json!({ "retry": retry })).await;
        let (head, body) = fetch(world.address("http"), get("/")).await;
        assert_eq!((head.status.as_u16(), &*body), (503, &b"failed"[..]), "{retry}");
        assert_eq!(head.headers["x-try"], expected.to_string(), "{retry}: the last try's own answer");
        assert_eq!(tries.get(), expected, "{retry}: no try more");
    }
}

#[tokio::test]
async fn a_refused_connection_goes_to_another_endpoint_without_any_policy() {
    let (refused, _held) = refusing();
    let world = world(&[refused, named("good").await], json!({})).await;
    for _ in 0..6 {
        let (head, body) = fetch(world.address("http"), post("/", Streamed::full("x"))).await;
        assert_eq!((head.status.as_u16(), &*body), (200, &b"good"[..]), "nothing was sent, so any method may go on");
    }
}

#[tokio::test]
async fn a_refused_connection_without_another_endpoint_is_answered() {
    let (refused, _held) = refusing();
    let world = world(&[refused], json!({})).await;
    let (head, _) = fetch(world.address("http"), get("/")).await;
    assert_eq!(head.status, 503, "it may be there again soon");
    eventually("its reason counted", || world.metric(&["paifang_requests_total", "upstream_connect"]) == 1.0).await;
    assert!(world.metric(&["paifang_upstream_connects_total", "failed"]) >= 1.0, "and so is the connection");
}

#[tokio::test]
async fn a_request_that_may_have_been_processed_is_not_sent_again() {
    let tries = Count::default();
    let counted = tries.clone();
    let backend = raw(move |mut stream| {
        let tries = counted.clone();
        async move {
            if stream.read(&mut [0; 4096]).await.unwrap_or(0) > 0 {
                tries.one();
            }
        }
    })
    .await;
    let world = world(&[backend, backend], json!({})).await;
    let (head, _) = fetch(world.address("http"), post("/", Streamed::full("x"))).await;
    assert_eq!((head.status.as_u16(), tries.get()), (502, 1), "a POST is sent once");
}

#[tokio::test]
async fn a_body_too_large_to_keep_is_not_replayed() {
    let tries = Count::default();
    let world = world(&[failing(&tries).await], json!({ "retry": { "codes": [503], "attempts": 3 } })).await;
    let (head, _) = fetch(world.address("http"), post("/", Streamed::full(vec![b'b'; 300_000]))).await;
    assert_eq!((head.status.as_u16(), tries.get()), (503, 1), "the backend's own answer goes out");
}

#[tokio::test]
async fn a_pause_between_tries_ends_with_the_request_timeout() {
    let tries = Count::default();
    let rule = json!({
        "timeouts": { "request": "300ms" }, "retry": { "codes": [503], "attempts": 3, "backoff": "10s" },
    });
    let world = world(&[failing(&tries).await], rule).await;
    let began = Instant::now();
    let (head, _) = fetch(world.address("http"), get("/")).await;
    assert!(began.elapsed() < Duration::from_secs(4), "not the ten seconds of the pause: {:?}", began.elapsed());
    assert_eq!((head.status.as_u16(), tries.get()), (504, 1), "the time is up");
}

#[tokio::test]
async fn a_chunked_body_is_replayed_whole() {
    let tries = Count::default();
    let endpoints = [failing(&tries).await, crate::backend::mirroring().await];
    let world = world(&endpoints, json!({ "retry": { "codes": [503], "attempts": 1, "backoff": "1ms" } })).await;
    for _ in 0..4 {
        let (feed, body) = Streamed::fed();
        tokio::spawn(async move { feed.data("one ").await && feed.data("two").await });
        let (head, back) = fetch(world.address("http"), post("/", body)).await;
        assert_eq!((head.status.as_u16(), &*back), (200, &b"one two"[..]));
    }
    assert!(tries.get() > 0, "the first endpoint had its turn");
}

#[tokio::test]
async fn a_kept_connection_that_the_backend_has_given_up_fails_no_idempotent_request() {
    let backend = raw(|mut stream| async move {
        if stream.read(&mut [0; 4096]).await.unwrap_or(0) > 0 {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
            // takes a second request and closes without an answer, as a server that restarts does
            let _ = stream.read(&mut [0; 4096]).await;
        }
    })
    .await;
    let world = world(&[backend], json!({})).await;
    for n in 0..10 {
        let (head, _) = fetch(world.address("http"), get("/")).await;
        assert_eq!(head.status, 200, "request {n} is sent again on a connection of its own");
    }
}
