//! A limit as people read it.

use super::Limited;
use crate::ir::limit::{Amount, Counting};

/// What a limit allows, to whom, who counts, and what is left.
pub(super) fn line(limited: &Limited<'_>) -> String {
    let limit = limited.limit;
    let mode = if limit.enforced { "" } else { ", in Shadow mode" };
    let (id, amount, counting) = (&limit.id, amount(limit.amount), counting(limit.counting));
    let scope = format!("{:?}", limit.scope).to_lowercase();
    let each = limit.key.iter().fold(scope, |each, part| format!("{each} and {part}"));
    let left = limited.left.map_or_else(String::new, |left| format!("; {left} left here"));
    format!("limit {} of {}: {amount} for each {each}, counted {counting}{mode}{left}", id.name, id.source)
}

fn amount(amount: Amount) -> String {
    match amount {
        Amount::Rate { requests, per, burst } => format!("{requests} requests in {per:?}, {burst} at once"),
        Amount::Concurrency(number) => format!("{number} requests at one moment"),
        Amount::Connections(number) => format!("{number} connections"),
        Amount::Bandwidth(bytes) => format!("{bytes} bytes per second"),
    }
}

fn counting(counting: Counting) -> &'static str {
    match counting {
        Counting::PerReplica => "by each replica",
        Counting::Divide => "by each replica its part",
        Counting::Global { .. } => "by all replicas together",
    }
}
