//! Where a request body ends: whatever two parsers could read differently is refused.

use super::bed::{Bed, SHORT};

/// A second request that nobody asked for, hidden behind a body.
const HIDDEN: &str = "GET /hidden HTTP/1.1\r\nHost: t\r\n\r\n";

fn post(fields: &str, body: &str) -> String {
    format!("POST /a HTTP/1.1\r\nHost: t\r\n{fields}\r\n{body}")
}

#[tokio::test]
async fn ambiguous_framing_is_refused_and_nothing_reaches_the_backend() {
    let bed = Bed::start().await;
    for (fields, body, status) in [
        ("Content-Length: 13\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n", 400),
        ("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n", 400),
        ("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n", 400),
        ("Content-Length: 3\r\nContent-Length: 4\r\n", "abcd", 400),
        ("Content-Length: 3\r\nContent-Length: 3\r\n", "abc", 400),
        ("Content-Length: 3, 3\r\n", "abc", 400),
        ("Content-Length: 3,4\r\n", "abc", 400),
        ("Content-Length: +3\r\n", "abc", 400),
        ("Content-Length: -3\r\n", "abc", 400),
        ("Content-Length: 3 3\r\n", "abc", 400),
        ("Content-Length: 0x3\r\n", "abc", 400),
        ("Content-Length: 3.0\r\n", "abc", 400),
        ("Content-Length: \r\n", "abc", 400),
        ("Content-Length: 99999999999999999999999999\r\n", "abc", 400),
        ("Content-Length : 3\r\n", "abc", 400),
        ("Content-Length\t: 3\r\n", "abc", 400),
        ("Content-Length: 3\n", "abc", 400),
        ("X: a\r\n Content-Length: 3\r\n", "abc", 400),
        ("X: a\rContent-Length: 3\r\n", "abc", 400),
    ] {
        bed.refused_alone(post(fields, &format!("{body}{HIDDEN}")), status).await;
    }
    bed.finish().await;
}

#[tokio::test]
async fn only_the_chunked_coding_exists() {
    let bed = Bed::start().await;
    for (fields, status) in [
        ("Transfer-Encoding: xchunked\r\n", 501),
        ("Transfer-Encoding: chunkedx\r\n", 501),
        ("Transfer-Encoding: gzip, chunked\r\n", 501),
        ("Transfer-Encoding: chunked, gzip\r\n", 501),
        ("Transfer-Encoding: chunked, chunked\r\n", 501),
        ("Transfer-Encoding: chunked, identity\r\n", 501),
        ("Transfer-Encoding: identity\r\n", 501),
        ("Transfer-Encoding: \"chunked\"\r\n", 501),
        ("Transfer-Encoding: chunked;q=1\r\n", 501),
        ("Transfer-Encoding: \u{b}chunked\r\n", 501),
        ("Transfer-Encoding:\r\n", 501),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", 400),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", 400),
        ("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n", 501),
        ("Transfer-Encoding : chunked\r\n", 400),
        ("Transfer-Encoding\t: chunked\r\n", 400),
        ("Transfer-Encoding:\r\n chunked\r\n", 501),
        (" Transfer-Encoding: chunked\r\n", 400),
        ("\u{b}Transfer-Encoding: chunked\r\n", 400),
        ("X: a\r\n\tTransfer-Encoding: chunked\r\n", 400),
    ] {
        bed.refused_alone(post(fields, &format!("0\r\n\r\n{HIDDEN}")), status).await;
    }
    let old = "POST / HTTP/1.0\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    bed.refused_alone(old, 400).await;
    bed.finish().await;
}

#[tokio::test]
async fn well_framed_bodies_arrive_whole() {
    let bed = Bed::start().await;
    for (fields, body) in [
        ("Content-Length: 3\r\n", "abc"),
        ("content-length:3\r\n", "abc"),
        ("Content-Length: 003\r\n", "abc"),
        ("Content-Length:\t3 \r\n", "abc"),
        ("Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n0\r\n\r\n"),
        ("Transfer-Encoding: CHUNKED\r\n", "1\r\na\r\n2\r\nbc\r\n0\r\n\r\n"),
        ("Transfer-Encoding: chunked\r\n", "03\r\nabc\r\n000\r\n\r\n"),
    ] {
        let (_, seen) = bed.accepted(post(fields, body)).await;
        assert_eq!(seen.body, b"abc", "{fields:?}");
    }
    bed.finish().await;
}

/// Extensions and trailers are allowed and mean nothing (RFC 9112 §7.1): they end at the edge.
#[tokio::test]
async fn chunk_extensions_and_trailers_end_at_the_edge() {
    let bed = Bed::start().await;
    for body in [
        "3;a=b\r\nabc\r\n0\r\n\r\n",
        "3;a=\"b\"\r\nabc\r\n0;c\r\n\r\n",
        "3\r\nabc\r\n0\r\nX-Trailer: 1\r\n\r\n",
        "3\r\nabc\r\n0\r\nContent-Length: 9\r\nHost: evil\r\n\r\n",
    ] {
        let (_, seen) = bed.accepted(post("Transfer-Encoding: chunked\r\n", body)).await;
        assert_eq!(seen.body, b"abc", "{body:?}");
        assert_eq!(seen.field("host").as_deref(), Some("t"), "{body:?}");
        assert_eq!((seen.field("x-trailer"), seen.field("content-length")), (None, None), "{body:?}");
    }
    bed.finish().await;
}

/// The head is on its way to the backend when a bad chunk comes: the backend sees a body that never
/// ends and then a closed connection, so that nothing of it can be taken for a request.
#[tokio::test]
async fn a_broken_chunk_ends_both_connections() {
    let bed = Bed::with(SHORT).await;
    for body in [
        "0x3\r\nabc\r\n0\r\n\r\n",
        "+3\r\nabc\r\n0\r\n\r\n",
        "-3\r\nabc\r\n0\r\n\r\n",
        "g\r\nabc\r\n0\r\n\r\n",
        "3 abc\r\n0\r\n\r\n",
        "ffffffffffffffff\r\nabc\r\n0\r\n\r\n",
        "10000000000000003\r\nabc\r\n0\r\n\r\n",
        "fffffffffffffffffffffffffffffff3\r\nabc\r\n0\r\n\r\n",
        "3\r\nabcd\r\n0\r\n\r\n",
        "3\r\nabc0\r\n\r\n",
        "3\r\nabcXX0\r\n\r\n",
        "3\r\nabc\n0\r\n\r\n",
        "3\nabc\r\n0\r\n\r\n",
        "3\rabc\r\n0\r\n\r\n",
    ] {
        let connections = bed.backend.received().len();
        let end = bed.exchange(post("Transfer-Encoding: chunked\r\n", &format!("{body}{HIDDEN}"))).await;
        let text = String::from_utf8_lossy(&end.bytes);
        assert!(text.is_empty() || text.starts_with("HTTP/1.1 4"), "{body:?} is refused: {text:?}");
        assert_eq!(text.matches("HTTP/1.1").count(), usize::from(!text.is_empty()), "one answer to {body:?}: {text}");
        bed.backend
            .wait("the backend's connection is closed", |all| all.iter().skip(connections).all(|c| c.closed))
            .await;
        assert!(bed.reached().is_empty(), "{body:?} must not become a request: {:?}", bed.reached());
    }
    bed.finish().await;
}

/// Pingora reads an empty line where a chunk size should be as the end of the body. What follows is
/// not trusted: nothing of it reaches the backend.
#[tokio::test]
async fn an_empty_chunk_size_hides_no_request() {
    let bed = Bed::with(SHORT).await;
    let end = bed.exchange(post("Transfer-Encoding: chunked\r\n", &format!("\r\nabc\r\n0\r\n\r\n{HIDDEN}"))).await;
    let text = String::from_utf8_lossy(&end.bytes);
    assert!(text.matches("HTTP/1.1").count() <= 1, "{text}");
    assert!(bed.reached().iter().all(|seen| seen.line() == "POST /a" && seen.body.is_empty()), "{:?}", bed.reached());
    assert!(bed.fragments().is_empty(), "{:?}", bed.fragments());
    bed.finish().await;
}

#[tokio::test]
async fn a_body_that_ends_early_never_becomes_a_request() {
    let bed = Bed::start().await;
    for (fields, body) in [
        ("Content-Length: 10\r\n", "abc"),
        ("Content-Length: 1\r\n", ""),
        ("Transfer-Encoding: chunked\r\n", "3\r\nab"),
        ("Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n"),
        ("Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n0\r\n"),
        ("Transfer-Encoding: chunked\r\n", ""),
    ] {
        let connections = bed.backend.received().len();
        let end = bed.abandon(post(fields, body)).await;
        let text = String::from_utf8_lossy(&end.bytes);
        assert!(text.is_empty() || text.starts_with("HTTP/1.1 4"), "{fields:?} {body:?}: {text}");
        bed.backend
            .wait("the backend's connection is closed", |all| all.iter().skip(connections).all(|c| c.closed))
            .await;
        assert!(bed.reached().is_empty(), "{fields:?} {body:?} must not become a request: {:?}", bed.reached());
    }
    bed.finish().await;
}

#[tokio::test]
async fn a_body_that_never_comes_is_answered_408() {
    let bed = Bed::with(SHORT).await;
    for fields in ["Content-Length: 10\r\n", "Transfer-Encoding: chunked\r\n"] {
        let reached = bed.refused(post(fields, "3\r\n"), 408).await;
        assert!(reached.is_empty(), "half a body is no request: {reached:?}");
    }
    bed.backend
        .wait("half a body's connection is closed", |all| all.iter().all(|c| c.closed || c.rest.is_empty()))
        .await;
    bed.finish().await;
}

#[tokio::test]
async fn what_follows_a_body_is_the_next_request_and_never_part_of_the_first() {
    let bed = Bed::start().await;
    let mut client = bed.connect().await;
    let second = "GET /second HTTP/1.1\r\nHost: t\r\n\r\n";
    let third = "POST /third HTTP/1.1\r\nHost: t\r\nContent-Length: 2\r\n\r\nxy";
    client.send(format!("{}{second}{third}{second}", post("Content-Length: 3\r\n", "abc"))).await;
    for answer in 1..=4 {
        assert_eq!(client.response().await.status, 200, "answer {answer} of four pipelined requests");
    }
    let lines: Vec<_> = bed.reached().iter().map(|seen| format!("{} {:?}", seen.line(), seen.body.len())).collect();
    assert_eq!(lines, ["POST /a 3", "GET /second 0", "POST /third 2", "GET /second 0"]);
    assert!(bed.fragments().is_empty(), "{:?}", bed.fragments());
    bed.finish().await;
}

#[tokio::test]
async fn a_pipelined_request_is_checked_like_the_first() {
    let bed = Bed::start().await;
    let mut client = bed.connect().await;
    client.send(format!("{}GET /x HTTP/1.1\r\nHost: t\r\nHost: u\r\n\r\n", post("Content-Length: 3\r\n", "abc"))).await;
    assert_eq!(client.response().await.status, 200);
    assert_eq!(client.response().await.status, 400);
    client.is_closed().await;
    assert_eq!(bed.reached().len(), 1);
    bed.finish().await;
}

/// What comes right after a chunked body is either served as a request of its own, checked like
/// any other, or the connection is closed; it is never sent along with the first.
#[tokio::test]
async fn what_follows_a_chunked_body_is_never_part_of_it() {
    let bed = Bed::with(SHORT).await;
    let chunked = post("Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n0\r\n\r\n");
    for follows in [HIDDEN, "GET /x HTTP/1.1\r\nHost: t\r\nHost: u\r\n\r\n", "garbage", "\0\0\0\0"] {
        let before = bed.reached().len();
        let end = bed.exchange(format!("{chunked}{follows}")).await;
        let text = String::from_utf8_lossy(&end.bytes);
        assert!(text.starts_with("HTTP/1.1 200"), "{follows:?}: {text}");
        let reached = bed.reached().split_off(before);
        assert_eq!(reached[0].body, b"abc", "{follows:?}");
        let rest: Vec<_> = reached[1..].iter().map(|seen| seen.line()).collect();
        assert!(rest.is_empty() || rest == ["GET /hidden"] && follows == HIDDEN, "{follows:?}: {rest:?}");
        assert!(bed.fragments().is_empty(), "{:?}", bed.fragments());
    }
    bed.finish().await;
}

/// A body on a method that has none by custom is a body all the same.
#[tokio::test]
async fn a_get_with_a_body_hides_no_request() {
    let bed = Bed::start().await;
    let request = format!("GET /a HTTP/1.1\r\nHost: t\r\nContent-Length: {}\r\n\r\n{HIDDEN}", HIDDEN.len());
    let (_, seen) = bed.accepted(request).await;
    assert_eq!(seen.body, HIDDEN.as_bytes());
    bed.finish().await;
}
