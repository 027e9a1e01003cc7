//! Grants: the one place that decides whether a reference may cross namespaces. It may when a ReferenceGrant
//! or a ShareGrant in the namespace of its target says so.

mod reference;
mod report;
mod share;

use jiff::Timestamp;

use super::tenant::Tenants;
use crate::api::{Kind, ObjectKey};
use crate::snapshot::Snapshot;

pub(crate) use report::report;

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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Referent<'a> {
    kind: Kind,
    key: &'a ObjectKey,
    port: Option<u16>,
}

impl<'a> Referent<'a> {
    /// A port of a Service.
    pub(crate) const fn service(key: &'a ObjectKey, port: Option<u16>) -> Self {
        Self { kind: Kind::Service, key, port }
    }

    /// A Secret.
    pub(crate) const fn secret(key: &'a ObjectKey) -> Self {
        Self { kind: Kind::Secret, key, port: None }
    }
}

/// Why a reference may not be followed, and what the owner of its target can do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Denied {
    pub(crate) message: String,
    pub(crate) remedy: String,
}

/// A ShareGrant that permitted something until it ended.
#[derive(Debug, Clone, Copy)]
struct Ended<'a> {
    grant: &'a ObjectKey,
    at: Timestamp,
}

/// Every grant of a snapshot.
#[derive(Debug)]
pub(crate) struct Grants<'a> {
    references: reference::Grants<'a>,
    shares: share::Grants<'a>,
}

impl<'a> Grants<'a> {
    /// Looks at the grants of a snapshot.
    pub(crate) fn new(snapshot: &'a Snapshot, tenants: &'a Tenants) -> Self {
        Self { references: reference::Grants::new(snapshot), shares: share::Grants::new(snapshot, tenants) }
    }

    /// Whether a reference may be followed. Inside one namespace always; across namespaces when a grant in the
    /// *target's* namespace says so. Names every ShareGrant that does.
    pub(crate) fn judge(&self, from: &Referrer<'_>, to: &Referent<'_>) -> Result<Vec<&'a ObjectKey>, Denied> {
        if *from.namespace == *to.key.namespace {
            return Ok(Vec::new());
        }
        let asked = self.shares.ask(from, to);
        if asked.permitting.is_empty() && !self.references.permit(from, to) {
            return Err(denied(from, to, asked.ended));
        }
        Ok(asked.permitting)
    }
}

fn denied(from: &Referrer<'_>, to: &Referent<'_>, ended: Option<Ended<'_>>) -> Denied {
    let (kind, key) = (to.kind, to.key);
    let message = format!("{kind} '{key}' may not be used from namespace '{}'", from.namespace);
    match ended {
        Some(Ended { grant, at }) => Denied {
            message: format!("{message}: ShareGrant '{grant}' permitted it until {at}"),
            remedy: format!("let ShareGrant '{}' in namespace '{}' end later", grant.name, grant.namespace),
        },
        None => Denied {
            message,
            remedy: format!(
                "create a ReferenceGrant in namespace '{}' that allows {} from '{}' to refer to {kind} '{}'",
                key.namespace, from.kind, from.namespace, key.name
            ),
        },
    }
}

fn kind_named(group: &str, kind: &str) -> Option<Kind> {
    Kind::ALL.into_iter().find(|known| known.as_str() == kind && known.group() == group)
}

#[cfg(test)]
mod tests;
