//! Upgrades: no byte passes before the backend agreed, and a refusal opens nothing.

use std::sync::Arc;

use tokio::sync::Notify;

use super::backend::{keep, listen};
use super::bed::{Bed, SHORT};
use super::wire::Seen;

const UPGRADE: &str = "GET /ws HTTP/1.1\r\nHost: t\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: \
                       13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
const AGREED: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";

#[tokio::test]
async fn an_upgrade_carries_bytes_both_ways() {
    let bed = Bed::start().await;
    bed.backend.answer(|_| listen(format!("{AGREED}hello")));
    let mut client = bed.connect().await;
    let response = client.send(UPGRADE).await.response().await;
    assert_eq!((response.status, response.field("upgrade")), (101, Some("websocket")));
    assert_eq!(client.exactly(5).await, b"hello");
    client.send("\x01\x02\x03").await;
    bed.backend.wait("the client's bytes arrive", |all| all.iter().any(|c| c.rest == b"\x01\x02\x03")).await;
    client.finish_sending().await;
    bed.backend.wait("the end arrives", |all| all.iter().any(|c| c.closed && !c.rest.is_empty())).await;
    bed.finish().await;
}

/// The kind of CVE-2026-2833: what follows an upgrade that the backend refuses is no tunnel.
#[tokio::test]
async fn a_refused_upgrade_passes_nothing_on() {
    let bed = Bed::with(SHORT).await;
    bed.backend.answer(|_| keep("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno"));
    let hidden = "GET /admin HTTP/1.1\r\nHost: evil\r\n\r\n";
    let end = bed.exchange(format!("{UPGRADE}{hidden}")).await;
    let text = String::from_utf8_lossy(&end.bytes);
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
    let reached = bed.reached();
    assert_eq!(reached[0].line(), "GET /ws");
    for seen in &reached[1..] {
        assert_eq!(seen.field("x-route").as_deref(), Some("admin"), "a request of its own goes through its own route");
    }
    assert!(bed.fragments().is_empty(), "{:?}", bed.fragments());
    bed.finish().await;
}

/// Early bytes are held back until the backend has said 101.
#[tokio::test]
async fn early_bytes_wait_for_the_agreement() {
    let bed = Bed::start().await;
    let gate = Arc::new(Notify::new());
    let held = Arc::clone(&gate);
    bed.backend.answer(move |seen| match seen.target.as_str() {
        "/ws" => listen(AGREED).after(&held),
        _ => keep("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    });
    let mut client = bed.connect().await;
    client.send(format!("{UPGRADE}EARLY")).await;
    bed.backend.wait("the request arrives", |all| all.iter().any(|c| !c.requests.is_empty())).await;
    bed.probe().await;
    assert!(bed.backend.received()[0].bytes.ends_with(b"\r\n\r\n"), "nothing passes before the agreement");
    gate.notify_one();
    assert_eq!(client.response().await.status, 101);
    bed.backend.wait("early bytes arrive after the agreement", |all| all.iter().any(|c| c.rest == b"EARLY")).await;
    let first = &bed.backend.received()[0];
    assert_eq!(first.requests.len(), 1, "{first:?}");
    bed.finish().await;
}

/// Bytes that come while the backend has not decided end the connection, or are a request of their
/// own once it has refused; they never pass as they stand.
#[tokio::test]
async fn a_client_that_does_not_wait_for_the_agreement_has_no_tunnel() {
    let bed = Bed::with(SHORT).await;
    let gate = Arc::new(Notify::new());
    let held = Arc::clone(&gate);
    bed.backend.answer(move |seen| {
        match (keep("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno"), seen.target.as_str()) {
            (refusal, "/ws") => refusal.after(&held),
            (answer, _) => answer,
        }
    });
    let mut client = bed.connect().await;
    client.send(UPGRADE).await;
    bed.backend.wait("the request arrives", |all| all.iter().any(|c| !c.requests.is_empty())).await;
    client.send("GET /hidden HTTP/1.1\r\nHost: t\r\n\r\n").await;
    gate.notify_one();
    client.end().await;
    let lines: Vec<_> = bed.reached().iter().map(Seen::line).collect();
    assert!(lines == ["GET /ws"] || lines == ["GET /ws", "GET /hidden"], "{lines:?}");
    assert!(bed.fragments().is_empty(), "{:?}", bed.fragments());
    bed.finish().await;
}

#[tokio::test]
async fn a_switch_that_nobody_asked_for_is_a_bad_gateway() {
    let bed = Bed::start().await;
    bed.backend.answer(|_| listen(format!("{AGREED}HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")));
    let mut client = bed.connect().await;
    let response = client.send("GET /a HTTP/1.1\r\nHost: t\r\n\r\n").await.response().await;
    assert_eq!(response.status, 502, "{response:?}");
    client.is_closed().await;
    bed.finish().await;
}

#[tokio::test]
async fn an_upgrade_without_a_protocol_is_no_upgrade() {
    let bed = Bed::with(SHORT).await;
    bed.backend.answer(|_| keep("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
    for fields in ["Connection: Upgrade\r\n", "Upgrade: websocket\r\n", "Connection: close\r\nUpgrade: websocket\r\n"] {
        let before = bed.reached().len();
        let hidden = "GET /hidden HTTP/1.1\r\nHost: t\r\n\r\n";
        let end = bed.exchange(format!("GET /a HTTP/1.1\r\nHost: t\r\n{fields}\r\n{hidden}")).await;
        assert!(end.bytes.starts_with(b"HTTP/1.1 200"), "{fields:?}: {end:?}");
        let reached = bed.reached().split_off(before);
        assert!(reached.iter().all(|seen| matches!(seen.line().as_str(), "GET /a" | "GET /hidden")), "{reached:?}");
        assert!(reached.iter().all(|seen| seen.body.is_empty()), "{reached:?}");
    }
    assert!(bed.fragments().is_empty(), "{:?}", bed.fragments());
    bed.finish().await;
}

/// Filters and routes hold for upgrades, too.
#[tokio::test]
async fn an_upgrade_goes_through_its_route() {
    let bed = Bed::start().await;
    bed.backend.answer(|_| listen(AGREED));
    let mut client = bed.connect().await;
    let request = UPGRADE.replace("/ws", "/x/../admin/ws");
    assert_eq!(client.send(request).await.response().await.status, 101);
    let seen = bed.reached().remove(0);
    assert_eq!((seen.target.as_str(), seen.field("x-route").as_deref()), ("/admin/ws", Some("admin")));
    drop(client);
    bed.finish().await;
}
