//! The RequestMirror filter: copies of requests whose answers nobody sees.
//!
//! A copy never slows its original: it has its own connections, its body goes through a bounded
//! queue, and a mirror that cannot keep up is dropped, not waited for.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Version, header};
use pingora::connectors::http::Connector;
use pingora::http::RequestHeader;
use pingora::proxy::Session;
use pingora::upstreams::peer::HttpPeer;
use pingora::{ErrorType, OrErr, Result};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::context::Context;
use super::{Proxy, headers, upstream_peer, upstream_request_filter};
use crate::ir::BackendProtocol;
use crate::table::action::Mirror;
use crate::table::backend::InFlight;
use crate::telemetry::label::MirrorOutcome;

/// Copies under way at the same time; more are not made.
const MOST: usize = 1024;
/// Pieces of one body that may wait for its mirror.
const QUEUE: usize = 64;
/// Bytes of all bodies that may wait for mirrors, in KiB.
const WAITING_KIB: usize = 64 * 1024;
/// How long a copy may take from beginning to end.
const LIMIT: Duration = Duration::from_secs(60);

/// The mirrors of a process.
pub(crate) struct Mirrors {
    connector: OnceLock<Connector>,
    places: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

/// A piece of a body on its way to a mirror; its bytes are counted for as long as it waits.
struct Piece {
    bytes: Bytes,
    _counted: Option<OwnedSemaphorePermit>,
}

impl Mirrors {
    pub(crate) fn new() -> Self {
        Self {
            connector: OnceLock::new(),
            places: Arc::new(Semaphore::new(MOST)),
            waiting: Arc::new(Semaphore::new(WAITING_KIB)),
        }
    }

    /// Counts a piece in; `None` when too many bytes wait already.
    fn piece(&self, bytes: &Bytes) -> Option<Piece> {
        let kib = u32::try_from(bytes.len().div_ceil(1024)).ok()?;
        let counted = Arc::clone(&self.waiting).try_acquire_many_owned(kib).ok()?;
        Some(Piece { bytes: bytes.clone(), _counted: Some(counted) })
    }

    /// Made on first use: it holds the system's trust anchors, which most processes never need.
    fn connector(&self) -> &Connector {
        self.connector.get_or_init(|| Connector::new(None))
    }
}

/// Where a copy of the request body goes.
#[derive(Debug)]
pub(crate) struct MirrorFeed(Option<mpsc::Sender<Piece>>);

impl MirrorFeed {
    /// Passes a piece of the body on; `end` closes the feed. A feed that is full is given up: the
    /// mirror sees a body that ends too early and drops the request.
    fn push(&mut self, piece: Option<&Bytes>, end: bool, proxy: &Proxy) {
        if let (Some(sender), Some(bytes)) = (&self.0, piece.filter(|bytes| !bytes.is_empty())) {
            let queued = proxy.mirrors.piece(bytes).is_some_and(|piece| sender.try_send(piece).is_ok());
            if !queued {
                proxy.metrics.mirrors.inc(MirrorOutcome::Dropped);
                self.0 = None;
            }
        }
        if end {
            // an empty piece says that the body is complete; without it the copy is incomplete
            if let Some(sender) = self.0.take() {
                let _ = sender.try_send(Piece { bytes: Bytes::new(), _counted: None });
            }
        }
    }
}

/// Passes a piece of the request body to every mirror.
pub(super) fn feed(proxy: &Proxy, ctx: &mut Context, piece: Option<&Bytes>, end: bool) {
    // a later try replays the body from its beginning: only one of them may feed the mirrors
    if *ctx.mirrored_try.get_or_insert(ctx.tries) == ctx.tries {
        for feed in &mut ctx.mirrors {
            feed.push(piece, end, proxy);
        }
    }
}

/// Begins the copies of a request that its rule asks for.
pub(super) fn start(proxy: &Proxy, session: &mut Session, ctx: &mut Context) {
    let Some(rule) = ctx.rule.clone() else { return };
    let of_backend = ctx.backend().map(|backend| &*backend.filters.mirrors).unwrap_or_default();
    if rule.action.filters.mirrors.is_empty() && of_backend.is_empty() {
        return;
    }
    let has_body = !session.as_mut().is_body_empty();
    let feeds = rule.action.filters.mirrors.iter().chain(of_backend).filter(|mirror| mirror.takes());
    let feeds = feeds.map(|mirror| begin(proxy, session, ctx, mirror, has_body)).collect();
    ctx.mirrors = feeds;
}

fn begin(proxy: &Proxy, session: &Session, ctx: &Context, mirror: &Mirror, has_body: bool) -> MirrorFeed {
    let place = Arc::clone(&proxy.mirrors.places).try_acquire_owned();
    let flight = mirror.backend.choose(proxy.config.upstream.balance, Some(ctx.client), &[]);
    let (Ok(place), Some(flight)) = (place, flight) else {
        proxy.metrics.mirrors.inc(MirrorOutcome::Dropped);
        return MirrorFeed(None);
    };
    let Ok(head) = copy(proxy, session, ctx, mirror.backend.key.protocol, has_body) else {
        proxy.metrics.mirrors.inc(MirrorOutcome::Failed);
        return MirrorFeed(None);
    };
    let (sender, receiver) = mpsc::channel(QUEUE);
    let peer = upstream_peer::peer(&proxy.config.upstream, &mirror.backend, flight.endpoint().address);
    let (mirrors, metrics) = (Arc::clone(&proxy.mirrors), Arc::clone(&proxy.metrics));
    let idle = proxy.config.upstream.idle_timeout;
    tokio::spawn(async move {
        let sent = send(mirrors.connector(), &peer, head, has_body.then_some(receiver), idle, flight);
        let outcome = match tokio::time::timeout(LIMIT, sent).await {
            Ok(Ok(())) => MirrorOutcome::Ok,
            Ok(Err(_)) | Err(_) => MirrorOutcome::Failed,
        };
        metrics.mirrors.inc(outcome);
        drop(place);
    });
    MirrorFeed(has_body.then_some(sender))
}

/// The header a mirror sees: what the backend sees, but for the backend's own filters.
fn copy(
    proxy: &Proxy,
    session: &Session,
    ctx: &Context,
    protocol: BackendProtocol,
    has_body: bool,
) -> Result<RequestHeader> {
    let mut parts = session.req_header().as_owned_parts();
    headers::remove_connection_fields(&mut parts.headers);
    parts.headers.remove(header::EXPECT);
    parts.headers.remove(header::TRANSFER_ENCODING);
    match protocol {
        BackendProtocol::Http1 => {
            parts.version = Version::HTTP_11;
            if has_body && !parts.headers.contains_key(header::CONTENT_LENGTH) {
                parts.headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
            }
        }
        BackendProtocol::H2c => upstream_request_filter::insist_on_trailers(&mut parts.headers),
    }
    upstream_request_filter::edit(proxy, session, &mut parts, ctx, None)?;
    if protocol == BackendProtocol::H2c {
        to_http2(&mut parts)?;
    }
    Ok(RequestHeader::from(parts))
}

/// HTTP/2 has the host in `:authority` (RFC 9113 §8.3.1); Pingora would take every connection for TLS.
fn to_http2(parts: &mut Parts) -> Result<()> {
    let host = parts.headers.remove(header::HOST);
    let host = host.as_ref().map(HeaderValue::as_bytes).unwrap_or_default();
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let uri = http::Uri::builder().scheme("http").authority(host).path_and_query(path).build();
    parts.uri = uri.or_err(ErrorType::InternalError, "the host is no authority")?;
    parts.version = Version::HTTP_2;
    Ok(())
}

async fn send(
    connector: &Connector,
    peer: &HttpPeer,
    head: RequestHeader,
    body: Option<mpsc::Receiver<Piece>>,
    idle: Duration,
    flight: InFlight,
) -> Result<()> {
    let (mut session, _) = connector.get_http_session(peer).await?;
    session.write_request_header(Box::new(head)).await?;
    if let Some(mut pieces) = body {
        loop {
            let Some(piece) = pieces.recv().await else {
                return pingora::Error::e_explain(pingora::ErrorType::ReadError, "the original ended early");
            };
            if piece.bytes.is_empty() {
                break;
            }
            session.write_request_body(piece.bytes, false).await?;
        }
    }
    session.finish_request_body().await?;
    session.read_response_header().await?;
    while session.read_response_body().await?.is_some() {}
    connector.release_http_session(session, peer, Some(idle)).await;
    drop(flight);
    Ok(())
}
