//! The endpoints of our own Service: the pods of Paifang.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;

use k8s_openapi::api::discovery::v1::{Endpoint, EndpointSlice};

use crate::api::ObjectKey;
use crate::snapshot::Snapshot;

/// The label that names the Service of an EndpointSlice.
pub(super) const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// The EndpointSlices of a Service.
pub(super) fn slices<'s>(
    snapshot: &'s Snapshot,
    namespace: &'s str,
    service: &'s str,
) -> impl Iterator<Item = &'s Arc<EndpointSlice>> {
    let from = ObjectKey::new(namespace, "");
    let all = snapshot.endpoint_slices.range((Bound::Included(from), Bound::Unbounded));
    let own = all.take_while(move |(key, _)| &*key.namespace == namespace).map(|(_, slice)| slice);
    own.filter(move |slice| label(slice, SERVICE_NAME) == Some(service))
}

/// How many pods of a Service take connections. A pod with addresses of two families counts once.
#[must_use]
pub fn live(snapshot: &Snapshot, namespace: &str, service: &str) -> usize {
    let endpoints = slices(snapshot, namespace, service).flat_map(|slice| slice.endpoints.iter().flatten());
    let pods = endpoints.filter_map(|endpoint| {
        let pod = endpoint.target_ref.as_ref()?.name.as_deref()?;
        is_ready(endpoint, pod).then_some(pod)
    });
    pods.collect::<BTreeSet<_>>().len()
}

/// Whether this is the endpoint of a pod that takes connections.
pub(super) fn is_ready(endpoint: &Endpoint, pod: &str) -> bool {
    let named = endpoint.target_ref.as_ref().is_some_and(|target| target.name.as_deref() == Some(pod));
    let ready = endpoint.conditions.as_ref().and_then(|conditions| conditions.ready);
    named && ready.unwrap_or(true)
}

/// A label of an EndpointSlice.
pub(super) fn label<'s>(slice: &'s EndpointSlice, name: &str) -> Option<&'s str> {
    slice.metadata.labels.as_ref()?.get(name).map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slice(name: &str, service: &str, pods: &[(&str, bool)]) -> (ObjectKey, Arc<EndpointSlice>) {
        let endpoints: Vec<_> = pods
            .iter()
            .map(|(pod, ready)| serde_json::json!({
                "addresses": ["10.0.0.1"], "conditions": { "ready": ready }, "targetRef": { "kind": "Pod", "name": pod },
            }))
            .collect();
        let slice = serde_json::json!({
            "metadata": { "name": name, "namespace": "edge", "labels": { SERVICE_NAME: service } },
            "addressType": "IPv4", "endpoints": endpoints, "ports": [],
        });
        (ObjectKey::new("edge", name), Arc::new(serde_json::from_value(slice).unwrap()))
    }

    #[test]
    fn pods_that_take_connections_are_counted_once() {
        let slices = [
            slice("a", "paifang", &[("one", true), ("two", false), ("three", true)]),
            slice("b", "paifang", &[("one", true)]),
            slice("c", "other", &[("four", true)]),
        ];
        let snapshot = Snapshot { endpoint_slices: slices.into_iter().collect(), ..Snapshot::default() };
        assert_eq!(live(&snapshot, "edge", "paifang"), 2);
        assert_eq!(live(&snapshot, "elsewhere", "paifang"), 0);
    }
}
