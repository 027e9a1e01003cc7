//! The running data plane: its threads, its sockets, and how both end.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pingora::proxy::http_proxy;
use pingora::server::configuration::ServerConf;

use super::Proxy;
use super::app::{Routes, Shared};
use super::limits::{self, Gate};
use super::listener::Listeners;
use super::mirror::Mirrors;
use super::workers::Workers;
use crate::config::{Config, LimitsConfig};
use crate::limit::{Basis, global};
use crate::snapshot::{Socket, SocketState};
use crate::telemetry::{AccessLog, Metrics};

/// What limits work with.
#[derive(Debug, Clone, Default)]
pub struct Limits {
    /// What they share with whoever compiles them.
    pub basis: Arc<Basis>,
    /// Where they are counted together.
    pub store: Option<global::Settings>,
}

impl Limits {
    /// What the settings say.
    ///
    /// # Errors
    /// A file they name cannot be read.
    pub fn new(config: &LimitsConfig) -> anyhow::Result<Self> {
        let basis = Arc::new(Basis { max_keys: config.max_keys, ..Basis::default() });
        Ok(Self { basis, store: limits::settings(&config.store)? })
    }
}

/// The data plane. Dropping it ends it at once; see [`Server::drain`].
pub struct Server {
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
        limits: &Limits,
    ) -> io::Result<Self> {
        let draining = Arc::new(AtomicBool::new(false));
        let mirrors = Arc::new(Mirrors::new());
        // the pool is the thread's own
        let settings = Arc::new(ServerConf {
            threads: 1,
            upstream_keepalive_pool_size: config.upstream.keepalive_pool_size,
            ..ServerConf::default()
        });
        let engine = || {
            let proxy = Proxy {
                config: Arc::clone(&config),
                routes: Arc::clone(&routes),
                metrics: Arc::clone(&metrics),
                access_log: access_log.clone(),
                mirrors: Arc::clone(&mirrors),
                gate: Gate::open(limits, &metrics),
                draining: Arc::clone(&draining),
            };
            http_proxy(&settings, proxy)
        };
        let workers = Arc::new(Workers::start(threads(&config), config.limits.handshakes, engine)?);
        let edge = Arc::new(Shared::new(config, metrics, routes));
        let listeners = Listeners::new(Arc::clone(&edge), Arc::clone(&workers));
        Ok(Self { edge, listeners, draining })
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
        // the threads end with the listeners, which own them
        self.listeners.close_all();
    }
}

fn threads(config: &Config) -> usize {
    match config.threads {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        threads => threads,
    }
}
