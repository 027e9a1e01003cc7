//! Slow, silent and greedy clients: every one is let go of, and nobody else notices.

use std::time::{Duration, Instant};

use paifang::telemetry::label::Refusal;
use tokio::io::AsyncWriteExt;

use super::backend::{Reply, Then, keep};
use super::bed::{Bed, SHORT};
use super::client::Client;

const GET: &str = "GET /a HTTP/1.1\r\nHost: t\r\n\r\n";
/// The deadlines of [`SHORT`], less the clock's grain.
const DEADLINE: Duration = Duration::from_millis(280);

#[tokio::test]
async fn a_client_that_says_nothing_is_let_go() {
    let bed = Bed::with(SHORT).await;
    let started = Instant::now();
    let mut client = bed.connect().await;
    client.is_closed().await;
    assert!(started.elapsed() >= DEADLINE, "it had its time: {:?}", started.elapsed());
    bed.finish().await;
}

#[tokio::test]
async fn half_a_header_is_answered_408() {
    let bed = Bed::with(SHORT).await;
    for part in ["G", "GET / HTTP/1.1\r\nHo", "GET / HTTP/1.1\r\nHost: t\r\n", "\r\n"] {
        let started = Instant::now();
        bed.refused_alone(part, 408).await;
        assert!(started.elapsed() >= DEADLINE, "{part:?} had its time: {:?}", started.elapsed());
    }
    bed.finish().await;
}

/// The deadline is for the whole header: single bytes do not move it.
#[tokio::test]
async fn a_header_that_drips_is_answered_408() {
    let bed = Bed::with(SHORT).await;
    let mut client = bed.connect().await;
    let head = "GET / HTTP/1.1\r\nHost: t\r\nX: ".to_owned() + &"a".repeat(1000);
    let mut tick = tokio::time::interval(Duration::from_millis(20));
    let mut sent = 0;
    let mut byte = [0];
    for drop in head.as_bytes() {
        tick.tick().await;
        if client.stream.peek_now(&mut byte) || client.stream.write_all(&[*drop]).await.is_err() {
            break;
        }
        sent += 1;
    }
    assert!(sent < 200, "the edge gave up after {sent} drops");
    assert_eq!(client.response().await.status, 408);
    assert!(bed.reached().is_empty());
    bed.finish().await;
}

#[tokio::test]
async fn an_idle_connection_is_closed_after_its_request() {
    let bed = Bed::with(SHORT).await;
    let mut client = bed.connect().await;
    assert_eq!(client.send(GET).await.response().await.status, 200);
    let started = Instant::now();
    client.is_closed().await;
    assert!(started.elapsed() >= DEADLINE, "{:?}", started.elapsed());
    bed.finish().await;
}

#[tokio::test]
async fn half_of_a_second_request_is_answered_408() {
    let bed = Bed::with(SHORT).await;
    let mut client = bed.connect().await;
    assert_eq!(client.send(GET).await.response().await.status, 200);
    assert_eq!(client.send("GET /b HTTP/1.1\r\nHo").await.response().await.status, 408);
    client.is_closed().await;
    assert_eq!(bed.reached().len(), 1);
    bed.finish().await;
}

/// The backend learns that nobody reads any more.
#[tokio::test]
async fn a_client_that_never_reads_is_let_go() {
    let bed = Bed::with(SHORT).await;
    let size = 64 << 20;
    bed.backend.answer(move |seen| match seen.target.as_str() {
        "/a" => {
            let mut bytes = format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n").into_bytes();
            bytes.resize(bytes.len() + size, b'x');
            keep(bytes)
        }
        _ => keep("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
    });
    let mut client = bed.connect().await;
    client.send(GET).await;
    bed.backend.wait("the backend is let go", |all| all.iter().any(|c| c.closed && !c.requests.is_empty())).await;
    let end = client.end().await;
    assert!(end.bytes.len() < size, "the answer was cut");
    bed.finish().await;
}

/// A partial preface of HTTP/2 is a header like any other.
#[tokio::test]
async fn half_an_http2_preface_is_let_go() {
    let bed = Bed::with(SHORT).await;
    for part in ["P", "PRI * HTTP/2.0\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r"] {
        let end = bed.exchange(part).await;
        let text = String::from_utf8_lossy(&end.bytes);
        assert!(text.is_empty() || text.starts_with("HTTP/1.1 408"), "{part:?}: {text}");
    }
    let reply = bed.ask("PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n").await;
    assert_eq!(reply.map(|response| response.status), Ok(400), "no HTTP/1 request either");
    bed.finish().await;
}

#[tokio::test]
async fn an_http2_client_that_says_nothing_more_is_let_go() {
    let bed = Bed::with(SHORT).await;
    let mut client = bed.connect().await;
    client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    let _settings_and_goodbye = client.end().await;
    bed.finish().await;
}

#[tokio::test]
async fn there_are_no_more_connections_than_allowed() {
    let bed = Bed::with("threads: 1\ndownstream: { maxConnections: 2 }").await;
    let (mut first, mut second) = (bed.connect().await, bed.connect().await);
    for client in [&mut first, &mut second] {
        assert_eq!(client.send(GET).await.response().await.status, 200);
    }
    let mut third = bed.connect().await;
    let end = third.end().await;
    assert!(end.bytes.is_empty(), "{end:?}");
    assert_eq!(bed.metrics().connections_refused.value(Refusal::Limit), 1);
    assert_eq!(second.send(GET).await.response().await.status, 200, "the others are not disturbed");
    drop(first);
    drop(second);
    // a place is free once the edge has seen them leave
    bed.eventually("places are free again", |metrics| metrics.connections_open.get() == 0).await;
    bed.finish().await;
}

#[tokio::test]
async fn a_connection_has_only_so_many_requests() {
    let bed = Bed::with("threads: 1\ndownstream: { requestsPerConnection: 2 }").await;
    let mut client = bed.connect().await;
    assert_eq!(client.send(GET).await.response().await.field("connection"), Some("keep-alive"));
    assert_eq!(client.send(GET).await.response().await.field("connection"), Some("close"));
    client.is_closed().await;
    bed.finish().await;
}

/// A client that pipelines without end has to wait; nothing grows without limit.
#[tokio::test]
async fn pipelining_without_end_is_held_back() {
    let bed = Bed::start().await;
    let gate = std::sync::Arc::new(tokio::sync::Notify::new());
    let held = std::sync::Arc::clone(&gate);
    bed.backend.answer(move |seen| match seen.target.as_str() {
        "/a" => {
            Reply { bytes: b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_vec(), then: Then::Keep, gate: None }
                .after(&held)
        }
        _ => keep("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
    });
    let Client { mut stream, .. } = bed.connect().await;
    stream.write_all(GET.as_bytes()).await.unwrap();
    let more = GET.replace("/a", "/b").repeat(1000);
    let mut taken = 0_usize;
    // what the kernel and the edge take together is a few megabytes at most
    while let Ok(written) = tokio::time::timeout(Duration::from_millis(500), stream.write(more.as_bytes())).await {
        taken += written.unwrap();
        assert!(taken < 64 << 20, "the edge must not buffer without limit");
    }
    gate.notify_one();
    drop(stream);
    bed.finish().await;
}

/// Whether something can be read right now.
trait PeekNow {
    fn peek_now(&self, buffer: &mut [u8]) -> bool;
}

impl PeekNow for tokio::net::TcpStream {
    fn peek_now(&self, buffer: &mut [u8]) -> bool {
        let mut buffer = tokio::io::ReadBuf::new(buffer);
        let waker = std::task::Waker::noop();
        self.poll_peek(&mut std::task::Context::from_waker(waker), &mut buffer).is_ready()
    }
}
