//! ShareGrants: by labels, tenants and ports, and for a time.

use jiff::Timestamp;

use super::{Ended, Referent, Referrer, kind_named};
use crate::api::policy::ShareGrant;
use crate::api::policy::share_grant::{GrantedNamespaces, ShareGrantFrom, ShareGrantSpec, ShareGrantTo};
use crate::api::{Kind, ObjectKey, ObjectRef};
use crate::snapshot::Snapshot;
use crate::translate::field::Field;
use crate::translate::finding::Findings;
use crate::translate::reason::Reason;
use crate::translate::selector;
use crate::translate::tenant::Tenants;

/// Every ShareGrant of a snapshot. Nothing is worked out before somebody asks.
#[derive(Debug)]
pub(super) struct Grants<'a> {
    snapshot: &'a Snapshot,
    tenants: &'a Tenants,
}

/// What they say of a reference.
#[derive(Debug, Default)]
pub(super) struct Asked<'a> {
    /// Those that permit it.
    pub(super) permitting: Vec<&'a ObjectKey>,
    /// The one that permitted it the longest and has ended.
    pub(super) ended: Option<Ended<'a>>,
}

impl<'a> Grants<'a> {
    pub(super) const fn new(snapshot: &'a Snapshot, tenants: &'a Tenants) -> Self {
        Self { snapshot, tenants }
    }

    /// Asks the grants in the target's namespace.
    pub(super) fn ask(&self, from: &Referrer<'_>, to: &Referent<'_>) -> Asked<'a> {
        let mut asked = Asked::default();
        for (key, grant) in self.within(&to.key.namespace) {
            if !self.permits(&grant.spec, from, to) {
                continue;
            }
            match ended(&grant.spec, self.snapshot.facts.ended) {
                None => asked.permitting.push(key),
                Some(at) if asked.ended.is_none_or(|other| other.at < at) => {
                    asked.ended = Some(Ended { grant: key, at })
                }
                Some(_) => {}
            }
        }
        asked
    }

    fn within(&self, namespace: &str) -> impl Iterator<Item = (&'a ObjectKey, &'a ShareGrant)> {
        let grants = &self.snapshot.share_grants;
        let first = (!grants.is_empty()).then(|| ObjectKey::new(namespace, ""));
        let within = first.into_iter().flat_map(move |first| {
            let namespace = std::sync::Arc::clone(&first.namespace);
            grants.range(first..).take_while(move |(key, _)| key.namespace == namespace)
        });
        within.map(|(key, grant)| (key, &**grant))
    }

    /// Whether it permits a reference, apart from its end.
    fn permits(&self, grant: &ShareGrantSpec, from: &Referrer<'_>, to: &Referent<'_>) -> bool {
        grant.from.iter().any(|entry| self.means_referrer(entry, from))
            && grant.to.iter().any(|entry| self.means_referent(entry, to))
            && is_sound(grant)
    }

    fn means_referrer(&self, entry: &ShareGrantFrom, from: &Referrer<'_>) -> bool {
        kind_named(&entry.group, &entry.kind) == Some(from.kind)
            && self.means_namespace(&entry.namespaces, from.namespace)
    }

    fn means_namespace(&self, granted: &GrantedNamespaces, namespace: &str) -> bool {
        let labelled = |selector| selector::selects(self.snapshot, selector, namespace);
        granted.names.iter().any(|name| name == namespace)
            || granted.selector.as_ref().is_some_and(labelled)
            || (!granted.tenants.is_empty() && self.is_of(&granted.tenants, namespace))
    }

    fn is_of(&self, tenants: &[String], namespace: &str) -> bool {
        let own = self.tenants.of(self.snapshot, namespace);
        own.is_some_and(|own| tenants.iter().any(|tenant| **tenant == *own))
    }

    fn means_referent(&self, entry: &ShareGrantTo, to: &Referent<'_>) -> bool {
        let named = entry.names.is_empty() || entry.names.iter().any(|name| **name == *to.key.name);
        let at_port = entry.ports.is_empty() || to.port.is_some_and(|port| entry.ports.contains(&port));
        kind_named(&entry.group, &entry.kind) == Some(to.kind)
            && named
            && at_port
            && entry.selector.as_ref().is_none_or(|selector| {
                let object = self.snapshot.get(&ObjectRef::new(to.kind, to.key.clone()));
                object.is_some_and(|object| selector::fits(selector, object.metadata().labels.as_ref()))
            })
    }
}

/// When it ended, if it has.
pub(super) fn ended(grant: &ShareGrantSpec, ended: Option<Timestamp>) -> Option<Timestamp> {
    let at = grant.expires.as_ref()?.0;
    ended.filter(|ended| at <= *ended).map(|_| at)
}

fn is_sound(grant: &ShareGrantSpec) -> bool {
    let selectors = grant.from.iter().filter_map(|from| from.namespaces.selector.as_ref());
    let mut selectors = selectors.chain(grant.to.iter().filter_map(|to| to.selector.as_ref()));
    selectors.all(|selector| selector::defect(selector).is_none())
        && !grant.to.iter().any(|to| contradicts(to).is_some())
}

/// What an entry of `to` says that cannot be meant.
fn contradicts(to: &ShareGrantTo) -> Option<&'static str> {
    if !to.names.is_empty() && to.selector.is_some() {
        return Some("has names and selector; give each an entry of its own");
    }
    let is_service = kind_named(&to.group, &to.kind) == Some(Kind::Service);
    (!is_service && !to.ports.is_empty()).then_some("only a Service has ports")
}

/// What is wrong with a grant. The API server refuses all of it; an object from before may still say it, and
/// then permits nothing: half of a grant is not what its owner meant.
pub(super) fn findings(grant: &ShareGrantSpec) -> Findings {
    let mut findings = Findings::default();
    let mut reject = |at: &Field<'_>, message: String| {
        findings.reject(Reason::UnsupportedValue, at, message, "mend it: until then the grant permits nothing");
    };
    for (index, from) in grant.from.iter().enumerate() {
        let at = Field::SPEC.item("from", index);
        let at = at.name("namespaces");
        if let Some(defect) = from.namespaces.selector.as_ref().and_then(selector::defect) {
            reject(&at.name("selector"), defect);
        }
    }
    for (index, to) in grant.to.iter().enumerate() {
        let at = Field::SPEC.item("to", index);
        if let Some(defect) = to.selector.as_ref().and_then(selector::defect) {
            reject(&at.name("selector"), defect);
        }
        if let Some(contradiction) = contradicts(to) {
            reject(&at, contradiction.to_owned());
        }
    }
    findings
}
