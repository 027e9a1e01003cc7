//! Live traffic through a whole edge in this process: what only moving bytes can show.
//!
//! Each test starts the backends it needs, an edge that serves a manifest, and clients that speak
//! exactly what the test says. Everything is on the loopback, on ports the system chooses.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::large_futures,
    missing_docs,
    unreachable_pub,
    reason = "test code"
)]

#[path = "traffic/backend.rs"]
mod backend;
#[path = "traffic/body.rs"]
mod body;
#[path = "traffic/client.rs"]
mod client;
#[path = "traffic/pki.rs"]
mod pki;
#[path = "traffic/raw.rs"]
mod raw;
#[path = "traffic/world.rs"]
mod world;

#[path = "traffic/http1.rs"]
mod http1;
#[path = "traffic/tls.rs"]
mod tls;

use std::time::Duration;

/// Waits for something that must happen; `what` says what did not.
async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    let waited = tokio::time::timeout(Duration::from_secs(20), future).await;
    waited.unwrap_or_else(|_| panic!("{what}: not within 20 seconds"))
}
