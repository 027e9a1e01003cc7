//! The transport stream under every connection: sniffing, request boundaries, its end.
//!
//! Pingora reads and writes through it. Three things it does that Pingora's own stream does not:
//! it can look at bytes before Pingora parses them; it hands out exactly one request at a time, so
//! that pipelined bytes stay here until their turn; and it holds no buffer while nothing is in it,
//! so that an idle connection costs little more than its socket. It ends a connection of HTTP/1 so that
//! the last response is not lost, and reads what is only to be forgotten in its own time.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::SystemTime;

use async_trait::async_trait;
use pingora_core::protocols::raw_connect::ProxyDigest;
use pingora_core::protocols::tls::SslDigest;
use pingora_core::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, Stream, TimingDigest,
    UniqueID, UniqueIDType,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::leisure::Leisure;
use super::linger::Linger;
use super::writes::Writes;

/// Bytes read from the socket at a time.
const CHUNK: usize = 8 * 1024;
/// Pipelined bytes kept while a request is answered; beyond it the client has to wait.
const AHEAD: usize = 64 * 1024;

/// What an [`EdgeStream`] runs on: TCP, or TLS over it.
pub(crate) trait Transport: AsyncRead + AsyncWrite + Unpin + Send + Sync + std::fmt::Debug + 'static {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + Sync + std::fmt::Debug + 'static> Transport for T {}

/// A client connection.
#[derive(Debug)]
pub(crate) struct EdgeStream<T> {
    io: T,
    fd: UniqueIDType,
    ahead: Vec<u8>,
    taken: usize,
    boundary: Boundary,
    writes: Writes,
    http2: bool,
    /// Present once what comes of the request is only read to be forgotten.
    leisure: OnceLock<Box<Leisure>>,
    /// Present once nothing more is written.
    linger: Option<Linger>,
    digests: Digests,
}

/// What a request can learn about its connection.
#[derive(Debug, Clone)]
pub(crate) struct Digests {
    /// Carries our own connection context.
    pub(crate) context: Arc<ProxyDigest>,
    /// Peer and local address.
    pub(crate) socket: Arc<SocketDigest>,
    /// Present on TLS connections.
    pub(crate) tls: Option<Arc<SslDigest>>,
}

impl Digests {
    /// Addresses are set here once, so that nobody asks the kernel again.
    pub(crate) fn new(tcp: &TcpStream, peer: SocketAddr, local: SocketAddr, context: Arc<ProxyDigest>) -> Self {
        let socket = SocketDigest::from_raw_fd(tcp.as_raw_fd());
        let _ = socket.peer_addr.set(Some(peer.into()));
        let _ = socket.local_addr.set(Some(local.into()));
        Self { context, socket: Arc::new(socket), tls: None }
    }
}

/// How far the current request reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Boundary {
    /// Unknown: everything is handed out (chunked bodies, upgrades, HTTP/2).
    Open,
    /// So many bytes are still to be handed out; what comes after belongs to the next request.
    After(u64),
}

impl<T: Transport> EdgeStream<T> {
    pub(crate) fn new(io: T, fd: UniqueIDType, digests: Digests) -> Self {
        let (ahead, boundary, writes, leisure) = (Vec::new(), Boundary::Open, Writes::default(), OnceLock::new());
        Self { io, fd, ahead, taken: 0, boundary, writes, http2: false, leisure, linger: None, digests }
    }

    /// Says that HTTP/2 is spoken, whether ALPN or the preface said so.
    pub(crate) const fn set_http2(&mut self) {
        self.http2 = true;
    }

    /// Whether HTTP/2 is spoken.
    pub(crate) const fn is_http2(&self) -> bool {
        self.http2
    }

    /// Forgets an empty line at the beginning of what was read.
    pub(crate) fn skip_empty_line(&mut self) {
        if self.ahead().starts_with(b"\r\n") {
            self.taken += 2;
        }
    }

    /// Limits what is handed out to the request that was looked at.
    pub(crate) fn set_boundary(&mut self, boundary: Boundary) {
        self.boundary = boundary;
        self.leisure.take();
    }

    /// Nothing happens if the request is complete, as most are.
    fn forget_rest(&self) {
        if self.boundary != Boundary::After(0) {
            self.leisure.get_or_init(|| Box::new(Leisure::new(self.fd)));
        }
    }

    /// The bytes that were read and not yet handed out.
    pub(crate) fn ahead(&self) -> &[u8] {
        self.ahead.get(self.taken..).unwrap_or_default()
    }

    /// Reads more bytes ahead; `false` at the end of the stream. Holds no buffer while waiting.
    pub(crate) async fn fill(&mut self) -> io::Result<bool> {
        poll_fn(|cx| self.poll_fill(cx)).await
    }

    /// See [`EdgeStream::fill`].
    pub(crate) fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let mut chunk = [MaybeUninit::<u8>::uninit(); CHUNK];
        let mut read = ReadBuf::uninit(&mut chunk);
        ready!(Pin::new(&mut self.io).poll_read(cx, &mut read))?;
        if self.taken >= CHUNK {
            // a client that is always a request ahead never empties the buffer: drop what it had
            self.ahead.drain(..self.taken);
            self.taken = 0;
        }
        self.ahead.extend_from_slice(read.filled());
        Poll::Ready(Ok(!read.filled().is_empty()))
    }

    fn hand_out(&mut self, buf: &mut ReadBuf<'_>, most: usize) {
        let ahead = self.ahead.get(self.taken..).unwrap_or_default();
        let count = ahead.len().min(buf.remaining()).min(most);
        buf.put_slice(ahead.get(..count).unwrap_or_default());
        self.taken += count;
        if self.taken == self.ahead.len() {
            self.ahead = Vec::new();
            self.taken = 0;
        }
    }

    /// The request is complete: keep what comes, so that the next one finds it, and notice the end.
    fn poll_beyond(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.ahead().len() < AHEAD {
            if !ready!(self.poll_fill(cx))? {
                // end of stream: whoever reads sees no byte
                return Poll::Ready(Ok(()));
            }
        }
        Poll::Pending
    }
}

/// Says that the rest of the request that a stream is at is only read to be forgotten.
pub(super) fn forget_rest(stream: &Stream) {
    let stream = (**stream).as_any();
    if let Some(plain) = stream.downcast_ref::<EdgeStream<TcpStream>>() {
        plain.forget_rest();
    } else if let Some(tls) = stream.downcast_ref::<EdgeStream<TlsStream<TcpStream>>>() {
        tls.forget_rest();
    }
}

impl<T: Transport> AsyncRead for EdgeStream<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let most = match this.boundary {
            Boundary::After(0) => return this.poll_beyond(cx),
            Boundary::After(left) => usize::try_from(left).unwrap_or(usize::MAX),
            Boundary::Open => usize::MAX,
        };
        if let Some(leisure) = this.leisure.get_mut() {
            ready!(leisure.poll(cx));
        }
        let before = buf.filled().len();
        if !this.ahead.is_empty() {
            this.hand_out(buf, most);
        } else if buf.remaining() <= most {
            ready!(Pin::new(&mut this.io).poll_read(cx, buf))?;
        } else {
            let mut part = ReadBuf::new(buf.initialize_unfilled_to(most));
            ready!(Pin::new(&mut this.io).poll_read(cx, &mut part))?;
            let count = part.filled().len();
            buf.advance(count);
        }
        let count = buf.filled().len() - before;
        if let Boundary::After(left) = &mut this.boundary {
            *left -= count as u64;
        }
        if let Some(leisure) = this.leisure.get_mut() {
            leisure.read(count);
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: Transport> AsyncWrite for EdgeStream<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        this.writes.poll_write(&mut this.io, cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        ready!(this.writes.poll_drain(&mut this.io, cx))?;
        Pin::new(&mut this.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.linger.is_none() {
            ready!(this.writes.poll_drain(&mut this.io, cx))?;
            ready!(Pin::new(&mut this.io).poll_shutdown(cx))?;
            if this.http2 {
                return Poll::Ready(Ok(())); // its frames say which streams were answered
            }
        }
        this.linger.get_or_insert_with(|| Linger::new(this.fd)).poll(&mut this.io, cx).map(Ok)
    }
}

#[async_trait]
impl<T: Transport> Shutdown for EdgeStream<T> {
    async fn shutdown(&mut self) {
        let _ = tokio::io::AsyncWriteExt::shutdown(self).await;
    }
}

impl<T> UniqueID for EdgeStream<T> {
    fn id(&self) -> UniqueIDType {
        self.fd
    }
}

impl<T> Ssl for EdgeStream<T> {
    fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
        self.digests.tls.clone()
    }

    fn selected_alpn_proto(&self) -> Option<ALPN> {
        Some(if self.http2 { ALPN::H2 } else { ALPN::H1 })
    }
}

impl<T> GetTimingDigest for EdgeStream<T> {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        vec![Some(TimingDigest { established_ts: SystemTime::UNIX_EPOCH, ..TimingDigest::default() })]
    }
}

impl<T> GetProxyDigest for EdgeStream<T> {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        Some(Arc::clone(&self.digests.context))
    }
}

impl<T> GetSocketDigest for EdgeStream<T> {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        Some(Arc::clone(&self.digests.socket))
    }
}

/// The protocol is known before Pingora sees the stream; nothing needs to be peeked.
impl<T: Transport> Peek for EdgeStream<T> {}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;
    use crate::proxy::context::Connection;

    /// The server's end of a connection in memory, with the digests of a real one.
    async fn stream<T: Transport>(io: T) -> EdgeStream<T> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let local = listener.local_addr().unwrap();
        let tcp = TcpStream::connect(local).await.unwrap();
        let connection =
            Connection::plain(crate::snapshot::Socket { address: local.ip(), port: local.port() }).unwrap();
        EdgeStream::new(io, 0, Digests::new(&tcp, tcp.local_addr().unwrap(), local, connection.digest()))
    }

    #[tokio::test]
    async fn a_client_that_is_always_a_request_ahead_does_not_grow_the_buffer() {
        const LENGTH: usize = 1000;
        let request = |number: usize| format!("{number:0LENGTH$}");
        let (mut client, server) = tokio::io::duplex(AHEAD);
        let mut stream = stream(server).await;
        client.write_all(request(0).as_bytes()).await.unwrap();
        assert!(stream.fill().await.unwrap());
        for number in 0..1000 {
            client.write_all(request(number + 1).as_bytes()).await.unwrap();
            assert!(stream.fill().await.unwrap());
            stream.set_boundary(Boundary::After(LENGTH as u64));
            let mut taken = [0; LENGTH];
            stream.read_exact(&mut taken).await.unwrap();
            assert_eq!(taken, *request(number).as_bytes(), "requests come in their order, none twice");
            assert_eq!(stream.ahead(), request(number + 1).as_bytes(), "the next one is there already");
            let (length, capacity) = (stream.ahead.len(), stream.ahead.capacity());
            assert!(capacity <= AHEAD + 4 * CHUNK, "request {number}: {length} bytes, room for {capacity}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_only_forgotten_is_read_in_its_own_time_until_the_next_request() {
        let (mut client, server) = tokio::io::duplex(AHEAD);
        let mut stream = stream(server).await;
        for forgotten in [false, true, false] {
            stream.set_boundary(Boundary::After(4));
            if forgotten {
                stream.forget_rest();
            }
            let began = tokio::time::Instant::now();
            for _ in 0..4 {
                client.write_all(b"x").await.unwrap();
                assert_eq!(stream.read(&mut [0; 8]).await.unwrap(), 1);
            }
            assert_eq!(!began.elapsed().is_zero(), forgotten, "{:?}", began.elapsed());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_is_known_for_what_it_is_where_pingora_holds_it() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let mut held: Stream = Box::new(stream(listener.accept().await.unwrap().0).await);
        forget_rest(&held);
        let began = tokio::time::Instant::now();
        for _ in 0..4 {
            client.write_all(b"x").await.unwrap();
            assert_eq!(held.read(&mut [0; 8]).await.unwrap(), 1);
        }
        assert!(!began.elapsed().is_zero(), "it is read in its own time");
    }
}
