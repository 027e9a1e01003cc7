//! ReferenceGrants.

use std::collections::HashSet;

use super::{Referent, Referrer, kind_named};
use crate::api::Kind;
use crate::snapshot::Snapshot;

/// One permission; without a name it covers every object of the kind.
type Permission<'a> = (Referrer<'a>, Kind, &'a str, Option<&'a str>);

/// Every ReferenceGrant of a snapshot, indexed.
#[derive(Debug, Default)]
pub(super) struct Grants<'a>(HashSet<Permission<'a>>);

impl<'a> Grants<'a> {
    /// Indexes the grants; entries of kinds we never refer with are left out.
    pub(super) fn new(snapshot: &'a Snapshot) -> Self {
        let mut permissions = HashSet::new();
        for (key, grant) in snapshot.reference_grants.iter() {
            for from in &grant.spec.from {
                let Some(kind) = kind_named(&from.group, &from.kind) else { continue };
                let referrer = Referrer { kind, namespace: &from.namespace };
                for to in &grant.spec.to {
                    let Some(kind) = kind_named(&to.group, &to.kind) else { continue };
                    // An empty name means every object, like an absent one.
                    let name = to.name.as_deref().filter(|name| !name.is_empty());
                    permissions.insert((referrer, kind, &*key.namespace, name));
                }
            }
        }
        Self(permissions)
    }

    /// Whether one of them permits a reference.
    pub(super) fn permit(&self, from: &Referrer<'_>, to: &Referent<'_>) -> bool {
        let (namespace, name) = (&*to.key.namespace, &*to.key.name);
        [None, Some(name)].into_iter().any(|name| self.0.contains(&(*from, to.kind, namespace, name)))
    }
}
