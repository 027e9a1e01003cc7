//! Dashboards, rules and alerts of `deploy/`: what they ask for exists, and a real Prometheus that scrapes a real Paifang has an
//! answer to each of their questions.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    unreachable_pub,
    reason = "test code"
)]

#[path = "observability/alert.rs"]
mod alert;
#[allow(dead_code, reason = "shared with the tests of the command")]
#[path = "command/child.rs"]
mod child;
#[allow(dead_code, reason = "shared with the tests of the command")]
#[path = "command/client.rs"]
mod client;
#[path = "observability/dashboard.rs"]
mod dashboard;
#[path = "observability/live.rs"]
mod live;
#[path = "observability/metric.rs"]
mod metric;
#[path = "command/place.rs"]
mod place;
#[path = "observability/prometheus.rs"]
mod prometheus;
#[path = "observability/scene.rs"]
mod scene;

use std::path::Path;

/// A file of the repository.
pub fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
