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

/// Whether a path (normalised) is a prefix, or lies below it. An element ends as well where servers may end
/// it: at its parameters, at an encoded slash, at an encoded backslash. The empty prefix covers every path, also
/// one that is none (`OPTIONS *`).
#[must_use]
pub fn covers(prefix: &str, path: &str) -> bool {
    let ends = |rest: &str| {
        rest.is_empty() || rest.starts_with(['/', ';']) || rest.starts_with("%2F") || rest.starts_with("%5C")
    };
    prefix.is_empty() || path.strip_prefix(prefix).is_some_and(ends)
}

#[cfg(test)]
mod tests {
    use super::covers;

    #[test]
    fn a_claim_covers_whole_elements_and_what_servers_take_for_their_end() {
        for path in ["/a", "/a/", "/a/b", "/a;v=1", "/a;v=1/b", "/a%2Fb", "/a%5Cb"] {
            assert!(covers("/a", path), "{path}");
        }
        for path in ["/", "/ab", "/A", "/a.b", "/a%20", "/a%3B", "/b/a", "/b%2Fa"] {
            assert!(!covers("/a", path), "{path}");
        }
        for path in ["/", "/a", "", "*"] {
            assert!(covers("", path), "{path}");
        }
    }
}
