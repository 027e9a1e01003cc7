//! Which endpoint and which backend a request goes to.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use http::Response;
use paifang::config::{Config, Forwarded, Upstream};
use paifang::table::backend::Balance;
use serde_json::json;
use tokio::sync::mpsc;

use crate::backend::{Count, named, serve};
use crate::body::Streamed;
use crate::client::{fetch, get, http1, send1};
use crate::within;
use crate::world::{World, plain, route, route_to, service, service_with, to};

/// Sends so many requests on one connection; says how often each backend answered.
async fn spread(address: SocketAddr, requests: usize, client: &str) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    let mut sender = http1(address).await;
    for _ in 0..requests {
        let mut request = get("/");
        request.headers_mut().insert("x-forwarded-for", client.parse().unwrap());
        let (head, body) = send1(&mut sender, request).await;
        assert_eq!(head.status, 200);
        *counts.entry(String::from_utf8(body.to_vec()).unwrap()).or_default() += 1;
    }
    counts
}

fn counts<const N: usize>(expected: [(&str, usize); N]) -> BTreeMap<String, usize> {
    expected.into_iter().map(|(name, count)| (name.to_owned(), count)).collect()
}

#[tokio::test]
async fn round_robin_gives_every_endpoint_the_same_share() {
    let endpoints = [named("a").await, named("b").await, named("c").await];
    let world = World::start(plain().into_iter().chain([service("backend", &endpoints), route_to("backend")])).await;
    let spread = spread(world.address("http"), 30, "").await;
    assert_eq!(spread, counts([("a", 10), ("b", 10), ("c", 10)]));
}

#[tokio::test]
async fn weights_share_requests_between_backends() {
    let weighted = |name: &str, weight: u32| json!({ "name": name, "port": 80, "weight": weight });
    let rules = json!([{ "backendRefs": [weighted("a", 9), weighted("b", 1), weighted("c", 0)] }]);
    let services =
        [service("a", &[named("a").await]), service("b", &[named("b").await]), service("c", &[named("c").await])];
    let world = World::start(plain().into_iter().chain(services).chain([route("route", rules)])).await;
    let spread = spread(world.address("http"), 200, "").await;
    assert_eq!(spread.values().sum::<usize>(), 200);
    assert!((170..=190).contains(&spread["a"]), "nine tenths: {spread:?}");
    assert!(!spread.contains_key("c"), "weight 0 gets nothing: {spread:?}");
}

#[tokio::test]
async fn client_ip_affinity_keeps_each_client_with_one_endpoint() {
    let endpoints = [named("a").await, named("b").await, named("c").await, named("d").await];
    let sticky =
        service_with("backend", &endpoints, json!({ "ports": [{ "port": 80 }], "sessionAffinity": "ClientIP" }));
    let trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    let forwarded = Forwarded { trusted_proxies, ..Forwarded::default() };
    let config = Config { forwarded, ..Config::default() };
    let world = World::with(config, plain().into_iter().chain([sticky, route_to("backend")])).await;
    let mut homes = BTreeMap::new();
    for n in 1..=20 {
        let spread = spread(world.address("http"), 5, &format!("192.0.2.{n}")).await;
        assert_eq!(spread.len(), 1, "one client, one endpoint: {spread:?}");
        homes.extend(spread);
    }
    assert!(homes.len() > 1, "clients are spread over the endpoints: {homes:?}");
}

#[tokio::test]
async fn least_request_leaves_a_busy_endpoint_alone() {
    let (held, mut busy) = mpsc::unbounded_channel();
    let requests = Count::default();
    let counted = requests.clone();
    // its first request never ends, so that it is always the busier one
    let stuck = serve(move |_| {
        let (first, held) = (counted.one() == 0, held.clone());
        async move {
            if first {
                held.send(()).unwrap();
                std::future::pending::<()>().await;
            }
            Ok(Response::new(Streamed::full("stuck")))
        }
    })
    .await;
    let upstream = Upstream { balance: Balance::LeastRequest, ..Upstream::default() };
    let config = Config { upstream, ..Config::default() };
    let backends = [service("backend", &[stuck, named("free").await]), route_to("backend")];
    let world = World::with(config, plain().into_iter().chain(backends)).await;
    let address = world.address("http");
    let asking = tokio::spawn(async move {
        loop {
            send1(&mut http1(address).await, get("/")).await;
        }
    });
    within("a request that hangs", busy.recv()).await.unwrap();
    assert_eq!(spread(address, 50, "").await, counts([("free", 50)]), "requests go where nothing waits");
    asking.abort();
}

#[tokio::test]
async fn an_endpoint_that_is_removed_gets_nothing_new_and_finishes_what_it_has() {
    let (answers, mut requests) = mpsc::unbounded_channel::<tokio::sync::oneshot::Sender<()>>();
    let old = serve(move |_| {
        let (answer, awaited) = tokio::sync::oneshot::channel();
        answers.send(answer).unwrap();
        async move {
            let _ = awaited.await;
            Ok(Response::new(Streamed::full("old")))
        }
    })
    .await;
    let mut world = World::start(plain().into_iter().chain([service("backend", &[old]), route_to("backend")])).await;
    let address = world.address("http");
    let under_way = tokio::spawn(async move { send1(&mut http1(address).await, get("/")).await });
    let answer = within("the request", requests.recv()).await.unwrap();
    world.put([service("backend", &[named("new").await])]).await;
    assert_eq!(spread(address, 10, "").await, counts([("new", 10)]), "the change is live");
    answer.send(()).unwrap();
    let (head, body) = within("the old request", under_way).await.unwrap();
    assert_eq!((head.status.as_u16(), &*body), (200, &b"old"[..]), "what was under way is finished");
    world.put([route("route", json!([{ "backendRefs": [to("nowhere")] }]))]).await;
    assert_eq!(send1(&mut http1(address).await, get("/")).await.0.status, 500, "a backend that does not exist");
}

#[tokio::test]
async fn the_share_of_an_invalid_backend_is_answered_without_anothers_filters() {
    let mut valid = to("valid");
    let set = json!({ "set": [{ "name": "x-backend", "value": "valid" }] });
    valid["filters"] = json!([{ "type": "ResponseHeaderModifier", "responseHeaderModifier": set }]);
    let rules = json!([{ "backendRefs": [valid, to("nowhere")] }]);
    let objects = [service("valid", &[named("valid").await]), route("route", rules)];
    let world = World::start(plain().into_iter().chain(objects)).await;
    let mut statuses = BTreeMap::<u16, usize>::new();
    for _ in 0..20 {
        let (head, _) = fetch(world.address("http"), get("/")).await;
        let status = head.status.as_u16();
        assert_eq!(head.headers.contains_key("x-backend"), status == 200, "{head:?}");
        *statuses.entry(status).or_default() += 1;
    }
    assert_eq!(statuses, BTreeMap::from([(200, 10), (500, 10)]), "each has its share");
}
