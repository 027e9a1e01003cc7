use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

async fn echo() -> Echo {
    let identity = Identity { namespace: "shop".to_owned(), pod: "cart-1".to_owned(), ..Identity::named("cart") };
    Echo::start(identity).await.unwrap()
}

/// Sends a raw HTTP/1.0 request and reads to the end: head and body.
async fn raw(echo: &Echo, request: &str) -> (String, String) {
    let mut stream = TcpStream::connect(echo.address()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    (head.to_owned(), body.to_owned())
}

async fn get(echo: &Echo, path: &str) -> (String, String) {
    raw(echo, &format!("GET {path} HTTP/1.0\r\nhost: a.test\r\n\r\n")).await
}

#[tokio::test]
async fn it_tells_what_it_received_and_who_it_is() {
    let echo = echo().await;
    let mut requests = echo.requests();
    let request = "POST /a%20b?x=1 HTTP/1.1\r\nHost: a.test\r\nX-A: 1\r\nx-a: 2\r\n\
                   connection: close\r\ncontent-length: 3\r\n\r\nabc";
    let (head, body) = raw(&echo, request).await;
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.contains("content-type: application/json"), "{head}");
    let value: serde_json::Value = serde_json::from_str(&body).unwrap();
    let expected = serde_json::json!({
        "name": "cart", "namespace": "shop", "pod": "cart-1", "instance": echo.address().to_string(),
        "method": "POST", "path": "/a%20b?x=1", "host": "a.test", "protocol": "HTTP/1.1",
        "headers": { "host": ["a.test"], "x-a": ["1", "2"], "connection": ["close"], "content-length": ["3"] },
        "bodyBytes": 3,
        "bodySha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    });
    assert_eq!(value, expected);
    assert_eq!(requests.try_recv().unwrap().path, "/a%20b?x=1");
}

#[tokio::test]
async fn the_query_controls_the_answer() {
    let echo = echo().await;
    let (head, body) = get(&echo, "/?status=503&header=Retry-After:7&size=40000").await;
    assert!(head.starts_with("HTTP/1.0 503 ") && head.contains("retry-after: 7"), "{head}");
    assert_eq!(body.len(), 40_000);
    let before = std::time::Instant::now();
    assert!(get(&echo, "/?delay=30ms").await.0.contains(" 200 "));
    assert!(before.elapsed() >= Duration::from_millis(30));
    assert!(get(&echo, "/?status=1").await.0.contains(" 400 "));
}

#[tokio::test]
async fn an_answer_can_be_cut_off() {
    let echo = echo().await;
    assert_eq!(get(&echo, "/?abort=head").await, (String::new(), String::new()));
    let request = "GET /?abort=body HTTP/1.1\r\nhost: a\r\n\r\n";
    let (head, body) = raw(&echo, request).await;
    assert!(head.contains("transfer-encoding: chunked") && body.starts_with("E\r\nhalf of an ans"), "{head} {body}");
    assert!(!body.contains("0\r\n\r\n"), "{body}");
}

#[tokio::test]
async fn it_speaks_h2c_by_prior_knowledge() {
    let echo = echo().await;
    let stream = TcpStream::connect(echo.address()).await.unwrap();
    let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = http::Request::get("http://b.test/h2").body(()).unwrap();
    let response = client.send_request(request, true).unwrap().0.await.unwrap();
    let mut body = response.into_body();
    let mut json = Vec::new();
    while let Some(data) = body.data().await {
        json.extend_from_slice(&data.unwrap());
    }
    let value: serde_json::Value = serde_json::from_slice(&json).unwrap();
    assert_eq!((&value["protocol"], &value["host"]), (&"HTTP/2.0".into(), &"b.test".into()));
    connection.abort();
}

#[tokio::test]
async fn it_sends_websocket_messages_back() {
    use tokio_tungstenite::tungstenite::{Message, client};
    let echo = echo().await;
    let address = echo.address();
    let messages = [Message::text("hello"), Message::binary(vec![7; 200]), Message::binary(vec![9; 70_000])];
    let talk = move || {
        let stream = std::net::TcpStream::connect(address).unwrap();
        let (mut socket, _) = client("ws://a.test/ws", stream).unwrap();
        for message in messages {
            socket.send(message.clone()).unwrap();
            assert_eq!(socket.read().unwrap(), message);
        }
        socket.send(Message::Ping("p".into())).unwrap();
        assert_eq!(socket.read().unwrap(), Message::Pong("p".into()));
        socket.close(None).unwrap();
        assert!(matches!(socket.read().unwrap(), Message::Close(_)));
    };
    tokio::task::spawn_blocking(talk).await.unwrap();
}

#[tokio::test]
async fn it_stops_when_it_is_dropped() {
    let echo = echo().await;
    let mut open = TcpStream::connect(echo.address()).await.unwrap();
    assert!(get(&echo, "/").await.0.contains(" 200 "));
    drop(echo);
    assert_eq!(open.read(&mut [0; 1]).await.unwrap_or(0), 0, "its connections are closed");
}

#[tokio::test]
async fn an_address_that_cannot_be_had_is_named() {
    let address = SocketAddr::from(([192, 0, 2, 1], 0));
    let error = Echo::listen(address, Identity::default()).await.unwrap_err();
    assert!(error.to_string().starts_with("cannot listen on 192.0.2.1:0: "), "{error}");
}
