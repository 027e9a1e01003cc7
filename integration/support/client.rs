//! A client that sends exactly what a test says: HTTP/1.1 or HTTP/2, plain or over TLS.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Version, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

/// The authority that signed every certificate in the cases.
const TEST_CA: &[u8] = include_bytes!("ca.pem");

/// Where to connect and what to speak there.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// Address.
    pub(crate) address: SocketAddr,
    /// Server name, for TLS.
    pub(crate) server_name: Option<String>,
    /// HTTP/1.1 or HTTP/2 (by prior knowledge without TLS, by ALPN with it).
    pub(crate) version: Version,
}

/// A request, as the test wants it on the wire.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    /// Method.
    pub(crate) method: Method,
    /// `Host`, or `:authority`.
    pub(crate) host: String,
    /// Path and query.
    pub(crate) path: String,
    /// Headers.
    pub(crate) headers: HeaderMap,
    /// Body.
    pub(crate) body: Bytes,
}

/// A response with its whole body.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    /// Status.
    pub(crate) status: StatusCode,
    /// Headers.
    pub(crate) headers: HeaderMap,
    /// Body.
    pub(crate) body: Bytes,
    /// Trailers, where there are any.
    pub(crate) trailers: HeaderMap,
}

/// A connection that serves one call after the other.
pub(crate) struct Connection {
    sender: Sender,
    scheme: &'static str,
    /// The server's leaf certificate, over TLS.
    pub(crate) certificate: Option<CertificateDer<'static>>,
}

enum Sender {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

impl Connection {
    /// Connects, with the TLS handshake where there is TLS.
    pub(crate) async fn open(target: &Target) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(target.address).await.context("cannot connect")?;
        stream.set_nodelay(true)?;
        let Some(name) = &target.server_name else {
            let sender = handshake(stream, target.version).await?;
            return Ok(Self { sender, scheme: "http", certificate: None });
        };
        let connector = tokio_rustls::TlsConnector::from(Arc::new(tls(target.version)?));
        let name = ServerName::try_from(name.clone())?;
        let stream = connector.connect(name, stream).await.context("the TLS handshake failed")?;
        let leaf = stream.get_ref().1.peer_certificates().and_then(<[_]>::first).cloned();
        let sender = handshake(stream, target.version).await?;
        Ok(Self { sender, scheme: "https", certificate: leaf.map(CertificateDer::into_owned) })
    }

    /// Sends a call and reads the whole answer.
    pub(crate) async fn send(&mut self, call: &Call) -> anyhow::Result<Answer> {
        let mut request = Request::new(Full::new(call.body.clone()));
        *request.method_mut() = call.method.clone();
        *request.headers_mut() = call.headers.clone();
        let response = match &mut self.sender {
            Sender::Http1(sender) => {
                *request.uri_mut() = call.path.parse()?;
                let others: Vec<_> = call.headers.get_all(header::HOST).iter().cloned().collect();
                request.headers_mut().insert(header::HOST, HeaderValue::from_bytes(call.host.as_bytes())?);
                for other in others {
                    request.headers_mut().append(header::HOST, other);
                }
                sender.ready().await?;
                sender.send_request(request).await
            }
            Sender::Http2(sender) => {
                *request.uri_mut() = format!("{}://{}{}", self.scheme, call.host, call.path).parse()?;
                *request.version_mut() = Version::HTTP_2;
                sender.ready().await?;
                sender.send_request(request).await
            }
        };
        let (head, body) = response.context("no response")?.into_parts();
        let body = body.collect().await.context("the response ended early")?;
        let trailers = body.trailers().cloned().unwrap_or_default();
        Ok(Answer { status: head.status, headers: head.headers, body: body.to_bytes(), trailers })
    }
}

async fn handshake<S>(stream: S, version: Version) -> anyhow::Result<Sender>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    if version == Version::HTTP_2 {
        let (sender, driver) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
        tokio::spawn(driver);
        return Ok(Sender::Http2(sender));
    }
    let (sender, driver) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(driver);
    Ok(Sender::Http1(sender))
}

fn tls(version: Version) -> anyhow::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(TEST_CA) {
        roots.add(certificate?)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![if version == Version::HTTP_2 { b"h2".to_vec() } else { b"http/1.1".to_vec() }];
    Ok(config)
}
