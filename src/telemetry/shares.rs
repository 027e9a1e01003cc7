//! What tenants have of the gateway, and what they were denied.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::Served;
use super::rules::{header, label};
use crate::table::shares::Part;

type Family = (&'static str, &'static str, &'static str, fn(&Shown) -> u64);

const CAPACITY: &str = "paifang_share_capacity";

const FAMILIES: [Family; 3] = [
    ("paifang_share_used", "gauge", "Requests of a tenant in flight.", |shown| shown.used),
    ("paifang_share_guaranteed", "gauge", "Requests that a tenant may have in any case.", |shown| shown.guaranteed),
    ("paifang_share_denied_total", "counter", "Requests beyond a tenant's share.", |shown| shown.denied),
];

struct Shown {
    used: u64,
    guaranteed: u64,
    denied: u64,
}

impl Shown {
    fn of(part: &Part) -> Self {
        Self { used: part.used().into(), guaranteed: part.guaranteed().into(), denied: part.denied() }
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
}
