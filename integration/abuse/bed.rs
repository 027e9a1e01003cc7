//! A whole edge with short deadlines in front of one recording backend.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Once};

use paifang::config::{Config, Ports};
use paifang::controller::{Edge, Inputs};
use paifang::source::{Store, folder};
use paifang::telemetry::{AccessLog, Metrics};

use super::backend::{Backend, Received};
use super::client::{Client, End, Response};
use super::wire::Seen;

/// Deadlines that a test can wait for, and limits that it can reach.
pub(crate) const SHORT: &str = "
threads: 1
downstream:
  handshakeTimeout: 300ms
  headerTimeout: 300ms
  idleTimeout: 300ms
  bodyTimeout: 300ms
  writeTimeout: 300ms
  http2: { idleTimeout: 300ms }
";

/// The same limits, with deadlines that no test reaches: for everything that is not about time.
pub(crate) const PATIENT: &str = "threads: 1";

/// Panics on threads of the data plane, also those that no counter of the product sees.
static PANICS: AtomicU64 = AtomicU64::new(0);
static HOOK: Once = Once::new();

/// The edge, its backend, and where they are.
pub(crate) struct Bed {
    edge: Edge,
    _store: Arc<Store>,
    /// What is behind the edge.
    pub(crate) backend: Backend,
    /// Its plain listener.
    pub(crate) plain: SocketAddr,
    /// Its TLS listener, for `*.example.com`.
    pub(crate) tls: SocketAddr,
}

impl Bed {
    /// An edge with patient deadlines.
    pub(crate) async fn start() -> Self {
        Self::with(PATIENT).await
    }

    /// An edge with these settings.
    pub(crate) async fn with(settings: &str) -> Self {
        count_panics();
        let backend = Backend::start().await;
        let mut config = Config::parse(settings).unwrap();
        config.ports = Ports::Ephemeral;
        let directory = tempfile::tempdir().unwrap();
        let manifests = include_str!("bed.yaml").replace("BACKEND", &backend.address.to_string());
        std::fs::write(directory.path().join("bed.yaml"), manifests).unwrap();
        let certificate = include_str!("../../conf/quickstart/11-certificate.yaml");
        std::fs::write(directory.path().join("certificate.yaml"), certificate).unwrap();
        let loaded = folder::load(directory.path()).unwrap();
        assert!(loaded.findings.is_empty(), "{:?}", loaded.findings);
        let inputs = Inputs::default();
        let store = Arc::clone(&inputs.store);
        let edge = Edge::start(config, inputs, AccessLog::disabled(), Arc::new(Metrics::new().unwrap())).unwrap();
        store.apply(loaded.changes, true);
        let version = store.subscribe().borrow().version;
        assert!(edge.settled(version).await, "the edge ended");
        let bound = edge.view().borrow().addresses.clone();
        let on = |port| bound.iter().find(|(socket, _)| socket.port == port).map(|(_, address)| *address).unwrap();
        Self { plain: on(8080), tls: on(8443), edge, _store: store, backend }
    }

    /// A new plain connection.
    pub(crate) async fn connect(&self) -> Client {
        Client::connect(self.plain).await
    }

    /// The metrics.
    pub(crate) fn metrics(&self) -> &Metrics {
        self.edge.metrics()
    }

    /// What the backend received, without the probes.
    pub(crate) fn reached(&self) -> Vec<Seen> {
        self.backend.requests().into_iter().filter(|seen| seen.target != PROBE).collect()
    }

    /// Waits until the metrics say so.
    pub(crate) async fn eventually(&self, what: &str, fits: impl Fn(&Metrics) -> bool) {
        let waited = async {
            while !fits(self.metrics()) {
                tokio::task::yield_now().await;
            }
        };
        assert!(tokio::time::timeout(super::client::PATIENCE, waited).await.is_ok(), "{what}");
    }

    /// Sends bytes on a new connection, which must then be answered with a status and closed
    /// without anything more; the next connection must work; returns what reached the backend.
    pub(crate) async fn refused(&self, bytes: impl AsRef<[u8]>, status: u16) -> Vec<Seen> {
        let before = self.reached().len();
        let mut client = self.connect().await;
        let shown = String::from_utf8_lossy(bytes.as_ref()).chars().take(300).collect::<String>();
        let response = client.send(&bytes).await.try_response().await;
        let got = response.as_ref().map(|response| response.status);
        assert_eq!(got, Ok(status), "{shown:?} should be refused, not {response:?}");
        let end = client.end().await;
        assert!(end.bytes.is_empty(), "one answer is enough for {shown:?}: {end:?}");
        assert!(!end.reset, "the refusal of {shown:?} must not be lost to a reset");
        self.probe().await;
        self.reached().split_off(before)
    }

    /// As [`Bed::refused`], and nothing at all reached the backend.
    pub(crate) async fn refused_alone(&self, bytes: impl AsRef<[u8]>, status: u16) {
        let reached = self.refused(&bytes, status).await;
        let shown = String::from_utf8_lossy(bytes.as_ref()).chars().take(300).collect::<String>();
        assert!(reached.is_empty(), "{shown:?} must not reach the backend: {reached:?}");
        assert!(self.fragments().is_empty(), "{shown:?} must not reach the backend: {:?}", self.fragments());
    }

    /// Sends bytes on a new connection; returns the answer and the one request that reached the
    /// backend.
    pub(crate) async fn accepted(&self, bytes: impl AsRef<[u8]>) -> (Response, Seen) {
        let before = self.reached().len();
        let mut client = self.connect().await;
        let response = client.send(&bytes).await.response().await;
        let shown = String::from_utf8_lossy(bytes.as_ref()).into_owned();
        assert_eq!(response.status, 200, "{shown:?}: {response:?} {:#?}", self.backend.received().last());
        let mut reached = self.reached().split_off(before);
        assert_eq!(reached.len(), 1, "one request reaches the backend of {shown:?}: {reached:?}");
        (response, reached.remove(0))
    }

    /// The first answer to bytes on a new connection.
    pub(crate) async fn ask(&self, bytes: impl AsRef<[u8]>) -> Result<Response, End> {
        self.connect().await.send(bytes).await.try_response().await
    }

    /// As [`Bed::refused_alone`], for what is refused after the end of the request was found: the
    /// connection may live on, and then its next request is answered like any other.
    pub(crate) async fn declined(&self, bytes: impl AsRef<[u8]>, status: u16) {
        let before = self.reached().len();
        let mut client = self.connect().await;
        let shown = String::from_utf8_lossy(bytes.as_ref()).into_owned();
        let response = client.send(&bytes).await.try_response().await;
        let got = response.as_ref().map(|response| response.status);
        assert_eq!(got, Ok(status), "{shown:?} should be refused, not {response:?}");
        client.send(format!("GET {PROBE} HTTP/1.1\r\nHost: t\r\n\r\n")).await;
        match client.try_response().await {
            Ok(next) => assert_eq!(next.status, 200, "{shown:?} leaves nothing behind: {next:?}"),
            Err(end) => assert!(end.bytes.is_empty(), "one answer is enough for {shown:?}: {end:?}"),
        }
        let reached = self.reached().split_off(before);
        assert!(reached.is_empty(), "{shown:?} must not reach the backend: {reached:?}");
        assert!(self.fragments().is_empty(), "{shown:?} must not reach the backend: {:?}", self.fragments());
    }

    /// Everything that a new connection gets until the edge closes it; for edges with [`SHORT`]
    /// deadlines.
    pub(crate) async fn exchange(&self, bytes: impl AsRef<[u8]>) -> End {
        self.connect().await.send(bytes).await.end().await
    }

    /// Everything that a new connection gets that sends nothing more.
    pub(crate) async fn abandon(&self, bytes: impl AsRef<[u8]>) -> End {
        let mut client = self.connect().await;
        client.send(bytes).await.finish_sending().await;
        client.end().await
    }

    /// Bytes at the backend that are no whole request.
    pub(crate) fn fragments(&self) -> Vec<Vec<u8>> {
        self.backend.received().into_iter().map(|all| all.rest).filter(|rest| !rest.is_empty()).collect()
    }

    /// The edge still answers, on a new connection.
    pub(crate) async fn probe(&self) {
        let mut client = self.connect().await;
        let request = format!("GET {PROBE} HTTP/1.1\r\nHost: t\r\n\r\n");
        let response = client.send(request).await.response().await;
        assert_ne!(response.status, 404, "the next connection works: {response:?}");
        assert!(response.status < 500 || response.status == 502, "the next connection works: {response:?}");
    }

    /// The edge still answers, what it sent was well-formed, and nothing panicked.
    pub(crate) async fn finish(self) {
        self.backend.answer(|_| super::backend::keep("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
        let mut client = self.connect().await;
        let response = client.send("GET /last HTTP/1.1\r\nHost: t\r\n\r\n").await.response().await;
        assert_eq!((response.status, response.body.as_slice()), (200, b"ok".as_slice()), "the edge still answers");
        let malformed: Vec<Received> =
            self.backend.received().into_iter().filter(|received| received.malformed.is_some()).collect();
        assert!(malformed.is_empty(), "the backend must get nothing but well-formed requests: {malformed:#?}");
        assert_eq!(self.metrics().panics.get(), 0, "nothing may panic");
        assert_eq!(PANICS.load(Ordering::SeqCst), 0, "nothing may panic on the data plane's threads");
    }
}

const PROBE: &str = "/probe";

fn count_panics() {
    HOOK.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if std::thread::current().name().is_some_and(|name| name.starts_with("proxy-")) {
                PANICS.fetch_add(1, Ordering::SeqCst);
            }
            usual(panic);
        }));
    });
}
