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
#[path = "traffic/held.rs"]
mod held;
#[path = "traffic/pki.rs"]
mod pki;
#[path = "traffic/raw.rs"]
mod raw;
#[path = "support/redis.rs"]
mod redis;
#[path = "support/signer.rs"]
mod signer;
#[path = "traffic/world.rs"]
mod world;

#[path = "traffic/balance.rs"]
mod balance;
#[path = "traffic/drain.rs"]
mod drain;
#[path = "traffic/forwarded.rs"]
mod forwarded;
#[path = "traffic/grant.rs"]
mod grant;
#[path = "traffic/grpc.rs"]
mod grpc;
#[path = "traffic/hijack.rs"]
mod hijack;
#[path = "traffic/http1.rs"]
mod http1;
#[path = "traffic/http2.rs"]
mod http2;
#[path = "traffic/limits.rs"]
mod limits;
#[path = "traffic/linger.rs"]
mod linger;
#[path = "traffic/mirror.rs"]
mod mirror;
#[path = "traffic/quota.rs"]
mod quota;
#[path = "traffic/reload.rs"]
mod reload;
#[path = "traffic/retry.rs"]
mod retry;
#[path = "traffic/shares.rs"]
mod shares;
#[path = "traffic/taken.rs"]
mod taken;
#[path = "traffic/telemetry.rs"]
mod telemetry;
#[path = "traffic/timeout.rs"]
mod timeout;
#[path = "traffic/tls.rs"]
mod tls;
#[path = "traffic/websocket.rs"]
mod websocket;

use std::time::Duration;

/// Waits for something that must happen; `what` says what did not.
async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    let waited = tokio::time::timeout(Duration::from_secs(20), future).await;
    waited.unwrap_or_else(|_| panic!("{what}: not within 20 seconds"))
}

/// Waits until something that nothing announces has become true; `what` says what did not.
async fn eventually(what: &str, check: impl Fn() -> bool) {
    let waiting = async {
        while !check() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    within(what, waiting).await;
}
