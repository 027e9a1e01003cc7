//! What claims leave of a route or a listener: the first of two places where they are enforced. The other
//! is the table, which asks them for every request and knows nothing of this one.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::ir::{Claim, GrpcMatch, GrpcParts, Hostname, Match, PathMatch, claim};

/// Everything that is claimed.
#[derive(Debug, Default)]
pub(crate) struct Owners {
    all: Arc<[Claim]>,
    enforced: BTreeMap<Hostname, Vec<Claim>>,
}

/// What claims leave of something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Left {
    /// Everything.
    All,
    /// Not what this says.
    Some(String),
    /// Nothing: why.
    Nothing(String),
}

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asker<'a> {
    /// The tenant of the route's namespace.
    pub(crate) tenant: Option<&'a str>,
    /// Whether only what is claimed is served.
    pub(crate) required: bool,
}

/// The paths that a match is for, as far as can be said without a request.
#[derive(Debug)]
struct Reach<'a> {
    path: Cow<'a, str>,
    /// Whether everything below the path is meant, too.
    below: bool,
}

impl Owners {
    /// Indexes claims that do not contradict each other.
    pub(crate) fn new(claims: impl Iterator<Item = Claim>) -> Self {
        let mut all: Vec<Claim> = claims.collect();
        all.sort();
        let mut enforced: BTreeMap<Hostname, Vec<Claim>> = BTreeMap::new();
        for claim in all.iter().filter(|claim| claim.enforced) {
            enforced.entry(claim.hostname.clone()).or_default().push(claim.clone());
        }
        Self { all: all.into(), enforced }
    }

    /// All of them, for the table.
    pub(crate) const fn claims(&self) -> &Arc<[Claim]> {
        &self.all
    }

    /// The claim that covers every request for a hostname pattern and a path, with all below it.
    fn owner(&self, hostname: &Hostname, path: &str) -> Option<&Claim> {
        covering(hostname).find_map(|pattern| {
            let covers = |claim: &&Claim| claim.covers_path(path);
            self.enforced.get(&pattern)?.iter().filter(covers).max_by_key(|claim| claim.prefix.len())
        })
    }

    /// Claims that decide about a part of what a hostname pattern and its paths cover, and not about all of it.
    fn inside<'c>(&'c self, hostname: Option<&'c Hostname>, reach: &'c Reach<'_>) -> impl Iterator<Item = &'c Claim> {
        let path = &*reach.path;
        let wider = hostname.into_iter().flat_map(covering).filter_map(|pattern| self.enforced.get(&pattern));
        // An exact hostname has nothing below it.
        let narrower = !matches!(hostname, Some(Hostname::Exact(_)));
        let below = move |pattern: &Hostname| {
            hostname.is_none_or(|own| pattern != own && own.intersection(pattern).as_ref() == Some(pattern))
        };
        let below =
            narrower.then(|| self.enforced.iter().filter(move |(pattern, _)| below(pattern)).map(|(_, claims)| claims));
        let whole = hostname.and_then(|hostname| self.owner(hostname, path));
        wider.chain(below.into_iter().flatten()).flatten().filter(move |claim| {
            let part = match hostname {
                Some(own) => own.intersection(&claim.hostname).unwrap_or_else(|| own.clone()),
                None => claim.hostname.clone(),
            };
            let deeper = if claim.covers_path(path) { path } else { &claim.prefix };
            let meets = claim.covers_path(path) || (reach.below && claim::covers(path, &claim.prefix));
            meets && whole != Some(*claim) && self.owner(&part, deeper) == Some(*claim)
        })
    }

    /// What is left of a listener's hostname for a Gateway of some tenant; Gateways of nobody are the
    /// platform's own.
    pub(crate) fn left_of_listener(&self, hostname: Option<&Hostname>, tenant: Option<&str>) -> Option<&Claim> {
        let owner = self.owner(hostname?, "")?;
        tenant.filter(|tenant| **tenant != *owner.tenant).map(|_| owner)
    }

    /// What is left of a route at one listener.
    pub(crate) fn left(&self, asker: Asker<'_>, hostnames: &BTreeSet<Option<Hostname>>, matches: &[&Match]) -> Left {
        if self.enforced.is_empty() && !asker.required {
            return Left::All;
        }
        let (mut lost, mut kept, mut total) = (Vec::new(), false, 0);
        for hostname in hostnames {
            for found in matches {
                total += 1;
                kept |= self.judge(asker, hostname.as_ref(), &reach_of(found), &mut lost);
            }
        }
        lost.sort();
        lost.dedup();
        let more = lost.len().saturating_sub(MOST_LISTED);
        let mut message = lost.iter().take(MOST_LISTED).cloned().collect::<Vec<_>>().join("; ");
        if more > 0 {
            message.push_str(&format!("; and {more} more"));
        }
        match (lost.is_empty(), kept || total == 0) {
            (true, _) => Left::All,
            (false, true) => Left::Some(message),
            (false, false) => Left::Nothing(message),
        }
    }

    /// Notes what is lost of a hostname and path; says whether anything is kept.
    fn judge(&self, asker: Asker<'_>, hostname: Option<&Hostname>, reach: &Reach<'_>, lost: &mut Vec<String>) -> bool {
        let theirs = |claim: &&Claim| asker.tenant != Some(&*claim.tenant);
        let owner = hostname.and_then(|hostname| self.owner(hostname, &reach.path));
        let refused = match owner {
            Some(owner) => theirs(&owner).then(|| told(owner)),
            None => asker.required.then(|| {
                format!(
                    "nobody claims {}",
                    hostname.map_or_else(|| "every host".to_owned(), |it| format!("'{it}{}'", reach.path))
                )
            }),
        };
        let own_inside = self.inside(hostname, reach).any(|claim| !theirs(&claim));
        let kept = refused.is_none() || own_inside;
        if refused.is_none() {
            lost.extend(self.inside(hostname, reach).filter(theirs).map(told));
        }
        lost.extend(refused);
        kept
    }
}

/// How many claims a message lists.
const MOST_LISTED: usize = 4;

fn told(claim: &Claim) -> String {
    format!("'{}{}' is claimed by Tenant '{}'", claim.hostname, claim.prefix, claim.tenant)
}

/// The paths that a match is for; of an expression nothing is known.
fn reach_of(found: &Match) -> Reach<'_> {
    match &found.path {
        PathMatch::Exact(path) => Reach { path: path.into(), below: false },
        PathMatch::Prefix(path) => Reach { path: path.trim_end_matches('/').into(), below: true },
        PathMatch::Grpc(GrpcMatch::Exact(GrpcParts { service: Some(service), method })) => match method {
            Some(method) => Reach { path: format!("/{service}/{method}").into(), below: false },
            None => Reach { path: format!("/{service}").into(), below: true },
        },
        PathMatch::Regex(_) | PathMatch::Grpc(_) => Reach { path: "".into(), below: true },
    }
}

/// A pattern and those that cover all of it, the most specific first.
fn covering(hostname: &Hostname) -> impl Iterator<Item = Hostname> {
    let text = match hostname {
        Hostname::Exact(name) => Arc::clone(name),
        Hostname::Wildcard(suffix) => Arc::from(format!("*.{suffix}")),
    };
    let dots: Vec<usize> = text.match_indices('.').map(|(at, _)| at).collect();
    let above = dots.into_iter().filter_map(move |at| Some(Hostname::Wildcard(text.get(at + 1..)?.into())));
    let own = matches!(hostname, Hostname::Exact(_)).then(|| hostname.clone());
    own.into_iter().chain(above)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owners(claims: &[(&str, &str, &str)]) -> Owners {
        Owners::new(claims.iter().map(|(hostname, prefix, tenant)| Claim {
            hostname: Hostname::parse(hostname).unwrap(),
            prefix: (*prefix).to_owned(),
            tenant: (*tenant).into(),
            enforced: true,
        }))
    }

    fn left(owners: &Owners, tenant: Option<&str>, hostname: Option<&str>, path: PathMatch) -> Left {
        let found = Match { path, method: None, headers: vec![], query: vec![] };
        let hostname = hostname.map(|text| Hostname::parse(text).unwrap());
        owners.left(Asker { tenant, required: false }, &[hostname].into(), &[&found])
    }

    #[test]
    fn patterns_that_cover_another_are_its_own_and_the_wider_ones() {
        let texts = |text: &str| covering(&Hostname::parse(text).unwrap()).map(|it| it.to_string()).collect::<Vec<_>>();
        assert_eq!(texts("a.b.c"), ["a.b.c", "*.b.c", "*.c"]);
        assert_eq!(texts("*.b.c"), ["*.b.c", "*.c"]);
        assert_eq!(texts("c"), ["c"]);
    }

    #[test]
    fn a_route_is_told_what_it_loses() {
        let owners = owners(&[
            ("*.pay.example.com", "", "pay"),
            ("shop.example.com", "/checkout", "pay"),
            ("own.pay.example.com", "", "shop"),
        ]);
        let root = || PathMatch::Prefix("/".to_owned());
        let at = |path: &str| PathMatch::Prefix(path.to_owned());
        let nothing = |tenant, host, path| matches!(left(&owners, tenant, host, path), Left::Nothing(_));
        let some = |tenant, host, path| matches!(left(&owners, tenant, host, path), Left::Some(_));
        let all = |tenant, host, path| left(&owners, tenant, host, path) == Left::All;
        assert!(
            nothing(None, Some("a.pay.example.com"), root())
                && nothing(Some("shop"), Some("a.pay.example.com"), at("/x"))
        );
        assert!(all(Some("pay"), Some("a.pay.example.com"), root()));
        assert!(all(Some("shop"), Some("shop.example.com"), at("/cart")), "no claim is near");
        assert!(nothing(Some("shop"), Some("shop.example.com"), at("/checkout/now")));
        assert!(nothing(Some("shop"), Some("shop.example.com"), PathMatch::Exact("/checkout".to_owned())));
        assert!(some(Some("shop"), Some("shop.example.com"), root()));
        assert!(some(Some("shop"), Some("*.pay.example.com"), root()), "one host of it is theirs");
        assert!(all(Some("shop"), Some("shop.example.com"), PathMatch::Exact("/".to_owned())), "it is one path only");
        assert!(some(Some("shop"), None, root()) && some(None, Some("*.example.com"), root()));
        assert!(all(None, Some("example.org"), root()));
    }

    #[test]
    fn a_grpc_service_is_a_path() {
        let owners = owners(&[("api.example.com", "/pay.Cards", "pay")]);
        let call = |service: Option<&str>, method: Option<&str>| {
            let text = |part: Option<&str>| part.map(str::to_owned);
            let path = PathMatch::Grpc(GrpcMatch::Exact(GrpcParts { service: text(service), method: text(method) }));
            left(&owners, Some("shop"), Some("api.example.com"), path)
        };
        assert!(matches!(call(Some("pay.Cards"), None), Left::Nothing(_)));
        assert!(matches!(call(Some("pay.Cards"), Some("Charge")), Left::Nothing(_)));
        assert_eq!(call(Some("shop.Cart"), None), Left::All);
        assert!(matches!(call(None, Some("Charge")), Left::Some(_)), "of any service");
        let asker = Asker { tenant: Some("pay"), required: true };
        let own = PathMatch::Grpc(GrpcMatch::Exact(GrpcParts { service: Some("pay.Cards".to_owned()), method: None }));
        let found = Match { path: own, method: None, headers: vec![], query: vec![] };
        assert_eq!(owners.left(asker, &[Hostname::parse("api.example.com")].into(), &[&found]), Left::All);
    }

    #[test]
    fn where_claims_are_required_only_what_is_claimed_is_left() {
        let owners = owners(&[("pay.example.com", "", "pay")]);
        let found = Match { path: PathMatch::Prefix("/".to_owned()), method: None, headers: vec![], query: vec![] };
        let left = |hostname: &str| {
            let hostname = Hostname::parse(hostname);
            owners.left(Asker { tenant: Some("pay"), required: true }, &[hostname].into(), &[&found])
        };
        assert_eq!(left("pay.example.com"), Left::All);
        assert!(matches!(left("else.example.com"), Left::Nothing(why) if why == "nobody claims 'else.example.com'"));
        assert!(matches!(left("*.example.com"), Left::Some(_)), "what is claimed is left");
    }
}
