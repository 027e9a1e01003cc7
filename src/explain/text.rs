//! An explanation for people.

use std::fmt;

use super::{AtGateway, Backend, Explanation, NotAttached, Place, Winner};
use crate::ir::{GrpcMatch, PathMatch, Target};

impl fmt::Display for Explanation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let client = self.client.map_or_else(String::new, |client| format!(" from {client}"));
        writeln!(f, "{} {}{}{client}", self.method, self.host, self.path)?;
        if let Some(claim) = self.claim {
            writeln!(f, "claimed by Tenant '{}': {}{}", claim.tenant, claim.hostname, claim.prefix)?;
        }
        if self.gateways.is_empty() {
            writeln!(f, "\nno Gateway listens for it")?;
        }
        self.gateways.iter().try_for_each(|gateway| write!(f, "\n{gateway}"))?;
        if !self.not_attached.is_empty() {
            writeln!(f, "\nnot attached")?;
        }
        self.not_attached.iter().try_for_each(|route| writeln!(f, "  {route}"))?;
        match self.not_attached_left_out {
            0 => Ok(()),
            more => writeln!(f, "  and {more} more"),
        }
    }
}

impl fmt::Display for AtGateway<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Gateway {}, listener {}", self.gateway, self.listener)?;
        match &self.winner {
            Some(winner) => write!(f, "{winner}")?,
            None => writeln!(f, "  404: no rule serves it")?,
        }
        for loser in &self.losers {
            writeln!(f, "  not {}: {}", loser.place, loser.because)?;
        }
        match self.losers_left_out {
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
        self.filters.iter().try_for_each(|filter| writeln!(f, "    {filter}"))?;
        self.limits.iter().try_for_each(|limit| write!(f, "{limit}"))?;
        self.backends.iter().try_for_each(|backend| write!(f, "{backend}"))
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "    backend {} weight {}: ", self.backend, self.weight)?;
        match (&*self.endpoints, self.endpoints_left_out) {
            ([], _) => writeln!(f, "no endpoint")?,
            (endpoints, 0) => writeln!(f, "{}", endpoints.join(", "))?,
            (endpoints, more) => writeln!(f, "{} and {more} more", endpoints.join(", "))?,
        }
        self.filters.iter().try_for_each(|filter| writeln!(f, "      {filter}"))
    }
}

impl fmt::Display for NotAttached<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}: {}: {}", self.route, self.parent, self.reason, self.message)
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

/// A backend, or why there is none.
pub(super) fn target(target: &Target) -> String {
    match target {
        Target::Backend(key) => key.to_string(),
        Target::Invalid(reason) => format!("{reason:?}"),
    }
}
