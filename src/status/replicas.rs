//! The endpoints of our own Service: the pods of Paifang.

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
