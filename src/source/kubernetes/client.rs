//! Clients of the API server: the real one, and one that sees what its watches do.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use http::header::{HeaderValue, USER_AGENT};
use http::{Request, Response};
use kube::Client;
use kube::client::Body;
use parking_lot::Mutex;

use super::event::{Event, Outbox};
use crate::telemetry::label::WatchRestart;
use crate::telemetry::metrics::Metrics;

/// Time to connect to the API server.
const CONNECT: Duration = Duration::from_secs(5);
/// Time to take a request.
const WRITE: Duration = Duration::from_secs(10);
/// A watch that ends at once is not begun again before this has passed.
const SHORTEST_WATCH: Duration = Duration::from_secs(1);

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Neither a service account nor a kubeconfig says where the API server is.
    #[error("no API server is configured; run in a pod with a service account, or set KUBECONFIG")]
    Unknown(#[source] Box<kube::config::InferConfigError>),
    /// What they say cannot be used.
    #[error("the configuration of the API server cannot be used")]
    Unusable(#[source] Box<kube::Error>),
}

/// A client from the environment: the file that KUBECONFIG names, else the pod's service account.
/// `stall` is how long an answer may be silent. It should be longer than the API server's pause between
/// two bookmarks: a minute, a quarter more by chance, and the second or so until it looks.
///
/// # Errors
/// When the environment names no API server, or one that cannot be used.
pub async fn client(stall: Duration) -> Result<Client, ClientError> {
    // kube's TLS takes the default of the process, and panics when there is none. Somebody may have
    // set it already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let config = kube::Config::infer().await.map_err(|error| ClientError::Unknown(Box::new(error)))?;
    Client::try_from(with_limits(config, stall)).map_err(|error| ClientError::Unusable(Box::new(error)))
}

/// The configuration of a client with our patience.
pub(super) fn with_limits(mut config: kube::Config, stall: Duration) -> kube::Config {
    config.connect_timeout = Some(CONNECT);
    config.read_timeout = Some(stall);
    config.write_timeout = Some(WRITE);
    // Otherwise the idle time of a kept connection counts.
    config.reset_reader_on_write = true;
    // Whoever asks tries again, sooner than these retries would, and says so.
    config.default_retry = false;
    let name = HeaderValue::from_static(concat!("paifang/", env!("CARGO_PKG_VERSION")));
    config.headers.push((USER_AGENT, name));
    config
}

/// What the watch of one kind and its client know of each other. kube begins an ended watch anew
/// without a word; here it is seen.
pub(super) struct Line {
    outbox: Outbox,
    metrics: Arc<Metrics>,
    /// The next watch that goes on has a known reason.
    explained: AtomicBool,
    began: Mutex<Option<tokio::time::Instant>>,
}

impl Line {
    /// The line of a kind.
    pub(super) fn new(outbox: Outbox, metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(Self { outbox, metrics, explained: AtomicBool::new(true), began: Mutex::new(None) })
    }

    /// Says whether the next watch that goes on has a known reason.
    pub(super) fn explain(&self, explained: bool) {
        self.explained.store(explained, Ordering::Relaxed);
    }

    /// A client whose watches are seen.
    pub(super) fn client(self: &Arc<Self>, client: &Client) -> Client {
        let (line, namespace) = (Arc::clone(self), client.default_namespace().to_owned());
        let client = client.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let (line, client) = (Arc::clone(&line), client.clone());
            async move { line.send(&client, request).await }
        });
        Client::new(service, namespace)
    }

    async fn send(&self, client: &Client, request: Request<Body>) -> Result<Response<Body>, kube::Error> {
        let query = request.uri().query().unwrap_or_default();
        let goes_on = query.contains("watch=true") && !query.contains("sendInitialEvents");
        if goes_on {
            self.pace().await;
        }
        let response = client.send(request).await?;
        if goes_on && response.status().is_success() {
            if !self.explained.swap(false, Ordering::Relaxed) {
                self.metrics.control.watch_restarts.inc(WatchRestart::Closed);
            }
            self.outbox.send(Event::Alive, Instant::now()).await;
        }
        Ok(response)
    }

    /// Waits when the last watch began just now: one that is closed again and again must not spin.
    async fn pace(&self) {
        let due = self.began.lock().map(|began| began + SHORTEST_WATCH);
        if let Some(due) = due {
            tokio::time::sleep_until(due).await;
        }
        *self.began.lock() = Some(tokio::time::Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_client_can_be_made_that_speaks_tls() {
        let mut config = kube::Config::new("https://127.0.0.1:1".parse().unwrap());
        config.root_cert = Some(Vec::new());
        let client = Client::try_from(with_limits(config, Duration::from_secs(90))).unwrap();
        assert!(client.apiserver_version().await.is_err(), "nobody listens there");
    }
}
