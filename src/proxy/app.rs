//! What all sockets share, and what one socket's connections need.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use pingora::apps::{HttpServerApp, HttpServerOptions, ReusedHttpStream};
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::v2::server::{H2Options, default_h2_options};
use pingora::server::ShutdownWatch;
use tokio::sync::Notify;

use super::context::Connection;
use super::denied::Denied;
use super::limits::{self, Permits};
use super::patience;
use super::tls::{TlsListener, TlsListeners};
use super::workers::Worker;
use crate::api::ObjectKey;
use crate::config::Config;
use crate::ir::{Certificate, ListenerProtocol};
use crate::snapshot::Socket;
use crate::table::limits::Meter;
use crate::table::shares::Part;
use crate::table::{Rule, Table};
use crate::telemetry::label::Handshake;
use crate::telemetry::{Metrics, Served};

/// One published generation: the table and what belongs to it.
#[derive(Debug, Default)]
pub struct Generation {
    /// What requests are looked up in.
    pub table: Arc<Table>,
    pub(crate) tls: TlsListeners,
}

/// The one root that requests read. Only the controller publishes.
#[derive(Debug, Default)]
pub struct Routes(ArcSwap<Generation>);

impl Routes {
    /// Replaces the generation; requests under way keep theirs.
    pub fn publish(&self, table: Arc<Table>) {
        let tls = TlsListeners::build(&table, &self.0.load().tls);
        self.0.store(Arc::new(Generation { table, tls }));
    }

    /// The current generation. The guard must not be held across an await.
    pub fn load(&self) -> arc_swap::Guard<Arc<Generation>> {
        self.0.load()
    }

    /// The current table, to keep.
    #[must_use]
    pub fn table(&self) -> Arc<Table> {
        Arc::clone(&self.0.load().table)
    }
}

/// What all sockets share.
pub(crate) struct Shared {
    pub(crate) config: Arc<Config>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) routes: Arc<Routes>,
    pub(crate) connections: Connections,
    options: HttpServerOptions,
    http2: H2Options,
}

impl Shared {
    pub(crate) fn new(config: Arc<Config>, metrics: Arc<Metrics>, routes: Arc<Routes>) -> Self {
        let limits = &config.downstream.http2;
        let mut options = HttpServerOptions::default();
        options.h2_idle_timeout = Some(limits.idle_timeout);
        let mut http2 = default_h2_options();
        http2
            .max_concurrent_streams(limits.max_concurrent_streams)
            .initial_window_size(limits.stream_window)
            .initial_connection_window_size(limits.connection_window)
            .max_header_list_size(u32::try_from(config.downstream.max_header_bytes).unwrap_or(u32::MAX));
        let connections = Connections::default();
        Self { config, metrics, routes, connections, options, http2 }
    }
}

/// Counts open connections, and tells when the last one ends.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    open: AtomicUsize,
    none: Notify,
}

impl Connections {
    /// Counts a connection in, unless there are as many as may be.
    pub(crate) fn enter(&self, most: usize) -> bool {
        self.open.fetch_update(Ordering::AcqRel, Ordering::Acquire, |open| (open < most).then_some(open + 1)).is_ok()
    }

    /// Counts a connection out.
    pub(crate) fn leave(&self) {
        if self.open.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.none.notify_waiters();
        }
    }

    /// How many there are.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::Acquire)
    }

    /// Waits until there are none.
    pub(crate) async fn wait_for_none(&self) {
        loop {
            let none = self.none.notified();
            tokio::pin!(none);
            none.as_mut().enable();
            if self.open() == 0 {
                return;
            }
            none.await;
        }
    }
}

/// What a server name chooses.
pub(crate) struct Chosen {
    /// The TLS side of the listener that serves it.
    pub(crate) tls: Arc<TlsListener>,
    /// The share of the tenant whose name it is.
    pub(crate) share: Arc<Part>,
    /// What the connection holds on to while it is open.
    pub(crate) permits: Permits,
}

/// What the connections of one socket need.
pub(crate) struct SocketApp {
    pub(crate) edge: Arc<Shared>,
    pub(crate) socket: Socket,
    pub(crate) local: SocketAddr,
    pub(crate) plain: Connection,
}

impl SocketApp {
    /// What the current table says is spoken on this socket.
    pub(crate) fn protocol(&self) -> Option<ListenerProtocol> {
        self.edge.routes.load().table.ports.get(&self.socket).map(|port| port.protocol)
    }

    /// The places of a plain connection, of which nothing is known but its socket: where several listeners share that, it
    /// counts for the one that serves every host, or else for the first.
    pub(crate) fn enter_plain(&self, client: IpAddr) -> Option<Permits> {
        let generation = self.edge.routes.load();
        let port = generation.table.ports.get(&self.socket)?;
        let listener = port.listeners.iter().find(|listener| listener.hostname.is_none());
        let listener = listener.or_else(|| port.listeners.first())?;
        limits::enter(listener.connections.iter(), client)
    }

    /// What a server name chooses for a client.
    pub(crate) fn choose(&self, name: &str, client: IpAddr) -> Result<Chosen, Handshake> {
        let generation = self.edge.routes.load();
        let port = generation.table.ports.get(&self.socket);
        let listener = port.and_then(|port| port.listener(name)).ok_or(Handshake::NoCertificate)?;
        let tls = generation.tls.get(self.socket, listener).ok_or(Handshake::NoCertificate)?;
        let of_tenant = listener.connections_of_tenant(name).iter();
        // a limit on both the Gateway and the tenant counts once
        let others = of_tenant.filter(|meter| !listener.connections.iter().any(|known| Arc::ptr_eq(known, meter)));
        let meters = listener.connections.iter().chain(others);
        Ok(Chosen {
            tls: Arc::clone(tls),
            share: generation.table.shares.of_tenant(listener.tenant(name)),
            permits: limits::enter(meters, client).ok_or(Handshake::Limited)?,
        })
    }
}

/// A connection of HTTP/2: it goes through Pingora's own accept loop, with our limits and the thread's engine.
pub(super) struct Http2App {
    pub(super) edge: Arc<Shared>,
    pub(super) worker: Arc<Worker>,
    pub(super) denied: Arc<Denied>,
}

#[async_trait]
impl HttpServerApp for Http2App {
    async fn process_new_http(
        self: &Arc<Self>,
        mut session: ServerSession,
        shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        let has_body = !session.is_body_done();
        self.denied.stand_back(&self.worker.denied).await;
        let served = self.denied.remembering(self.worker.proxy.process_new_http(session, shutdown));
        if has_body {
            let limit = self.edge.config.downstream.body_timeout;
            patience::serve(limit, &self.edge.metrics, served).await.flatten()
        } else {
            served.await
        }
    }

    fn server_options(&self) -> Option<&HttpServerOptions> {
        Some(&self.edge.options)
    }

    fn h2_options(&self) -> Option<H2Options> {
        Some(self.edge.http2.clone())
    }
}

impl Served for Routes {
    fn shares(&self, visit: &mut dyn FnMut(&Part)) {
        self.table().shares.parts().for_each(|part| visit(&part));
    }

    fn capacity(&self) -> u32 {
        self.table().shares.capacity()
    }

    fn rules(&self, visit: &mut dyn FnMut(&Rule)) {
        self.table().rules().for_each(|rule| visit(rule));
    }

    fn certificates(&self, visit: &mut dyn FnMut(&ObjectKey, &str, &Certificate)) {
        for listener in self.table().ports.values().flat_map(|port| port.listeners.iter()) {
            for certificate in &listener.certificates {
                visit(&listener.gateway, &listener.name, certificate);
            }
        }
    }

    fn limits(&self, visit: &mut dyn FnMut(&Arc<Meter>)) {
        self.table().limits.meters().iter().for_each(visit);
    }
}
