//! HTTP/1 between clients and backends.

use std::io;

use bytes::Bytes;
use http::{HeaderMap, Method, Response, StatusCode};
use http_body_util::BodyExt;
use paifang::echo::{Echo, Identity};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{mpsc, oneshot};

use crate::backend::{mirroring, named, raw, serve};
use crate::body::{Feed, Streamed};
use crate::client::{fetch, get, http1, post, request, send1};
use crate::raw::Raw;
use crate::within;
use crate::world::{World, plain, route_to, service};

async fn world(backend: std::net::SocketAddr) -> World {
    World::start(plain().into_iter().chain([service("backend", &[backend]), route_to("backend")])).await
}

/// A backend that reads each request whole and answers with its path and body.
async fn telling() -> std::net::SocketAddr {
    serve(|request| async move {
        let path = request.uri().to_string();
        let body = request.into_body().collect().await.map_err(io::Error::other)?.to_bytes();
        Ok(Response::new(Streamed::full(format!("{path} {}", String::from_utf8_lossy(&body)))))
    })
    .await
}

#[tokio::test]
async fn a_connection_serves_one_request_after_the_other() {
    let world = world(telling().await).await;
    let mut client = Raw::connect(world.address("http")).await;
    for path in ["/one", "/two", "/three"] {
        client.write(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        let answer = client.message().await;
        assert_eq!((answer.status(), answer.body.as_str()), (200, &*format!("{path} ")));
    }
}

#[tokio::test]
async fn pipelined_requests_are_all_answered_in_their_order() {
    let world = world(telling().await).await;
    let mut client = Raw::connect(world.address("http")).await;
    client.write("GET /one HTTP/1.1\r\nHost: a\r\n\r\nGET /two HTTP/1.1\r\nHost: a\r\n\r\nGET /three HTTP/1.1\r\nHost: a\r\n\r\n").await;
    for path in ["/one ", "/two ", "/three "] {
        let answer = client.message().await;
        assert_eq!((answer.status(), answer.body.as_str()), (200, path), "each in its turn");
    }
}

#[tokio::test]
async fn pipelined_requests_with_bodies_keep_their_own_bodies() {
    let world = world(telling().await).await;
    let mut client = Raw::connect(world.address("http")).await;
    let post = |path: &str, body: &str| {
        format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    };
    client.write(format!("{}{}{}", post("/one", "first"), post("/two", "second"), post("/three", ""))).await;
    for expected in ["/one first", "/two second", "/three "] {
        let answer = client.message().await;
        assert_eq!((answer.status(), answer.body.as_str()), (200, expected), "a body belongs to its request only");
    }
}

#[tokio::test]
async fn what_follows_a_chunked_body_never_becomes_part_of_it() {
    let world = world(telling().await).await;
    let mut client = Raw::connect(world.address("http")).await;
    client.write("POST /one HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nGET /two HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let first = client.message().await;
    assert_eq!((first.status(), first.body.as_str()), (200, "/one abc"), "the body ends with its last chunk");
    let rest = client.head().await;
    assert!(rest.is_empty() || rest.starts_with("HTTP/1.1 200"), "the next request is answered or left alone: {rest}");
}

#[tokio::test]
async fn an_http_1_0_client_gets_no_chunks_and_its_connection_closed() {
    let backend = serve(|_| async {
        let (feed, body) = Streamed::fed();
        tokio::spawn(async move { feed.data("one ").await && feed.data("two").await });
        Ok(Response::new(body))
    })
    .await;
    let world = world(backend).await;
    let mut client = Raw::connect(world.address("http")).await;
    client.write("GET / HTTP/1.0\r\nHost: a\r\n\r\n").await;
    let answer = client.rest().await;
    assert!(answer.contains(" 200 ") && answer.ends_with("\r\n\r\none two"), "ends with the connection: {answer}");
    assert!(!answer.to_lowercase().contains("transfer-encoding"), "HTTP/1.0 knows no chunks: {answer}");
}

#[tokio::test]
async fn a_head_request_gets_the_head_only_and_the_connection_goes_on() {
    let world = world(named("backend").await).await;
    let mut client = Raw::connect(world.address("http")).await;
    client.write("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let head = client.head().await.to_lowercase();
    assert!(head.contains(" 200 ") && head.contains("content-length: 7"), "as a GET would be answered: {head}");
    client.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(client.message().await.body, "backend", "no body stands between the two answers");
}

#[tokio::test]
async fn answers_that_have_no_body_leave_the_connection_usable() {
    let backend = serve(|request| async move {
        let mut response = Response::new(Streamed::empty());
        *response.status_mut() = request.uri().path()[1..].parse().unwrap();
        Ok(response)
    })
    .await;
    let world = world(backend).await;
    let mut client = Raw::connect(world.address("http")).await;
    for status in [204, 304, 204, 200] {
        client.write(format!("GET /{status} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        let head = client.head().await.to_lowercase();
        assert!(head.starts_with(&format!("http/1.1 {status} ")), "{status}: {head}");
        if status != 200 {
            assert!(!head.contains("transfer-encoding"), "{status} has no body to code: {head}");
        }
    }
}

#[tokio::test]
async fn pieces_of_unknown_number_pass_both_ways_as_they_come() {
    let world = world(mirroring().await).await;
    let mut client = http1(world.address("http")).await;
    let (feed, body) = Streamed::fed();
    let response = within("the head", client.send_request(post("/", body))).await.unwrap();
    let mut answer = response.into_body();
    for piece in ["one", "two", "three"] {
        assert!(feed.data(piece).await);
        let back = within("a piece back", answer.frame()).await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(back, piece, "a piece is passed on before the next exists");
    }
    drop(feed);
    assert!(within("the end", answer.frame()).await.is_none());
}

#[tokio::test]
async fn a_client_that_expects_100_is_told_to_continue_and_its_body_arrives() {
    let world = world(telling().await).await;
    let mut client = Raw::connect(world.address("http")).await;
    client.write("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n").await;
    assert!(client.head().await.starts_with("HTTP/1.1 100"), "the client waits for this");
    client.write("body").await;
    let answer = client.message().await;
    assert_eq!((answer.status(), answer.body.as_str()), (200, "/ body"));
}

#[tokio::test]
async fn early_hints_come_before_the_answer() {
    let backend = raw(|mut stream| async move {
        let _ = stream.read(&mut [0; 4096]).await;
        let hints = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n";
        let _ = stream.write_all(format!("{hints}HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody").as_bytes()).await;
    })
    .await;
    let world = world(backend).await;
    let mut client = Raw::connect(world.address("http")).await;
    client.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let hints = client.head().await;
    assert!(hints.starts_with("HTTP/1.1 103") && hints.to_lowercase().contains("link: </a.css>"), "{hints}");
    let answer = client.message().await;
    assert_eq!((answer.status(), answer.body.as_str()), (200, "body"));
}

#[tokio::test]
async fn a_large_upload_arrives_whole() {
    let echo = Echo::start(Identity::named("echo")).await.unwrap();
    let world = world(echo.address()).await;
    let body: Bytes = (0..10_u32 << 20).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let mut hash = String::new();
    for byte in ring::digest::digest(&ring::digest::SHA256, &body).as_ref() {
        hash.push_str(&format!("{byte:02x}"));
    }
    let (head, seen) = fetch(world.address("http"), post("/", Streamed::full(body))).await;
    let seen: serde_json::Value = serde_json::from_slice(&seen).unwrap();
    assert_eq!(head.status, 200);
    assert_eq!((seen["bodyBytes"].as_u64(), seen["bodySha256"].as_str()), (Some(10 << 20), Some(&*hash)));
}

#[tokio::test]
async fn a_large_download_arrives_whole_at_a_slow_reader() {
    let echo = Echo::start(Identity::named("echo")).await.unwrap();
    let world = world(echo.address()).await;
    let mut client = http1(world.address("http")).await;
    let response = within("the head", client.send_request(get("/?size=10Mi"))).await.unwrap();
    assert_eq!(response.headers()["content-length"], (10 << 20).to_string(), "a length that is known stays known");
    let (mut body, mut received) = (response.into_body(), 0);
    while let Some(frame) = within("more", body.frame()).await {
        received += frame.unwrap().into_data().unwrap().len();
        tokio::task::yield_now().await;
    }
    assert_eq!(received, 10 << 20);
}

/// A backend whose answers the test feeds.
async fn fed() -> (std::net::SocketAddr, mpsc::UnboundedReceiver<Feed>) {
    let (feeds, received) = mpsc::unbounded_channel();
    let address = serve(move |_| {
        let (feed, body) = Streamed::fed();
        feeds.send(feed).unwrap();
        async { Ok(Response::builder().header("content-type", "text/event-stream").body(body).unwrap()) }
    })
    .await;
    (address, received)
}

#[tokio::test]
async fn a_client_that_does_not_read_stops_the_backend() {
    let (backend, mut feeds) = fed().await;
    let world = world(backend).await;
    let response = within("the head", http1(world.address("http")).await.send_request(get("/"))).await.unwrap();
    let feed = within("the request", feeds.recv()).await.unwrap();
    let piece = Bytes::from(vec![b'x'; 64 << 10]);
    let mut sent = 0;
    while tokio::time::timeout(std::time::Duration::from_millis(500), feed.data(piece.clone())).await.is_ok() {
        sent += piece.len();
        assert!(sent < 64 << 20, "the backend must be stopped long before 64 MiB wait in memory");
    }
    let mut body = response.into_body();
    let mut received = 0;
    let reading = async {
        while let Some(frame) = body.frame().await {
            received += frame.unwrap().into_data().unwrap().len();
            if received >= sent {
                break;
            }
        }
    };
    within("what was sent", reading).await;
    assert!(received >= sent, "nothing of it is lost");
    assert!(within("room for more", feed.data(piece)).await, "a client that reads again sets it going again");
}

#[tokio::test]
async fn a_server_sent_event_is_passed_on_before_the_next_exists() {
    let (backend, mut feeds) = fed().await;
    let world = world(backend).await;
    let mut client = Raw::connect(world.address("http")).await;
    client.write("GET / HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n").await;
    let feed = within("the request", feeds.recv()).await.unwrap();
    assert!(client.head().await.contains(" 200 "), "the head comes before any event");
    for event in ["data: one\n\n", "data: two\n\n"] {
        assert!(feed.data(event).await);
        assert_eq!(client.chunk().await, event, "an event must not wait in a buffer");
    }
}

#[tokio::test]
async fn a_client_that_goes_away_within_an_answer_ends_it_at_the_backend() {
    let (backend, mut feeds) = fed().await;
    let world = world(backend).await;
    let mut client = Raw::connect(world.address("http")).await;
    client.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let feed = within("the request", feeds.recv()).await.unwrap();
    assert!(client.head().await.contains(" 200 "));
    drop(client);
    within("the end at the backend", feed.unwanted()).await;
}

#[tokio::test]
async fn a_client_that_goes_away_before_its_answer_ends_the_request_at_the_backend() {
    let (requests, mut received) = mpsc::unbounded_channel();
    let backend = serve(move |_| {
        let (alive, ended) = oneshot::channel::<()>();
        requests.send(ended).unwrap();
        async move {
            let _alive = alive;
            std::future::pending().await
        }
    })
    .await;
    let world = world(backend).await;
    let mut client = Raw::connect(world.address("http")).await;
    client.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let ended = within("the request", received.recv()).await.unwrap();
    drop(client);
    assert!(within("the end at the backend", ended).await.is_err(), "nobody waits for this answer any more");
}

#[tokio::test]
async fn a_backend_that_breaks_off_its_answer_breaks_off_the_clients() {
    let (backend, mut feeds) = fed().await;
    let world = world(backend).await;
    let mut client = http1(world.address("http")).await;
    let response = within("the head", client.send_request(get("/"))).await.unwrap();
    let feed = within("the request", feeds.recv()).await.unwrap();
    assert!(feed.data("half").await);
    feed.abort().await;
    let body = within("the end", response.into_body().collect()).await;
    assert!(body.is_err(), "half an answer must not look like a whole one");
}

#[tokio::test]
async fn trailers_of_a_chunked_request_do_not_break_it() {
    let world = world(mirroring().await).await;
    let mut client = http1(world.address("http")).await;
    let (feed, body) = Streamed::fed();
    let response = within("the head", client.send_request(post("/", body))).await.unwrap();
    assert!(feed.data("body").await);
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sum", "1".parse().unwrap());
    feed.trailers(trailers).await;
    let body = within("the body", response.into_body().collect()).await.unwrap();
    assert_eq!(body.to_bytes(), "body");
}

#[tokio::test]
async fn every_common_method_reaches_the_backend() {
    let backend = serve(|request| async move { Ok(Response::new(Streamed::full(request.method().to_string()))) }).await;
    let world = world(backend).await;
    let mut client = http1(world.address("http")).await;
    for method in [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS] {
        let (head, body) = send1(&mut client, request(method.clone(), "/", Streamed::empty())).await;
        assert_eq!((head.status, &*body), (StatusCode::OK, method.as_str().as_bytes()));
    }
}

#[tokio::test]
async fn an_answer_that_comes_before_the_whole_request_reaches_its_client() {
    let early = raw(|mut stream| async move {
        let _ = stream.read(&mut [0; 4096]).await;
        let _ = stream.write_all(b"HTTP/1.1 413 Too Large\r\nContent-Length: 4\r\nConnection: close\r\n\r\nmuch").await;
        // closing at once would reset the connection and take the answer with it
        let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
    })
    .await;
    let world = world(early).await;
    let mut client = http1(world.address("http")).await;
    let (feed, body) = Streamed::fed();
    let asking = client.send_request(post("/", body));
    assert!(feed.data(vec![b'x'; 100_000]).await);
    let response = within("the answer", asking).await.unwrap();
    assert_eq!(response.status(), 413, "the backend's own answer, though the request has not ended");
}

#[tokio::test]
async fn an_upload_that_no_route_wants_is_answered() {
    let world = World::start(plain()).await;
    // not hyper's client: once the answer came before its body left, it may not ask again
    let mut client = Raw::connect(world.address("http")).await;
    let body = vec![b'x'; 5 << 20];
    let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", body.len());
    for _ in 0..3 {
        client.write(&head).await;
        assert_eq!(client.message().await.status(), 404, "nothing of the body has to come first");
        client.write(&body).await;
        client.write(&head).await;
        client.write(&body).await;
        assert_eq!(client.message().await.status(), 404, "nor is the answer lost while the body comes");
    }
}

#[tokio::test]
async fn a_client_that_expects_100_is_told_of_a_failure_without_its_body() {
    let world = World::start(plain()).await;
    let mut client = Raw::connect(world.address("http")).await;
    client.write("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n").await;
    let answer = client.message().await;
    assert_eq!((answer.status(), answer.field("connection")), (404, Some("close")), "{}", answer.head);
    assert_eq!(client.rest().await, "", "nobody can tell whether its body still comes");
}
