//! A scrape: the process's own metrics, then what hangs on the served table.
//!
//! The series of rules are written as text straight from their counters. There may be hundreds of
//! thousands of lines, so they are made piece by piece while the scraper reads. How many there may
//! be of one tenant is bounded ([`budget`]).

mod budget;
mod totals;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use parking_lot::Mutex;
use prometheus::{Registry, TextEncoder};

use super::{limits, process, shares};
use crate::api::ObjectKey;
use crate::ir::Certificate;
use crate::table::Rule;
use crate::table::action::RuleId;
use crate::table::limits::Meter;
use crate::table::shares::Part;
use crate::table::stats::{BUCKETS_US, RuleStats};
use budget::{Budget, Owner, Shown, Used};
use totals::Totals;

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

/// Whom a scrape asks.
pub(super) struct Observed {
    served: Arc<dyn Served>,
    /// No request ever waits for it.
    budget: Mutex<Budget>,
}

/// Bytes after which a piece is handed out.
const PIECE: usize = 32 << 10;

const NOT_PERMITTED: &str = "paifang_claims_not_permitted_total";
const SHADOWED: &str = "paifang_claims_shadowed_total";

/// The value of every label of a rule, but its tenant, where rules are summed up.
const OVERFLOW: &str = "__overflow__";

type Family = (&'static str, &'static str, &'static str, fn(&str, &Totals, &mut String));

/// The families of rules, in the order they are written: name, type, help, writer.
const FAMILIES: [Family; 7] = [
    ("paifang_requests_total", "counter", "Requests finished.", requests),
    ("paifang_request_duration_seconds", "histogram", "Time from a request's header to its end.", durations),
    ("paifang_request_bytes_total", "counter", "Bytes of request bodies.", |labels, totals, out| {
        line("paifang_request_bytes_total", labels, totals.request_bytes, out);
    }),
    ("paifang_response_bytes_total", "counter", "Bytes of response bodies.", |labels, totals, out| {
        line("paifang_response_bytes_total", labels, totals.response_bytes, out);
    }),
    ("paifang_retries_total", "counter", "Tries after the first.", |labels, totals, out| {
        line("paifang_retries_total", labels, totals.retries, out);
    }),
    (NOT_PERMITTED, "counter", "Requests a rule did not get because of a claim.", |labels, totals, out| {
        line_if_any(NOT_PERMITTED, labels, totals.not_permitted, out);
    }),
    (
        SHADOWED,
        "counter",
        "Requests a rule got and would not get if all claims were enforced.",
        |labels, totals, out| line_if_any(SHADOWED, labels, totals.shadowed, out),
    ),
];

/// An iterator over the pieces of one scrape.
#[derive(Debug)]
pub struct Scrape {
    head: Option<String>,
    rules: Vec<(String, Totals)>,
    family: usize,
    next: usize,
}

impl Scrape {
    pub(super) fn new(registry: &Registry, unrouted: &RuleStats, observed: Option<&Observed>) -> Self {
        let mut head = String::with_capacity(PIECE);
        // fails only on a family without a name or samples, which a registry never gathers
        let _ = TextEncoder::new().encode_utf8(&registry.gather(), &mut head);
        process::write(&mut head);
        write_unrouted(unrouted, &mut head);
        let served = observed.map(|observed| &*observed.served);
        write_certificates(observed, &mut head);
        shares::write(served, &mut head);
        limits::write(served, &mut head);
        let shown = observed.map(Observed::shown).unwrap_or_default();
        write_overflowed(&shown, &mut head);
        Self { head: Some(head), rules: sets(shown), family: 0, next: 0 }
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
            while let Some((labels, totals)) = self.rules.get(self.next) {
                write(labels, totals, &mut out);
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

impl Observed {
    /// Shows this, with so many series for each tenant's rules.
    pub(super) fn new(served: Arc<dyn Served>, series_per_tenant: usize) -> Self {
        Self { served, budget: Mutex::new(Budget::new(series_per_tenant)) }
    }

    fn shown(&self) -> BTreeMap<Owner, Shown> {
        let mut used: BTreeMap<Owner, Vec<Used>> = BTreeMap::new();
        self.served.rules(&mut |rule| {
            if let Some(rule) = Used::of(rule) {
                used.entry(rule.tenant().cloned()).or_default().push(rule);
            }
        });
        self.budget.lock().settle(used)
    }
}

/// What is shown, by label set. Two rules with the same labels are one series.
fn sets(shown: BTreeMap<Owner, Shown>) -> Vec<(String, Totals)> {
    let mut sets: BTreeMap<String, Totals> = BTreeMap::new();
    for (owner, shown) in shown {
        for (id, totals) in shown.rules {
            sets.entry(labels(&id)).or_default().add(&totals);
        }
        if let Some(totals) = shown.overflow {
            sets.insert(overflow_labels(owner.as_deref()), totals);
        }
    }
    sets.into_iter().collect()
}

fn labels(id: &RuleId) -> String {
    let hostname = id.hostname.as_ref().map_or_else(|| "*".to_owned(), ToString::to_string);
    set([
        &id.gateway.namespace,
        &id.gateway.name,
        &id.listener,
        id.route.kind.as_str(),
        &id.route.key.namespace,
        &id.route.key.name,
        &id.rule,
        id.tenant.as_deref().unwrap_or_default(),
        &hostname,
    ])
}

fn overflow_labels(tenant: Option<&str>) -> String {
    let tenant = tenant.unwrap_or_default();
    set([OVERFLOW, OVERFLOW, OVERFLOW, OVERFLOW, OVERFLOW, OVERFLOW, OVERFLOW, tenant, OVERFLOW])
}

fn set(values: [&str; 9]) -> String {
    const NAMES: [&str; 9] = [
        "gateway_namespace",
        "gateway",
        "listener",
        "route_kind",
        "route_namespace",
        "route",
        "rule",
        "tenant",
        "hostname",
    ];
    let mut out = String::with_capacity(256);
    NAMES.iter().zip(values).for_each(|(name, value)| label(name, value, &mut out));
    out
}

fn requests(labels: &str, totals: &Totals, out: &mut String) {
    for ((code, reason), count) in &totals.outcomes {
        let _ = writeln!(out, "paifang_requests_total{{{labels},code=\"{code}\",reason=\"{reason}\"}} {count}");
    }
}

fn durations(labels: &str, totals: &Totals, out: &mut String) {
    let bounds = BUCKETS_US.iter().map(Some).chain([None]);
    let mut count = 0;
    for (bound, bucket) in bounds.zip(totals.buckets) {
        count += bucket;
        let _ = match bound {
            Some(micros) => {
                let bound = *micros as f64 / 1e6;
                writeln!(out, "paifang_request_duration_seconds_bucket{{{labels},le=\"{bound}\"}} {count}")
            }
            None => writeln!(out, "paifang_request_duration_seconds_bucket{{{labels},le=\"+Inf\"}} {count}"),
        };
    }
    let seconds = totals.duration.as_secs_f64();
    let _ = writeln!(out, "paifang_request_duration_seconds_sum{{{labels}}} {seconds}");
    let _ = writeln!(out, "paifang_request_duration_seconds_count{{{labels}}} {count}");
}

fn line(name: &str, labels: &str, value: u64, out: &mut String) {
    let _ = writeln!(out, "{name}{{{labels}}} {value}");
}

/// For what most rules never count.
fn line_if_any(name: &str, labels: &str, value: u64, out: &mut String) {
    if value > 0 {
        line(name, labels, value, out);
    }
}

fn write_overflowed(shown: &BTreeMap<Owner, Shown>, out: &mut String) {
    let name = "paifang_rules_overflowed";
    header(name, "gauge", "Rules that are summed up because their tenant's budget of series is used up.", out);
    for (owner, shown) in shown {
        let mut labels = String::new();
        label("tenant", owner.as_deref().unwrap_or_default(), &mut labels);
        let _ = writeln!(out, "{name}{{{labels}}} {}", shown.overflowed);
    }
}

fn write_unrouted(unrouted: &RuleStats, out: &mut String) {
    let name = "paifang_requests_unrouted_total";
    header(name, "counter", "Requests that met no rule.", out);
    for (code, reason, count) in unrouted.used().into_iter().flat_map(|counters| counters.outcomes()) {
        let _ = writeln!(out, "{name}{{code=\"{code}\",reason=\"{reason}\"}} {count}");
    }
}

fn write_certificates(observed: Option<&Observed>, out: &mut String) {
    let name = "paifang_certificate_not_after_seconds";
    header(name, "gauge", "Last second a listener's certificate is valid, since 1970.", out);
    let mut lines: BTreeMap<String, i64> = BTreeMap::new();
    if let Some(observed) = observed {
        observed.served.certificates(&mut |gateway, listener, certificate| {
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
