//! What a scrape says of limits: read from their counters.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use super::rules::{Served, header, label};
use crate::limit::denials::Denials;
use crate::limit::global::Store;
use crate::limit::rate::Mode;
use crate::table::limits::Meter;
use crate::table::limits::token::Outcomes;

/// The meters of one label set together.
#[derive(Default)]
struct Sum {
    /// Meters share it.
    denials: Option<Arc<Denials>>,
    bytes: usize,
    overflowed: u64,
}

/// Writes the families of limits.
pub(super) fn write(served: Option<&dyn Served>, out: &mut String) {
    let mut sums: BTreeMap<String, Sum> = BTreeMap::new();
    let mut tokens: BTreeMap<Arc<str>, Arc<Outcomes>> = BTreeMap::new();
    if let Some(served) = served {
        served.limits(&mut |meter| {
            let sum = sums.entry(labels(meter)).or_default();
            sum.denials.get_or_insert_with(|| Arc::clone(&meter.denials));
            sum.bytes += meter.bytes();
            sum.overflowed += meter.overflowed();
            for outcomes in meter.limit.verifiers().map(|verifier| &verifier.outcomes) {
                tokens.entry(Arc::clone(&outcomes.namespace)).or_insert_with(|| Arc::clone(outcomes));
            }
        });
    }
    let name = "paifang_limit_decisions_total";
    header(name, "counter", "Requests a limit denied, or would have denied in Shadow mode.", out);
    for (labels, sum) in &sums {
        for (decision, mode) in [("denied", Mode::Enforce), ("shadow_denied", Mode::Shadow)] {
            let count = sum.denials.as_ref().map_or(0, |denials| denials.of(mode));
            let _ = writeln!(out, "{name}{{{labels},decision=\"{decision}\"}} {count}");
        }
    }
    let name = "paifang_limit_key_bytes";
    header(name, "gauge", "Memory for the counters of a limit by key.", out);
    for (labels, sum) in &sums {
        let _ = writeln!(out, "{name}{{{labels}}} {}", sum.bytes);
    }
    let name = "paifang_limit_keys_overflowed_total";
    header(name, "counter", "Requests whose key found no counter of its own and shared one.", out);
    for (labels, sum) in &sums {
        let _ = writeln!(out, "{name}{{{labels}}} {}", sum.overflowed);
    }
    let name = "paifang_limit_tokens_total";
    header(name, "counter", "Requests that a limit asked for their token, by what became of it.", out);
    for outcomes in tokens.values() {
        let mut labels = String::new();
        label("namespace", &outcomes.namespace, &mut labels);
        for (result, count) in outcomes.all() {
            let _ = writeln!(out, "{name}{{{labels},result=\"{result}\"}} {count}");
        }
    }
}

/// Writes how many connections to the store there are that answer.
pub(super) fn write_stores(stores: &[Store], out: &mut String) {
    let name = "paifang_limit_store_connections";
    header(name, "gauge", "Connections to the store of limits, one for each thread, by whether it answers.", out);
    if stores.is_empty() {
        return;
    }
    let up = stores.iter().filter(|store| store.is_up()).count();
    for (state, count) in [("up", up), ("down", stores.len() - up)] {
        let _ = writeln!(out, "{name}{{state=\"{state}\"}} {count}");
    }
}

fn labels(meter: &Meter) -> String {
    let id = &meter.limit.source.id;
    let mut out = String::with_capacity(96);
    label("policy", &id.source.to_string(), &mut out);
    label("limit", &id.name, &mut out);
    label("tenant", meter.tenant.as_deref().unwrap_or_default(), &mut out);
    out
}
