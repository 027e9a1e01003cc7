//! EndpointSlices of a Gateway's Service: mirrors of those of our own Service, with the Gateway's ports.

use std::hash::{BuildHasher, Hasher};

use k8s_openapi::api::discovery::v1::EndpointSlice;
use serde_json::{Value, json};

use super::service::{MANAGED_BY, owner_reference};
use crate::api::ObjectKey;
use crate::status::replicas::{SERVICE_NAME, label};
use crate::translate::GatewayService;

/// Who looks after an EndpointSlice; the controllers of Kubernetes leave it alone then.
const SLICE_MANAGED_BY: (&str, &str) = ("endpointslice.kubernetes.io/managed-by", "paifang.dev");

/// The mirror of a slice of our pods for a Service. One per slice, since a slice has one address family.
pub(super) fn mirror(source: &EndpointSlice, service: &ObjectKey, wanted: &GatewayService) -> (ObjectKey, Value) {
    let key = ObjectKey::new(&*service.namespace, name(source, &service.name));
    let ports = wanted.ports.iter();
    let ports: Vec<_> = ports.map(|it| json!({"name": it.name, "port": it.pod_port, "protocol": "TCP"})).collect();
    let body = json!({
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": &*key.name,
            "namespace": &*key.namespace,
            "labels": {SERVICE_NAME: &*service.name, MANAGED_BY.0: MANAGED_BY.1, SLICE_MANAGED_BY.0: SLICE_MANAGED_BY.1},
            "ownerReferences": [owner_reference(wanted)],
        },
        "addressType": source.address_type,
        "ports": ports,
        "endpoints": endpoints(source),
    });
    (key, body)
}

/// What tells where a pod is and whether it takes connections; hints and host names are about another Service.
fn endpoints(source: &EndpointSlice) -> Value {
    let endpoint = |it: &k8s_openapi::api::discovery::v1::Endpoint| {
        let mut kept = it.clone();
        kept.hints = None;
        kept.hostname = None;
        kept.deprecated_topology = None;
        serde_json::to_value(kept).unwrap_or_default()
    };
    Value::Array(source.endpoints.iter().flatten().map(endpoint).collect())
}

/// The name of the Service and a hash of the slice it mirrors. The hash is the same in every replica.
fn name(source: &EndpointSlice, service: &str) -> String {
    let mut hasher = foldhash::quality::FixedState::with_seed(0).build_hasher();
    for part in [source.metadata.namespace.as_deref(), source.metadata.name.as_deref(), Some(&source.address_type)] {
        hasher.write(part.unwrap_or_default().as_bytes());
        hasher.write_u8(0);
    }
    format!("{service}-{:08x}", hasher.finish() >> 32)
}

/// Whether an EndpointSlice was made by Paifang.
pub(super) fn is_ours(slice: &EndpointSlice) -> bool {
    [MANAGED_BY, SLICE_MANAGED_BY].into_iter().all(|(name, value)| label(slice, name) == Some(value))
}

/// Whether anything of ours is not as it should be. Labels that others add are theirs.
pub(super) fn differs(known: &EndpointSlice, wanted: &Value) -> bool {
    let there = serde_json::to_value(known).unwrap_or_default();
    let fields = ["addressType", "ports", "endpoints"];
    let labels = wanted.pointer("/metadata/labels").and_then(Value::as_object);
    let owners = |it: &Value| it.pointer("/metadata/ownerReferences/0/uid").cloned();
    // the API server may say nothing where we wrote an empty list
    let full = |it: Option<&Value>| it.filter(|it| it.as_array().is_none_or(|it| !it.is_empty())).cloned();
    fields.iter().any(|field| full(there.get(field)) != full(wanted.get(field)))
        || labels.into_iter().flatten().any(|(name, value)| label(known, name) != value.as_str())
        || owners(&there) != owners(wanted)
}
