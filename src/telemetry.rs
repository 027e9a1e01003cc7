//! What the process tells about itself: metrics, the access log, its own log.
//!
//! Nothing here may slow a request: handles are resolved when [`Metrics`] is made, counters of
//! rules hang on the rules ([`crate::table::stats`]), and the access log formats on a thread of
//! its own.

pub mod access_log;
#[cfg(test)]
mod fixture;
pub mod label;
mod limits;
#[doc = include_str!("docs/metrics.md")]
pub mod metrics;
mod process;
pub mod reason;
pub mod rules;
mod shares;
pub mod trace;

pub use access_log::{AccessLog, Record};
pub use metrics::Metrics;
pub use reason::Reason;
pub use rules::Served;
