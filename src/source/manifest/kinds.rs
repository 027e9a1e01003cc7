//! Which kinds and versions are served, and what is said about the others.

use crate::api::{Kind, gateway, policy};
use crate::source::finding::Level;

/// What an apiVersion and a kind are to us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Recognised {
    /// Read; `api_version` is the current one.
    Served {
        /// The kind.
        kind: Kind,
        /// What the object is stored as.
        api_version: &'static str,
    },
    /// Read, but its version will go away.
    Deprecated {
        /// The kind.
        kind: Kind,
        /// What should be written.
        api_version: &'static str,
    },
    /// Not read.
    NotServed {
        /// How much that matters.
        level: Level,
        /// The field that decides.
        field: &'static str,
        /// What is said.
        message: String,
        /// And advised.
        remedy: String,
    },
}

/// Groups whose objects run beside a gateway and mean nothing to it.
const NEIGHBOURS: [&str; 9] = [
    "",
    "apps",
    "autoscaling",
    "batch",
    "policy",
    "rbac.authorization.k8s.io",
    "storage.k8s.io",
    "apiextensions.k8s.io",
    "admissionregistration.k8s.io",
];

/// Recognises a kind by its apiVersion and name.
pub(super) fn recognise(api_version: &str, kind: &str) -> Recognised {
    if api_version.is_empty() || kind.is_empty() {
        let field = if kind.is_empty() { "kind" } else { "apiVersion" };
        let remedy = format!("every object needs '{field}'");
        return not_served(Level::Error, field, "is required".to_owned(), remedy);
    }
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let Some(known) = Kind::ALL.into_iter().find(|known| known.as_str() == kind && known.group() == group) else {
        return unknown(group, api_version, kind);
    };
    let current = current_version(known);
    match (known, version) {
        _ if known.group() == policy::GROUP && version == policy::VERSION => {
            Recognised::Served { kind: known, api_version: current }
        }
        _ if known.group() == policy::GROUP => no_such_version(kind, version, current),
        (Kind::GatewayClass | Kind::Gateway | Kind::HttpRoute | Kind::ReferenceGrant, "v1" | "v1beta1") | (_, "v1") => {
            Recognised::Served { kind: known, api_version: current }
        }
        (Kind::TlsRoute, "v1alpha2" | "v1alpha3")
        | (Kind::TcpRoute | Kind::UdpRoute, "v1alpha2")
        | (Kind::BackendTlsPolicy, "v1alpha3") => Recognised::Deprecated { kind: known, api_version: current },
        _ => no_such_version(kind, version, current),
    }
}

fn no_such_version(kind: &str, version: &str, current: &str) -> Recognised {
    let message = format!("{kind} has no version '{version}'");
    not_served(Level::Error, "apiVersion", message, format!("write {current}"))
}

/// What is said about an object that is read and checked but has no effect yet.
pub(super) fn unserved(kind: Kind) -> Option<(String, &'static str)> {
    let remedy = match kind {
        Kind::BackendTlsPolicy => "connections to its backends are NOT encrypted",
        Kind::ListenerSet => "write its listeners into the Gateway",
        Kind::TlsRoute | Kind::TcpRoute | Kind::UdpRoute => "HTTPRoute and GRPCRoute are served",
        Kind::ShareGrant => "write a ReferenceGrant",
        _ => return None,
    };
    Some((format!("{} is checked but not served yet", kind.as_str()), remedy))
}

const fn current_version(kind: Kind) -> &'static str {
    match kind {
        Kind::Namespace | Kind::Service | Kind::Secret | Kind::ConfigMap => "v1",
        Kind::EndpointSlice => "discovery.k8s.io/v1",
        Kind::Tenant | Kind::ShareGrant | Kind::RateLimitPolicy | Kind::GatewayParameters => "paifang.dev/v1alpha1",
        // The storage version upstream, and that of our type.
        Kind::ReferenceGrant => "gateway.networking.k8s.io/v1beta1",
        _ => "gateway.networking.k8s.io/v1",
    }
}

fn unknown(group: &str, api_version: &str, kind: &str) -> Recognised {
    if let Some(meant) = Kind::ALL.into_iter().find(|known| known.as_str() == kind) {
        let current = current_version(meant);
        let message = format!("{kind} is no kind of group '{group}'");
        return not_served(Level::Error, "apiVersion", message, format!("write {current}"));
    }
    let name = format!("{kind} ({api_version})");
    if group == "networking.k8s.io" && kind.starts_with("Ingress") {
        let remedy = "write a Gateway and an HTTPRoute";
        return not_served(Level::Warning, "kind", format!("{name} is not served yet"), remedy.to_owned());
    }
    if group == "gateway.networking.x-k8s.io" {
        return not_served(Level::Warning, "kind", format!("{name} is not served yet"), String::new());
    }
    if NEIGHBOURS.contains(&group) || group == "networking.k8s.io" {
        return not_served(
            Level::Note,
            "kind",
            format!("{name} means nothing to a gateway and is ignored"),
            String::new(),
        );
    }
    let remedy = nearest(group, kind).map_or_else(String::new, |near| format!("did you mean '{near}'?"));
    not_served(Level::Warning, "kind", format!("{name} is unknown and ignored"), remedy)
}

/// A known kind that is spelt almost like this, for groups of the Gateway API and our own.
fn nearest(group: &str, kind: &str) -> Option<&'static str> {
    if ![gateway::GROUP, policy::GROUP].contains(&group) {
        return None;
    }
    let likeness =
        |known: &Kind| strsim::normalized_damerau_levenshtein(&known.as_str().to_lowercase(), &kind.to_lowercase());
    let near = Kind::ALL
        .into_iter()
        .filter(|known| known.group() == group)
        .max_by(|a, b| likeness(a).total_cmp(&likeness(b)))?;
    (likeness(&near) >= 0.7).then_some(near.as_str())
}

fn not_served(level: Level, field: &'static str, message: String, remedy: String) -> Recognised {
    Recognised::NotServed { level, field, message, remedy }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn level(api_version: &str, kind: &str) -> Option<Level> {
        match recognise(api_version, kind) {
            Recognised::NotServed { level, .. } => Some(level),
            _ => None,
        }
    }

    #[test]
    fn every_kind_is_read_in_its_current_version() {
        for kind in Kind::ALL {
            let api_version = current_version(kind);
            assert_eq!(recognise(api_version, kind.as_str()), Recognised::Served { kind, api_version });
        }
    }

    #[test]
    fn what_has_no_effect_yet_says_so() {
        let unserved = Kind::ALL.into_iter().filter(|kind| unserved(*kind).is_some());
        let silent = [
            Kind::TlsRoute,
            Kind::TcpRoute,
            Kind::UdpRoute,
            Kind::ListenerSet,
            Kind::BackendTlsPolicy,
            Kind::ShareGrant,
        ];
        assert_eq!(unserved.collect::<HashSet<_>>(), HashSet::from(silent));
    }

    #[test]
    fn older_served_versions_are_read_as_the_current_one() {
        for kind in [Kind::GatewayClass, Kind::Gateway, Kind::HttpRoute] {
            let api_version = "gateway.networking.k8s.io/v1";
            let recognised = recognise("gateway.networking.k8s.io/v1beta1", kind.as_str());
            assert_eq!(recognised, Recognised::Served { kind, api_version });
        }
        assert!(matches!(recognise("gateway.networking.k8s.io/v1", "ReferenceGrant"), Recognised::Served { .. }));
        assert!(matches!(recognise("gateway.networking.k8s.io/v1alpha2", "TLSRoute"), Recognised::Deprecated { .. }));
        assert_eq!(level("gateway.networking.k8s.io/v1alpha2", "HTTPRoute"), Some(Level::Error));
        assert_eq!(level("gateway.networking.k8s.io/v1beta1", "GRPCRoute"), Some(Level::Error));
        assert_eq!(level("paifang.dev/v1", "Tenant"), Some(Level::Error));
    }

    #[test]
    fn other_kinds_are_named_by_how_much_they_matter() {
        assert_eq!(level("networking.k8s.io/v1", "Ingress"), Some(Level::Warning));
        assert_eq!(level("apps/v1", "Deployment"), Some(Level::Note));
        assert_eq!(level("v1", "Pod"), Some(Level::Note));
        assert_eq!(level("example.com/v1", "Thing"), Some(Level::Warning));
        assert_eq!(level("gateway.networking.x-k8s.io/v1alpha1", "XBackend"), Some(Level::Warning));
        assert_eq!(level("networking.k8s.io/v1", "HTTPRoute"), Some(Level::Error), "the group is wrong");
        assert_eq!(level("", "Service"), Some(Level::Error));
        let Recognised::NotServed { remedy, .. } = recognise("gateway.networking.k8s.io/v1", "HttpRoutes") else {
            panic!("there is no such kind")
        };
        assert_eq!(remedy, "did you mean 'HTTPRoute'?");
    }
}
