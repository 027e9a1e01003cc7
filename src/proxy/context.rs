//! What is known about a connection, and about a request on its way.

use std::any::Any;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use http::HeaderValue;
use pingora::http::ResponseHeader;
use pingora::proxy::Session;
use pingora_core::protocols::raw_connect::ProxyDigest;
use smallvec::SmallVec;

use super::forwarded::RequestId;
use super::limits::{Paces, Permits};
use super::mirror::MirrorFeed;
use super::patience::{self, Patience};
use crate::api::ObjectKey;
use crate::limit::share::Admission;
use crate::snapshot::Socket;
use crate::table::action::Backend;
use crate::table::backend::InFlight;
use crate::table::limits::Meter;
use crate::table::{Listener, Rule};
use crate::telemetry::Reason;

/// What every request of a connection shares: made once for each listener, not for each connection.
#[derive(Debug, Clone)]
pub(crate) struct Connection(Arc<ProxyDigest>);

/// See [`Connection`].
#[derive(Debug)]
pub(crate) struct ConnectionInfo {
    /// The socket it came in on.
    pub(crate) socket: Socket,
    /// The Gateway and listener that the server name chose, on TLS connections.
    pub(crate) tls_listener: Option<(ObjectKey, Arc<str>)>,
}

impl Connection {
    /// The context of plain connections of a socket.
    pub(crate) fn plain(socket: Socket) -> Option<Self> {
        Self::new(ConnectionInfo { socket, tls_listener: None })
    }

    /// The context of TLS connections that chose a listener.
    pub(crate) fn tls(socket: Socket, listener: &Listener) -> Option<Self> {
        Self::new(ConnectionInfo { socket, tls_listener: Some((listener.gateway.clone(), Arc::clone(&listener.name))) })
    }

    /// Pingora hands the digest of a CONNECT proxy to every hook; its user data is ours to use.
    fn new(info: ConnectionInfo) -> Option<Self> {
        let unused = ResponseHeader::build(200, Some(0)).ok()?;
        let data: Box<dyn Any + Send + Sync> = Box::new(Arc::new(info));
        Some(Self(Arc::new(ProxyDigest::new(Box::new(unused), Some(data)))))
    }

    /// As Pingora carries it.
    pub(crate) fn digest(&self) -> Arc<ProxyDigest> {
        Arc::clone(&self.0)
    }
}

/// The context of a request's connection; `None` only if Pingora lost it.
pub(crate) fn connection(session: &Session) -> Option<Arc<ConnectionInfo>> {
    let data = session.digest()?.proxy_digest.as_ref()?.user_data.as_ref()?;
    data.downcast_ref::<Arc<ConnectionInfo>>().cloned()
}

/// The address of a request's peer.
pub(crate) fn peer(session: &Session) -> Option<SocketAddr> {
    session.digest()?.socket_digest.as_ref()?.peer_addr()?.as_inet().copied()
}

/// One request on its way through the phases.
#[derive(Debug)]
pub struct Context {
    /// When its head was complete.
    pub(crate) started: Instant,
    /// When it was answered, if the connection lingers after that.
    pub(crate) done: Option<Instant>,
    /// Its peer; the client unless a trusted proxy stands between.
    pub(crate) client: IpAddr,
    /// Whether the client speaks TLS to us.
    pub(crate) tls: bool,
    /// The listener it belongs to.
    pub(crate) listener: Option<Arc<Listener>>,
    /// The rule that won; from one table generation, whatever is published meanwhile.
    pub(crate) rule: Option<Arc<Rule>>,
    /// Length of the matched path prefix.
    pub(crate) prefix: Option<usize>,
    /// Which of the rule's backends was chosen, if one was.
    pub(crate) backend: Option<usize>,
    /// The normalised path, where it differs from the one received.
    pub(crate) path: Option<Box<str>>,
    /// The whole request must be answered by then.
    pub(crate) deadline: Option<Instant>,
    /// The current try must be answered by then.
    pub(crate) try_deadline: Option<Instant>,
    /// Tries begun.
    pub(crate) tries: u32,
    /// Endpoints already tried.
    pub(crate) tried: SmallVec<[SocketAddr; 2]>,
    /// The current try, counted on its endpoint.
    pub(crate) in_flight: Option<InFlight>,
    /// What its response is slowed down by.
    pub(crate) paces: Paces,
    /// Its place in the share of its tenant.
    pub(crate) admission: Option<Admission>,
    /// What it takes of limits on requests at one moment.
    pub(crate) permits: Permits,
    /// What the tightest of its rates has left, for the client.
    pub(crate) quota: Option<HeaderValue>,
    /// The limit that denied it.
    pub(crate) limit: Option<Arc<Meter>>,
    /// What went wrong, for metrics and logs.
    pub(crate) reason: Reason,
    /// `X-Request-ID`.
    pub(crate) request_id: Option<RequestId>,
    /// The try whose body the mirrors are fed with.
    pub(crate) mirrored_try: Option<u32>,
    /// Copies of the request body on their way to mirrors.
    pub(crate) mirrors: SmallVec<[MirrorFeed; 1]>,
    /// Set once the response header has been passed on.
    pub(crate) answered: bool,
    /// Watches over the request body, where Pingora does not.
    pub(crate) patience: Option<Arc<Patience>>,
}

impl Context {
    pub(crate) fn new() -> Self {
        Self {
            started: Instant::now(),
            done: None,
            client: IpAddr::from([0, 0, 0, 0]),
            tls: false,
            listener: None,
            rule: None,
            prefix: None,
            backend: None,
            path: None,
            deadline: None,
            try_deadline: None,
            tries: 0,
            tried: SmallVec::new(),
            in_flight: None,
            paces: Paces::new(),
            admission: None,
            permits: Permits::new(),
            quota: None,
            limit: None,
            reason: Reason::None,
            request_id: None,
            mirrored_try: None,
            mirrors: SmallVec::new(),
            answered: false,
            patience: patience::current(),
        }
    }

    /// The backend that was chosen.
    pub(crate) fn backend(&self) -> Option<&Backend> {
        self.rule.as_ref()?.action.backends.list.get(self.backend?)
    }

    /// Gives back every place that it has.
    pub(crate) fn leave(&mut self) {
        (self.in_flight, self.admission) = (None, None);
        self.permits.clear();
    }

    /// What is left until the earlier of the two deadlines; zero when it has passed.
    pub(crate) fn time_left(&self) -> Option<std::time::Duration> {
        let deadline = match (self.deadline, self.try_deadline) {
            (Some(all), Some(one)) => all.min(one),
            (all, one) => all.or(one)?,
        };
        Some(deadline.saturating_duration_since(Instant::now()))
    }
}
