//! HTTP/2 by prior knowledge, towards clients and towards backends.

use std::io;
use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Response};
use http_body_util::BodyExt;
use tokio::sync::{mpsc, oneshot};

use crate::backend::{mirroring, serve};
use crate::body::{Feed, Streamed};
use crate::client::{absolute, get, http1, http2, post, send1, send2};
use crate::within;
use crate::world::{World, h2c_service, plain, route_to, service};

async fn h2c(backend: SocketAddr) -> World {
    World::start(plain().into_iter().chain([h2c_service("backend", &[backend]), route_to("backend")])).await
}

async fn h1(backend: SocketAddr) -> World {
    World::start(plain().into_iter().chain([service("backend", &[backend]), route_to("backend")])).await
}

/// A backend that answers with the version it was spoken to in, and whose answers the test feeds.
async fn fed() -> (SocketAddr, mpsc::UnboundedReceiver<Feed>) {
    let (feeds, received) = mpsc::unbounded_channel();
    let address = serve(move |_| {
        let (feed, body) = Streamed::fed();
        feeds.send(feed).unwrap();
        async { Ok(Response::new(body)) }
    })
    .await;
    (address, received)
}

#[tokio::test]
async fn client_and_backend_choose_their_versions_apart_from_each_other() {
    let version = serve(|request| async move { Ok(Response::new(Streamed::full(format!("{:?}", request.version())))) });
    let backend = version.await;
    for (world, expected) in [(h1(backend).await, "HTTP/1.1"), (h2c(backend).await, "HTTP/2.0")] {
        let address = world.address("http");
        assert_eq!(send1(&mut http1(address).await, get("/")).await.1, expected, "from HTTP/1.1");
        assert_eq!(send2(&mut http2(address).await, get("/")).await.1, expected, "from HTTP/2, on the same port");
    }
}

#[tokio::test]
async fn a_hundred_streams_at_once_keep_their_bodies_apart() {
    let backend = mirroring().await;
    for world in [h1(backend).await, h2c(backend).await] {
        let sender = http2(world.address("http")).await;
        let streams = (0..100_u8).map(|n| {
            let mut sender = sender.clone();
            tokio::spawn(async move {
                let body = Bytes::from(vec![n; 50_000]);
                let (head, back) = send2(&mut sender, post("/", Streamed::full(body.clone()))).await;
                head.status == 200 && back == body
            })
        });
        for stream in streams.collect::<Vec<_>>() {
            assert!(stream.await.unwrap(), "every stream gets its own body back, whole");
        }
    }
}

#[tokio::test]
async fn large_bodies_pass_both_ways() {
    let backend = mirroring().await;
    let body = Bytes::from(vec![7; 10 << 20]);
    for world in [h1(backend).await, h2c(backend).await] {
        let mut sender = http2(world.address("http")).await;
        let (head, back) = send2(&mut sender, post("/", Streamed::full(body.clone()))).await;
        assert_eq!((head.status.as_u16(), back.len()), (200, body.len()));
    }
}

#[tokio::test]
async fn trailers_of_an_answer_reach_a_client_of_http_2() {
    let (backend, mut feeds) = fed().await;
    let world = h2c(backend).await;
    let mut sender = http2(world.address("http")).await;
    let response = within("the head", sender.send_request(absolute("http", get("/")))).await.unwrap();
    let feed = within("the request", feeds.recv()).await.unwrap();
    assert!(feed.data("body").await);
    feed.trailers(sum()).await;
    let whole = within("the end", response.into_body().collect()).await.unwrap();
    assert_eq!(whole.trailers(), Some(&sum()));
    assert_eq!(whole.to_bytes(), "body");
}

#[tokio::test]
async fn trailers_of_a_request_do_not_break_it() {
    for world in [h1(mirroring().await).await, h2c(mirroring().await).await] {
        let mut sender = http2(world.address("http")).await;
        let (feed, body) = Streamed::fed();
        let response = within("the head", sender.send_request(absolute("http", post("/", body)))).await.unwrap();
        assert!(feed.data("body").await);
        feed.trailers(sum()).await;
        assert_eq!(within("the end", response.into_body().collect()).await.unwrap().to_bytes(), "body");
    }
}

fn sum() -> HeaderMap {
    HeaderMap::from_iter([("x-sum".parse().unwrap(), "42".parse().unwrap())])
}

#[tokio::test]
async fn an_ending_edge_says_goaway_and_finishes_the_streams_it_has() {
    let (backend, mut feeds) = fed().await;
    let world = h1(backend).await;
    let stream = crate::client::tcp(world.address("http")).await;
    let (mut sender, driver) = h2::client::handshake(stream).await.unwrap();
    let driver = tokio::spawn(driver);
    let request = || http::Request::builder().uri("http://test.example/").body(()).unwrap();
    let (response, _) = sender.send_request(request(), true).unwrap();
    let feed = within("the request", feeds.recv()).await.unwrap();
    let mut body = within("the head", response).await.unwrap().into_body();
    let ending = tokio::spawn(world.edge.shutdown());
    let refused = async {
        while let Ok(ready) = sender.clone().ready().await {
            sender = ready;
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    within("GOAWAY", refused).await;
    assert!(feed.data("the rest").await, "the stream in flight is still wanted");
    drop(feed);
    assert_eq!(within("the rest", body.data()).await.unwrap().unwrap(), "the rest");
    while let Some(piece) = within("the end", body.data()).await {
        assert_eq!(piece.expect("the stream ends in order"), "", "nothing comes after the end");
    }
    drop((body, sender));
    assert!(within("the end of the edge", ending).await.unwrap(), "every request was finished");
    assert!(within("the end of the connection", driver).await.unwrap().is_ok(), "the connection ends in order");
}

#[tokio::test]
async fn a_stream_that_the_client_resets_ends_at_the_backend() {
    let (backend, mut feeds) = fed().await;
    for world in [h1(backend).await, h2c(backend).await] {
        let mut sender = http2(world.address("http")).await;
        let response = within("the head", sender.send_request(absolute("http", get("/")))).await.unwrap();
        let feed = within("the request", feeds.recv()).await.unwrap();
        drop(response);
        within("the end at the backend", feed.unwanted()).await;
        let again = tokio::spawn(async move { send2(&mut sender, get("/")).await });
        drop(within("another request", feeds.recv()).await.unwrap());
        assert_eq!(again.await.unwrap().0.status, 200, "the connection goes on");
    }
}

#[tokio::test]
async fn a_stream_reset_before_its_answer_ends_at_the_backend() {
    let (requests, mut received) = mpsc::unbounded_channel();
    let backend = serve(move |_| {
        let (alive, ended) = oneshot::channel::<()>();
        requests.send(ended).unwrap();
        async move {
            let _alive = alive;
            std::future::pending::<io::Result<Response<Streamed>>>().await
        }
    })
    .await;
    for world in [h1(backend).await, h2c(backend).await] {
        let mut sender = http2(world.address("http")).await;
        let asking = tokio::spawn(async move { sender.send_request(absolute("http", get("/"))).await });
        let ended = within("the request", received.recv()).await.unwrap();
        asking.abort();
        assert!(within("the end at the backend", ended).await.is_err(), "nobody waits for this answer any more");
    }
}

#[tokio::test]
async fn a_cookie_in_several_fields_reaches_a_backend_of_http_1_in_one() {
    let backend = serve(|request| async move {
        let cookies: Vec<_> =
            request.headers().get_all("cookie").iter().map(|c| c.to_str().unwrap().to_owned()).collect();
        Ok(Response::new(Streamed::full(cookies.join(" | "))))
    })
    .await;
    let world = h1(backend).await;
    let mut request = get("/");
    for crumb in ["a=1", "b=2"] {
        request.headers_mut().append("cookie", crumb.parse().unwrap());
    }
    let (_, body) = send2(&mut http2(world.address("http")).await, request).await;
    assert_eq!(body, "a=1; b=2", "RFC 9113 §8.2.3");
}
