//! Clients: HTTP/1.1 and HTTP/2 over whatever carries them.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{Method, Request, Response, response::Parts};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::client::conn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::body::Streamed;
use crate::within;

pub type Http1 = conn::http1::SendRequest<Streamed>;
pub type Http2 = conn::http2::SendRequest<Streamed>;

/// The host of requests that do not care.
pub const HOST: &str = "test.example";

/// Connects.
pub async fn tcp(address: SocketAddr) -> TcpStream {
    let stream = within("connecting", TcpStream::connect(address)).await.unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// An HTTP/1.1 connection.
pub async fn http1(address: SocketAddr) -> Http1 {
    http1_over(tcp(address).await).await
}

/// HTTP/1.1 over a stream.
pub async fn http1_over(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Http1 {
    let (sender, driver) = conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(driver);
    sender
}

/// An HTTP/2 connection by prior knowledge.
pub async fn http2(address: SocketAddr) -> Http2 {
    http2_over(tcp(address).await).await
}

/// HTTP/2 over a stream.
pub async fn http2_over(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Http2 {
    let (sender, driver) = conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(driver);
    sender
}

/// A GET for HTTP/1.1.
pub fn get(path: &str) -> Request<Streamed> {
    request(Method::GET, path, Streamed::empty())
}

/// A POST for HTTP/1.1.
pub fn post(path: &str, body: Streamed) -> Request<Streamed> {
    request(Method::POST, path, body)
}

/// A request for HTTP/1.1.
pub fn request(method: Method, path: &str, body: Streamed) -> Request<Streamed> {
    Request::builder().method(method).uri(path).header("host", HOST).body(body).unwrap()
}

/// The same request for HTTP/2.
pub fn absolute(scheme: &str, mut request: Request<Streamed>) -> Request<Streamed> {
    let host = request.headers_mut().remove("host").unwrap();
    *request.uri_mut() = format!("{scheme}://{}{}", host.to_str().unwrap(), request.uri()).parse().unwrap();
    *request.version_mut() = http::Version::HTTP_2;
    request
}

/// Sends a request on a connection of its own and reads the whole answer.
pub async fn fetch(address: SocketAddr, request: Request<Streamed>) -> (Parts, Bytes) {
    let mut sender = http1(address).await;
    send1(&mut sender, request).await
}

/// Sends a request and reads the whole answer.
pub async fn send1(sender: &mut Http1, request: Request<Streamed>) -> (Parts, Bytes) {
    sender.ready().await.unwrap();
    whole(within("a response", sender.send_request(request)).await.unwrap()).await
}

/// The same by HTTP/2.
pub async fn send2(sender: &mut Http2, request: Request<Streamed>) -> (Parts, Bytes) {
    sender.ready().await.unwrap();
    whole(within("a response", sender.send_request(absolute("http", request))).await.unwrap()).await
}

/// Reads the whole body.
pub async fn whole(response: Response<Incoming>) -> (Parts, Bytes) {
    let (head, body) = response.into_parts();
    (head, within("the end of a body", body.collect()).await.unwrap().to_bytes())
}
