//! Claims: hostnames and paths that belong to one tenant.

use std::sync::Arc;

use serde::Serialize;

use super::Hostname;

/// A hostname, or paths of it, that only one tenant's routes may serve.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Claim {
    /// The hostname.
    pub hostname: Hostname,
    /// Whole path elements without the trailing slash; empty for every path.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub prefix: String,
    /// Whose it is.
    pub tenant: Arc<str>,
    /// Whether it is enforced, or only told where it would refuse.
    pub enforced: bool,
}

impl Claim {
    /// Whether a path lies under the claim.
    #[must_use]
    pub fn covers_path(&self, path: &str) -> bool {
        covers(&self.prefix, path)
    }
}

/// Whether a path is a prefix, or lies below it.
#[must_use]
pub fn covers(prefix: &str, path: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
