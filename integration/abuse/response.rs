//! Hostile and broken backends: what they send never becomes somebody else's answer.

use super::backend::{close, keep};
use super::bed::{Bed, SHORT};

const GET: &str = "GET /a HTTP/1.1\r\nHost: t\r\n\r\n";

#[tokio::test]
async fn malformed_answers_are_bad_gateways() {
    let bed = Bed::start().await;
    let huge = format!("HTTP/1.1 200 OK\r\nX: {}\r\nContent-Length: 0\r\n\r\n", "a".repeat(2 << 20));
    for answer in [
        "garbage\r\n\r\n",
        "\0\0\0\0\r\n\r\n",
        "HTTP/1.1\r\n\r\n",
        "HTTP/1.1 abc OK\r\n\r\n",
        "HTTP/1.1 99 Low\r\n\r\n",
        "HTTP/3.7 200 OK\r\nContent-Length: 0\r\n\r\n",
        "SSH-2.0-OpenSSH_9.6\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nContent-Length: 2, 3\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nno colon\r\nContent-Length: 2\r\n\r\nok",
        "",
        &huge,
    ] {
        let bytes = answer.to_owned();
        bed.backend.answer(move |_| close(&bytes));
        let shown = answer.chars().take(80).collect::<String>();
        let mut client = bed.connect().await;
        let response = client.send(GET).await.response().await;
        assert_eq!(response.status, 502, "{shown:?}: {response:?}");
    }
    bed.finish().await;
}

/// Two lengths that agree are one length (RFC 9110 §8.6); some servers send them.
#[tokio::test]
async fn an_answer_with_two_lengths_is_one_answer() {
    let bed = Bed::with(SHORT).await;
    bed.backend.answer(|_| close("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok"));
    let end = bed.exchange(GET).await;
    let text = String::from_utf8_lossy(&end.bytes).to_ascii_lowercase();
    assert!(text.starts_with("http/1.1 502") || text.matches("content-length").count() == 1, "{text}");
    bed.finish().await;
}

#[tokio::test]
async fn an_answer_with_length_and_chunks_is_read_as_chunks() {
    let bed = Bed::start().await;
    bed.backend.answer(|_| {
        keep("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n")
    });
    let mut client = bed.connect().await;
    let response = client.send(GET).await.response().await;
    let both = response.field("content-length").is_some() && response.field("transfer-encoding").is_some();
    assert!(!both, "the client must not have to guess: {response:?}");
    if response.status == 200 {
        assert_eq!(response.body, b"ok", "{response:?}");
    } else {
        assert_eq!(response.status, 502, "{response:?}");
    }
    bed.finish().await;
}

#[tokio::test]
async fn bytes_after_an_answer_never_become_the_next_answer() {
    let bed = Bed::start().await;
    for extra in ["HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", "evil", "\r\n"] {
        for (head, body) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", "ok"),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "2\r\nok\r\n0\r\n\r\n"),
            ("HTTP/1.1 204 No Content\r\n\r\n", ""),
            ("HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\n", ""),
        ] {
            let bytes = format!("{head}{body}{extra}");
            bed.backend.answer(move |seen| match seen.target.as_str() {
                "/a" => keep(&bytes),
                _ => keep("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood"),
            });
            let mut first = bed.connect().await;
            let response = first.send(GET).await.response().await;
            assert!(!String::from_utf8_lossy(&response.body).contains("evil"), "{head:?} {extra:?}: {response:?}");
            for _ in 0..3 {
                let mut second = bed.connect().await;
                let response = second.send("GET /b HTTP/1.1\r\nHost: t\r\n\r\n").await.response().await;
                assert_eq!(response.body, b"good", "{head:?} {extra:?}: {response:?}");
            }
            first.send("GET /b HTTP/1.1\r\nHost: t\r\n\r\n").await;
            match first.try_response().await {
                Ok(response) => assert_eq!(response.body, b"good", "{head:?} {extra:?}: {response:?}"),
                Err(end) => assert!(end.bytes.is_empty(), "{head:?} {extra:?}: {end:?}"),
            }
        }
    }
    bed.finish().await;
}

#[tokio::test]
async fn an_answer_to_head_has_no_body_whatever_the_backend_sends() {
    let bed = Bed::with(SHORT).await;
    bed.backend.answer(|seen| match seen.method.as_str() {
        "HEAD" => keep("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"),
        _ => keep("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood"),
    });
    let end = bed.exchange(format!("HEAD /a HTTP/1.1\r\nHost: t\r\n\r\n{GET}")).await;
    let text = String::from_utf8_lossy(&end.bytes);
    assert!(text.starts_with("HTTP/1.1 200") && !text.contains("evil"), "{text}");
    bed.finish().await;
}

/// A client can tell a cut answer from a whole one.
#[tokio::test]
async fn a_cut_answer_ends_the_clients_connection() {
    let bed = Bed::start().await;
    for (answer, complete) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello", false),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", false),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", false),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n", false),
        ("HTTP/1.1 200 OK\r\n\r\nhello", true),
        ("HTTP/1.0 200 OK\r\n\r\nhello", true),
    ] {
        bed.backend.answer(move |_| close(answer));
        let mut client = bed.connect().await;
        client.send(GET).await;
        let outcome = client.try_response().await;
        match outcome {
            Ok(response) if complete => {
                assert_eq!((response.status, &response.body[..]), (200, &b"hello"[..]), "{answer:?}")
            }
            Ok(response) => assert_eq!(response.status, 502, "{answer:?} must not look complete: {response:?}"),
            Err(end) => {
                assert!(!complete, "{answer:?}: {end:?}");
                assert!(!end.bytes.ends_with(b"0\r\n\r\n"), "{answer:?} must not look complete: {end:?}");
            }
        }
    }
    bed.finish().await;
}

#[tokio::test]
async fn interim_answers_are_passed_on_and_do_not_replace_the_final_one() {
    let bed = Bed::start().await;
    let hints = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n".repeat(3);
    bed.backend.answer(move |_| keep(format!("{hints}HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")));
    let mut client = bed.connect().await;
    client.send(GET).await;
    let mut statuses = Vec::new();
    while statuses.last() != Some(&200) {
        statuses.push(client.response().await.status);
    }
    assert!(statuses.iter().all(|status| matches!(status, 103 | 200)), "{statuses:?}");
    bed.finish().await;
}

/// A flood of interim answers costs the client's own request, nothing else.
#[tokio::test]
async fn a_flood_of_interim_answers_ends_with_the_backends_connection() {
    let bed = Bed::start().await;
    let flood = "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(20_000);
    bed.backend.answer(move |seen| match seen.target.as_str() {
        "/a" => close(&flood),
        _ => keep("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
    });
    let mut client = bed.connect().await;
    client.send(GET).await;
    let mut last = 0;
    while let Ok(response) = client.try_response().await {
        last = response.status;
        if last >= 200 {
            break;
        }
    }
    assert!(matches!(last, 103 | 502), "no final answer came from the backend: {last}");
    bed.finish().await;
}

/// Fields of one hop do not describe another.
#[tokio::test]
async fn hop_by_hop_fields_of_an_answer_end_at_the_edge() {
    let bed = Bed::start().await;
    bed.backend.answer(|_| {
        close(
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: \
             timeout=5\r\nProxy-Connection: close\r\nUpgrade: h2c\r\n\r\nok",
        )
    });
    let mut client = bed.connect().await;
    let response = client.send(GET).await.response().await;
    for name in ["x-hop", "keep-alive", "proxy-connection", "upgrade"] {
        assert_eq!(response.field(name), None, "{name} is hop-by-hop: {response:?}");
    }
    assert_eq!(client.send(GET).await.response().await.status, 200, "the client's connection is its own");
    bed.finish().await;
}

#[tokio::test]
async fn control_characters_in_an_answer_do_not_split_it() {
    let bed = Bed::with(SHORT).await;
    for answer in [
        "HTTP/1.1 200 OK\r\nX: a\rSet-Cookie: evil=1\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nX: a\nSet-Cookie: evil=1\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nX: a\r\n folded\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 O\x01K\r\nContent-Length: 2\r\n\r\nok",
    ] {
        bed.backend.answer(move |_| close(answer));
        let end = bed.exchange(GET).await;
        let (head, _) = end.bytes.split_at(super::wire::find(&end.bytes, b"\r\n\r\n").unwrap());
        let text = String::from_utf8_lossy(head).replace("\r\n", "|");
        assert!(!text.contains(['\r', '\n', '\0', '\u{1}']), "{answer:?}: {text}");
    }
    bed.finish().await;
}

/// A backend that answers before it has read the whole body.
#[tokio::test]
async fn an_early_answer_does_not_leave_the_body_to_the_next_request() {
    let bed = Bed::with(SHORT).await;
    bed.backend.answer(|_| keep("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
    let mut client = bed.connect().await;
    client.send("POST /a HTTP/1.1\r\nHost: t\r\nContent-Length: 40\r\n\r\nabc").await;
    // the rest of the body looks like a request
    client.send("GET /hidden HTTP/1.1\r\nHost: t\r\n\r\nxxxx").await;
    assert_eq!(client.response().await.status, 200);
    let reached = bed.reached();
    assert!(reached.iter().all(|seen| seen.target != "/hidden"), "{reached:?}");
    bed.finish().await;
}
