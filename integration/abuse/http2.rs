//! HTTP/2 abuse: floods stay bounded, forbidden requests never become HTTP/1 requests, and other
//! connections do not notice.

use std::time::{Duration, Instant};

use super::backend::keep;
use super::bed::{Bed, SHORT};
use super::client::Client;
use super::http2_frame::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, Fate, HEADERS, HELLO, PING, PUSH_PROMISE, RST_STREAM, SETTINGS,
    WINDOW_UPDATE, block, frame, get, request,
};

/// The deadlines of [`SHORT`], less the clock's grain.
const LIMIT: Duration = Duration::from_millis(280);

async fn hello(bed: &Bed) -> Client {
    let mut client = bed.connect().await;
    client.send(HELLO).await;
    client
}

/// What becomes of one request on a new connection.
async fn fate(bed: &Bed, bytes: impl AsRef<[u8]>) -> Fate {
    hello(bed).await.send(bytes).await.fate(1).await
}

#[tokio::test]
async fn an_ordinary_request_is_served() {
    let bed = Bed::start().await;
    assert_eq!(fate(&bed, request(1, &get(&[("x-a", "1")]))).await, Fate::Status(200));
    let seen = bed.reached().remove(0);
    assert_eq!(
        (seen.line(), seen.field("host"), seen.field("via")),
        ("GET /a".into(), Some("t".into()), Some("2.0 paifang".into()))
    );
    bed.finish().await;
}

#[tokio::test]
async fn malformed_requests_are_refused_and_reach_nobody() {
    let bed = Bed::start().await;
    let post = |more: &[(&'static str, &'static str)]| {
        let mut fields = get(more);
        fields[0].1 = "POST";
        fields
    };
    for fields in [
        get(&[("connection", "close")]),
        get(&[("connection", "x-a"), ("x-a", "1")]),
        get(&[("keep-alive", "1")]),
        get(&[("proxy-connection", "close")]),
        get(&[("upgrade", "h2c")]),
        post(&[("transfer-encoding", "chunked")]),
        get(&[("te", "gzip")]),
        get(&[("X-Upper", "1")]),
        get(&[("x a", "1")]),
        get(&[("x:a", "1")]),
        get(&[("", "1")]),
        get(&[("x-a", "1\r\nx-b: 2")]),
        get(&[("x-a", "1\nx-b: 2")]),
        get(&[("x-a", "1\0")]),
        get(&[(":path", "/b")]),
        get(&[(":method", "POST")]),
        get(&[(":authority", "u")]),
        get(&[(":unknown", "1")]),
        get(&[(":status", "200")]),
        get(&[("host", "u")]),
        get(&[("host", "t"), ("host", "t")]),
        get(&[("content-length", "1")]),
        get(&[("content-length", "x")]),
        post(&[("content-length", "5"), ("content-length", "6")]),
        vec![(":method", "GET"), (":scheme", "http"), (":path", "/a")],
        vec![(":method", "GET"), (":scheme", "http"), (":authority", "t")],
        vec![(":method", "GET"), (":authority", "t"), (":path", "/a")],
        vec![(":scheme", "http"), (":authority", "t"), (":path", "/a")],
        vec![(":method", "GET"), (":scheme", "http"), (":authority", "t"), (":path", "")],
        vec![(":method", "GET"), (":scheme", "http"), (":authority", "t"), (":path", "a")],
        vec![(":method", "GET"), (":scheme", "http"), (":authority", "t"), (":path", "*")],
        vec![(":method", "GET"), (":scheme", "http"), (":authority", "t"), (":path", "/a b")],
        vec![(":method", "GET"), (":scheme", "http"), (":authority", "t"), (":path", "/a HTTP/1.1\r\nHost: u\r\n\r\n")],
        vec![(":method", "GET"), (":scheme", "http"), (":authority", "t"), (":path", "/../a")],
        vec![(":method", "GET"), (":scheme", "http"), (":authority", "t"), (":path", "/%00")],
        vec![(":method", "GET"), (":scheme", "http"), (":authority", ""), (":path", "/a")],
        vec![(":method", "GET"), (":scheme", "http"), (":authority", "u@t"), (":path", "/a")],
        vec![(":method", "GET"), (":scheme", "http"), (":authority", "t/x"), (":path", "/a")],
        vec![(":method", "GET"), (":scheme", "http"), (":authority", "t\r\nx: y"), (":path", "/a")],
        vec![(":method", "GET / HTTP/1.1\r\nx"), (":scheme", "http"), (":authority", "t"), (":path", "/a")],
        vec![(":method", ""), (":scheme", "http"), (":authority", "t"), (":path", "/a")],
        vec![("x-a", "1"), (":method", "GET"), (":scheme", "http"), (":authority", "t"), (":path", "/a")],
    ] {
        match fate(&bed, request(1, &fields)).await {
            Fate::Status(400) | Fate::Reset(1) | Fate::Ended(Some(1)) => {}
            other => panic!("{fields:?}: {other:?}"),
        }
        assert!(bed.reached().is_empty(), "{fields:?}: {:?}", bed.reached());
    }
    bed.finish().await;
}

#[tokio::test]
async fn methods_without_a_place_here_are_refused() {
    let bed = Bed::start().await;
    for (method, status) in [("TRACE", 405), ("CONNECT", 405), ("get", 501), ("Get", 501)] {
        let mut fields = get(&[]);
        fields[0].1 = method;
        match fate(&bed, request(1, &fields)).await {
            Fate::Status(got) => assert_eq!(got, status, "{method}"),
            Fate::Reset(1) if method == "CONNECT" => {}
            other => panic!("{method}: {other:?}"),
        }
    }
    let fields = [(":method", "CONNECT"), (":authority", "t:443")];
    assert!(matches!(fate(&bed, request(1, &fields)).await, Fate::Status(400 | 405) | Fate::Reset(_)));
    assert!(bed.reached().is_empty(), "{:?}", bed.reached());
    bed.finish().await;
}

/// RFC 9113 §8.1.1: a length that is not the body's is malformed; no whole request comes of it.
#[tokio::test]
async fn a_length_that_is_not_the_bodys_is_refused() {
    let bed = Bed::start().await;
    for (length, body) in [("5", "abc"), ("2", "abc"), ("0", "abc")] {
        let fields = [
            (":method", "POST"),
            (":scheme", "http"),
            (":authority", "t"),
            (":path", "/a"),
            ("content-length", length),
        ];
        let mut bytes = frame(HEADERS, END_HEADERS, 1, &block(&fields));
        bytes.extend(frame(DATA, END_STREAM, 1, body.as_bytes()));
        match fate(&bed, bytes).await {
            Fate::Status(400) | Fate::Reset(1) | Fate::Ended(Some(1)) => {}
            other => panic!("{length} {body:?}: {other:?}"),
        }
        bed.backend
            .wait("half a body's connection is closed", |all| all.iter().all(|c| c.closed || c.rest.is_empty()))
            .await;
        assert!(bed.reached().iter().all(|seen| seen.body.len().to_string() == length), "{:?}", bed.reached());
    }
    bed.finish().await;
}

#[tokio::test]
async fn hop_by_hop_and_forged_fields_end_at_the_edge() {
    let bed = Bed::start().await;
    let fields = get(&[
        ("te", "trailers"),
        ("x-forwarded-for", "1.2.3.4"),
        ("x_real_ip", "1.2.3.4"),
        ("proxy-authorization", "x"),
        ("proxy", "evil"),
        ("cookie", "a=1"),
        ("cookie", "b=2"),
    ]);
    assert_eq!(fate(&bed, request(1, &fields)).await, Fate::Status(200));
    let seen = bed.reached().remove(0);
    assert_eq!(seen.field("x-forwarded-for").as_deref(), Some("127.0.0.1"), "{seen:?}");
    for name in ["te", "x_real_ip", "proxy-authorization", "proxy"] {
        assert_eq!(seen.field(name), None, "{seen:?}");
    }
    assert_eq!(seen.fields.iter().filter(|(name, _)| name == "cookie").count(), 1, "RFC 9113 §8.2.3: {seen:?}");
    bed.finish().await;
}

#[tokio::test]
async fn a_header_list_beyond_the_limit_is_refused() {
    let bed = Bed::start().await;
    let value = "a".repeat(1000);
    let fields: Vec<_> = (0..80).map(|_| ("x-a", value.as_str())).collect();
    let whole = block(&get(&fields));
    let mut bytes = Vec::new();
    for (number, part) in whole.chunks(16_000).enumerate() {
        let last = if (number + 1) * 16_000 >= whole.len() { END_HEADERS } else { 0 };
        bytes.extend(match number {
            0 => frame(HEADERS, END_STREAM | last, 1, part),
            _ => frame(CONTINUATION, last, 1, part),
        });
    }
    let fate = fate(&bed, bytes).await;
    assert!(matches!(fate, Fate::Status(431) | Fate::Reset(_) | Fate::Ended(_)), "{fate:?}");
    assert!(bed.reached().is_empty());
    bed.finish().await;
}

#[tokio::test]
async fn too_many_fields_and_long_targets_are_refused() {
    let bed = Bed::start().await;
    let names: Vec<_> = (0..101).map(|n| format!("x-{n}")).collect();
    let fields: Vec<_> = names.iter().map(|name| (name.as_str(), "1")).collect();
    assert_eq!(fate(&bed, request(1, &get(&fields))).await, Fate::Status(431));
    let long = format!("/{}", "a".repeat(17 << 10));
    let mut fields = get(&[]);
    fields[3].1 = &long;
    let whole = block(&fields);
    let mut bytes = frame(HEADERS, END_STREAM, 1, &whole[..16_000]);
    bytes.extend(frame(CONTINUATION, END_HEADERS, 1, &whole[16_000..]));
    assert_eq!(fate(&bed, bytes).await, Fate::Status(414));
    assert!(bed.reached().is_empty());
    bed.finish().await;
}

/// A header block that never ends (CVE-2024-27316 and its kin).
#[tokio::test]
async fn a_continuation_flood_ends_the_connection() {
    let bed = Bed::start().await;
    let mut client = hello(&bed).await;
    client.send(frame(HEADERS, END_STREAM, 1, &block(&get(&[])))).await;
    let part = frame(CONTINUATION, 0, 1, &block(&[("x-a", &"a".repeat(1000))]));
    client.send(part.repeat(20_000)).await;
    let fate = client.fate(1).await;
    assert!(matches!(fate, Fate::Ended(_) | Fate::Reset(_) | Fate::Status(431)), "{fate:?}");
    let mut client = hello(&bed).await;
    client.send(frame(HEADERS, END_STREAM, 1, &block(&get(&[])))).await;
    client.send(frame(CONTINUATION, 0, 1, &[]).repeat(100_000)).await;
    let fate = client.fate(1).await;
    assert!(matches!(fate, Fate::Ended(_) | Fate::Reset(_)), "{fate:?}");
    assert!(bed.reached().is_empty());
    bed.finish().await;
}

/// CVE-2023-44487: streams that are opened and reset at once.
#[tokio::test]
async fn rapid_resets_end_the_connection_and_disturb_nobody() {
    let bed = Bed::start().await;
    let mut bystander = hello(&bed).await;
    let mut client = hello(&bed).await;
    let mut bytes = Vec::new();
    for stream in (1..20_000).step_by(2) {
        bytes.extend(request(stream, &get(&[])));
        bytes.extend(frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()));
    }
    client.send(bytes).await;
    client.send(frame(PING, 0, 0, &[7; 8])).await;
    assert_eq!(client.goodbye().await, Some(11), "ENHANCE_YOUR_CALM");
    let reached = bed.reached().len();
    assert!(reached < 5_000, "few of 10,000 reset requests reach the backend: {reached}");
    assert_eq!(bystander.send(request(1, &get(&[]))).await.fate(1).await, Fate::Status(200));
    bed.finish().await;
}

/// CVE-2025-8671: the client makes the server reset its streams.
#[tokio::test]
async fn provoked_resets_end_the_connection() {
    let bed = Bed::start().await;
    let mut client = hello(&bed).await;
    let mut bytes = Vec::new();
    for stream in (1..20_000).step_by(2) {
        bytes.extend(request(stream, &get(&[])));
        bytes.extend(frame(WINDOW_UPDATE, 0, stream, &0_u32.to_be_bytes()));
    }
    client.send(bytes).await;
    let code = client.goodbye().await;
    assert!(matches!(code, Some(1 | 11)) || code.is_none(), "{code:?}");
    let reached = bed.reached().len();
    assert!(reached < 5_000, "few of 10,000 reset requests reach the backend: {reached}");
    bed.finish().await;
}

#[tokio::test]
async fn no_more_streams_are_open_than_allowed() {
    let bed = Bed::with("threads: 1\ndownstream: { http2: { maxConcurrentStreams: 4 } }").await;
    let gate = std::sync::Arc::new(tokio::sync::Notify::new());
    let held = std::sync::Arc::clone(&gate);
    bed.backend.answer(move |_| keep("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").after(&held));
    let mut client = hello(&bed).await;
    for stream in (1..=9).step_by(2) {
        client.send(request(stream, &get(&[]))).await;
    }
    let fate = client.fate(9).await;
    assert!(matches!(fate, Fate::Reset(7) | Fate::Ended(Some(1))), "REFUSED_STREAM: {fate:?}");
    bed.backend.wait("four reach the backend", |all| all.iter().map(|c| c.requests.len()).sum::<usize>() == 4).await;
    drop(client);
    for _ in 0..4 {
        gate.notify_one();
    }
    gate.notify_waiters();
    bed.finish().await;
}

#[tokio::test]
async fn floods_of_small_frames_are_bounded() {
    let bed = Bed::with(SHORT).await;
    let mut settings = Vec::new();
    settings.extend_from_slice(&[0, 1]);
    settings.extend_from_slice(&4096_u32.to_be_bytes());
    for (what, flood) in [
        ("PING", frame(PING, 0, 0, &[7; 8])),
        ("SETTINGS", frame(SETTINGS, 0, 0, &settings)),
        ("empty SETTINGS", frame(SETTINGS, 0, 0, &[])),
        ("WINDOW_UPDATE", frame(WINDOW_UPDATE, 0, 0, &1_u32.to_be_bytes())),
        ("unknown", frame(0xbb, 0, 0, &[0; 64])),
        ("PRIORITY", frame(2, 0, 1, &[0, 0, 0, 0, 16])),
    ] {
        let mut client = hello(&bed).await;
        client.send(flood.repeat(20_000)).await;
        bed.probe().await;
        // whether it was ended as abuse or as idle, it ends
        client.goodbye().await;
        assert!(bed.reached().is_empty(), "{what}");
    }
    bed.finish().await;
}

/// DATA without a byte in it, without end.
#[tokio::test]
async fn a_flood_of_empty_data_is_bounded() {
    let bed = Bed::with(SHORT).await;
    let mut client = hello(&bed).await;
    let fields = [(":method", "POST"), (":scheme", "http"), (":authority", "t"), (":path", "/a")];
    client.send(frame(HEADERS, END_HEADERS, 1, &block(&fields))).await;
    client.send(frame(DATA, 0, 1, &[]).repeat(50_000)).await;
    bed.probe().await;
    let fate = client.fate(1).await;
    assert!(!matches!(fate, Fate::Status(200)), "{fate:?}");
    assert!(bed.reached().is_empty(), "no whole request came of it");
    bed.finish().await;
}

#[tokio::test]
async fn frames_that_break_the_protocol_end_the_connection() {
    let bed = Bed::start().await;
    let large = vec![0; 20_000];
    for (what, bytes) in [
        ("an oversized frame", frame(DATA, 0, 1, &large)),
        ("DATA on stream 0", frame(DATA, 0, 0, b"x")),
        ("DATA on an idle stream", frame(DATA, 0, 1, b"x")),
        ("HEADERS on stream 0", request(0, &get(&[]))),
        ("HEADERS on an even stream", request(2, &get(&[]))),
        ("SETTINGS of 5 bytes", frame(SETTINGS, 0, 0, &[0; 5])),
        ("SETTINGS on a stream", frame(SETTINGS, 0, 1, &[])),
        ("PING of 7 bytes", frame(PING, 0, 0, &[0; 7])),
        ("PUSH_PROMISE", frame(PUSH_PROMISE, END_HEADERS, 1, &block(&get(&[])))),
        ("CONTINUATION out of place", frame(CONTINUATION, END_HEADERS, 1, &block(&get(&[])))),
        ("a block that is no HPACK", frame(HEADERS, END_STREAM | END_HEADERS, 1, &[0xff; 64])),
        ("an index beyond the table", frame(HEADERS, END_STREAM | END_HEADERS, 1, &[0xfe])),
        ("WINDOW_UPDATE of 0", frame(WINDOW_UPDATE, 0, 0, &[0; 4])),
        ("HTTP/1", b"GET / HTTP/1.1\r\nHost: t\r\n\r\n".to_vec()),
    ] {
        let mut client = hello(&bed).await;
        let fate = client.send(bytes).await.fate(u32::MAX).await;
        assert!(matches!(fate, Fate::Ended(_)), "{what}: {fate:?}");
        assert!(bed.reached().is_empty(), "{what}");
    }
    bed.finish().await;
}

#[tokio::test]
async fn an_idle_connection_is_let_go_after_its_request() {
    let bed = Bed::with(SHORT).await;
    let mut client = hello(&bed).await;
    assert_eq!(client.send(request(1, &get(&[]))).await.fate(1).await, Fate::Status(200));
    let code = client.goodbye().await;
    assert!(matches!(code, Some(0) | None), "{code:?}");
    bed.finish().await;
}

/// Half a header block keeps no connection alive.
#[tokio::test]
async fn half_a_header_block_is_let_go() {
    let bed = Bed::with(SHORT).await;
    let mut client = hello(&bed).await;
    client.send(frame(HEADERS, END_STREAM, 1, &block(&get(&[])))).await;
    client.goodbye().await;
    assert!(bed.reached().is_empty());
    bed.finish().await;
}

/// A client that opens no window never gets the body, and must not keep the backend for ever.
#[tokio::test]
async fn a_client_that_opens_no_window_is_let_go() {
    let bed = Bed::with(SHORT).await;
    bed.backend.answer(|seen| match seen.target.as_str() {
        "/a" => keep(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}", 8 << 20, "x".repeat(8 << 20))),
        _ => keep("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
    });
    let mut client = bed.connect().await;
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    // SETTINGS_INITIAL_WINDOW_SIZE 0
    bytes.extend(frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]));
    bytes.extend(request(1, &get(&[])));
    client.send(bytes).await;
    bed.backend.wait("the backend is let go", |all| all.iter().any(|c| c.closed && !c.requests.is_empty())).await;
    drop(client);
    bed.finish().await;
}

const POST: [(&str, &str); 4] = [(":method", "POST"), (":scheme", "http"), (":authority", "t"), (":path", "/a")];

/// How often the edge counted that a client took too long with its body.
fn given_up(bed: &Bed) -> usize {
    let text: String = bed.metrics().scrape().collect();
    let counted = |line: &&str| line.contains("code=\"408\"") && line.contains("reason=\"client_timeout\"");
    text.lines().filter(counted).filter_map(|line| line.rsplit(' ').next()?.parse::<usize>().ok()).sum()
}

#[tokio::test]
async fn a_body_that_never_comes_is_let_go() {
    let bed = Bed::with(SHORT).await;
    for (count, begun) in [(1, None), (2, Some("half a body")), (3, Some(""))] {
        let mut client = hello(&bed).await;
        let started = Instant::now();
        client.send(frame(HEADERS, END_HEADERS, 1, &block(&POST))).await;
        if let Some(piece) = begun {
            client.send(frame(DATA, 0, 1, piece.as_bytes())).await;
        }
        let fate = client.fate(1).await;
        assert!(matches!(fate, Fate::Status(408) | Fate::Reset(_)), "{begun:?}: {fate:?}");
        assert!(started.elapsed() >= LIMIT, "{begun:?} had its time: {:?}", started.elapsed());
        bed.eventually("it is counted", |_| given_up(&bed) == count).await;
        assert_eq!(client.send(request(3, &get(&[]))).await.fate(3).await, Fate::Status(200), "the others live on");
    }
    bed.backend
        .wait("the backend is let go", |all| all.iter().all(|c| c.closed || !c.bytes.starts_with(b"POST")))
        .await;
    assert!(bed.reached().iter().all(|seen| seen.line() == "GET /a"), "{:?}", bed.reached());
    bed.finish().await;
}

#[tokio::test]
async fn a_body_that_comes_slowly_but_steadily_is_not_cut() {
    let bed = Bed::with("threads: 1\ndownstream: { bodyTimeout: 900ms }").await;
    let mut client = hello(&bed).await;
    client.send(frame(HEADERS, END_HEADERS, 1, &block(&POST))).await;
    let mut tick = tokio::time::interval(Duration::from_millis(300));
    for number in 1..=5 {
        tick.tick().await;
        client.send(frame(DATA, if number == 5 { END_STREAM } else { 0 }, 1, b"piece")).await;
    }
    assert_eq!(client.fate(1).await, Fate::Status(200));
    assert_eq!(bed.reached().remove(0).body, b"piece".repeat(5));
    assert_eq!(given_up(&bed), 0);
    bed.finish().await;
}

/// Nobody waits for the client when its request is complete.
#[tokio::test]
async fn a_slow_backend_is_not_taken_for_a_slow_client() {
    let bed = Bed::with(SHORT).await;
    let gate = std::sync::Arc::new(tokio::sync::Notify::new());
    let held = std::sync::Arc::clone(&gate);
    bed.backend.answer(move |_| keep("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").after(&held));
    let mut post = frame(HEADERS, END_HEADERS, 1, &block(&POST));
    post.extend(frame(DATA, 0, 1, b"a bo"));
    post.extend(frame(DATA, END_STREAM, 1, b"dy"));
    for bytes in [request(1, &get(&[])), post] {
        let mut client = hello(&bed).await;
        client.send(bytes).await;
        let early = tokio::time::timeout(LIMIT * 3, client.fate(1)).await;
        assert!(early.is_err(), "it is waited for: {early:?}");
        gate.notify_one();
        assert_eq!(client.fate(1).await, Fate::Status(200));
    }
    assert_eq!(given_up(&bed), 0);
    bed.finish().await;
}
