//! A backend that tells what it received: for the quick start, for demos and for tests.
//!
//! It speaks HTTP/1.1, h2c by prior knowledge and WebSocket, and answers every request with a JSON
//! description of it. The query controls the answer:
//!
//! | query | answer |
//! |---|---|
//! | `status=503` | with this status |
//! | `delay=300ms` | after this time |
//! | `size=1Mi` | with a body of this size instead of the description |
//! | `header=Name:Value` | with this header field; may be repeated |
//! | `abort=head`, `abort=body` | by closing the connection before or within the answer |

mod answer;
mod control;
mod websocket;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;
use tokio::task::{JoinHandle, JoinSet};

pub use answer::Seen;

/// Requests that a slow reader of [`Echo::requests`] may be behind.
const BACKLOG: usize = 1024;
/// Pause after a failed accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What a backend calls itself in its answers.
#[derive(Debug, Clone, Default)]
pub struct Identity {
    /// Its name.
    pub name: String,
    /// Namespace; left out of answers when empty.
    pub namespace: String,
    /// Service; left out of answers when empty.
    pub service: String,
    /// Pod; left out of answers when empty.
    pub pod: String,
}

impl Identity {
    /// An identity that is only a name.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }
}

/// Why a backend could not be started.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {error}")]
pub struct ListenError {
    /// Where it should have listened.
    pub address: SocketAddr,
    /// Why it cannot.
    #[source]
    pub error: io::Error,
}

/// A running backend; stops, and closes its connections, when dropped.
#[derive(Debug)]
pub struct Echo {
    address: SocketAddr,
    requests: broadcast::Sender<Arc<Seen>>,
    accepting: JoinHandle<()>,
}

impl Echo {
    /// Starts a backend on a free port of the loopback interface.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn start(identity: Identity) -> Result<Self, ListenError> {
        Self::listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), identity).await
    }

    /// Starts a backend on an address.
    ///
    /// # Errors
    /// When it cannot be bound.
    pub async fn listen(address: SocketAddr, identity: Identity) -> Result<Self, ListenError> {
        let refused = |error| ListenError { address, error };
        let listener = TcpListener::bind(address).await.map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        let (requests, _) = broadcast::channel(BACKLOG);
        let backend = Arc::new(Backend { identity, instance: address.to_string(), requests: requests.clone() });
        Ok(Self { address, requests, accepting: tokio::spawn(accept(listener, backend)) })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Follows the requests received from now on.
    #[must_use]
    pub fn requests(&self) -> broadcast::Receiver<Arc<Seen>> {
        self.requests.subscribe()
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// What every connection of a backend shares.
struct Backend {
    identity: Identity,
    instance: String,
    requests: broadcast::Sender<Arc<Seen>>,
}

/// Accepts for ever; its connections end with it.
async fn accept(listener: TcpListener, backend: Arc<Backend>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => { connections.spawn(serve(stream, Arc::clone(&backend))); }
                Err(error) => {
                    tracing::warn!(%error, "the echo backend could not accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, backend: Arc<Backend>) {
    // answers are small: waiting for more to send would only delay them
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| answer::answer(Arc::clone(&backend), request));
    let builder = auto::Builder::new(TokioExecutor::new());
    if let Err(error) = builder.serve_connection_with_upgrades(TokioIo::new(stream), service).await {
        tracing::debug!(error, "a connection of the echo backend broke");
    }
}

#[cfg(test)]
mod tests;
