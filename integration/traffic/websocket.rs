//! WebSocket through the edge.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use paifang::config::{Config, Downstream};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::handshake::server;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async, client_async};

use crate::backend::raw;
use crate::client::tcp;
use crate::pki::Authority;
use crate::within;
use crate::world::{World, gateway, route, service, to};

/// A backend that sends every message back, and tells the test the requests it saw.
async fn echo() -> (SocketAddr, mpsc::UnboundedReceiver<http::HeaderMap>) {
    let (requests, received) = mpsc::unbounded_channel();
    let address = raw(move |stream| {
        let requests = requests.clone();
        async move {
            #[allow(clippy::result_large_err, reason = "the type is the library's")]
            let note = |request: &server::Request, response: server::Response| {
                requests.send(request.headers().clone()).unwrap();
                Ok(response)
            };
            let mut socket = accept_hdr_async(stream, note).await.unwrap();
            while let Some(Ok(message)) = socket.next().await {
                if (message.is_text() || message.is_binary()) && socket.send(message).await.is_err() {
                    return;
                }
            }
        }
    })
    .await;
    (address, received)
}

async fn world(ca: &Authority, backend: SocketAddr) -> World {
    world_with(Config::default(), ca, backend).await
}

async fn world_with(config: Config, ca: &Authority, backend: SocketAddr) -> World {
    let listeners = json!([
        { "name": "http", "protocol": "HTTP", "port": 80 },
        { "name": "https", "protocol": "HTTPS", "port": 443, "tls": { "certificateRefs": [{ "name": "leaf" }] } },
    ]);
    let set =
        |kind: &str, field: &str| json!({ "type": kind, field: { "set": [{ "name": "x-edge", "value": "passed" }] } });
    let rules = json!([{
        "matches": [{ "path": { "type": "PathPrefix", "value": "/chat" } }],
        "filters": [
            set("RequestHeaderModifier", "requestHeaderModifier"),
            set("ResponseHeaderModifier", "responseHeaderModifier"),
        ],
        "timeouts": { "request": "300ms" },
        "backendRefs": [to("chat")],
    }]);
    let rest = [service("chat", &[backend]), route("route", rules), ca.issue(&["test.example"]).secret("leaf")];
    World::with(config, gateway(listeners).into_iter().chain(rest)).await
}

async fn talk<S: AsyncRead + AsyncWrite + Unpin>(socket: &mut WebSocketStream<S>) {
    for message in [Message::text("hello"), Message::binary(vec![7; 200_000]), Message::text("")] {
        socket.send(message.clone()).await.unwrap();
        let back = within("a message back", socket.next()).await.unwrap().unwrap();
        assert_eq!(back, message, "a message comes back as it was");
    }
}

#[tokio::test]
async fn messages_pass_both_ways_and_the_filters_saw_the_upgrade() {
    let (backend, mut requests) = echo().await;
    let world = world(&Authority::new(), backend).await;
    let stream = tcp(world.address("http")).await;
    let upgraded = within("the upgrade", client_async("ws://test.example/chat", stream)).await;
    let (mut socket, response) = upgraded.unwrap();
    assert_eq!((response.status().as_u16(), response.headers()["x-edge"].as_bytes()), (101, &b"passed"[..]));
    let seen = within("the request", requests.recv()).await.unwrap();
    assert_eq!(seen["x-edge"], "passed", "a request is filtered before it is upgraded");
    assert_eq!(seen["x-forwarded-proto"], "http");
    talk(&mut socket).await;
    // longer than the route's request timeout, which is over once the protocol has changed
    tokio::time::sleep(Duration::from_millis(400)).await;
    talk(&mut socket).await;
    socket.close(None).await.unwrap();
    assert!(
        !matches!(within("the end", socket.next()).await, Some(Err(error)) if !matches!(error, Error::ConnectionClosed))
    );
}

#[tokio::test]
async fn it_works_over_tls() {
    let ca = Authority::new();
    let (backend, mut requests) = echo().await;
    let world = world(&ca, backend).await;
    let stream = ca.client(&["http/1.1"]).connect(world.address("https"), "test.example").await.unwrap();
    let upgraded = within("the upgrade", client_async("wss://test.example/chat", stream)).await;
    talk(&mut upgraded.unwrap().0).await;
    assert_eq!(within("the request", requests.recv()).await.unwrap()["x-forwarded-proto"], "https");
}

#[tokio::test]
async fn a_path_that_is_no_route_is_not_upgraded() {
    let (backend, mut requests) = echo().await;
    let world = world(&Authority::new(), backend).await;
    let stream = tcp(world.address("http")).await;
    match within("the answer", client_async("ws://test.example/other", stream)).await {
        Err(Error::Http(response)) => assert_eq!(response.status(), 404),
        other => panic!("404, not an upgrade: {other:?}"),
    }
    assert!(requests.try_recv().is_err(), "the backend never heard of it");
}

#[tokio::test]
async fn a_quiet_one_outlives_the_time_a_body_may_pause() {
    let downstream = Downstream { body_timeout: Duration::from_millis(200), ..Downstream::default() };
    let (backend, _requests) = echo().await;
    let world = world_with(Config { downstream, ..Config::default() }, &Authority::new(), backend).await;
    let stream = tcp(world.address("http")).await;
    let (mut socket, _) = within("the upgrade", client_async("ws://test.example/chat", stream)).await.unwrap();
    for _ in 0..2 {
        talk(&mut socket).await;
        // the silence itself is what is tested
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    talk(&mut socket).await;
}
