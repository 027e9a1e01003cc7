//! Hostnames and wildcards (`*.example.com`), always lower case and without a trailing dot.

use std::fmt;
use std::sync::Arc;

/// A hostname pattern: exact, or a wildcard over one or more labels.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hostname {
    /// `www.example.com`
    Exact(Arc<str>),
    /// `*.example.com`, kept as `example.com`.
    Wildcard(Arc<str>),
}

impl Hostname {
    /// Reads a hostname as the Gateway API allows it; anything else is `None`.
    ///
    /// RFC 1123 labels, at most 253 characters, a wildcard only as the whole first label; no IP
    /// addresses, no port. Upper case is folded.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let lower = text.to_ascii_lowercase();
        if lower.len() > 253 || lower.parse::<std::net::Ipv4Addr>().is_ok() {
            return None;
        }
        match lower.strip_prefix("*.") {
            Some(suffix) if is_dns_name(suffix) => Some(Self::Wildcard(suffix.into())),
            None if is_dns_name(&lower) => Some(Self::Exact(lower.into())),
            _ => None,
        }
    }

    /// Whether a host (lower case, no port) is covered. A wildcard spans one or more labels and
    /// does not cover its own suffix.
    #[must_use]
    pub fn covers(&self, host: &str) -> bool {
        match self {
            Self::Exact(name) => **name == *host,
            Self::Wildcard(suffix) => is_below(host, suffix),
        }
    }

    /// Whether some host is covered by both.
    #[must_use]
    pub fn intersects(&self, other: &Self) -> bool {
        self.intersection(other).is_some()
    }

    /// The hosts covered by both: the more specific of the two patterns, if one covers the other.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Option<Self> {
        match (self, other) {
            (Self::Exact(name), pattern) | (pattern, Self::Exact(name)) if pattern.covers(name) => {
                Some(Self::Exact(Arc::clone(name)))
            }
            (Self::Wildcard(a), Self::Wildcard(b)) if a == b || is_below(a, b) => Some(Self::Wildcard(Arc::clone(a))),
            (Self::Wildcard(a), Self::Wildcard(b)) if is_below(b, a) => Some(Self::Wildcard(Arc::clone(b))),
            _ => None,
        }
    }
}

/// Whether `host` has at least one label in front of `suffix`.
fn is_below(host: &str, suffix: &str) -> bool {
    host.strip_suffix(suffix).is_some_and(|front| front.len() > 1 && front.ends_with('.'))
}

fn is_dns_name(text: &str) -> bool {
    !text.is_empty() && text.split('.').all(is_label)
}

fn is_label(label: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=63).contains(&label.len()) && label.bytes().all(allowed) && !label.starts_with('-') && !label.ends_with('-')
}

impl fmt::Display for Hostname {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => f.write_str(name),
            Self::Wildcard(suffix) => write!(f, "*.{suffix}"),
        }
    }
}

impl fmt::Debug for Hostname {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl serde::Serialize for Hostname {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Hostname {
        Hostname::parse(text).unwrap()
    }

    #[test]
    fn a_wildcard_spans_labels_but_not_its_own_suffix() {
        let wild = name("*.example.com");
        assert!(wild.covers("a.example.com") && wild.covers("a.b.example.com"));
        assert!(!wild.covers("example.com") && !wild.covers("aexample.com") && !wild.covers(".example.com"));
    }

    #[test]
    fn an_intersection_is_the_more_specific_of_the_two() {
        assert_eq!(name("*.com").intersection(&name("*.example.com")), Some(name("*.example.com")));
        assert_eq!(name("a.example.com").intersection(&name("*.example.com")), Some(name("a.example.com")));
        assert_eq!(name("*.example.com").intersection(&name("example.com")), None);
        assert_eq!(name("*.a.com").intersection(&name("*.b.com")), None);
    }

    #[test]
    fn what_is_no_hostname_is_refused() {
        for text in
            ["", "*", "*.", "a..b", "-a.com", "a_b.com", "1.2.3.4", "a.com:80", "a.*.com", "*a.com", "ä.com", "a.com."]
        {
            assert_eq!(Hostname::parse(text), None, "{text}");
        }
        assert_eq!(Hostname::parse("WWW.Example.COM"), Hostname::parse("www.example.com"));
    }
}
