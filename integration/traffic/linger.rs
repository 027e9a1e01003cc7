//! The end of a connection: what the client still sends must not cost it the last response (RFC 9112 §9.6).

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use paifang::config::Config;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::backend::refusing;
use crate::drain::{held, manifests};
use crate::world::{World, plain, route_to, service};
use crate::{eventually, within};

const TIMES: usize = 20;
const UPLOAD: usize = 1 << 20;
const POST: &str = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1048576\r\n";
const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// Sends all before it reads a byte, then reads to the end; an error is a reset.
async fn all_at_once(address: SocketAddr, head: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(&vec![b'x'; UPLOAD]).await?;
    let mut answer = String::new();
    within("the end", stream.read_to_string(&mut answer)).await?;
    Ok(answer)
}

#[track_caller]
fn is_whole(answer: std::io::Result<String>, status: &str, body: &str) {
    let answer = answer.unwrap_or_else(|error| panic!("the answer is lost: {error}"));
    assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")) && answer.ends_with(body), "{answer}");
}

#[tokio::test]
async fn an_answer_before_the_upload_reaches_a_client_that_wants_the_connection_closed() {
    let world = World::start(plain()).await;
    for _ in 0..TIMES {
        let answer = all_at_once(world.address("http"), &format!("{POST}Connection: close\r\n\r\n")).await;
        is_whole(answer, "404", "this host and path\n");
    }
}

#[tokio::test]
async fn an_answer_before_the_upload_reaches_the_last_client_of_a_connection() {
    let mut config = Config::default();
    config.downstream.requests_per_connection = 1;
    let world = World::with(config, plain()).await;
    for _ in 0..TIMES {
        is_whole(all_at_once(world.address("http"), &format!("{POST}\r\n")).await, "404", "this host and path\n");
    }
}

#[tokio::test]
async fn a_failure_before_the_upload_reaches_its_client() {
    let (backend, _socket) = refusing();
    let world = World::start(plain().into_iter().chain([service("backend", &[backend]), route_to("backend")])).await;
    for _ in 0..TIMES {
        is_whole(all_at_once(world.address("http"), &format!("{POST}\r\n")).await, "503", "a connection\n");
    }
}

#[tokio::test]
async fn a_request_that_is_refused_unread_is_answered() {
    let world = World::start(plain()).await;
    for _ in 0..TIMES {
        let answer = all_at_once(world.address("http"), "POST / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n").await;
        is_whole(answer, "400", "\n");
    }
}

#[tokio::test]
async fn the_last_answer_of_a_listener_that_ends_survives_what_is_pipelined_behind_it() {
    let (backend, mut requests) = held().await;
    let world = World::start(manifests(backend)).await;
    let address = world.address("http");
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(GET.as_bytes()).await.unwrap();
    let answer = within("the request", requests.recv()).await.unwrap();
    let ending = tokio::spawn(world.edge.shutdown());
    let refused = async { while TcpStream::connect(address).await.is_ok() {} };
    within("refusing connections", refused).await;
    // far more than is read ahead, so that bytes are unread when the connection ends
    let (mut read, mut write) = stream.into_split();
    let pipelined = GET.repeat(UPLOAD / GET.len());
    let behind = tokio::spawn(async move { write.write_all(pipelined.as_bytes()).await.map(|()| write) });
    answer.send("finished").unwrap();
    let _write = within("sending", behind).await.unwrap().unwrap(); // a client that writes everything first
    let mut last = String::new();
    let outcome = within("the end", read.read_to_string(&mut last)).await;
    is_whole(outcome.map(|_| last), "200", "finished");
    assert!(within("the end", ending).await.unwrap());
}

#[tokio::test]
async fn a_client_that_says_nothing_more_is_let_go() {
    let world = World::start(plain()).await;
    let mut stream = TcpStream::connect(world.address("http")).await.unwrap();
    stream.write_all(format!("{POST}Connection: close\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    within("the end", stream.read_to_string(&mut answer)).await.unwrap();
    let began = Instant::now();
    eventually("the connection is closed", || world.metrics.connections_open.get() == 0).await;
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_client_that_never_stops_sending_is_cut_off() {
    let world = World::start(plain()).await;
    let mut stream = TcpStream::connect(world.address("http")).await.unwrap();
    let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", 1_u64 << 40);
    stream.write_all(head.as_bytes()).await.unwrap();
    let (mut sent, began) = (0, Instant::now());
    while stream.write_all(&[b'x'; 64 << 10]).await.is_ok() {
        sent += 64 << 10;
        assert!(sent < 64 << 20 && began.elapsed() < Duration::from_secs(15), "{sent} bytes");
    }
    eventually("the connection is closed", || world.metrics.connections_open.get() == 0).await;
}

#[tokio::test]
async fn a_refused_client_that_goes_on_a_byte_at_a_time_is_let_go() {
    let world = World::start(plain()).await;
    let mut stream = TcpStream::connect(world.address("http")).await.unwrap();
    stream.write_all(format!("{POST}\r\n").as_bytes()).await.unwrap();
    let (mut read, mut write) = stream.split();
    let trickle = async {
        // slower than any body may be in the end, never so slow that it counts as silent
        let mut beat = tokio::time::interval(Duration::from_millis(100));
        while write.write_all(b"x").await.is_ok() {
            beat.tick().await;
        }
    };
    let answer = async {
        let mut answer = Vec::new();
        let _ = read.read_to_end(&mut answer).await; // it may be reset: it never stops sending
        answer
    };
    let ((), answer) = within("the end", async { tokio::join!(trickle, answer) }).await;
    assert!(answer.starts_with(b"HTTP/1.1 404 "), "{}", String::from_utf8_lossy(&answer));
    eventually("the connection is closed", || world.metrics.connections_open.get() == 0).await;
}
