//! The admin server: liveness, readiness, metrics and views of what is served.
//!
//! It runs on the control runtime, never on the threads that serve requests, and only answers
//! `GET`. It has no authentication and belongs on loopback or a cluster-internal network; nothing
//! it shows is secret.

mod answer;
mod readiness;
mod server;

use std::net::SocketAddr;
use std::sync::Arc;

use crate::telemetry::Metrics;

pub use readiness::{Readiness, State};
pub use server::serve;

/// What the admin server shows.
pub struct Admin {
    /// For `/metrics`.
    pub metrics: Arc<Metrics>,
    /// For `/readyz`.
    pub readiness: Readiness,
    /// Further pages, listed at `/`.
    pub pages: Vec<Page>,
}

/// A page that is made anew for every request, off the async threads.
pub struct Page {
    /// Its path, as `/config_dump`.
    pub path: &'static str,
    /// What it shows, in a few words.
    pub title: &'static str,
    /// Makes it; `None` while there is nothing to show yet.
    pub render: Box<Render>,
}

/// Answers a question.
pub type Render = dyn Fn(&Question) -> Option<Answer> + Send + Sync;

/// What a page is asked.
#[derive(Debug, Clone, Default)]
pub struct Question {
    /// What follows `?`, raw.
    pub query: String,
    /// Whether JSON is asked for, by `Accept` or `output=json`.
    pub json: bool,
}

/// What a page says.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Its status.
    pub status: http::StatusCode,
    /// Its text.
    pub content: Content,
}

/// The text of an answer.
#[derive(Debug, Clone)]
pub enum Content {
    /// For people.
    Text(String),
    /// For programs.
    Json(serde_json::Value),
}

/// Why the admin server could not be bound.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another program has the address.
    #[error("the admin address {0} is taken: stop the program that has it, or choose another with --admin")]
    InUse(SocketAddr),
    /// Usually a port below 1024.
    #[error("the admin address {0} may not be bound: choose a port from 1024 on with --admin, or grant the right")]
    Denied(SocketAddr),
    /// Not one of this machine's addresses.
    #[error("the admin address {0} is not one of this machine's: choose another with --admin")]
    NoSuchAddress(SocketAddr),
    /// Anything else.
    #[error("the admin address {0} cannot be bound: {1}")]
    Other(SocketAddr, std::io::Error),
}

/// Binds the admin address; port 0 lets the system choose one.
///
/// # Errors
/// When it cannot be bound; the message says what to do.
pub fn bind(address: SocketAddr) -> Result<std::net::TcpListener, BindError> {
    use std::io::ErrorKind;
    std::net::TcpListener::bind(address).map_err(|error| match error.kind() {
        ErrorKind::AddrInUse => BindError::InUse(address),
        ErrorKind::PermissionDenied => BindError::Denied(address),
        ErrorKind::AddrNotAvailable => BindError::NoSuchAddress(address),
        _ => BindError::Other(address, error),
    })
}

#[cfg(test)]
mod tests;
