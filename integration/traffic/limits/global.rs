//! Rates that replicas count together, with a real Redis that comes and goes.

use std::sync::Arc;
use std::time::Duration;

use paifang::limit::{Basis, global};
use paifang::proxy::server::Limits;
use paifang::telemetry::AccessLog;
use serde_json::{Value, json};

use super::{denied, passes, policy, policy_on};
use crate::backend::named;
use crate::client::{fetch, get};
use crate::eventually;
use crate::redis::Redis;
use crate::world::{World, plain, route_to, service};

/// More than any of these tests lasts passes before one more is admitted.
fn shared(requests: u32, failure: &str) -> Value {
    let rate = json!({ "requests": requests, "per": "1h", "burst": requests });
    json!({ "rate": rate, "scope": "Gateway", "counting": "Global", "onStoreFailure": failure })
}

/// A replica that waits for as long as a busy machine takes.
async fn replica(store: Option<&Redis>, objects: Vec<Value>) -> World {
    let patient =
        |settings| global::Settings { deadline: Duration::from_secs(20), pause: Duration::from_millis(2), ..settings };
    let limits = Limits { basis: Arc::new(Basis::default()), store: store.map(|redis| patient(redis.settings())) };
    let known = [service("backend", &[named("hello").await]), route_to("backend")];
    let world = World::limited(limits, AccessLog::disabled(), plain().into_iter().chain(known).chain(objects)).await;
    if store.is_some() {
        connected(&world, 2).await;
    }
    world
}

/// Waits until so many of the two threads have a connection.
async fn connected(world: &World, count: usize) {
    let up = || world.metric(&["paifang_limit_store_connections", "state=\"up\""]);
    eventually("connections to the store", || up() == count as f64).await;
}

#[tokio::test]
async fn replicas_count_together() {
    let redis = Redis::start();
    let objects = || vec![policy(json!({ "all": shared(10, "Deny") }))];
    let (one, other) = (replica(Some(&redis), objects()).await, replica(Some(&redis), objects()).await);
    let (head, _) = fetch(one.address("http"), get("/")).await;
    assert_eq!(head.headers["ratelimit"].to_str().unwrap().split(';').nth(1), Some("r=9"));
    for n in 0..9 {
        let world = if n % 2 == 0 { &one } else { &other };
        assert_eq!(fetch(world.address("http"), get("/")).await.0.status, 200);
    }
    assert_eq!((passes(&one, || get("/")).await, passes(&other, || get("/")).await), (0, 0));
    assert_eq!((denied(&one, "all", "denied"), denied(&other, "all", "denied")), (1.0, 1.0));
}

#[tokio::test]
async fn what_the_store_denies_takes_nothing_here() {
    let redis = Redis::start();
    let here =
        json!({ "rate": { "requests": 5, "per": "1h", "burst": 5 }, "scope": "Route", "counting": "PerReplica" });
    let objects =
        vec![policy_on("Gateway", "edge", json!({ "together": shared(2, "Deny") })), policy(json!({ "here": here }))];
    let mut world = replica(Some(&redis), objects).await;
    assert_eq!(passes(&world, || get("/")).await, 2);
    for _ in 0..4 {
        assert_eq!(fetch(world.address("http"), get("/")).await.0.status, 429);
    }
    world.remove("RateLimitPolicy/on-edge").await;
    assert_eq!(passes(&world, || get("/")).await, 3);
}

#[tokio::test]
async fn a_store_that_stops_under_load_is_done_without() {
    let mut redis = Redis::start();
    let world = replica(Some(&redis), vec![policy(json!({ "all": shared(30, "Local") }))]).await;
    let load = |count: usize| {
        let address = world.address("http");
        let requests: Vec<_> = (0..count).map(|_| tokio::spawn(fetch(address, get("/")))).collect();
        async move {
            let mut passed = 0;
            for request in requests {
                match request.await.unwrap().0.status.as_u16() {
                    200 => passed += 1,
                    429 => {}
                    other => panic!("{other}"),
                }
            }
            passed
        }
    };
    let before = load(10);
    redis.stop();
    assert_eq!(before.await, 10, "each is answered, by the store or here");
    connected(&world, 0).await;
    let alone = load(60).await;
    assert!((20..=30).contains(&alone), "{alone}: the quota of this replica");
    assert!(world.metric(&["paifang_limit_store_failures_total"]) >= 30.0);
    redis.start_again();
    connected(&world, 2).await;
    assert_eq!(load(60).await, 30, "it has forgotten all");
}

#[tokio::test]
async fn without_a_store_each_limit_does_what_it_says() {
    for (failure, expected) in [("Local", 3), ("Allow", 50), ("Deny", 0)] {
        let world = replica(None, vec![policy(json!({ "all": shared(3, failure) }))]).await;
        assert_eq!(passes(&world, || get("/")).await, expected, "{failure}");
        assert!(world.metric(&["paifang_limit_store_failures_total"]) > 0.0);
    }
}
