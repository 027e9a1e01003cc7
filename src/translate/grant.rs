//! ReferenceGrants: the one place that decides whether a reference may cross namespaces.

use std::collections::HashSet;

use crate::api::Kind;
use crate::snapshot::Snapshot;

/// Who refers. Built by constructors so that the two sides cannot be swapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Referrer<'a> {
    kind: Kind,
    namespace: &'a str,
}

impl<'a> Referrer<'a> {
    /// A route of some kind.
    pub(crate) const fn route(kind: Kind, namespace: &'a str) -> Self {
        Self { kind, namespace }
    }

    /// A Gateway.
    pub(crate) const fn gateway(namespace: &'a str) -> Self {
        Self { kind: Kind::Gateway, namespace }
    }

    /// The namespace that references without one mean.
    pub(crate) const fn namespace(&self) -> &'a str {
        self.namespace
    }
}

/// What is referred to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Referent<'a> {
    kind: Kind,
    namespace: &'a str,
    name: &'a str,
}

impl<'a> Referent<'a> {
    /// A Service.
    pub(crate) const fn service(namespace: &'a str, name: &'a str) -> Self {
        Self { kind: Kind::Service, namespace, name }
    }

    /// A Secret.
    pub(crate) const fn secret(namespace: &'a str, name: &'a str) -> Self {
        Self { kind: Kind::Secret, namespace, name }
    }
}

/// One permission; without a name it covers every object of the kind.
type Permission<'a> = (Referrer<'a>, Kind, &'a str, Option<&'a str>);

/// Every ReferenceGrant of a snapshot, indexed.
#[derive(Debug, Default)]
pub(crate) struct Grants<'a>(HashSet<Permission<'a>>);

impl<'a> Grants<'a> {
    /// Indexes the grants; entries of kinds we never refer with are left out.
    pub(crate) fn new(snapshot: &'a Snapshot) -> Self {
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

    /// Whether the reference may be followed. Inside one namespace always; across namespaces
    /// when a grant in the *target's* namespace says so.
    pub(crate) fn permits(&self, from: &Referrer<'a>, to: &Referent<'a>) -> bool {
        from.namespace == to.namespace
            || self.0.contains(&(*from, to.kind, to.namespace, None))
            || self.0.contains(&(*from, to.kind, to.namespace, Some(to.name)))
    }
}

/// What the owner of the target can do to permit a reference.
pub(crate) fn remedy(from: &Referrer<'_>, to: &Referent<'_>) -> String {
    format!(
        "create a ReferenceGrant in namespace '{}' that allows {} from '{}' to refer to {} '{}'",
        to.namespace, from.kind, from.namespace, to.kind, to.name
    )
}

fn kind_named(group: &str, kind: &str) -> Option<Kind> {
    Kind::ALL.into_iter().find(|known| known.as_str() == kind && known.group() == group)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::translate::testing::{grant, snapshot};

    #[test]
    fn references_inside_a_namespace_need_no_grant() {
        let world = snapshot([]);
        let grants = Grants::new(&world);
        assert!(grants.permits(&Referrer::route(Kind::HttpRoute, "a"), &Referent::service("a", "web")));
        assert!(!grants.permits(&Referrer::route(Kind::HttpRoute, "a"), &Referent::service("b", "web")));
    }

    #[test]
    fn a_grant_permits_exactly_what_it_names() {
        let world = snapshot([grant("b", ("HTTPRoute", "a"), ("Service", Some("web")))]);
        let grants = Grants::new(&world);
        let from = Referrer::route(Kind::HttpRoute, "a");
        assert!(grants.permits(&from, &Referent::service("b", "web")));
        assert!(!grants.permits(&from, &Referent::service("b", "other")), "another name");
        assert!(!grants.permits(&from, &Referent::secret("b", "web")), "another kind");
        assert!(!grants.permits(&from, &Referent::service("c", "web")), "a grant counts only in its own namespace");
        assert!(!grants.permits(&Referrer::route(Kind::GrpcRoute, "a"), &Referent::service("b", "web")));
        assert!(!grants.permits(&Referrer::route(Kind::HttpRoute, "z"), &Referent::service("b", "web")));
    }

    /// Conformance: GatewaySecretReferenceGrantAllInNamespace.
    #[test]
    fn a_grant_without_a_name_covers_every_object_of_the_kind() {
        let world = snapshot([grant("b", ("Gateway", "a"), ("Secret", None))]);
        let grants = Grants::new(&world);
        assert!(grants.permits(&Referrer::gateway("a"), &Referent::secret("b", "any")));
        assert!(!grants.permits(&Referrer::gateway("a"), &Referent::service("b", "any")));
    }
}
