//! Request lines, hosts, and how much of a header there may be.

use super::bed::Bed;

#[tokio::test]
async fn malformed_request_lines_are_refused() {
    let bed = Bed::start().await;
    for (line, status) in [
        ("GET / HTTP/1.2", 400),
        ("GET / HTTP/2.0", 400),
        ("GET / HTTP/1.10", 400),
        ("GET / http/1.1", 400),
        ("GET / XTTP/1.1", 400),
        ("GET / HTTP/1.1 ", 400),
        ("GET /", 400),
        ("GET", 400),
        ("GET  / HTTP/1.1", 400),
        ("GET\t/\tHTTP/1.1", 400),
        ("GET /a b HTTP/1.1", 400),
        ("GET /a\tb HTTP/1.1", 400),
        ("GET /a\u{1}b HTTP/1.1", 400),
        ("GET /a\u{7f}b HTTP/1.1", 400),
        ("GET /a\0b HTTP/1.1", 400),
        ("GET /a\rb HTTP/1.1", 400),
        (" GET / HTTP/1.1", 400),
        ("GET admin HTTP/1.1", 400),
        ("GET ../admin HTTP/1.1", 400),
        ("GET * HTTP/1.1", 400),
        ("GET t:80 HTTP/1.1", 400),
        ("GET ?a HTTP/1.1", 400),
        ("G(T / HTTP/1.1", 501),
        ("get / HTTP/1.1", 501),
        ("Get / HTTP/1.1", 501),
        ("GE\0T / HTTP/1.1", 501),
        ("AVERYLONGMETHODTHATNOBODYWOULDEVERIMPLEMENT / HTTP/1.1", 501),
        ("CONNECT t:443 HTTP/1.1", 405),
        ("CONNECT / HTTP/1.1", 405),
        ("TRACE / HTTP/1.1", 405),
    ] {
        bed.declined(format!("{line}\r\nHost: t\r\n\r\n"), status).await;
    }
    bed.refused_alone("GET /\r\n\r\n", 400).await;
    bed.finish().await;
}

#[tokio::test]
async fn line_ends_are_cr_lf_and_nothing_else() {
    let bed = Bed::start().await;
    for bytes in [
        "GET / HTTP/1.1\nHost: t\n\n",
        "GET / HTTP/1.1\nHost: t\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: t\n\r\n",
        "GET / HTTP/1.1\r\nHost: t\r\n\n",
        "GET / HTTP/1.1\r\nHost: t\r\nX: a\nGET /hidden HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: t\rX: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: t\r\nX: a\0b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: t\r\nX: a\r\n folded\r\n\r\n",
        "GET / HTTP/1.1\r\n Host: t\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: t\r\nX\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: t\r\n: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: t\r\nX Y: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: t\r\nX@: a\r\n\r\n",
        "\n\nGET / HTTP/1.1\r\nHost: t\r\n\r\n",
    ] {
        bed.refused_alone(bytes, 400).await;
    }
    bed.finish().await;
}

/// RFC 9112 §2.2: a server should ignore at least one empty line before a request line.
#[tokio::test]
async fn one_empty_line_before_a_request_is_ignored() {
    let bed = Bed::start().await;
    let (_, seen) = bed.accepted("\r\nGET /a HTTP/1.1\r\nHost: t\r\n\r\n").await;
    assert_eq!(seen.line(), "GET /a");
    let mut client = bed.connect().await;
    client
        .send("POST /b HTTP/1.1\r\nHost: t\r\nContent-Length: 1\r\n\r\nx\r\nGET /c HTTP/1.1\r\nHost: t\r\n\r\n")
        .await;
    assert_eq!((client.response().await.status, client.response().await.status), (200, 200));
    bed.finish().await;
}

#[tokio::test]
async fn methods_that_nobody_knows_pass() {
    let bed = Bed::start().await;
    for method in ["PROPFIND", "M-SEARCH", "X"] {
        let (_, seen) = bed.accepted(format!("{method} /a HTTP/1.1\r\nHost: t\r\n\r\n")).await;
        assert_eq!(seen.method, method);
    }
    bed.finish().await;
}

#[tokio::test]
async fn there_is_exactly_one_host() {
    let bed = Bed::start().await;
    for fields in [
        "",
        "Host:\r\n",
        "Host: \r\n",
        "Host: t\r\nHost: t\r\n",
        "Host: t\r\nHost: u\r\n",
        "Host: t\r\nhost: u\r\n",
        "Host: t, u\r\n",
        "Host: t u\r\n",
        "Host: user@t\r\n",
        "Host: t@u\r\n",
        "Host: t/x\r\n",
        "Host: t?x\r\n",
        "Host: t#x\r\n",
        "Host: http://t\r\n",
        "Host: t\\u\r\n",
        "Host: t%2fu\r\n",
        "Host: t:80:80\r\n",
        "Host: t:port\r\n",
        "Host: t:-80\r\n",
        "Host: t:123456\r\n",
        "Host: :80\r\n",
        "Host: [::1\r\n",
        "Host: [::1]x\r\n",
        "Host: ::1\r\n",
        "Host: .\r\n",
        "Host: .t\r\n",
        "Host: t..\r\n",
        "Host: t..u\r\n",
        "Host: t\u{1}\r\n",
        "Host: t\u{e9}\r\n",
        "Host: \"t\"\r\n",
        "Host: t;u\r\n",
        "Host : t\r\n",
    ] {
        bed.declined(format!("GET / HTTP/1.1\r\n{fields}\r\n"), 400).await;
    }
    bed.finish().await;
}

#[tokio::test]
async fn hosts_may_have_ports_brackets_dots_and_capitals() {
    let bed = Bed::start().await;
    for host in ["t", "T", "t:80", "t:", "t.", "t.:8080", "[::1]", "[::1]:80", "127.0.0.1:80", "EXAMPLE.com", "a_b.c"] {
        let (_, seen) = bed.accepted(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
        assert_eq!(seen.field("host").as_deref(), Some(host), "the backend sees what the client meant");
    }
    bed.finish().await;
}

/// RFC 9112 §3.2.2: an absolute target names the host; a Host that says something else is an attack.
#[tokio::test]
async fn an_absolute_target_and_host_must_agree() {
    let bed = Bed::start().await;
    let (_, seen) = bed.accepted("GET http://t/x?y HTTP/1.1\r\nHost: t\r\n\r\n").await;
    assert_eq!((seen.line(), seen.field("host")), ("GET /x?y".into(), Some("t".into())));
    let (_, seen) = bed.accepted("GET http://t/a/../x HTTP/1.1\r\nHost: t\r\n\r\n").await;
    assert_eq!(seen.line(), "GET /x");
    for (target, host) in [
        ("http://evil/x", "t"),
        ("http://t:81/x", "t"),
        ("http://user@t/x", "t"),
        ("http://t@evil/x", "t"),
        ("http://t\\@evil/x", "t"),
        ("http:///x", "t"),
        ("http:t/x", "t"),
        ("//evil/../x/../..", "t"),
    ] {
        bed.declined(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n"), 400).await;
    }
    bed.declined("GET http://t/x HTTP/1.1\r\n\r\n", 400).await;
    bed.finish().await;
}

#[tokio::test]
async fn eight_bit_paths_reach_the_backend_escaped_or_not_at_all() {
    let bed = Bed::start().await;
    let mut request = b"GET /a".to_vec();
    request.extend_from_slice(b"\xff\xc3\xa9 HTTP/1.1\r\nHost: t\r\n\r\n");
    let mut client = bed.connect().await;
    let response = client.send(&request).await.response().await;
    assert!(matches!(response.status, 200 | 400), "{response:?}");
    for seen in bed.reached() {
        assert!(seen.target.is_ascii(), "{seen:?}");
    }
    bed.finish().await;
}

#[tokio::test]
async fn long_targets_and_large_headers_are_refused() {
    let bed = Bed::start().await;
    let long = "a".repeat(17 << 10);
    let huge = "a".repeat(70 << 10);
    let many = "X: y\r\n".repeat(101);
    let large = (0..90).map(|n| format!("X{n}: {}\r\n", "a".repeat(800))).collect::<String>();
    bed.refused_alone(format!("GET /{long} HTTP/1.1\r\nHost: t\r\n\r\n"), 414).await;
    bed.refused_alone(format!("GET /?{long} HTTP/1.1\r\nHost: t\r\n\r\n"), 414).await;
    bed.refused_alone(format!("GET /{huge}"), 414).await;
    bed.refused_alone(huge.clone(), 414).await;
    bed.refused_alone(format!("GET / HTTP/1.1\r\nHost: t\r\nX: {huge}\r\n\r\n"), 431).await;
    bed.refused_alone(format!("GET / HTTP/1.1\r\nHost: t\r\nX: {huge}"), 431).await;
    bed.refused_alone(format!("GET / HTTP/1.1\r\nHost: t\r\n{huge}: x\r\n\r\n"), 431).await;
    bed.refused_alone(format!("GET / HTTP/1.1\r\nHost: t\r\n{many}\r\n"), 431).await;
    bed.refused_alone(format!("GET / HTTP/1.1\r\nHost: t\r\n{large}\r\n"), 431).await;
    bed.finish().await;
}

/// HTTP/1.0 has no Host; it is served by the listener without a hostname, and the backend gets an
/// empty one (RFC 9112 §3.2).
#[tokio::test]
async fn http_1_0_without_a_host_is_answered_and_closed() {
    let bed = Bed::start().await;
    let mut client = bed.connect().await;
    let response = client.send("GET /a HTTP/1.0\r\n\r\n").await.response().await;
    assert_eq!(response.status, 200, "{response:?}");
    client.is_closed().await;
    assert_eq!(bed.reached()[0].field("host").as_deref(), Some(""));
    bed.finish().await;
}
