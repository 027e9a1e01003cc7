//! Which Secrets and ConfigMaps somebody refers to: only these are held.

use std::collections::BTreeSet;

use crate::api::gateway::listener::{FrontendTlsConfig, GatewaySpec, Listener};
use crate::api::gateway::shared::ObjectReference;
use crate::api::{Kind, ObjectKey, ObjectRef};
use crate::snapshot::{Object, Snapshot};

/// Kinds that refer to Secrets and ConfigMaps.
pub(super) const REFERRERS: [Kind; 4] =
    [Kind::Gateway, Kind::ListenerSet, Kind::BackendTlsPolicy, Kind::RateLimitPolicy];

/// What the objects of a snapshot refer to.
pub(super) fn by_all(snapshot: &Snapshot) -> BTreeSet<ObjectRef> {
    REFERRERS.iter().flat_map(|kind| snapshot.all(*kind)).flat_map(|object| by(&object)).collect()
}

/// What one object refers to.
pub(super) fn by(object: &Object) -> Vec<ObjectRef> {
    let namespace = object.reference().key.namespace;
    match object {
        Object::Gateway(gateway) => by_gateway(&namespace, &gateway.spec),
        Object::ListenerSet(set) => by_listeners(&namespace, &set.spec.listeners).collect(),
        Object::BackendTlsPolicy(policy) => {
            let references = policy.spec.validation.ca_certificate_refs.iter();
            references.filter_map(|r| target(&r.group, &r.kind, &namespace, &r.name)).collect()
        }
        Object::RateLimitPolicy(policy) => {
            policy.spec.key_sets().filter_map(|reference| reference.object(&namespace)).collect()
        }
        _ => Vec::new(),
    }
}

fn by_gateway(namespace: &str, spec: &GatewaySpec) -> Vec<ObjectRef> {
    let tls = spec.tls.as_ref();
    let backend = tls.and_then(|tls| tls.backend.as_ref()?.client_certificate_ref.as_ref());
    let frontend = tls.and_then(|tls| tls.frontend.as_ref());
    let configs = frontend
        .into_iter()
        .flat_map(|frontend| std::iter::once(&frontend.default).chain(frontend.per_port.iter().map(|port| &port.tls)));
    let trusted = configs.flat_map(|config: &FrontendTlsConfig| {
        config.validation.iter().flat_map(|validation| &validation.ca_certificate_refs)
    });
    by_listeners(namespace, &spec.listeners)
        .chain(backend.and_then(|reference| follow(namespace, reference, Kind::Secret)))
        .chain(trusted.filter_map(|reference| follow(namespace, reference, Kind::ConfigMap)))
        .collect()
}

fn by_listeners<'a>(namespace: &'a str, listeners: &'a [Listener]) -> impl Iterator<Item = ObjectRef> + 'a {
    let references =
        listeners.iter().filter_map(|listener| listener.tls.as_ref()).flat_map(|tls| &tls.certificate_refs);
    references.filter_map(move |reference| follow(namespace, reference, Kind::Secret))
}

fn follow(namespace: &str, reference: &ObjectReference, usual: Kind) -> Option<ObjectRef> {
    let group = reference.group.as_deref().unwrap_or_default();
    let kind = reference.kind.as_deref().unwrap_or(usual.as_str());
    target(group, kind, reference.namespace.as_deref().unwrap_or(namespace), &reference.name)
}

fn target(group: &str, kind: &str, namespace: &str, name: &str) -> Option<ObjectRef> {
    let known = [Kind::Secret, Kind::ConfigMap].into_iter().find(|known| known.as_str() == kind)?;
    let named = group.is_empty() && !namespace.is_empty() && !name.is_empty();
    named.then(|| ObjectRef::new(known, ObjectKey::new(namespace, name)))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn referred(kind: Kind, value: &Value) -> Vec<String> {
        let mut snapshot = Snapshot::default();
        snapshot.put(Object::from_json(kind, value).unwrap());
        by_all(&snapshot).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_gateway_refers_to_certificates_and_to_what_it_trusts() {
        let gateway = json!({"metadata": {"name": "a", "namespace": "edge"}, "spec": {
            "listeners": [
                {"name": "one", "tls": {"certificateRefs": [{"name": "own"}, {"name": "far", "namespace": "other"}]}},
                {"name": "two", "tls": {"certificateRefs": [{"group": "example.com", "kind": "Vault", "name": "x"}]}},
                {"name": "three"},
            ],
            "tls": {
                "backend": {"clientCertificateRef": {"name": "client"}},
                "frontend": {
                    "default": {"validation": {"caCertificateRefs": [{"kind": "ConfigMap", "name": "ca"}]}},
                    "perPort": [{"port": 443, "tls": {"validation": {"caCertificateRefs": [
                        {"kind": "Secret", "name": "ca"}]}}}],
                },
            },
        }});
        assert_eq!(
            referred(Kind::Gateway, &gateway),
            ["Secret edge/ca", "Secret edge/client", "Secret edge/own", "Secret other/far", "ConfigMap edge/ca",]
        );
    }

    #[test]
    fn a_listener_set_and_a_policy_refer_within_their_namespace() {
        let set = json!({"metadata": {"name": "a", "namespace": "team"}, "spec": {"parentRef": {"name": "g"},
            "listeners": [{"name": "one", "tls": {"certificateRefs": [{"name": "own"}]}}]}});
        assert_eq!(referred(Kind::ListenerSet, &set), ["Secret team/own"]);
        let policy = json!({"metadata": {"name": "a", "namespace": "team"}, "spec": {"targetRefs": [],
            "validation": {"hostname": "h", "caCertificateRefs": [{"group": "", "kind": "ConfigMap", "name": "ca"}]}}});
        assert_eq!(referred(Kind::BackendTlsPolicy, &policy), ["ConfigMap team/ca"]);
        let part = |keys: Value| json!({"type": "JWTClaim", "name": "sub", "jwt": {"keys": keys}});
        let limit = |key: Value| json!({"concurrency": 1, "scope": "Route", "counting": "Divide", "key": key});
        let policy = json!({"metadata": {"name": "a", "namespace": "team"}, "spec": {"targetRefs": [], "limits": {
            "a": limit(json!([{"type": "ClientIP"}, part(json!({"name": "tokens"}))])),
            "b": limit(json!([part(json!({"kind": "Secret", "name": "tokens"})), part(json!({"kind": "Vault", "name": "x"}))])),
        }}});
        assert_eq!(referred(Kind::RateLimitPolicy, &policy), ["Secret team/tokens", "ConfigMap team/tokens"]);
    }
}
