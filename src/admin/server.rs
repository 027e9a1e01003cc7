//! The accept loop: few connections, one request each, everything within a minute.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

use super::Admin;
use super::answer::answer;

/// Connections at the same time; more wait in the system's queue.
const MAX_CONNECTIONS: usize = 64;
/// From the first byte of a header to its last.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
/// A whole connection: a client that reads too slowly loses it.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(60);
/// Bytes of a request header.
const MAX_HEADER: usize = 16 << 10;
/// Pause after a failed accept, so that missing file descriptors do not keep a core busy.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until `stop` turns true or its sender is gone; connections that are open then still end well.
///
/// # Errors
/// When the socket cannot be handed to the runtime.
pub async fn serve(
    listener: std::net::TcpListener,
    admin: Arc<Admin>,
    mut stop: watch::Receiver<bool>,
) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let next = async { (Arc::clone(&places).acquire_owned().await, listener.accept().await) };
        let (place, accepted) = tokio::select! {
            next = next => next,
            _ = stop.wait_for(|stop| *stop) => return Ok(()),
        };
        match accepted {
            Ok((stream, _)) => {
                let admin = Arc::clone(&admin);
                tokio::spawn(async move {
                    connection(stream, admin).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "the admin server could not accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, admin: Arc<Admin>) {
    let service = service_fn(move |request: http::Request<hyper::body::Incoming>| {
        let answer = answer(Arc::clone(&admin), request.into_parts().0);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(MAX_HEADER)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    match tokio::time::timeout(CONNECTION_TIMEOUT, served).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a connection of the admin server broke"),
        Err(_) => tracing::debug!("a connection of the admin server took too long"),
    }
}
