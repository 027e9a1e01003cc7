//! Metrics of the control side in a cluster: watches, writes, the lease, and how long a change takes.

use std::time::Instant;

use prometheus::{Gauge, Histogram, IntCounter, IntGauge, Registry};

use super::{counter, gauge, histogram, seconds};
use crate::api::Kind;
use crate::telemetry::label::{LabelledCounter, LabelledGauge, WatchRestart, WriteOutcome};

/// What the process does with an API server.
pub struct ControlMetrics {
    /// Seconds from the API server's event to serving it, per change.
    pub propagation: Histogram,
    /// Changes that are known and not yet served.
    pub pending: IntGauge,
    /// Kinds whose watch has delivered a complete list (1) or not (0).
    pub watch_synced: LabelledGauge<Kind>,
    /// Watches that began anew.
    pub watch_restarts: LabelledCounter<WatchRestart>,
    /// Objects that cannot be read, by kind.
    pub malformed: LabelledGauge<Kind>,
    /// 1 while the configuration that was kept on disk is served.
    pub restored: IntGauge,
    /// When the configuration was last kept on disk, in seconds since 1970.
    pub kept_at: Gauge,
    /// Times that the configuration could not be kept.
    pub keep_failures: IntCounter,
    /// 1 while this replica holds the lease.
    pub leader: IntGauge,
    /// Times that this replica got the lease.
    pub lease_transitions: IntCounter,
    /// Objects whose status waits to be written.
    pub status_queue: IntGauge,
    /// Seconds that the oldest of them has waited.
    pub status_queue_age: Gauge,
    /// Writes of statuses.
    pub status_writes: LabelledCounter<WriteOutcome>,
    /// New statuses that were never written, since a newer one came.
    pub status_replaced: IntCounter,
    /// New statuses that were not written, since the lease was lost.
    pub status_dropped: IntCounter,
    /// Writes of Services and EndpointSlices.
    pub provision_writes: LabelledCounter<WriteOutcome>,
}

impl ControlMetrics {
    pub(super) fn new(r: &Registry) -> prometheus::Result<Self> {
        Ok(Self {
            propagation: histogram(
                r,
                "paifang_propagation_seconds",
                "Time from the arrival of a change to serving it.",
            )?,
            pending: gauge(r, "paifang_changes_pending", "Changes that are known and not yet served.")?,
            watch_synced: LabelledGauge::register(
                r,
                "paifang_watch_synced",
                "1 when the watch of a kind has delivered a complete list, else 0.",
            )?,
            watch_restarts: LabelledCounter::register(r, "paifang_watch_restarts_total", "Watches that began anew.")?,
            malformed: LabelledGauge::register(
                r,
                "paifang_objects_malformed",
                "Objects that cannot be read, by kind.",
            )?,
            restored: gauge(
                r,
                "paifang_config_restored",
                "1 while the configuration kept on disk is served for want of an API server, else 0.",
            )?,
            kept_at: seconds(
                r,
                "paifang_config_kept_timestamp_seconds",
                "When the configuration was last kept on disk, in seconds since 1970.",
            )?,
            keep_failures: counter(
                r,
                "paifang_config_keep_failures_total",
                "Times that the configuration could not be kept on disk.",
            )?,
            leader: gauge(r, "paifang_leader", "1 while this replica holds the lease, else 0.")?,
            lease_transitions: counter(r, "paifang_lease_acquired_total", "Times that this replica got the lease.")?,
            status_queue: gauge(r, "paifang_status_queue_depth", "Objects whose status waits to be written.")?,
            status_queue_age: seconds(
                r,
                "paifang_status_queue_age_seconds",
                "How long the oldest status has waited to be written.",
            )?,
            status_writes: LabelledCounter::register(r, "paifang_status_writes_total", "Writes of statuses.")?,
            status_replaced: counter(
                r,
                "paifang_status_writes_replaced_total",
                "New statuses that were never written, since a newer one came first.",
            )?,
            status_dropped: counter(
                r,
                "paifang_status_writes_dropped_total",
                "New statuses that were not written, or not known to be, when the lease was lost.",
            )?,
            provision_writes: LabelledCounter::register(
                r,
                "paifang_provision_writes_total",
                "Writes of Services and EndpointSlices.",
            )?,
        })
    }
}

impl ControlMetrics {
    /// Notes that changes wait to be served.
    pub fn waiting(&self, arrivals: &[Instant]) {
        self.pending.set(i64::try_from(arrivals.len()).unwrap_or(i64::MAX));
    }

    /// Notes that changes are served which arrived at these times.
    pub fn propagated(&self, arrivals: &[Instant]) {
        for arrived in arrivals {
            self.propagation.observe(arrived.elapsed().as_secs_f64());
        }
        self.pending.set(0);
    }
}
