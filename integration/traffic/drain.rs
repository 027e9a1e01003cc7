//! How an edge, and a listener, end: what is under way is finished, nothing new begins.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use http::Response;
use paifang::config::{Config, Drain};
use serde_json::json;
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::backend::{named, serve};
use crate::body::{Feed, Streamed};
use crate::client::{get, http1_over, http2, send1, send2};
use crate::pki::Authority;
use crate::raw::Raw;
use crate::world::{World, gateway, plain, route_to, service};
use crate::{eventually, within};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// A backend whose requests wait until the test hands over an answer.
pub(crate) async fn held() -> (SocketAddr, mpsc::UnboundedReceiver<tokio::sync::oneshot::Sender<&'static str>>) {
    let (answers, received) = mpsc::unbounded_channel();
    let address = serve(move |_| {
        let (answer, awaited) = tokio::sync::oneshot::channel();
        answers.send(answer).unwrap();
        async move { Ok(Response::new(Streamed::full(awaited.await.unwrap_or("dropped")))) }
    })
    .await;
    (address, received)
}

pub(crate) fn manifests(backend: SocketAddr) -> Vec<serde_json::Value> {
    plain().into_iter().chain([service("backend", &[backend]), route_to("backend")]).collect()
}

#[tokio::test]
async fn an_ending_edge_finishes_what_is_under_way_and_takes_nothing_new() {
    let (backend, mut requests) = held().await;
    let world = World::start(manifests(backend)).await;
    let address = world.address("http");
    let mut idle = Raw::connect(address).await;
    let mut busy = Raw::connect(address).await;
    busy.write(GET).await;
    let answer = within("the request", requests.recv()).await.unwrap();
    let ending = tokio::spawn(world.edge.shutdown());
    let began = Instant::now();
    assert_eq!(idle.rest().await, "", "an idle connection is closed at once");
    assert!(began.elapsed() < Duration::from_secs(5), "not at its own deadline: {:?}", began.elapsed());
    let refused = async { while TcpStream::connect(address).await.is_ok() {} };
    within("refusing connections", refused).await;
    answer.send("finished").unwrap();
    let last = busy.message().await;
    assert_eq!((last.status(), last.body.as_str()), (200, "finished"));
    assert_eq!(last.field("connection"), Some("close"), "the client learns that it must go: {}", last.head);
    assert_eq!(busy.rest().await, "", "and its connection is closed");
    assert!(within("the end", ending).await.unwrap(), "all requests were finished");
}

#[tokio::test]
async fn an_edge_that_is_empty_ends_at_once() {
    let world = World::start(manifests(named("backend").await)).await;
    let mut idle = Raw::connect(world.address("http")).await;
    idle.write(GET).await;
    assert_eq!(idle.message().await.body, "backend");
    let began = Instant::now();
    assert!(world.edge.shutdown().await, "nothing was under way");
    assert!(began.elapsed() < Duration::from_secs(5), "an idle connection delays nothing: {:?}", began.elapsed());
}

#[tokio::test]
async fn an_edge_whose_requests_do_not_end_gives_up_at_its_limit_and_says_so() {
    let (backend, mut requests) = held().await;
    let drain = Drain { timeout: Duration::from_millis(200), ..Drain::default() };
    let world = World::with(Config { drain, ..Config::default() }, manifests(backend)).await;
    let mut busy = Raw::connect(world.address("http")).await;
    busy.write(GET).await;
    let _answer = within("the request", requests.recv()).await.unwrap();
    let began = Instant::now();
    assert!(!world.edge.shutdown().await, "a request was not finished");
    assert!((Duration::from_millis(200)..Duration::from_secs(5)).contains(&began.elapsed()), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_listener_that_is_removed_finishes_its_requests_and_closes_their_connections() {
    let (backend, mut requests) = held().await;
    let listener = |name: &str, port: u16| json!({ "name": name, "protocol": "HTTP", "port": port });
    let both = gateway(json!([listener("one", 80), listener("two", 8080)]));
    let objects = [service("backend", &[backend]), route_to("backend")];
    let mut world = World::start(both.into_iter().chain(objects)).await;
    let address = world.address("one");
    let (mut idle, mut busy) = (Raw::connect(address).await, Raw::connect(address).await);
    let mut other = Raw::connect(world.address("two")).await;
    busy.write(GET).await;
    other.write(GET).await;
    let answers = [within("one", requests.recv()).await.unwrap(), within("two", requests.recv()).await.unwrap()];
    world.put(gateway(json!([listener("two", 8080)]))).await;
    let began = Instant::now();
    assert_eq!(idle.rest().await, "", "its idle connections are closed");
    assert!(began.elapsed() < Duration::from_secs(5), "not at their own deadline: {:?}", began.elapsed());
    let refused = async { while TcpStream::connect(address).await.is_ok() {} };
    within("refusing connections", refused).await;
    for answer in answers {
        answer.send("finished").unwrap();
    }
    let last = busy.message().await;
    assert_eq!((last.status(), last.body.as_str()), (200, "finished"));
    assert_eq!(last.field("connection"), Some("close"), "{}", last.head);
    assert_eq!(busy.rest().await, "");
    let kept = other.message().await;
    assert_eq!(kept.body, "finished");
    assert_ne!(kept.field("connection"), Some("close"), "another listener goes on");
}

#[tokio::test]
async fn a_streamed_answer_is_finished_while_the_edge_ends() {
    let (feeds, mut received) = mpsc::unbounded_channel::<Feed>();
    let backend = serve(move |_| {
        let (feed, body) = Streamed::fed();
        feeds.send(feed).unwrap();
        async { Ok(Response::new(body)) }
    })
    .await;
    let world = World::start(manifests(backend)).await;
    let mut client = Raw::connect(world.address("http")).await;
    client.write(GET).await;
    let feed = within("the request", received.recv()).await.unwrap();
    assert!(client.head().await.contains(" 200 "));
    assert!(feed.data("one").await);
    assert_eq!(client.chunk().await, "one");
    let address = world.address("http");
    let ending = tokio::spawn(world.edge.shutdown());
    within("refusing connections", async { while TcpStream::connect(address).await.is_ok() {} }).await;
    assert!(feed.data("two").await);
    drop(feed);
    assert_eq!((client.chunk().await, client.chunk().await), ("two".to_owned(), String::new()), "to its end");
    assert_eq!(client.rest().await, "", "its connection is not used again");
    assert!(within("the end", ending).await.unwrap());
}

#[tokio::test]
async fn open_connections_are_counted_down_to_none() {
    let world = World::start(manifests(named("backend").await)).await;
    let mut client = Raw::connect(world.address("http")).await;
    client.write(GET).await;
    assert_eq!(client.message().await.body, "backend");
    assert_eq!(world.metric(&["paifang_connections_open"]), 1.0);
    drop(client);
    eventually("no open connections", || world.metric(&["paifang_connections_open"]) == 0.0).await;
}

#[tokio::test]
async fn an_idle_connection_of_http_2_does_not_delay_the_end() {
    let world = World::start(manifests(named("backend").await)).await;
    let mut sender = http2(world.address("http")).await;
    assert_eq!(send2(&mut sender, get("/")).await.0.status, 200);
    let began = Instant::now();
    assert!(world.edge.shutdown().await, "nothing was under way");
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    let closed = async { while sender.ready().await.is_ok() {} };
    within("the end of the connection", closed).await;
}

#[tokio::test]
async fn an_idle_connection_of_tls_does_not_delay_the_end() {
    let ca = Authority::new();
    let listener = json!({
        "name": "https", "protocol": "HTTPS", "port": 443, "tls": { "certificateRefs": [{ "name": "leaf" }] },
    });
    let rest = [
        service("backend", &[named("backend").await]),
        route_to("backend"),
        ca.issue(&["test.example"]).secret("leaf"),
    ];
    let world = World::start(gateway(json!([listener])).into_iter().chain(rest)).await;
    let stream = ca.client(&["http/1.1"]).connect(world.address("https"), "test.example").await.unwrap();
    let mut sender = http1_over(stream).await;
    assert_eq!(send1(&mut sender, get("/")).await.0.status, 200);
    let began = Instant::now();
    assert!(world.edge.shutdown().await, "nothing was under way");
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}
