//! An explanation for people.

use std::fmt;

use super::{AtGateway, Explanation, Place, Winner};
use crate::ir::limit::{Amount, Counting};
use crate::ir::{GrpcMatch, PathMatch};

/// Losers that are listed; the rest is counted.
const MOST_LISTED: usize = 50;

impl fmt::Display for Explanation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} {}{}", self.method, self.host, self.path)?;
        if let Some(claim) = self.claim {
            writeln!(f, "claimed by Tenant '{}': {}{}", claim.tenant, claim.hostname, claim.prefix)?;
        }
        if self.gateways.is_empty() {
            writeln!(f, "\nno Gateway listens for it")?;
        }
        self.gateways.iter().try_for_each(|gateway| write!(f, "\n{gateway}"))
    }
}

impl fmt::Display for AtGateway<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Gateway {}, listener {}", self.gateway, self.listener)?;
        match &self.winner {
            Some(winner) => write!(f, "{winner}")?,
            None => writeln!(f, "  404: no rule serves it")?,
        }
        for loser in self.losers.iter().take(MOST_LISTED) {
            writeln!(f, "  not {}: {}", loser.place, loser.because)?;
        }
        match self.losers.len().saturating_sub(MOST_LISTED) {
            0 => Ok(()),
            more => writeln!(f, "  and {more} more that do not serve it"),
        }
    }
}

impl fmt::Display for Winner<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  served by {}", self.place)?;
        if let Some(tenant) = self.tenant {
            writeln!(f, "    tenant {tenant}")?;
        }
        if !self.filters.is_empty() {
            // a filter serialises: it has no maps with keys that are no text
            writeln!(f, "    filters {}", serde_json::to_string(self.filters).unwrap_or_default())?;
        }
        for limit in &self.limits {
            let mode = if limit.enforced { "" } else { ", in Shadow mode" };
            let (id, amount, counting) = (&limit.id, amount(limit.amount), counting(limit.counting));
            let scope = format!("{:?}", limit.scope).to_lowercase();
            writeln!(f, "    limit {} of {}: {amount} for each {scope}, counted {counting}{mode}", id.name, id.source)?;
        }
        for backend in &self.backends {
            let endpoints: Vec<_> = backend.endpoints.iter().map(ToString::to_string).collect();
            let endpoints = if endpoints.is_empty() { "no endpoint".to_owned() } else { endpoints.join(", ") };
            writeln!(f, "    backend {} weight {}: {endpoints}", backend.backend, backend.weight)?;
        }
        Ok(())
    }
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

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} rule {} ({} on {})", self.route, self.rule, self.path, self.hostname)
    }
}

/// A condition on a path, as people write it.
pub(super) fn path(condition: &PathMatch) -> String {
    let part = |part: &Option<String>| part.clone().unwrap_or_else(|| "*".to_owned());
    match condition {
        PathMatch::Exact(path) => format!("Exact {path}"),
        PathMatch::Prefix(path) => format!("PathPrefix {path}"),
        PathMatch::Regex(pattern) => format!("RegularExpression {pattern}"),
        PathMatch::Grpc(GrpcMatch::Exact(parts)) => format!("gRPC {}/{}", part(&parts.service), part(&parts.method)),
        PathMatch::Grpc(GrpcMatch::Regex(parts)) => format!("gRPC ~{}/~{}", part(&parts.service), part(&parts.method)),
    }
}
