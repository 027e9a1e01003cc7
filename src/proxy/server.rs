//! The running data plane: its threads, its sockets, and how both end.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pingora::proxy::http_proxy;
use pingora::server::configuration::ServerConf;
use tokio::runtime::Runtime;

use super::Proxy;
use super::app::{Routes, Shared};
use super::listener::Listeners;
use super::mirror::Mirrors;
use crate::config::Config;
use crate::snapshot::{Socket, SocketState};
use crate::telemetry::{AccessLog, Metrics};

/// The data plane. Dropping it ends it at once; see [`Server::drain`].
pub struct Server {
    runtime: Option<Runtime>,
    edge: Arc<Shared>,
    listeners: Listeners,
    draining: Arc<AtomicBool>,
}

impl Server {
    /// Starts the threads; sockets follow with [`Server::reconcile`].
    ///
    /// # Errors
    /// When the threads cannot be started.
    pub fn start(
        config: Arc<Config>,
        routes: Arc<Routes>,
        metrics: Arc<Metrics>,
        access_log: AccessLog,
    ) -> io::Result<Self> {
        let threads = threads(&config);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_name("proxy")
            .enable_all()
            .build()?;
        let _guard = runtime.enter();
        let draining = Arc::new(AtomicBool::new(false));
        let proxy = Proxy {
            config: Arc::clone(&config),
            routes: Arc::clone(&routes),
            metrics: Arc::clone(&metrics),
            access_log,
            mirrors: Arc::new(Mirrors::new()),
            draining: Arc::clone(&draining),
        };
        let engine = ServerConf {
            threads,
            upstream_keepalive_pool_size: config.upstream.keepalive_pool_size * threads,
            ..ServerConf::default()
        };
        let proxy = http_proxy(&Arc::new(engine), proxy);
        let edge = Arc::new(Shared::new(config, metrics, routes, proxy));
        let listeners = Listeners::new(Arc::clone(&edge), runtime.handle().clone());
        drop(_guard);
        Ok(Self { runtime: Some(runtime), edge, listeners, draining })
    }

    /// Makes the open sockets those that are wanted, and says what became of each.
    pub fn reconcile(&mut self, wanted: &BTreeSet<Socket>) -> BTreeMap<Socket, SocketState> {
        self.listeners.reconcile(wanted);
        self.listeners.states()
    }

    /// Whether some wanted socket is not bound, so that trying again makes sense.
    #[must_use]
    pub fn any_failed(&self) -> bool {
        self.listeners.any_failed()
    }

    /// Where each open socket is really bound.
    #[must_use]
    pub fn addresses(&self) -> BTreeMap<Socket, SocketAddr> {
        self.listeners.addresses()
    }

    /// Client connections at this moment.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.edge.connections.open()
    }

    /// Closes the sockets and waits until the last request is answered, at most for the drain
    /// timeout; says whether all were.
    pub async fn drain(&mut self) -> bool {
        self.draining.store(true, Ordering::Release);
        self.listeners.close_all();
        let timeout = self.edge.config.drain.timeout;
        tokio::time::timeout(timeout, self.edge.connections.wait_for_none()).await.is_ok()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.listeners.close_all();
        if let Some(runtime) = self.runtime.take() {
            // whatever still runs has had its time; do not block a runtime this is dropped on
            runtime.shutdown_background();
        }
    }
}

fn threads(config: &Config) -> usize {
    match config.threads {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        threads => threads,
    }
}
