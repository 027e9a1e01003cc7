//! A scrape: the process's own metrics, then what hangs on the served table.
//!
//! The series of rules are written as text straight from their counters. There may be hundreds of
//! thousands of lines, so they are made piece by piece while the scraper reads.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus::{Registry, TextEncoder};
use smallvec::SmallVec;

use super::{limits, process, shares};
use crate::api::ObjectKey;
use crate::ir::Certificate;
use crate::table::Rule;
use crate::table::limits::Meter;
use crate::table::shares::Part;
use crate::table::stats::{BUCKETS_US, Counters, RuleStats};

/// What is served at this moment, as far as metrics show it. May visit the same thing twice.
pub trait Served: Send + Sync {
    /// Visits every rule.
    fn rules(&self, visit: &mut dyn FnMut(&Rule));

    /// Visits the share of every tenant.
    fn shares(&self, visit: &mut dyn FnMut(&Part));

    /// Requests at one moment at which the process is saturated.
    fn capacity(&self) -> u32;

    /// Visits every certificate of every listener: Gateway, listener's name, certificate.
    fn certificates(&self, visit: &mut dyn FnMut(&ObjectKey, &str, &Certificate));

    /// Visits every counter of a limit.
    fn limits(&self, visit: &mut dyn FnMut(&Arc<Meter>));
}

/// Bytes after which a piece is handed out.
const PIECE: usize = 32 << 10;

const NOT_PERMITTED: &str = "paifang_claims_not_permitted_total";
const SHADOWED: &str = "paifang_claims_shadowed_total";

type Stats = SmallVec<[Arc<RuleStats>; 1]>;
type Family = (&'static str, &'static str, &'static str, fn(&str, &Stats, &mut String));

/// The families of rules, in the order they are written: name, type, help, writer.
const FAMILIES: [Family; 7] = [
    ("paifang_requests_total", "counter", "Requests finished.", requests),
    ("paifang_request_duration_seconds", "histogram", "Time from a request's header to its end.", durations),
    ("paifang_request_bytes_total", "counter", "Bytes of request bodies.", |labels, stats, out| {
        sum("paifang_request_bytes_total", labels, stats, |c| &c.request_bytes, out);
    }),
    ("paifang_response_bytes_total", "counter", "Bytes of response bodies.", |labels, stats, out| {
        sum("paifang_response_bytes_total", labels, stats, |c| &c.response_bytes, out);
    }),
    ("paifang_retries_total", "counter", "Tries after the first.", |labels, stats, out| {
        sum("paifang_retries_total", labels, stats, |c| &c.retries, out);
    }),
    (NOT_PERMITTED, "counter", "Requests a rule did not get because of a claim.", |labels, stats, out| {
        sum_if_any(NOT_PERMITTED, labels, stats, |c| &c.not_permitted, out);
    }),
    (
        SHADOWED,
        "counter",
        "Requests a rule got and would not get if all claims were enforced.",
        |labels, stats, out| {
            sum_if_any(SHADOWED, labels, stats, |c| &c.shadowed, out);
        },
    ),
];

/// An iterator over the pieces of one scrape.
#[derive(Debug)]
pub struct Scrape {
    head: Option<String>,
    rules: Vec<(String, Stats)>,
    family: usize,
    next: usize,
}

impl Scrape {
    pub(super) fn new(registry: &Registry, unrouted: &RuleStats, served: Option<&dyn Served>) -> Self {
        let mut head = String::with_capacity(PIECE);
        // fails only on a family without a name or samples, which a registry never gathers
        let _ = TextEncoder::new().encode_utf8(&registry.gather(), &mut head);
        process::write(&mut head);
        write_unrouted(unrouted, &mut head);
        write_certificates(served, &mut head);
        shares::write(served, &mut head);
        limits::write(served, &mut head);
        Self { head: Some(head), rules: served.map(used).unwrap_or_default(), family: 0, next: 0 }
    }
}

impl Scrape {
    /// Adds what else stands in front of the rules.
    pub(super) fn begin_with(&mut self, write: impl FnOnce(&mut String)) {
        write(self.head.get_or_insert_default());
    }
}

impl Iterator for Scrape {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        if let Some(head) = self.head.take() {
            return Some(head);
        }
        let mut out = String::new();
        while let Some((name, kind, help, write)) = FAMILIES.get(self.family) {
            if self.next == 0 {
                header(name, kind, help, &mut out);
            }
            while let Some((labels, stats)) = self.rules.get(self.next) {
                write(labels, stats, &mut out);
                self.next += 1;
                if out.len() >= PIECE {
                    return Some(out);
                }
            }
            self.family += 1;
            self.next = 0;
        }
        (!out.is_empty()).then_some(out)
    }
}

/// The rules that ever had a request, by label set. Two tables' or two sockets' rules with the
/// same labels are one series.
fn used(served: &dyn Served) -> Vec<(String, Stats)> {
    let mut rules: BTreeMap<String, Stats> = BTreeMap::new();
    served.rules(&mut |rule| {
        if rule.stats.used().is_some() {
            let stats = rules.entry(labels(rule)).or_default();
            if !stats.iter().any(|known| Arc::ptr_eq(known, &rule.stats)) {
                stats.push(Arc::clone(&rule.stats));
            }
        }
    });
    rules.into_iter().collect()
}

fn labels(rule: &Rule) -> String {
    let id = &rule.id;
    let hostname = id.hostname.as_ref().map_or_else(|| "*".to_owned(), ToString::to_string);
    let mut out = String::with_capacity(256);
    for (name, value) in [
        ("gateway_namespace", &*id.gateway.namespace),
        ("gateway", &id.gateway.name),
        ("listener", &id.listener),
        ("route_kind", id.route.kind.as_str()),
        ("route_namespace", &id.route.key.namespace),
        ("route", &id.route.key.name),
        ("rule", &id.rule),
        ("tenant", id.tenant.as_deref().unwrap_or_default()),
        ("hostname", &hostname),
    ] {
        label(name, value, &mut out);
    }
    out
}

fn requests(labels: &str, stats: &Stats, out: &mut String) {
    let mut outcomes: BTreeMap<(u16, &str), u64> = BTreeMap::new();
    for counters in stats.iter().filter_map(|stats| stats.used()) {
        for (code, reason, count) in counters.outcomes() {
            *outcomes.entry((code, reason)).or_default() += count;
        }
    }
    for ((code, reason), count) in outcomes {
        let _ = writeln!(out, "paifang_requests_total{{{labels},code=\"{code}\",reason=\"{reason}\"}} {count}");
    }
}

fn durations(labels: &str, stats: &Stats, out: &mut String) {
    let mut total = [0_u64; BUCKETS_US.len() + 1];
    let mut seconds = 0.0;
    for counters in stats.iter().filter_map(|stats| stats.used()) {
        let (buckets, sum) = counters.durations();
        total.iter_mut().zip(buckets).for_each(|(total, bucket)| *total += bucket);
        seconds += sum.as_secs_f64();
    }
    let bounds = BUCKETS_US.iter().map(Some).chain([None]);
    let mut count = 0;
    for (bound, bucket) in bounds.zip(total) {
        count += bucket;
        let _ = match bound {
            Some(micros) => {
                let bound = *micros as f64 / 1e6;
                writeln!(out, "paifang_request_duration_seconds_bucket{{{labels},le=\"{bound}\"}} {count}")
            }
            None => writeln!(out, "paifang_request_duration_seconds_bucket{{{labels},le=\"+Inf\"}} {count}"),
        };
    }
    let _ = writeln!(out, "paifang_request_duration_seconds_sum{{{labels}}} {seconds}");
    let _ = writeln!(out, "paifang_request_duration_seconds_count{{{labels}}} {count}");
}

type Counter = fn(&Counters) -> &AtomicU64;

fn total(stats: &Stats, counter: Counter) -> u64 {
    let used = stats.iter().filter_map(|stats| stats.used());
    used.map(|counters| counter(counters).load(Ordering::Relaxed)).sum()
}

fn sum(name: &str, labels: &str, stats: &Stats, counter: Counter, out: &mut String) {
    let _ = writeln!(out, "{name}{{{labels}}} {}", total(stats, counter));
}

/// For what most rules never count.
fn sum_if_any(name: &str, labels: &str, stats: &Stats, counter: Counter, out: &mut String) {
    if total(stats, counter) > 0 {
        sum(name, labels, stats, counter, out);
    }
}

fn write_unrouted(unrouted: &RuleStats, out: &mut String) {
    let name = "paifang_requests_unrouted_total";
    header(name, "counter", "Requests that met no rule.", out);
    for (code, reason, count) in unrouted.used().into_iter().flat_map(|counters| counters.outcomes()) {
        let _ = writeln!(out, "{name}{{code=\"{code}\",reason=\"{reason}\"}} {count}");
    }
}

fn write_certificates(served: Option<&dyn Served>, out: &mut String) {
    let name = "paifang_certificate_not_after_seconds";
    header(name, "gauge", "Last second a listener's certificate is valid, since 1970.", out);
    let mut lines: BTreeMap<String, i64> = BTreeMap::new();
    if let Some(served) = served {
        served.certificates(&mut |gateway, listener, certificate| {
            let mut labels = String::with_capacity(128);
            for (name, value) in [
                ("gateway_namespace", &*gateway.namespace),
                ("gateway", &gateway.name),
                ("listener", listener),
                ("secret_namespace", &certificate.secret.namespace),
                ("secret", &certificate.secret.name),
            ] {
                label(name, value, &mut labels);
            }
            lines.insert(labels, certificate.validity.1);
        });
    }
    for (labels, not_after) in lines {
        let _ = writeln!(out, "{name}{{{labels}}} {not_after}");
    }
}

/// The two comment lines in front of a family.
pub(super) fn header(name: &str, kind: &str, help: &str, out: &mut String) {
    let _ = write!(out, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
}

/// Appends `name="value"`, with a comma in front unless it is the first.
pub(super) fn label(name: &str, value: &str, out: &mut String) {
    if !out.is_empty() {
        out.push(',');
    }
    let _ = write!(out, "{name}=\"");
    for c in value.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            c => out.push(c),
        }
    }
    out.push('"');
}
