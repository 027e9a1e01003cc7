//! Requests at one moment.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use http::Response;
use serde_json::json;
use tokio::sync::Semaphore;

use super::{denied, get_with, policy, policy_on, still, with};
use crate::backend::{Count, serve};
use crate::body::Streamed;
use crate::client::{fetch, get, http1};
use crate::eventually;
use crate::world::{World, plain, route_to, service};

use paifang::telemetry::AccessLog;

/// A backend that counts requests when they come, and answers each when it is let.
async fn gated(arrived: &Count, gate: &Arc<Semaphore>) -> SocketAddr {
    let (arrived, gate) = (arrived.clone(), Arc::clone(gate));
    serve(move |_| {
        let (arrived, gate) = (arrived.clone(), Arc::clone(&gate));
        async move {
            arrived.one();
            gate.acquire().await.map_err(io::Error::other)?.forget();
            Ok(Response::new(Streamed::full("done")))
        }
    })
    .await
}

async fn world(limit: serde_json::Value, arrived: &Count, gate: &Arc<Semaphore>) -> World {
    let objects =
        [service("backend", &[gated(arrived, gate).await]), route_to("backend"), policy(json!({ "few": limit }))];
    World::limited(still().0, AccessLog::disabled(), plain().into_iter().chain(objects)).await
}

fn at_once(number: u32) -> serde_json::Value {
    json!({ "concurrency": number, "scope": "Route", "counting": "PerReplica" })
}

#[tokio::test]
async fn no_more_are_under_way_than_may_be() {
    let (arrived, gate) = (Count::default(), Arc::new(Semaphore::new(0)));
    let world = world(at_once(2), &arrived, &gate).await;
    let address = world.address("http");
    let first: Vec<_> = (0..2).map(|_| tokio::spawn(fetch(address, get("/")))).collect();
    eventually("two requests", || arrived.get() == 2).await;
    let (head, _) = fetch(address, get("/")).await;
    assert_eq!((head.status.as_u16(), &head.headers["retry-after"]), (429, &"1".parse().unwrap()));
    assert!(!head.headers.contains_key("ratelimit"), "there is no rate to tell of");
    gate.add_permits(3);
    for request in first {
        assert_eq!(request.await.unwrap().0.status, 200);
    }
    assert_eq!(denied(&world, "few", "denied"), 1.0);
    // a place is given back before its request is counted
    eventually("two places", || world.metric(&["paifang_requests_total", "code=\"200\""]) == 2.0).await;
    assert_eq!(fetch(address, get("/")).await.0.status, 200);
}

#[tokio::test]
async fn a_client_that_goes_away_leaves_its_place() {
    let (arrived, gate) = (Count::default(), Arc::new(Semaphore::new(0)));
    let world = world(at_once(1), &arrived, &gate).await;
    let address = world.address("http");
    let mut client = http1(address).await;
    let gone = tokio::spawn(async move { client.send_request(get("/")).await });
    eventually("a request", || arrived.get() == 1).await;
    gone.abort();
    let _ = gone.await;
    eventually("its end", || world.metric(&["paifang_requests_total", "client_abort"]) > 0.0).await;
    gate.add_permits(2);
    assert_eq!(fetch(address, get("/")).await.0.status, 200);
}

#[tokio::test]
async fn each_key_has_its_own_places_and_who_has_none_takes_no_rate() {
    let (arrived, gate) = (Count::default(), Arc::new(Semaphore::new(0)));
    let keyed = with(at_once(1), json!({ "key": [{ "type": "Header", "name": "x-key" }] }));
    let mut world = world(keyed, &arrived, &gate).await;
    let rate =
        json!({ "rate": { "requests": 3, "per": "1h", "burst": 3 }, "scope": "Gateway", "counting": "PerReplica" });
    world.put([policy_on("Gateway", "edge", json!({ "all": rate }))]).await;
    let address = world.address("http");
    let one = tokio::spawn(fetch(address, get_with("/", "x-key", "a")));
    eventually("a request", || arrived.get() == 1).await;
    for _ in 0..5 {
        assert_eq!(fetch(address, get_with("/", "x-key", "a")).await.0.status, 429);
    }
    let other = tokio::spawn(fetch(address, get_with("/", "x-key", "b")));
    eventually("another", || arrived.get() == 2).await;
    gate.add_permits(3);
    assert_eq!(one.await.unwrap().0.status, 200);
    assert_eq!(other.await.unwrap().0.headers["ratelimit"].to_str().unwrap().split(';').nth(1), Some("r=1"));
}
