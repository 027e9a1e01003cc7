//! One client connection, from accept to close: handshake, protocol, requests, deadlines.

use std::net::SocketAddr;
use std::ops::Deref;
use std::os::fd::AsRawFd;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use pingora::apps::{HttpServerApp, ServerApp};
use pingora::protocols::http::ServerSession;
use pingora_core::protocols::Stream;
use pingora_core::protocols::tls::SslDigest;
use pingora_timeout::timeout;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use super::app::{Http2App, SocketApp};
use super::denied::Denied;
use super::head::{self, Body, Head, Refusal};
use super::idle::Idle;
use super::limits::Permits;
use super::stream::{Boundary, Digests, EdgeStream, Transport};
use super::workers::Worker;
use crate::ir::ListenerProtocol;
use crate::telemetry::Reason;
use crate::telemetry::label::{Handshake, Refusal as Refused};

/// The connection preface of HTTP/2 (RFC 9113 §3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How long the answer to a refused request may take to be written.
const REFUSAL: Duration = Duration::from_secs(1);

/// What a connection needs: its socket's part, and its thread's.
pub(super) struct ConnectionApp {
    pub(super) socket: Arc<SocketApp>,
    pub(super) worker: Arc<Worker>,
}

impl Deref for ConnectionApp {
    type Target = SocketApp;

    fn deref(&self) -> &SocketApp {
        &self.socket
    }
}

/// Serves one accepted connection until it ends.
pub(super) async fn serve(app: ConnectionApp, tcp: TcpStream, peer: SocketAddr, stop: watch::Receiver<bool>) {
    // small answers must not wait for more (Nagle); a failure costs latency, nothing else
    let _ = tcp.set_nodelay(true);
    match app.protocol() {
        Some(ListenerProtocol::Http) => {
            let Some(_permits) = app.enter_plain(peer.ip()) else {
                return app.edge.metrics.connections_refused.inc(Refused::Limited);
            };
            let digests = Digests::new(&tcp, peer, app.local, app.plain.digest());
            let fd = tcp.as_raw_fd();
            converse(&app, Box::new(EdgeStream::new(tcp, fd, digests)), stop).await;
        }
        Some(ListenerProtocol::Https) => serve_tls(app, tcp, peer, stop).await,
        // the table no longer knows the socket: it is about to be closed
        None => {}
    }
}

async fn serve_tls(app: ConnectionApp, tcp: TcpStream, peer: SocketAddr, stop: watch::Receiver<bool>) {
    let limit = app.edge.config.downstream.handshake_timeout;
    let mut stopped = stop.clone();
    let handshake = tokio::select! {
        biased;
        done = timeout(limit, handshake(&app, tcp, peer)) => done,
        // nothing has been asked yet, so nothing is lost
        _ = stopped.wait_for(|stop| *stop) => return,
    };
    let (outcome, accepted) = match handshake {
        Err(_) => (Handshake::Timeout, None),
        Ok(Err(outcome)) => (outcome, None),
        Ok(Ok(stream)) => (Handshake::Ok, Some(stream)),
    };
    app.edge.metrics.tls_handshakes.inc(outcome);
    let Some((mut stream, _permits)) = accepted else { return };
    if stream.is_http2() {
        // the library would wait for the preface for ever
        if sniff(&app, &mut stream, &mut stopped).await == Some(true) {
            speak_http2(&app, stream, stop).await;
        }
    } else {
        stream.set_boundary(Boundary::Open);
        speak_http1(&app, stream, stop).await;
    }
}

type Tls = Box<EdgeStream<TlsStream<TcpStream>>>;

/// Chooses the listener by server name, then finishes the handshake with its configuration.
///
/// A name that no listener serves ends in a plain close without an alert (Gateway API: unmatched
/// server names are refused).
async fn handshake(app: &ConnectionApp, tcp: TcpStream, peer: SocketAddr) -> Result<(Tls, Permits), Handshake> {
    let digests = Digests::new(&tcp, peer, app.local, app.plain.digest());
    let fd = tcp.as_raw_fd();
    let start =
        LazyConfigAcceptor::new(rustls::server::Acceptor::default(), tcp).await.map_err(|_| Handshake::Failed)?;
    let name = start.client_hello().server_name().unwrap_or_default().to_ascii_lowercase();
    let chosen = app.choose(name.trim_end_matches('.'), peer.ip())?;
    let turn = app.worker.turns.take(&chosen.share).await.ok_or(Handshake::Crowded)?;
    // the key exchange and the signature are made here, the rest waits for the client
    let rest = start.into_stream(Arc::clone(&chosen.tls.config));
    drop(turn);
    let tls = rest.await.map_err(|_| Handshake::Failed)?;
    let (_, session) = tls.get_ref();
    let http2 = session.alpn_protocol() == Some(b"h2");
    let digests = Digests { context: chosen.tls.connection.digest(), tls: Some(describe(session)), ..digests };
    let mut stream = EdgeStream::new(tls, fd, digests);
    if http2 {
        stream.set_http2();
    }
    Ok((Box::new(stream), chosen.permits))
}

fn describe(session: &rustls::ServerConnection) -> Arc<SslDigest> {
    let version = match session.protocol_version() {
        Some(rustls::ProtocolVersion::TLSv1_3) => "TLSv1.3",
        Some(rustls::ProtocolVersion::TLSv1_2) => "TLSv1.2",
        _ => "",
    };
    Arc::new(SslDigest::new("", version, None, None, Vec::new()))
}

/// Finds out which HTTP a plain connection speaks, then speaks it.
async fn converse<T: Transport>(app: &ConnectionApp, mut stream: Box<EdgeStream<T>>, mut stop: watch::Receiver<bool>) {
    match sniff(app, &mut stream, &mut stop).await {
        Some(true) => {
            stream.set_http2();
            speak_http2(app, stream, stop).await;
        }
        Some(false) => speak_http1(app, stream, stop).await,
        None => {}
    }
}

/// Whether HTTP/2 begins; `None` when the client says nothing, or the listener ends before it does.
async fn sniff<T: Transport>(
    app: &ConnectionApp,
    stream: &mut EdgeStream<T>,
    stop: &mut watch::Receiver<bool>,
) -> Option<bool> {
    tokio::select! {
        biased;
        preface = timeout(app.edge.config.downstream.header_timeout, preface(stream)) => preface.ok(),
        // nothing has been asked yet, so nothing is lost
        _ = stop.wait_for(|stop| *stop) => None,
    }
}

/// Whether the connection begins with the preface of HTTP/2; reads no further than it has to.
async fn preface<T: Transport>(stream: &mut EdgeStream<T>) -> bool {
    loop {
        let ahead = stream.ahead();
        if ahead.len() >= PREFACE.len() || !PREFACE.starts_with(ahead) {
            return ahead.starts_with(PREFACE);
        }
        if !matches!(stream.fill().await, Ok(true)) {
            return false;
        }
    }
}

async fn speak_http2<T: Transport>(app: &ConnectionApp, stream: Box<EdgeStream<T>>, stop: watch::Receiver<bool>) {
    let stream: Stream = stream;
    let (edge, worker) = (Arc::clone(&app.edge), Arc::clone(&app.worker));
    let http2 = Arc::new(Http2App { edge, worker, denied: Arc::default() });
    http2.process_new(stream, &stop).await;
}

/// The life of an HTTP/1 connection: wait, look at the head, hand over, again.
async fn speak_http1<T: Transport>(app: &ConnectionApp, mut stream: Box<EdgeStream<T>>, stop: watch::Receiver<bool>) {
    let limits = &app.edge.config.downstream;
    let mut stopped = stop.clone();
    let denied: Arc<Denied> = Arc::default();
    let mut idle = pin!(Idle::new(limits.idle_timeout, stopped.wait_for(|stop| *stop)));
    for served in 1..=limits.requests_per_connection {
        let (length, body) = match next_head(app, &mut stream, idle.as_mut()).await {
            Next::Request(length, body) => (length, body),
            Next::Refused(refusal) => return refuse(app, stream, refusal).await,
            Next::End => return,
        };
        denied.stand_back(&app.worker.denied).await;
        stream.set_boundary(match body {
            Body::Length(bytes) => Boundary::After(bytes.saturating_add(length as u64)),
            Body::Open => Boundary::Open,
        });
        let mut session = ServerSession::new_http1(stream);
        session.set_read_timeout(Some(limits.body_timeout));
        session.set_write_timeout(Some(limits.write_timeout));
        session.set_total_drain_timeout(Some(limits.body_timeout));
        let last = served == limits.requests_per_connection || *stop.borrow();
        session.set_keepalive_reuses_remaining(Some(u32::from(!last)));
        let served = denied.remembering(app.worker.proxy.process_new_http(session, &stop));
        let Some(reused) = served.await else { return };
        let Ok(returned) = reused.consume().0.into_any().downcast::<EdgeStream<T>>() else { return };
        stream = returned;
    }
}

enum Next {
    Request(usize, Body),
    Refused(Refusal),
    End,
}

/// Waits for the next request and looks at its head. An idle connection ends when its listener
/// does; the deadlines end slow and silent clients.
async fn next_head<T: Transport, S: Future>(
    app: &ConnectionApp,
    stream: &mut EdgeStream<T>,
    idle: Pin<&mut Idle<S>>,
) -> Next {
    let limits = &app.edge.config.downstream;
    stream.set_boundary(Boundary::Open);
    if stream.ahead().is_empty() && !idle.fill(stream).await {
        return Next::End;
    }
    // an empty line before a request line is left over from a sloppy client (RFC 9112 §2.2)
    stream.skip_empty_line();
    match head::inspect(stream.ahead(), 0, limits) {
        Head::Complete { length, body } => Next::Request(length, body),
        Head::Refused(refusal) => Next::Refused(refusal),
        Head::Partial => match timeout(limits.header_timeout, rest_of_head(app, stream)).await {
            Ok(next) => next,
            Err(_) => Next::Refused(SLOW),
        },
    }
}

const SLOW: Refusal =
    Refusal { status: 408, reason: Reason::ClientTimeout, message: "the request header took too long" };

async fn rest_of_head<T: Transport>(app: &ConnectionApp, stream: &mut EdgeStream<T>) -> Next {
    loop {
        let searched = stream.ahead().len();
        if !matches!(stream.fill().await, Ok(true)) {
            return Next::End;
        }
        stream.skip_empty_line();
        match head::inspect(stream.ahead(), searched.min(stream.ahead().len()), &app.edge.config.downstream) {
            Head::Complete { length, body } => return Next::Request(length, body),
            Head::Refused(refusal) => return Next::Refused(refusal),
            Head::Partial => {}
        }
    }
}

/// Answers a head that Pingora must not see, then closes without losing the answer.
async fn refuse<T: Transport>(app: &ConnectionApp, mut stream: Box<EdgeStream<T>>, refusal: Refusal) {
    let counters = app.edge.metrics.unrouted.counters();
    counters.finish(refusal.status, refusal.reason.as_str(), Duration::ZERO);
    let (head, body) = super::respond::raw(refusal.status, refusal.message);
    let written = timeout(REFUSAL, async {
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(body.as_bytes()).await?;
        stream.flush().await
    });
    if matches!(written.await, Ok(Ok(()))) {
        let _ = stream.shutdown().await;
    }
}
