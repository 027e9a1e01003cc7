//! Header fields that are not the client's to set, or not for the backend to see.

use super::bed::Bed;

fn get(fields: &str) -> String {
    format!("GET /a HTTP/1.1\r\nHost: t\r\n{fields}\r\n")
}

#[tokio::test]
async fn hop_by_hop_fields_end_at_the_edge() {
    let bed = Bed::start().await;
    let fields = "Connection: X-Foo, x-bar, keep-alive\r\nX-Foo: 1\r\nX-Bar: 2\r\nX-Keep: 3\r\nTE: trailers\r\nKeep-Alive: \
                  timeout=5\r\nProxy-Connection: keep-alive\r\nProxy-Authorization: secret\r\nProxy-Authenticate: \
                  x\r\nTrailer: X-T\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n";
    let (_, seen) = bed.accepted(get(fields)).await;
    for name in [
        "x-foo",
        "x-bar",
        "te",
        "keep-alive",
        "proxy-connection",
        "proxy-authorization",
        "proxy-authenticate",
        "trailer",
        "upgrade",
        "http2-settings",
    ] {
        assert_eq!(seen.field(name), None, "{name} is hop-by-hop: {seen:?}");
    }
    assert_eq!(seen.field("x-keep").as_deref(), Some("3"));
    bed.finish().await;
}

/// A client must not be able to remove what the edge says about it.
#[tokio::test]
async fn fields_of_the_edge_cannot_be_nominated_away() {
    let bed = Bed::start().await;
    for name in ["X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "Host", "x-forwarded-for", "close, HOST"] {
        bed.refused_alone(get(&format!("Connection: {name}\r\nX-Forwarded-For: 1.2.3.4\r\n")), 400).await;
    }
    for name in ["X-Real-IP", "X-Request-ID", "X-Forwarded-Port", "Via", "X-Route"] {
        let (_, seen) = bed.accepted(get(&format!("Connection: {name}\r\n"))).await;
        let kept = seen.field(&name.to_ascii_lowercase());
        assert_eq!(kept.is_some(), name != "X-Route", "{name} is written after nominations are obeyed: {seen:?}");
    }
    bed.finish().await;
}

#[tokio::test]
async fn framing_cannot_be_nominated_away() {
    let bed = Bed::start().await;
    let body = get("X: 1\r\n");
    for name in ["Content-Length", "Transfer-Encoding"] {
        let head =
            format!("POST /a HTTP/1.1\r\nHost: t\r\nConnection: {name}\r\nContent-Length: {}\r\n\r\n", body.len());
        let response = bed.ask(format!("{head}{body}")).await;
        assert!(response.as_ref().is_ok_and(|response| matches!(response.status, 200 | 400)), "{name}: {response:?}");
        for seen in bed.reached() {
            assert_eq!((seen.line().as_str(), seen.body.as_slice()), ("POST /a", body.as_bytes()), "{name}: {seen:?}");
        }
    }
    assert!(bed.fragments().is_empty(), "{:?}", bed.fragments());
    bed.finish().await;
}

#[tokio::test]
async fn what_a_client_says_about_itself_is_replaced() {
    let bed = Bed::start().await;
    let fields = "X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-For: 5.6.7.8\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: \
                  evil\r\nX-Forwarded-Port: 443\r\nX-Real-IP: 1.2.3.4\r\nForwarded: for=1.2.3.4\r\nX-Request-ID: \
                  mine\r\nProxy: http://evil\r\n";
    let (_, seen) = bed.accepted(get(fields)).await;
    for (name, expected) in [
        ("x-forwarded-for", Some("127.0.0.1")),
        ("x-forwarded-proto", Some("http")),
        ("x-forwarded-host", Some("t")),
        ("x-forwarded-port", Some("8080")),
        ("x-real-ip", Some("127.0.0.1")),
        ("forwarded", None),
        ("proxy", None),
        ("via", Some("1.1 paifang")),
    ] {
        assert_eq!(seen.field(name).as_deref(), expected, "{name}: {seen:?}");
    }
    assert_ne!(seen.field("x-request-id").as_deref(), Some("mine"));
    bed.finish().await;
}

/// Backends that turn fields into variables (CGI, WSGI) read `X_Real_IP` as `X-Real-IP`.
#[tokio::test]
async fn underscores_do_not_imitate_fields_of_the_edge() {
    let bed = Bed::start().await;
    let fields = "X_Forwarded_For: 1.2.3.4\r\nX-Forwarded_For: 1.2.3.4\r\nX_Forwarded-Proto: https\r\nx_real_ip: \
                  1.2.3.4\r\nX_Request_ID: mine\r\nX_FORWARDED_HOST: evil\r\nX_Forwarded_Port: 443\r\nmy_field: 1\r\n";
    let (_, seen) = bed.accepted(get(fields)).await;
    let imitations: Vec<_> = seen.fields.iter().filter(|(name, _)| name.contains('_')).collect();
    assert_eq!(imitations, [&("my_field".to_owned(), "1".to_owned())], "other underscores pass: {seen:?}");
    bed.finish().await;
}

#[tokio::test]
async fn too_many_nominations_are_refused() {
    let bed = Bed::start().await;
    let many = (0..80).map(|n| format!("X-{n}")).collect::<Vec<_>>().join(",");
    bed.refused_alone(get(&format!("Connection: {many}\r\n")), 400).await;
    bed.refused_alone(get("Connection: \"X-Forwarded-For\"\r\n"), 400).await;
    bed.finish().await;
}

/// Values keep what HTTP allows in them and nothing that another parser could split at.
#[tokio::test]
async fn values_arrive_as_they_were_sent() {
    let bed = Bed::start().await;
    let (_, seen) = bed.accepted(get("X-A: a\tb  c\r\nX-Empty:\r\nX-Utf8: \u{e9}\r\nCookie: a=1; b=2\r\n")).await;
    assert_eq!(seen.field("x-a").as_deref(), Some("a\tb  c"));
    assert_eq!(seen.field("x-empty").as_deref(), Some(""));
    assert_eq!(seen.field("cookie").as_deref(), Some("a=1; b=2"));
    for value in ["a\u{1}b", "a\u{8}b", "a\u{7f}b"] {
        bed.declined(get(&format!("X-A: {value}\r\n")), 400).await;
    }
    bed.finish().await;
}

/// RFC 9110 §10.1.1: the body waits for the backend's word.
#[tokio::test]
async fn expect_is_relayed_and_its_body_waits() {
    let bed = Bed::start().await;
    bed.backend.answer(|_| super::backend::close("HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n"));
    let mut client = bed.connect().await;
    let head = "POST /a HTTP/1.1\r\nHost: t\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n";
    client.send(head).await;
    bed.backend.wait("the head is passed on at once", |all| all.iter().any(|c| c.bytes.ends_with(b"\r\n\r\n"))).await;
    client.send("abc").await;
    assert_eq!(client.response().await.status, 417);
    bed.finish().await;
}
