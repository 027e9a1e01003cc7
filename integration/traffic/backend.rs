//! Backends that do what a test says.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use crate::body::Streamed;

/// What a backend answers; an error closes the connection.
pub type Reply = io::Result<Response<Streamed>>;

/// A backend of HTTP/1.1 and h2c that answers as the function says.
pub async fn serve<F, Fut>(answer: F) -> SocketAddr
where
    F: Fn(Request<Incoming>) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = Reply> + Send + 'static,
{
    raw(move |stream| {
        let answer = answer.clone();
        async move {
            let service = service_fn(answer);
            let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
        }
    })
    .await
}

/// A backend that does with each connection what the function says.
pub async fn raw<F, Fut>(talk: F) -> SocketAddr
where
    F: Fn(TcpStream) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = stream.set_nodelay(true);
            tokio::spawn(talk(stream));
        }
    });
    address
}

/// A backend that reads each request whole and answers 200 with its own name.
pub async fn named(name: &'static str) -> SocketAddr {
    serve(move |request| async move {
        request.into_body().collect().await.map_err(io::Error::other)?;
        Ok(Response::new(Streamed::full(name)))
    })
    .await
}

/// A backend that sends each request's body back, piece by piece, with its trailers.
pub async fn mirroring() -> SocketAddr {
    serve(|request| async move {
        let (feed, body) = Streamed::fed();
        let mut received = request.into_body();
        tokio::spawn(async move {
            while let Some(frame) = received.frame().await {
                match frame.map(hyper::body::Frame::into_data) {
                    Ok(Ok(data)) => {
                        feed.data(data).await;
                    }
                    Ok(Err(frame)) => {
                        let trailers = frame.into_trailers().unwrap_or_default();
                        feed.trailers(trailers).await;
                        return;
                    }
                    Err(_) => return feed.abort().await,
                }
            }
        });
        Ok(Response::new(body))
    })
    .await
}

/// A backend that takes connections and never says a word.
pub async fn silent() -> SocketAddr {
    raw(|stream| async move {
        let _held = stream;
        std::future::pending::<()>().await;
    })
    .await
}

/// An address that refuses connections for as long as the socket is held.
pub fn refusing() -> (SocketAddr, TcpSocket) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    (socket.local_addr().unwrap(), socket)
}

/// Counts things that happen on several tasks.
#[derive(Debug, Clone, Default)]
pub struct Count(Arc<AtomicUsize>);

impl Count {
    /// Counts one; says how many there were before.
    pub fn one(&self) -> usize {
        self.0.fetch_add(1, Ordering::SeqCst)
    }

    /// How many there were.
    pub fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}
