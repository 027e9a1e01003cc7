//! Changes under load: not one request fails, and none sees half of a change.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::{Request, Response};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

use crate::backend::{Count, serve};
use crate::body::Streamed;
use crate::client::{Http1, absolute, get, http1, http1_over, http2, post, send1, whole};
use crate::pki::{Authority, Client, Leaf};
use crate::world::{World, gateway, plain, route, service};
use crate::{eventually, within};

const CHANGES: usize = 220;
const REQUESTS: usize = 10_000;

/// A backend that answers with what the route's filter told it: its own name is part of the answer.
async fn backend(name: &'static str) -> SocketAddr {
    serve(move |request| async move {
        let generation = request.headers().get("x-generation").cloned();
        let body = request.into_body().collect().await.map_err(std::io::Error::other)?.to_bytes();
        let mut response = Response::builder().header("x-backend", name);
        if let Some(generation) = generation {
            response = response.header("x-seen-by-backend", generation);
        }
        Ok(response.body(Streamed::full(body)).unwrap())
    })
    .await
}

/// The route of one generation: its number is in the request, in the answer, and in the weights.
fn generation(number: usize) -> Value {
    let set = |kind: &str, field: &str| json!({ "type": kind, field: { "set": [{ "name": "x-generation", "value": number.to_string() }] } });
    let rule = |prefix: &str| {
        json!({
            "matches": [{ "path": { "type": "PathPrefix", "value": prefix } }],
            "filters": [
                set("RequestHeaderModifier", "requestHeaderModifier"),
                set("ResponseHeaderModifier", "responseHeaderModifier"),
            ],
            "backendRefs": [
                { "name": "one", "port": 80, "weight": number % 7 + 1 },
                { "name": "two", "port": 80, "weight": number % 3 },
            ],
        })
    };
    // rules come and go, so that positions and tables change, too
    let extra = (0..number % 5).map(|n| rule(&format!("/extra-{n}")));
    route("route", extra.chain([rule("/")]).collect())
}

struct Load {
    stop: AtomicBool,
    sent: Count,
}

impl Load {
    fn goes_on(&self) -> bool {
        !self.stop.load(Ordering::SeqCst) || self.sent.get() < REQUESTS
    }

    /// Looks at one answer.
    fn check(&self, head: &http::response::Parts, body: &[u8], expected: &[u8]) {
        assert_eq!((head.status.as_u16(), body), (200, expected), "no request fails: {head:?}");
        let (request, answer) = (&head.headers["x-seen-by-backend"], &head.headers["x-generation"]);
        assert_eq!(request, answer, "a request is served by one generation from its beginning to its end");
        self.sent.one();
    }
}

/// A request now with a body, now without.
fn request(n: usize) -> (Request<Streamed>, &'static [u8]) {
    if n.is_multiple_of(3) { (post("/path", Streamed::full("a body")), b"a body") } else { (get("/path"), b"") }
}

/// One kept connection of HTTP/1.1; the edge may close it only by saying so.
async fn keep_asking(load: &Load, mut sender: Http1) {
    let mut n = 0;
    while load.goes_on() {
        let (request, expected) = request(n);
        let (head, body) = send1(&mut sender, request).await;
        load.check(&head, &body, expected);
        n += 1;
    }
}

async fn ask_by_http_2(load: &Load, address: SocketAddr) {
    let mut sender = http2(address).await;
    let mut n = 0;
    while load.goes_on() {
        let (request, expected) = request(n);
        sender.ready().await.unwrap();
        let response = sender.send_request(absolute("http", request)).await.unwrap();
        let (head, body) = whole(response).await;
        load.check(&head, &body, expected);
        n += 1;
    }
}

/// A new TLS connection every few requests, while the certificate changes.
async fn ask_by_tls(load: &Load, client: &Client, address: SocketAddr) {
    while load.goes_on() {
        let stream = client.connect(address, "test.example").await.expect("no handshake fails");
        let mut sender = http1_over(stream).await;
        for n in 0..20 {
            let (request, expected) = request(n);
            let (head, body) = send1(&mut sender, request).await;
            load.check(&head, &body, expected);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_fails_while_everything_changes() {
    let ca = Authority::new();
    let leaves: Vec<Leaf> = (0..3).map(|_| ca.issue(&["test.example"])).collect();
    let one = [backend("one-a").await, backend("one-b").await, backend("one-c").await];
    let two = [backend("two-a").await, backend("two-b").await];
    let listeners = json!([
        { "name": "http", "protocol": "HTTP", "port": 80 },
        { "name": "https", "protocol": "HTTPS", "port": 443, "tls": { "certificateRefs": [{ "name": "leaf" }] } },
    ]);
    let objects = [service("one", &one), service("two", &two), generation(0), leaves[0].secret("leaf")];
    let mut world = World::start(gateway(listeners).into_iter().chain(objects)).await;
    let (http, https) = (world.address("http"), world.address("https"));
    let load = Arc::new(Load { stop: AtomicBool::new(false), sent: Count::default() });
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let load = Arc::clone(&load);
        clients.spawn(async move { keep_asking(&load, http1(http).await).await });
    }
    for _ in 0..2 {
        let (of_http_2, of_tls, client) = (Arc::clone(&load), Arc::clone(&load), ca.client(&["http/1.1"]));
        clients.spawn(async move { ask_by_http_2(&of_http_2, http).await });
        clients.spawn(async move { ask_by_tls(&of_tls, &client, https).await });
    }
    let before = world.view().version;
    for n in 1..=CHANGES {
        match n % 4 {
            // at least one endpoint stays, and those that go still answer what they have
            0 => world.put([service("one", &one[n / 4 % 3..])]).await,
            1 => world.put([service("two", &two[..1 + n / 4 % 2])]).await,
            2 => world.put([leaves[n / 4 % 3].secret("leaf")]).await,
            _ => {}
        }
        world.put([generation(n)]).await;
    }
    load.stop.store(true, Ordering::SeqCst);
    while let Some(client) = clients.join_next().await {
        client.expect("a client that saw nothing wrong");
    }
    assert!(world.view().version - before >= CHANGES as u64, "every change was served");
    assert!(load.sent.get() >= REQUESTS, "{} requests", load.sent.get());
    // a connection ends after its last request was counted
    eventually("no open connections", || world.metric(&["paifang_connections_open"]) == 0.0).await;
    assert_eq!(world.metric(&["paifang_panics_total"]), 0.0);
    let wrong =
        world.metric(&["paifang_requests_total", "code=\"5"]) + world.metric(&["paifang_requests_unrouted_total"]);
    assert_eq!(wrong, 0.0, "the edge saw no failure, either");
}

#[tokio::test]
async fn a_request_keeps_the_rule_it_began_with_whatever_is_published_meanwhile() {
    let (answers, mut requests) = mpsc::unbounded_channel::<oneshot::Sender<()>>();
    let slow = serve(move |request| {
        let (answer, awaited) = oneshot::channel();
        answers.send(answer).unwrap();
        async move {
            let _ = awaited.await;
            let seen = request.headers()["x-generation"].clone();
            Ok(Response::builder().header("x-seen-by-backend", seen).body(Streamed::empty()).unwrap())
        }
    })
    .await;
    let both = [service("one", &[slow]), service("two", &[slow]), generation(1)];
    let mut world = World::start(plain().into_iter().chain(both)).await;
    let address = world.address("http");
    let ask = || tokio::spawn(async move { send1(&mut http1(address).await, get("/path")).await.0 });
    let old = ask();
    let old_answer = within("the first request", requests.recv()).await.unwrap();
    world.put([generation(2)]).await;
    let new = ask();
    let new_answer = within("the second request", requests.recv()).await.unwrap();
    world.remove("HTTPRoute/route").await;
    for (request, answer, expected) in [(old, old_answer, "1"), (new, new_answer, "2")] {
        answer.send(()).unwrap();
        let head = within("an answer", request).await.unwrap();
        assert_eq!(head.status, 200, "a route that is gone still serves what it has begun");
        assert_eq!(head.headers["x-seen-by-backend"], expected, "on its way in");
        assert_eq!(head.headers["x-generation"], expected, "and on its way out");
    }
}
