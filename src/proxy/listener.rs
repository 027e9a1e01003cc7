//! Sockets that follow the Gateways: bound, served and drained while the process runs.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Weak};
use std::time::Duration;

use socket2::{Domain, Protocol, SockAddr, Type};
use tokio::sync::watch;

use super::app::{Shared, SocketApp};
use super::connection::{self, ConnectionApp};
use super::context::Connection;
use super::workers::{Seat, Workers};
use crate::snapshot::{BindFailure, Socket, SocketState};
use crate::telemetry::label::Refusal;

/// Connections the kernel may hold before they are accepted.
const BACKLOG: i32 = 4096;
/// Pause after a failed accept, usually for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// The sockets of this process.
pub(crate) struct Listeners {
    edge: Arc<Shared>,
    workers: Arc<Workers>,
    open: BTreeMap<Socket, Open>,
    failed: BTreeMap<Socket, BindFailure>,
}

struct Open {
    address: SocketAddr,
    stop: watch::Sender<bool>,
}

impl Listeners {
    pub(crate) fn new(edge: Arc<Shared>, workers: Arc<Workers>) -> Self {
        Self { edge, workers, open: BTreeMap::new(), failed: BTreeMap::new() }
    }

    /// Makes the open sockets those that are wanted: binds what is missing (again, if it failed
    /// before) and drains what is no longer wanted.
    pub(crate) fn reconcile(&mut self, wanted: &BTreeSet<Socket>) {
        let gone: Vec<_> = self.open.keys().filter(|socket| !wanted.contains(socket)).copied().collect();
        for socket in gone {
            self.close(socket);
        }
        self.failed.retain(|socket, _| wanted.contains(socket));
        for socket in wanted {
            if !self.open.contains_key(socket) {
                self.bind(*socket);
            }
        }
    }

    /// What became of every wanted socket.
    pub(crate) fn states(&self) -> BTreeMap<Socket, SocketState> {
        let bound = self.open.keys().map(|socket| (*socket, SocketState::Bound));
        let failed = self.failed.iter().map(|(socket, failure)| (*socket, SocketState::Failed(failure.clone())));
        bound.chain(failed).collect()
    }

    /// Whether some socket could not be bound.
    pub(crate) fn any_failed(&self) -> bool {
        !self.failed.is_empty()
    }

    /// Where each open socket is really bound.
    pub(crate) fn addresses(&self) -> BTreeMap<Socket, SocketAddr> {
        self.open.iter().map(|(socket, open)| (*socket, open.address)).collect()
    }

    /// Closes every socket; connections finish what they are doing.
    pub(crate) fn close_all(&mut self) {
        let all: Vec<_> = self.open.keys().copied().collect();
        for socket in all {
            self.close(socket);
        }
    }

    fn close(&mut self, socket: Socket) {
        if let Some(open) = self.open.remove(&socket) {
            open.stop.send_replace(true);
            tracing::info!(%socket, "closed listener socket");
        }
    }

    fn bind(&mut self, socket: Socket) {
        match self.try_bind(socket) {
            Ok(open) => {
                self.failed.remove(&socket);
                tracing::info!(%socket, address = %open.address, "listening");
                self.open.insert(socket, open);
            }
            Err(error) => {
                let failure = classify(&error);
                if self.failed.insert(socket, failure.clone()) != Some(failure) {
                    tracing::error!(%socket, %error, "cannot listen; trying again");
                }
            }
        }
    }

    fn try_bind(&self, socket: Socket) -> io::Result<Open> {
        let port = self.edge.config.ports.bound(socket.port);
        let listener = listen(SocketAddr::new(socket.address, port))?;
        let address = listener.local_addr()?;
        let (stop, stopped) = watch::channel(false);
        let plain = Connection::plain(socket).ok_or_else(|| io::Error::other("no connection context"))?;
        let edge = Arc::clone(&self.edge);
        let app = Arc::new(SocketApp { edge, socket, local: address, plain });
        let acceptor = self.workers.first().ok_or_else(|| io::Error::other("no serving threads"))?;
        let _entered = acceptor.enter();
        let listener = tokio::net::TcpListener::from_std(listener)?;
        // weak: the threads must be able to end while a socket still accepts
        acceptor.spawn(accept(app, Arc::downgrade(&self.workers), listener, stopped));
        Ok(Open { address, stop })
    }
}

/// Binds a listening socket. `SO_REUSEADDR` lets a restart have its ports back at once.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket2::Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::from(address))?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn classify(error: &io::Error) -> BindFailure {
    match error.kind() {
        io::ErrorKind::AddrInUse => BindFailure::InUse,
        io::ErrorKind::PermissionDenied => BindFailure::Denied,
        io::ErrorKind::AddrNotAvailable => BindFailure::NoSuchAddress,
        _ => BindFailure::Other(error.to_string()),
    }
}

/// Accepts until told to stop.
async fn accept(
    app: Arc<SocketApp>,
    workers: Weak<Workers>,
    listener: tokio::net::TcpListener,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => return,
        };
        match accepted {
            Ok((tcp, peer)) => {
                let Some(seat) = workers.upgrade().and_then(|workers| workers.seat()) else { return };
                admit(&app, seat, tcp, peer, &stop);
                // a flood of connections must not hold up the requests of the thread: what is ready comes before the next
                tokio::task::yield_now().await;
            }
            Err(error) => {
                app.edge.metrics.connections_refused.inc(Refusal::Accept);
                tracing::warn!(socket = %app.socket, %error, "cannot accept");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Hands a connection to its thread.
fn admit(app: &Arc<SocketApp>, seat: Seat, tcp: tokio::net::TcpStream, peer: SocketAddr, stop: &watch::Receiver<bool>) {
    let Some(entered) = Entered::new(app) else {
        app.edge.metrics.connections_refused.inc(Refusal::Limit);
        return;
    };
    let (socket, stop) = (Arc::clone(app), stop.clone());
    let app = ConnectionApp { socket, worker: Arc::clone(seat.worker()) };
    let handle = app.worker.handle.clone();
    let here = handle.id() == tokio::runtime::Handle::current().id();
    // a socket belongs to the runtime it was accepted on: another one must take it over
    let tcp = if here { Ok(tcp) } else { Err(tcp.into_std()) };
    handle.spawn(async move {
        if let Ok(tcp) = tcp.or_else(|moved| moved.and_then(tokio::net::TcpStream::from_std)) {
            connection::serve(app, tcp, peer, stop).await;
        }
        drop((entered, seat));
    });
}

/// Counts one connection for as long as it lives, also when its task panics.
struct Entered(Arc<SocketApp>);

impl Entered {
    fn new(app: &Arc<SocketApp>) -> Option<Self> {
        app.edge.connections.enter(app.edge.config.downstream.max_connections).then(|| {
            app.edge.metrics.connections.inc();
            app.edge.metrics.connections_open.inc();
            Self(Arc::clone(app))
        })
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.edge.metrics.panics.inc();
        }
        self.0.edge.metrics.connections_open.dec();
        self.0.edge.connections.leave();
    }
}
