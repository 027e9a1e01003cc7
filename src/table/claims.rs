//! Who owns a host and path: claims, looked up by host.
//!
//! The most specific claim decides: the exact host, then the longest wildcard, and for one hostname the
//! longest path prefix. Claims that are not enforced decide nothing; they are asked apart.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::hostmap::HostMap;
use crate::ir::{Claim, Hostname, claim};

/// Who owns what.
#[derive(Debug, Default)]
pub struct Claims {
    source: Arc<[Claim]>,
    enforced: Index,
    /// Absent when every claim is enforced.
    all: Option<Index>,
}

/// A path prefix and its owner.
type Owned = (Box<str>, Arc<str>);

/// Who owns the paths of one host: what claims say, found beforehand.
#[derive(Debug, Clone)]
pub(crate) enum Owners {
    /// Nobody owns any.
    Nobody,
    /// One tenant owns all.
    All(Arc<str>),
    /// One tenant owns all, and every rule of the host itself is its own: nearly always.
    AllItsOwn(Arc<str>),
    /// By prefix; the first that covers a path decides.
    ByPath(Arc<[Owned]>),
}

#[derive(Debug, Default)]
struct Index {
    /// By hostname, the longest prefix first.
    owners: HostMap<Box<[Owned]>>,
    /// Whether there is anything to look up: mostly there is not.
    any: bool,
}

impl Claims {
    /// Indexes claims; the same claims are the same index.
    pub(crate) fn compile(source: &Arc<[Claim]>, previous: &Arc<Self>) -> Arc<Self> {
        if previous.source == *source {
            return Arc::clone(previous);
        }
        let enforced = Index::new(source.iter().filter(|claim| claim.enforced));
        let all = source.iter().any(|claim| !claim.enforced).then(|| Index::new(source.iter()));
        Arc::new(Self { source: Arc::clone(source), enforced, all })
    }

    /// The tenant that alone may serve a host (lower case) and a path (normalised).
    #[must_use]
    pub fn owner(&self, host: &str, path: &str) -> Option<&Arc<str>> {
        self.enforced.owner(host, path)
    }

    /// Who owns what of one host (lower case).
    pub(crate) fn owners(&self, host: &str) -> Owners {
        self.enforced.owners(host)
    }

    /// The same if every claim were enforced, where some are not.
    #[must_use]
    pub fn shadow(&self, host: &str, path: &str) -> Option<Option<&Arc<str>>> {
        self.all.as_ref().map(|all| all.owner(host, path))
    }
}

impl Index {
    fn new<'c>(claims: impl Iterator<Item = &'c Claim>) -> Self {
        let mut by_host: BTreeMap<&Hostname, Vec<Owned>> = BTreeMap::new();
        for claim in claims {
            let owned = (claim.prefix.as_str().into(), Arc::clone(&claim.tenant));
            by_host.entry(&claim.hostname).or_default().push(owned);
        }
        let any = !by_host.is_empty();
        let mut owners = HostMap::default();
        owners.update(by_host.into_iter().map(|(hostname, mut owners)| {
            owners.sort_by_key(|(prefix, _)| Reverse(prefix.len()));
            (Some(hostname.clone()), Some(owners.into()))
        }));
        Self { owners, any }
    }

    fn owner(&self, host: &str, path: &str) -> Option<&Arc<str>> {
        if !self.any {
            return None;
        }
        self.owners.covering(host).find_map(|owners| first(owners, path))
    }

    fn owners(&self, host: &str) -> Owners {
        let mut owners = Vec::new();
        for owned in self.owners.covering(host).flatten() {
            owners.push(owned.clone());
            if owned.0.is_empty() {
                break; // it covers every path: no other is asked
            }
        }
        match owners.as_slice() {
            [] => Owners::Nobody,
            [(prefix, tenant)] if prefix.is_empty() => Owners::All(Arc::clone(tenant)),
            _ => Owners::ByPath(owners.into()),
        }
    }
}

impl Owners {
    /// The tenant that alone may serve a path (normalised).
    pub(crate) fn of(&self, path: &str) -> Option<&Arc<str>> {
        match self {
            Self::Nobody => None,
            Self::All(tenant) | Self::AllItsOwn(tenant) => Some(tenant),
            Self::ByPath(owners) => first(owners, path),
        }
    }
}

fn first<'o>(owners: &'o [Owned], path: &str) -> Option<&'o Arc<str>> {
    owners.iter().find(|(prefix, _)| claim::covers(prefix, path)).map(|(_, tenant)| tenant)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(entries: &[(&str, &str, &str, bool)]) -> Arc<Claims> {
        let claim = |(hostname, prefix, tenant, enforced): &(&str, &str, &str, bool)| Claim {
            hostname: Hostname::parse(hostname).unwrap(),
            prefix: (*prefix).to_owned(),
            tenant: (*tenant).into(),
            enforced: *enforced,
        };
        Claims::compile(&entries.iter().map(claim).collect(), &Arc::default())
    }

    #[test]
    fn the_most_specific_claim_decides() {
        let claims = claims(&[
            ("*.example.com", "", "wide", true),
            ("*.pay.example.com", "", "pay", true),
            ("shop.example.com", "/checkout", "checkout", true),
            ("shop.example.com", "/checkout/help", "help", true),
            ("new.example.com", "", "soon", false),
        ]);
        for (host, path, owner) in [
            ("a.example.com", "/", Some("wide")),
            ("a.pay.example.com", "/", Some("pay")),
            ("pay.example.com", "/", Some("wide")),
            ("shop.example.com", "/checkout", Some("checkout")),
            ("shop.example.com", "/checkout/", Some("checkout")),
            ("shop.example.com", "/checkouts", Some("wide")),
            ("shop.example.com", "/Checkout", Some("wide")),
            ("shop.example.com", "/checkout/help/me", Some("help")),
            ("new.example.com", "/", Some("wide")),
            ("example.com", "/", None),
            ("example.org", "/", None),
        ] {
            assert_eq!(claims.owner(host, path).map(|tenant| &**tenant), owner, "{host}{path}");
            assert_eq!(claims.owners(host).of(path).map(|tenant| &**tenant), owner, "{host}{path}, found beforehand");
        }
        assert_eq!(claims.shadow("new.example.com", "/").unwrap().unwrap().as_ref(), "soon");
    }

    #[test]
    fn what_covers_every_path_ends_the_owners_of_a_host() {
        let claims = claims(&[
            ("*.example.com", "", "wide", true),
            ("*.com", "/a", "never", true),
            ("shop.example.com", "/checkout", "checkout", true),
        ]);
        assert!(matches!(claims.owners("a.example.com"), Owners::All(tenant) if &*tenant == "wide"));
        assert!(matches!(claims.owners("shop.example.com"), Owners::ByPath(owners) if owners.len() == 2));
        assert!(matches!(claims.owners("a.org"), Owners::Nobody));
    }

    #[test]
    fn without_claims_nobody_owns_anything() {
        let claims = claims(&[]);
        assert!(claims.owner("a.example.com", "/").is_none() && claims.shadow("a.example.com", "/").is_none());
    }
}
