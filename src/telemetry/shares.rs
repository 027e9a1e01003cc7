//! What tenants have of the gateway, what they were denied, and how their TLS handshakes fare.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use super::Served;
use super::rules::{header, label};
use crate::table::shares::Part;

type Family = (&'static str, &'static str, &'static str, fn(&Shown) -> u64);

const TURNS: &str = "paifang_tls_handshake_turns_total";
const WAITED: &str = "paifang_tls_handshake_wait_seconds_total";

const CAPACITY: &str = "paifang_share_capacity";

const FAMILIES: [Family; 5] = [
    ("paifang_share_used", "gauge", "Requests of a tenant in flight.", |shown| shown.used),
    ("paifang_share_guaranteed", "gauge", "Requests that a tenant may have in any case.", |shown| shown.guaranteed),
    ("paifang_share_denied_total", "counter", "Requests beyond a tenant's share.", |shown| shown.denied),
    (
        "paifang_share_denied_below_guarantee_total",
        "counter",
        "Requests beyond a tenant's share that were within what it was promised.",
        |shown| shown.denied_below,
    ),
    ("paifang_tls_handshakes_waiting", "gauge", "TLS handshakes that wait for their turn.", |shown| shown.waiting),
];

struct Shown {
    used: u64,
    guaranteed: u64,
    denied: u64,
    denied_below: u64,
    waiting: u64,
    waited: Duration,
    turns: [(&'static str, u64); 3],
}

impl Shown {
    fn of(part: &Part) -> Self {
        let line = &part.handshakes;
        Self {
            used: part.used().into(),
            guaranteed: part.guaranteed().into(),
            denied: part.denied(),
            denied_below: part.denied_below(),
            waiting: line.waiting(),
            waited: line.waited(),
            turns: [("taken", line.turns()), ("crowded", line.crowded()), ("given_up", line.given_up())],
        }
    }
}

/// Writes one line of each family for each tenant, and one for those without.
pub(super) fn write(served: Option<&dyn Served>, out: &mut String) {
    let mut tenants = BTreeMap::new();
    if let Some(served) = served {
        header(CAPACITY, "gauge", "Requests in flight when the gateway is saturated.", out);
        let _ = writeln!(out, "{CAPACITY} {}", served.capacity());
        served.shares(&mut |part| {
            let mut labels = String::new();
            label("tenant", part.tenant.as_deref().unwrap_or_default(), &mut labels);
            tenants.insert(labels, Shown::of(part));
        });
    }
    for (name, kind, help, value) in FAMILIES {
        header(name, kind, help, out);
        for (labels, shown) in &tenants {
            let _ = writeln!(out, "{name}{{{labels}}} {}", value(shown));
        }
    }
    write_turns(&tenants, out);
}

fn write_turns(tenants: &BTreeMap<String, Shown>, out: &mut String) {
    header(TURNS, "counter", "TLS handshakes that asked for their turn on a thread.", out);
    for (labels, shown) in tenants {
        for (outcome, count) in shown.turns {
            let _ = writeln!(out, "{TURNS}{{{labels},outcome=\"{outcome}\"}} {count}");
        }
    }
    header(WAITED, "counter", "Time that TLS handshakes waited for their turn.", out);
    for (labels, shown) in tenants {
        let _ = writeln!(out, "{WAITED}{{{labels}}} {}", shown.waited.as_secs_f64());
    }
}
