//! Copies of requests: whole, and without any effect on their originals.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use paifang::echo::{Echo, Identity};
use serde_json::{Value, json};

use crate::backend::{named, refusing, silent};
use crate::body::Streamed;
use crate::client::{fetch, get, http1, http2, post, send1, send2};
use crate::raw::Raw;
use crate::world::{World, plain, route, service, to};
use crate::{eventually, within};

fn mirror_to(name: &str, share: Option<u32>) -> Value {
    let mut mirror = json!({ "backendRef": to(name) });
    if let Some(share) = share {
        mirror["percent"] = share.into();
    }
    json!({ "type": "RequestMirror", "requestMirror": mirror })
}

async fn world(mirrors: &[(&str, SocketAddr)], filters: &[Value]) -> World {
    world_of(&[named("backend").await], mirrors, filters).await
}

async fn world_of(endpoints: &[SocketAddr], mirrors: &[(&str, SocketAddr)], filters: &[Value]) -> World {
    let rule = json!({ "filters": filters, "backendRefs": [to("backend")] });
    let services = mirrors.iter().map(|(name, address)| service(name, &[*address]));
    let rest = [service("backend", endpoints), route("route", json!([rule]))];
    World::start(plain().into_iter().chain(services).chain(rest)).await
}

#[tokio::test]
async fn two_mirrors_get_the_whole_body_each_by_whatever_version_it_came() {
    let (one, two) =
        (Echo::start(Identity::named("1")).await.unwrap(), Echo::start(Identity::named("2")).await.unwrap());
    let mut received = [one.requests(), two.requests()];
    let mirrors = [("one", one.address()), ("two", two.address())];
    let world = world(&mirrors, &[mirror_to("one", None), mirror_to("two", None)]).await;
    let body = vec![b'm'; 100_000];
    let request = || post("/path?query", Streamed::full(body.clone()));
    for http_2 in [false, true] {
        let address = world.address("http");
        let (head, answer) = match http_2 {
            true => send2(&mut http2(address).await, request()).await,
            false => send1(&mut http1(address).await, request()).await,
        };
        assert_eq!((head.status.as_u16(), &*answer), (200, &b"backend"[..]), "only the backend's answer counts");
        for received in &mut received {
            let seen = within("the copy", received.recv()).await.unwrap();
            assert_eq!((seen.method.as_str(), seen.path.as_str(), seen.body_bytes), ("POST", "/path?query", 100_000));
            assert_eq!(seen.host, "test.example", "HTTP/2: {http_2}");
        }
    }
    eventually("copies counted", || world.metric(&["paifang_mirror_requests_total", "ok"]) == 4.0).await;
}

#[tokio::test]
async fn a_mirror_that_is_down_or_never_answers_neither_delays_nor_fails_anything() {
    let (refused, _held) = refusing();
    let mirrors = [("down", refused), ("slow", silent().await)];
    let world = world(&mirrors, &[mirror_to("down", None), mirror_to("slow", None)]).await;
    let began = Instant::now();
    let mut client = http1(world.address("http")).await;
    for size in [0, 10, 5 << 20] {
        let (head, answer) = send1(&mut client, post("/", Streamed::full(vec![b'm'; size]))).await;
        assert_eq!((head.status.as_u16(), &*answer), (200, &b"backend"[..]), "{size} bytes");
    }
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    eventually("failures counted", || world.metric(&["paifang_mirror_requests_total", "failed"]) >= 3.0).await;
}

#[tokio::test]
async fn a_mirror_that_does_not_exist_is_left_out() {
    let world = world(&[], &[mirror_to("nowhere", None)]).await;
    let (head, _) = fetch(world.address("http"), get("/")).await;
    assert_eq!(head.status, 200, "a broken mirror is the status's business, not the client's");
}

#[tokio::test]
async fn percent_is_kept_over_many_requests() {
    let echo = Echo::start(Identity::named("mirror")).await.unwrap();
    let world = world(&[("mirror", echo.address())], &[mirror_to("mirror", Some(20))]).await;
    let mut client = http1(world.address("http")).await;
    for _ in 0..500 {
        assert_eq!(send1(&mut client, get("/")).await.0.status, 200);
    }
    let copies = || world.metric(&["paifang_mirror_requests_total"]);
    eventually("the copies", || copies() >= 95.0).await;
    assert!((95.0..=105.0).contains(&copies()), "20 % of 500 are 100, not {}", copies());
}

#[tokio::test]
async fn a_mirror_does_not_see_what_concerns_the_clients_connection_alone() {
    let echo = Echo::start(Identity::named("mirror")).await.unwrap();
    let mut copies = echo.requests();
    let world = world(&[("mirror", echo.address())], &[mirror_to("mirror", None)]).await;
    let mut client = Raw::connect(world.address("http")).await;
    let fields = "connection: keep-alive, x-hop, X-Other\r\nx-hop: secret\r\nx-other: secret\r\n\
         keep-alive: timeout=5\r\nproxy-authorization: Basic c2VjcmV0\r\nproxy-connection: keep-alive\r\n\
         te: trailers\r\nx-kept: yes\r\nauthorization: Basic bWluZQ==\r\n";
    client.write(format!("GET / HTTP/1.1\r\nhost: test.example\r\n{fields}\r\n")).await;
    assert_eq!(client.message().await.status(), 200);
    let seen = within("the copy", copies.recv()).await.unwrap();
    for name in ["x-hop", "x-other", "keep-alive", "proxy-authorization", "proxy-connection", "te"] {
        assert_eq!(seen.headers.get(name), None, "{name} belongs to the client's connection");
    }
    for (name, value) in [("x-kept", "yes"), ("authorization", "Basic bWluZQ==")] {
        assert_eq!(seen.headers[name], [value], "{name} belongs to the request");
    }
}

#[tokio::test]
async fn a_mirror_gets_the_whole_body_of_a_request_that_goes_to_another_endpoint() {
    let echo = Echo::start(Identity::named("mirror")).await.unwrap();
    let mut copies = echo.requests();
    let (refused, _held) = refusing();
    let endpoints = [refused, named("backend").await];
    let world = world_of(&endpoints, &[("mirror", echo.address())], &[mirror_to("mirror", None)]).await;
    for _ in 0..4 {
        let body = Streamed::full(vec![b'm'; 30_000]);
        let (head, answer) = fetch(world.address("http"), post("/", body)).await;
        assert_eq!((head.status.as_u16(), &*answer), (200, &b"backend"[..]));
        assert_eq!(within("the copy", copies.recv()).await.unwrap().body_bytes, 30_000, "whole, and once");
    }
    assert!(world.metric(&["paifang_upstream_connects_total", "failed"]) >= 1.0, "an endpoint refused");
}
