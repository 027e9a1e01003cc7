use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::*;

struct Running {
    address: SocketAddr,
    readiness: Readiness,
    stop: watch::Sender<bool>,
    task: JoinHandle<std::io::Result<()>>,
}

fn start() -> Running {
    let metrics = Arc::new(Metrics::new().unwrap());
    let readiness = Readiness::new(metrics.ready.clone());
    let dump = Page {
        path: "/config_dump",
        title: "what is served",
        render: Box::new(|_| Some(said(Content::Json(serde_json::json!({ "generation": 3 }))))),
    };
    let broken = Page { path: "/broken", title: "panics", render: Box::new(|_| panic!("a bug")) };
    let empty = Page { path: "/empty", title: "not yet", render: Box::new(|_| None) };
    let echo = Page {
        path: "/echo",
        title: "its question",
        render: Box::new(|question| Some(said(Content::Text(format!("{} {}", question.query, question.json))))),
    };
    let admin = Admin { metrics, readiness: readiness.clone(), pages: vec![dump, broken, empty, echo] };
    let listener = bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = watch::channel(false);
    let task = tokio::spawn(serve(listener, Arc::new(admin), stopped));
    Running { address, readiness, stop, task }
}

fn said(content: Content) -> Answer {
    Answer { status: http::StatusCode::ACCEPTED, content }
}

impl Running {
    /// Sends raw bytes and reads to the end.
    async fn raw(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        // a refusal may reset the connection after its last byte
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8(answer).unwrap()
    }

    /// Status and body of a `GET`.
    async fn get(&self, path: &str) -> (u16, String) {
        let answer = self.raw(&format!("GET {path} HTTP/1.0\r\nhost: a\r\n\r\n")).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }
}

#[tokio::test]
async fn readiness_follows_the_life_of_the_process_and_says_why() {
    let admin = start();
    assert_eq!(admin.get("/livez").await, (200, "alive\n".to_owned()));
    let mut seen = Vec::new();
    for state in [None, Some(State::NotPublished), Some(State::Ready), Some(State::Draining), Some(State::Ready)] {
        state.into_iter().for_each(|state| admin.readiness.set(state));
        let (status, text) = admin.get("/readyz").await;
        let (_, metrics) = admin.get("/metrics").await;
        assert_eq!(metrics.contains("\npaifang_ready 1\n"), status == 200);
        seen.push((status, text.trim().to_owned()));
    }
    let expected = [State::NotSynced, State::NotPublished, State::Ready, State::Draining, State::Draining];
    let codes = [503, 503, 200, 503, 503];
    assert_eq!(seen, codes.into_iter().zip(expected.map(|s| s.as_str().to_owned())).collect::<Vec<_>>());
}

#[tokio::test]
async fn metrics_are_sent_in_the_text_format() {
    let answer = start().raw("GET /metrics HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert!(answer.contains("content-type: text/plain; version=0.0.4; charset=utf-8\r\n"), "{answer}");
    assert!(answer.contains("# TYPE paifang_requests_total counter"), "{answer}");
}

#[tokio::test]
async fn pages_are_json_and_listed_and_a_broken_one_breaks_nothing() {
    let admin = start();
    let (status, body) = admin.get("/config_dump?pretty").await;
    assert_eq!((status, &*body), (202, "{\n  \"generation\": 3\n}\n"));
    assert!(admin.get("/").await.1.contains("/config_dump   what is served\n"));
    assert_eq!(admin.get("/broken").await.0, 500);
    assert_eq!(admin.get("/empty").await, (503, "nothing to show yet; /readyz says why\n".to_owned()));
    assert_eq!(admin.get("/livez").await.0, 200);
}

#[tokio::test]
async fn a_page_is_told_what_is_asked_and_whether_for_json() {
    let admin = start();
    assert_eq!(admin.get("/echo?a=1&b=%20").await.1, "a=1&b=%20 false");
    assert_eq!(admin.get("/echo?output=json").await.1, "output=json true");
    let accept = "GET /echo HTTP/1.0\r\nhost: a\r\naccept: application/json, */*\r\n\r\n";
    assert!(admin.raw(accept).await.ends_with("\r\n\r\n true"));
}

#[tokio::test]
async fn anything_else_is_refused() {
    let admin = start();
    assert_eq!(admin.get("/nothing").await.0, 404);
    let post = admin.raw("POST /metrics HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nhi").await;
    assert!(post.starts_with("HTTP/1.1 405 ") && post.contains("allow: GET, HEAD\r\n"), "{post}");
    let long = admin.raw(&format!("GET / HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", "x".repeat(20 << 10))).await;
    assert!(long.starts_with("HTTP/1.1 431 "), "{long}");
    let head = admin.raw("HEAD /livez HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 200 ") && head.ends_with("\r\n\r\n"), "{head}");
}

#[tokio::test]
async fn it_stops_when_it_is_told_to() {
    let admin = start();
    admin.stop.send(true).unwrap();
    admin.task.await.unwrap().unwrap();
}

#[tokio::test]
async fn an_address_that_is_taken_is_named() {
    let admin = start();
    let error = bind(admin.address).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "the admin address {} is taken: stop the program that has it, or choose another with --admin",
            admin.address
        )
    );
    assert!(matches!(bind(SocketAddr::from(([192, 0, 2, 1], 0))), Err(BindError::NoSuchAddress(_))));
}
