//! A backend that keeps every byte it receives, by connection, and answers with scripted bytes.

use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};

use super::wire::{self, Parsed, Seen};

/// An answer to one request.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    /// What is sent.
    pub(crate) bytes: Vec<u8>,
    /// What follows.
    pub(crate) then: Then,
    /// What the answer waits for.
    pub(crate) gate: Option<Arc<Notify>>,
}

impl Reply {
    /// The answer is sent when the gate is notified.
    pub(crate) fn after(self, gate: &Arc<Notify>) -> Self {
        Self { gate: Some(Arc::clone(gate)), ..self }
    }
}

/// What a backend does after an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    /// Takes the next request.
    Keep,
    /// Closes the connection.
    Close,
    /// Keeps what comes without reading it as HTTP.
    Listen,
}

/// Scripts the answer to a request.
pub(crate) type Script = Arc<dyn Fn(&Seen) -> Reply + Send + Sync>;

/// What one connection received.
#[derive(Debug, Clone, Default)]
pub(crate) struct Received {
    /// Every byte.
    pub(crate) bytes: Vec<u8>,
    /// Whole requests, in order.
    pub(crate) requests: Vec<Seen>,
    /// Bytes after the last whole request: the beginning of another, or of another protocol.
    pub(crate) rest: Vec<u8>,
    /// What no backend should ever see.
    pub(crate) malformed: Option<String>,
    /// Whether the edge closed it.
    pub(crate) closed: bool,
}

/// The running backend.
pub(crate) struct Backend {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    script: Arc<Mutex<Script>>,
    received: watch::Sender<Vec<Received>>,
}

type Log = watch::Sender<Vec<Received>>;

impl Backend {
    /// Starts it on a free port, answering `ok` to everything.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let ok: Script = Arc::new(|_| keep("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
        let (script, received) = (Arc::new(Mutex::new(ok)), Log::default());
        tokio::spawn(accept(listener, Arc::clone(&script), received.clone()));
        Self { address, script, received }
    }

    /// Answers from now on like this.
    pub(crate) fn answer(&self, script: impl Fn(&Seen) -> Reply + Send + Sync + 'static) {
        *self.script.lock() = Arc::new(script);
    }

    /// What every connection received so far.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.borrow().clone()
    }

    /// Every whole request so far.
    pub(crate) fn requests(&self) -> Vec<Seen> {
        self.received().into_iter().flat_map(|connection| connection.requests).collect()
    }

    /// Waits until what was received is as it should be.
    pub(crate) async fn wait(&self, what: &str, mut fits: impl FnMut(&[Received]) -> bool) {
        let mut log = self.received.subscribe();
        let waited = log.wait_for(|received| fits(received));
        let in_time = tokio::time::timeout(super::client::PATIENCE, waited).await.is_ok();
        assert!(in_time, "{what}: {:#?}", self.received());
    }
}

/// An answer after which the connection is kept.
pub(crate) fn keep(bytes: impl AsRef<[u8]>) -> Reply {
    Reply { bytes: bytes.as_ref().to_vec(), then: Then::Keep, gate: None }
}

/// An answer after which bytes are kept without being read as HTTP.
pub(crate) fn listen(bytes: impl AsRef<[u8]>) -> Reply {
    Reply { bytes: bytes.as_ref().to_vec(), then: Then::Listen, gate: None }
}

/// An answer after which the connection is closed.
pub(crate) fn close(bytes: impl AsRef<[u8]>) -> Reply {
    Reply { bytes: bytes.as_ref().to_vec(), then: Then::Close, gate: None }
}

async fn accept(listener: TcpListener, script: Arc<Mutex<Script>>, log: Log) {
    while let Ok((stream, _)) = listener.accept().await {
        let mut number = 0;
        log.send_modify(|all| {
            number = all.len();
            all.push(Received::default());
        });
        let (script, log) = (Arc::clone(&script), log.clone());
        tokio::spawn(async move {
            converse(stream, script, &log, number).await;
            log.send_modify(|all| all[number].closed = true);
        });
    }
}

async fn converse(mut stream: TcpStream, script: Arc<Mutex<Script>>, log: &Log, number: usize) {
    let mut buffer = vec![0; 64 << 10];
    let mut then = Then::Keep;
    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
        let mut complete = Vec::new();
        log.send_modify(|all| complete = note(&mut all[number], &buffer[..count], then));
        for seen in complete {
            let reply = (script.lock().clone())(&seen);
            if let Some(gate) = &reply.gate {
                gate.notified().await;
            }
            if stream.write_all(&reply.bytes).await.is_err() || reply.then == Then::Close {
                return;
            }
            then = reply.then;
        }
        if log.borrow()[number].malformed.is_some() {
            return;
        }
    }
}

/// Notes bytes; what is complete with them is returned.
fn note(received: &mut Received, bytes: &[u8], then: Then) -> Vec<Seen> {
    received.bytes.extend_from_slice(bytes);
    received.rest.extend_from_slice(bytes);
    let mut complete = Vec::new();
    while then != Then::Listen && received.malformed.is_none() && !received.rest.is_empty() {
        match wire::request(&received.rest) {
            Parsed::Request(seen, length) => {
                received.rest.drain(..length);
                received.requests.push((*seen).clone());
                complete.push(*seen);
            }
            Parsed::Partial => break,
            Parsed::Malformed(why) => received.malformed = Some(why),
        }
    }
    complete
}
