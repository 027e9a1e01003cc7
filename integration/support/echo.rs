//! Backends that say what they saw.
//!
//! An echo answers 200 with a [`Seen`] in JSON. Requests steer it:
//! - `x-echo-fail: 2x503` the first two tries get this status (`reset`: the connection is closed
//!   without an answer); without `2x` all do;
//! - `x-echo-delay: 1x30s` the first try is answered after 30 s (milliseconds: `300ms`);
//! - `x-echo-set: name: value; name: value` adds response headers;
//! - `x-test-step` is what tries are counted by.
//!
//! A gRPC call is answered by a gRPC message's media type and the status 0 in trailers.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Version};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use serde::{Deserialize, Serialize};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;

/// Which backend an echo stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    /// `namespace/service`.
    pub(crate) backend: String,
    /// Service port.
    pub(crate) port: u16,
    /// The endpoint's address as the manifest has it.
    pub(crate) endpoint: String,
}

/// What a backend saw of a request.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Seen {
    /// Who saw it.
    pub(crate) by: Identity,
    /// `1.0`, `1.1` or `2`.
    pub(crate) http: String,
    /// Method.
    pub(crate) method: String,
    /// Path and query.
    pub(crate) path: String,
    /// `Host` or `:authority`.
    pub(crate) host: String,
    /// Headers by lower-case name; several lines of one name are joined by a comma.
    pub(crate) headers: BTreeMap<String, String>,
    /// Body.
    pub(crate) body: String,
}

/// Requests received, by step and backend; everybody may wait for more.
#[derive(Debug, Clone, Default)]
pub(crate) struct Log(Arc<watch::Sender<BTreeMap<(String, String), usize>>>);

impl Log {
    /// How many requests of a step a backend received, waiting until there are at least `least`
    /// (at most five seconds).
    pub(crate) async fn received(&self, step: &str, backend: &str, least: usize) -> usize {
        let count = |log: &BTreeMap<(String, String), usize>| {
            let of_step = |key: &str| key.split('.').next() == Some(step);
            log.iter().filter(|((s, b), _)| of_step(s) && b == backend).map(|(_, n)| n).sum::<usize>()
        };
        let mut log = self.0.subscribe();
        let enough = log.wait_for(|log| count(log) >= least);
        let _ = tokio::time::timeout(Duration::from_secs(5), enough).await;
        count(&self.0.borrow())
    }

    /// Counts a request; says how many of the same request came before, to whatever backend.
    fn record(&self, request: &str, backend: &str) -> usize {
        let mut before = 0;
        self.0.send_modify(|log| {
            before = log.iter().filter(|((r, _), _)| r == request).map(|(_, n)| n).sum();
            *log.entry((request.to_owned(), backend.to_owned())).or_default() += 1;
        });
        before
    }
}

/// Starts an echo on a free port of the loopback.
pub(crate) async fn start(identity: Identity, log: Log) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    let identity = Arc::new(identity);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, Arc::clone(&identity), log.clone()));
        }
    });
    Ok(address)
}

/// Starts a backend that takes connections and never answers.
pub(crate) async fn start_silent() -> io::Result<SocketAddr> {
    let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            held.push(stream);
        }
    });
    Ok(address)
}

/// A port that is ours, so nobody else can take it, but where nobody listens.
pub(crate) fn refusing() -> io::Result<(SocketAddr, TcpSocket)> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    Ok((socket.local_addr()?, socket))
}

async fn serve(stream: TcpStream, identity: Arc<Identity>, log: Log) {
    let service = service_fn(move |request| {
        let (identity, log) = (Arc::clone(&identity), log.clone());
        async move { answer(request, &identity, &log).await }
    });
    // a client that goes away is not the backend's trouble
    let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
}

#[derive(Debug, thiserror::Error)]
#[error("the request asked for a reset")]
struct Reset;

type Body = BoxBody<Bytes, Infallible>;

async fn answer(request: Request<Incoming>, identity: &Identity, log: &Log) -> Result<Response<Body>, Reset> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let control = |name| head.headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let before = control("x-test-step").map_or(0, |step| log.record(step, &identity.backend));
    if let Some(delay) = applies(control("x-echo-delay"), before) {
        tokio::time::sleep(paifang::api::duration::parse(delay).unwrap_or_default()).await;
    }
    let fail = applies(control("x-echo-fail"), before);
    if fail == Some("reset") {
        return Err(Reset);
    }
    let status = fail.and_then(|code| code.parse::<StatusCode>().ok()).unwrap_or(StatusCode::OK);
    let seen = Full::new(serde_json::to_vec(&see(&head, &body, identity)).unwrap_or_default().into());
    let is_grpc =
        control("content-type").is_some_and(|kind| kind == "application/grpc" || kind.starts_with("application/grpc+"));
    let (kind, body) = if is_grpc {
        let status = HeaderMap::from_iter([(HeaderName::from_static("grpc-status"), HeaderValue::from_static("0"))]);
        ("application/grpc", seen.with_trailers(async { Some(Ok(status)) }).boxed())
    } else {
        ("application/json", seen.boxed())
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert("content-type", HeaderValue::from_static(kind));
    for (name, value) in control("x-echo-set").into_iter().flat_map(|list| list.split(';')).filter_map(pair) {
        response.headers_mut().append(name, value);
    }
    if let Ok(name) = HeaderValue::from_str(&identity.backend) {
        response.headers_mut().insert("x-echo-backend", name);
    }
    Ok(response)
}

/// What a control says for this try: `2xVALUE` is meant for the first two only.
fn applies(control: Option<&str>, before: usize) -> Option<&str> {
    let control = control?;
    match control.split_once('x').and_then(|(count, value)| Some((count.parse::<usize>().ok()?, value))) {
        Some((count, value)) => (before < count).then_some(value),
        None => Some(control),
    }
}

fn pair(text: &str) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = text.split_once(':')?;
    Some((name.trim().parse().ok()?, value.trim().parse().ok()?))
}

fn see(head: &http::request::Parts, body: &Bytes, identity: &Identity) -> Seen {
    let header_host = head.headers.get("host").and_then(|host| host.to_str().ok());
    let host = head.uri.authority().map(http::uri::Authority::as_str).or(header_host);
    Seen {
        by: identity.clone(),
        http: version(head.version).to_owned(),
        method: head.method.to_string(),
        path: head.uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
        host: host.unwrap_or_default().to_owned(),
        headers: joined(&head.headers),
        body: String::from_utf8_lossy(body).into_owned(),
    }
}

/// `1.0`, `1.1` or `2`.
pub(crate) fn version(version: Version) -> &'static str {
    match version {
        Version::HTTP_2 => "2",
        Version::HTTP_10 => "1.0",
        _ => "1.1",
    }
}

/// Headers by name, several lines joined by a comma.
pub(crate) fn joined(headers: &HeaderMap) -> BTreeMap<String, String> {
    let mut map = BTreeMap::<String, String>::new();
    for (name, value) in headers {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        map.entry(name.as_str().to_owned())
            .and_modify(|known| {
                known.push_str(", ");
                known.push_str(&value);
            })
            .or_insert(value);
    }
    map
}
