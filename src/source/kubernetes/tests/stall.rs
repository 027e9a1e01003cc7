//! Connections that are open and silent, over real sockets and in real time.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::*;
use crate::source::kubernetes::client::with_limits;

const STALL: Duration = Duration::from_secs(1);

/// Answers every watch with an empty list, speaks for a while, and then not at all.
async fn answer(mut socket: TcpStream, requests: mpsc::UnboundedSender<String>) -> std::io::Result<()> {
    let (mut head, mut buffer) = (Vec::new(), [0; 4096]);
    while !head.ends_with(b"\r\n\r\n") {
        let n = socket.read(&mut buffer).await?;
        head.extend_from_slice(&buffer[..n]);
        if n == 0 {
            return Ok(());
        }
    }
    // Nobody listens when the test is over.
    let _ = requests.send(String::from_utf8_lossy(&head).into_owned());
    let bookmark = |annotations: Value| {
        let event = json!({"type": "BOOKMARK", "object": {"apiVersion": "v1", "kind": "Any",
            "metadata": {"resourceVersion": "7", "annotations": annotations}}});
        let line = format!("{event}\n");
        format!("{:x}\r\n{line}\r\n", line.len())
    };
    socket
        .write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n")
        .await?;
    socket.write_all(bookmark(json!({"k8s.io/initial-events-end": "true"})).as_bytes()).await?;
    // Longer than the patience in all, but never silent for so long, on a busy machine neither.
    for _ in 0..15 {
        tokio::time::sleep(STALL / 10).await;
        socket.write_all(bookmark(json!({})).as_bytes()).await?;
    }
    std::future::pending().await
}

async fn server() -> (SocketAddr, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, requests) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(answer(socket, sender.clone()));
        }
    });
    (address, requests)
}

#[tokio::test]
async fn a_watch_that_falls_silent_begins_anew_and_one_that_speaks_does_not() {
    let (address, mut requests) = server().await;
    let config = kube::Config::new(format!("http://{address}").parse().unwrap());
    let client = kube::Client::try_from(with_limits(config, STALL)).unwrap();
    let (store, metrics) = (Arc::new(Store::default()), Arc::new(Metrics::new().unwrap()));
    let started = std::time::Instant::now();
    let source =
        Kubernetes::start(client, Settings::default(), Arc::clone(&store), Arc::default(), Arc::clone(&metrics));
    let mut states = store.subscribe();
    states.wait_for(|state| state.synced).await.unwrap();
    for _ in Kind::ALL {
        let request = requests.recv().await.unwrap();
        assert!(request.contains("sendInitialEvents=true"), "{request}");
        assert!(request.to_lowercase().contains(concat!("user-agent: paifang/", env!("CARGO_PKG_VERSION"))));
    }
    let resumed = requests.recv().await.unwrap();
    assert!(resumed.contains("resourceVersion=7") && !resumed.contains("sendInitialEvents"), "{resumed}");
    assert!(started.elapsed() > STALL * 2, "it went on while the server spoke");
    assert!(metrics.control.watch_restarts.value(WatchRestart::Failed) > 0);
    source.shutdown().await;
}
