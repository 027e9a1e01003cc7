//! Every metric of the process. `src/docs/metrics.md` explains them to users.

mod control;

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use imbl::OrdSet;
use parking_lot::Mutex;
use prometheus::{Gauge, Histogram, HistogramOpts, IntCounter, IntGauge, Opts, Registry};

pub use control::ControlMetrics;

use super::label::{
    Handshake, LabelledCounter, LabelledGauge, Level, ListenerState, MirrorOutcome, Refusal, UpstreamConnect,
};
use super::limits;
use super::rules::{Scrape, Served};
use crate::api::Kind;
use crate::limit::global::Store;
use crate::snapshot::Snapshot;
use crate::table::stats::RuleStats;
use crate::translate::Problem;

/// Seconds: from one small Gateway to tens of thousands of routes.
const CONTROL_BUCKETS: [f64; 10] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.0, 10.0];

/// The metrics, made once and shared as `Arc`. Every handle is ready to use.
pub struct Metrics {
    registry: Registry,
    served: OnceLock<Arc<dyn Served>>,
    /// Requests that never met a rule: `unrouted.counters().finish(status, reason, took)`.
    pub unrouted: RuleStats,
    /// Client connections at this moment.
    pub connections_open: IntGauge,
    /// Client connections ever accepted.
    pub connections: IntCounter,
    /// Client connections closed before a byte was read.
    pub connections_refused: LabelledCounter<Refusal>,
    /// TLS handshakes with clients.
    pub tls_handshakes: LabelledCounter<Handshake>,
    /// Copies of requests.
    pub mirrors: LabelledCounter<MirrorOutcome>,
    /// Connections that tries used.
    pub upstream_connects: LabelledCounter<UpstreamConnect>,
    /// By how many replicas limits are divided.
    pub limit_replicas: IntGauge,
    /// Requests for which the store of limits could not be asked.
    pub limit_store_failures: IntCounter,
    /// The connections to it, to look at.
    pub limit_stores: Mutex<Vec<Store>>,
    /// Panics that were caught; each is a bug.
    pub panics: IntCounter,
    /// Access log lines that were not written.
    pub access_log_dropped: IntCounter,
    /// Generation of the table that is served.
    pub generation: IntGauge,
    /// Tables published.
    pub publishes: IntCounter,
    last_applied: Gauge,
    /// Seconds to translate a snapshot.
    pub translate_duration: Histogram,
    /// Seconds to compile a table.
    pub compile_duration: Histogram,
    /// Objects in the snapshot.
    pub objects: LabelledGauge<Kind>,
    /// Problems by the kind of their object.
    pub problems: LabelledGauge<Kind>,
    /// What sources found in what they read.
    pub findings: LabelledGauge<Level>,
    /// Sockets that listeners ask for.
    pub listeners: LabelledGauge<ListenerState>,
    /// 1 when ready.
    pub ready: IntGauge,
    /// What the process does with an API server.
    pub control: ControlMetrics,
}

impl Metrics {
    /// Makes and registers every metric.
    ///
    /// # Errors
    /// Never, unless two metrics were given the same name.
    pub fn new() -> prometheus::Result<Self> {
        let registry = Registry::new();
        let r = &registry;
        build_info(r)?;
        Ok(Self {
            served: OnceLock::new(),
            unrouted: RuleStats::default(),
            connections_open: gauge(r, "paifang_connections_open", "Client connections at this moment.")?,
            connections: counter(r, "paifang_connections_total", "Client connections accepted.")?,
            connections_refused: LabelledCounter::register(
                r,
                "paifang_connections_refused_total",
                "Client connections closed before a byte was read.",
            )?,
            tls_handshakes: LabelledCounter::register(
                r,
                "paifang_tls_handshakes_total",
                "TLS handshakes with clients.",
            )?,
            mirrors: LabelledCounter::register(r, "paifang_mirror_requests_total", "Copies of requests.")?,
            upstream_connects: LabelledCounter::register(
                r,
                "paifang_upstream_connects_total",
                "Connections to endpoints, by where they came from.",
            )?,
            limit_replicas: gauge(r, "paifang_limit_replicas", "Replicas that limits are divided by.")?,
            limit_store_failures: counter(
                r,
                "paifang_limit_store_failures_total",
                "Requests for which the store of limits could not be asked.",
            )?,
            limit_stores: Mutex::default(),
            panics: counter(r, "paifang_panics_total", "Panics caught; each is a bug.")?,
            access_log_dropped: counter(r, "paifang_access_log_dropped_total", "Access log lines not written.")?,
            generation: gauge(r, "paifang_config_generation", "Generation of the table that is served.")?,
            publishes: counter(r, "paifang_config_publishes_total", "Tables published.")?,
            last_applied: seconds(
                r,
                "paifang_config_last_applied_timestamp_seconds",
                "When the table that is served was published, in seconds since 1970.",
            )?,
            translate_duration: histogram(r, "paifang_translate_duration_seconds", "Time to translate a snapshot.")?,
            compile_duration: histogram(r, "paifang_compile_duration_seconds", "Time to compile a table.")?,
            objects: LabelledGauge::register(r, "paifang_objects", "Objects known, by kind.")?,
            problems: LabelledGauge::register(
                r,
                "paifang_problems",
                "Problems, by the kind of the object they are in.",
            )?,
            findings: LabelledGauge::register(r, "paifang_source_findings", "What sources found in what they read.")?,
            listeners: LabelledGauge::register(r, "paifang_listeners", "Sockets that listeners ask for, by state.")?,
            ready: gauge(r, "paifang_ready", "1 when ready to serve, else 0.")?,
            control: ControlMetrics::new(r)?,
            registry,
        })
    }

    /// Says once whose rules and certificates a scrape shows.
    pub fn observe(&self, served: Arc<dyn Served>) {
        let _first = self.served.set(served);
    }

    /// Notes what a translation began with and what it found wrong.
    pub fn translated(&self, snapshot: &Snapshot, problems: &OrdSet<Problem>) {
        let mut counts = BTreeMap::<Kind, usize>::new();
        for problem in problems {
            *counts.entry(problem.object.kind).or_default() += 1;
        }
        for kind in Kind::ALL {
            self.objects.set(kind, snapshot.count(kind));
            self.problems.set(kind, counts.get(&kind).copied().unwrap_or_default());
        }
    }

    /// Notes that a table was published now.
    pub fn published(&self, generation: u64, now: SystemTime) {
        self.generation.set(i64::try_from(generation).unwrap_or(i64::MAX));
        self.publishes.inc();
        let since_1970 = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        self.last_applied.set(since_1970.as_secs_f64());
    }

    /// The text exposition format 0.0.4, in pieces that are made as they are taken.
    #[must_use]
    pub fn scrape(&self) -> Scrape {
        let mut scrape = Scrape::new(&self.registry, &self.unrouted, self.served.get().map(|served| &**served));
        scrape.begin_with(|out| limits::write_stores(&self.limit_stores.lock(), out));
        scrape
    }
}

fn build_info(registry: &Registry) -> prometheus::Result<()> {
    let opts = Opts::new("paifang_build_info", "1, with the version as a label.")
        .const_label("version", env!("CARGO_PKG_VERSION"));
    let info = IntGauge::with_opts(opts)?;
    info.set(1);
    registry.register(Box::new(info))
}

fn seconds(registry: &Registry, name: &str, help: &str) -> prometheus::Result<Gauge> {
    let gauge = Gauge::new(name, help)?;
    registry.register(Box::new(gauge.clone())).map(|()| gauge)
}

fn gauge(registry: &Registry, name: &str, help: &str) -> prometheus::Result<IntGauge> {
    let gauge = IntGauge::new(name, help)?;
    registry.register(Box::new(gauge.clone())).map(|()| gauge)
}

fn counter(registry: &Registry, name: &str, help: &str) -> prometheus::Result<IntCounter> {
    let counter = IntCounter::new(name, help)?;
    registry.register(Box::new(counter.clone())).map(|()| counter)
}

fn histogram(registry: &Registry, name: &str, help: &str) -> prometheus::Result<Histogram> {
    let histogram = Histogram::with_opts(HistogramOpts::new(name, help).buckets(CONTROL_BUCKETS.to_vec()))?;
    registry.register(Box::new(histogram.clone())).map(|()| histogram)
}

#[cfg(test)]
mod tests;
