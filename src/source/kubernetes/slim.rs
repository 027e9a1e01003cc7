//! What is kept of an object: no more than somebody reads.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::event::{Content, Defect, Item};
use super::raw::Raw;
use crate::api::{Kind, ObjectKey};
use crate::snapshot::Object;
use crate::source::admit::is_own;
use crate::source::live::Seen;

/// Where the label is that objects of Paifang itself have.
const MANAGED_BY_LABEL: &str = "/labels/app.kubernetes.io~1managed-by";
/// Its value.
const MANAGED_BY: &str = "paifang";
/// Metadata that is kept.
const METADATA: [&str; 7] = ["name", "namespace", "uid", "generation", "creationTimestamp", "labels", "annotations"];

/// Reads an object as far as it is needed.
pub(super) fn item<const METADATA: bool>(kind: Kind, raw: Raw<METADATA>) -> Item {
    let Raw { meta, mut value } = raw;
    let key = ObjectKey::of(&meta);
    let version: Arc<str> = meta.resource_version.unwrap_or_default().into();
    let seen = is_noted(kind, &value).then(|| seen(&value, Arc::clone(&version)));
    if METADATA {
        return Item { key, version, seen, content: Content::Metadata };
    }
    slim(kind, &mut value);
    let content = match Object::from_json(kind, &value) {
        Ok(object) => Content::Object(object),
        Err(error) => {
            let field = error.path().to_string();
            // What stands in a Secret is nobody's business.
            let message = match kind {
                Kind::Secret => "cannot be read".to_owned(),
                _ => error.into_inner().to_string(),
            };
            Content::Malformed(Defect { field: if field == "." { String::new() } else { field }, message })
        }
    };
    Item { key, version, seen, content }
}

/// Whether somebody writes objects like this one back.
fn is_noted(kind: Kind, value: &Value) -> bool {
    match kind {
        Kind::GatewayClass
        | Kind::Gateway
        | Kind::ListenerSet
        | Kind::HttpRoute
        | Kind::GrpcRoute
        | Kind::TlsRoute
        | Kind::TcpRoute
        | Kind::UdpRoute
        | Kind::BackendTlsPolicy
        | Kind::Tenant
        | Kind::ShareGrant
        | Kind::RateLimitPolicy => true,
        Kind::Service | Kind::EndpointSlice => value.get("metadata").is_some_and(is_made_by_us),
        Kind::ReferenceGrant | Kind::GatewayParameters | Kind::Namespace | Kind::Secret | Kind::ConfigMap => false,
    }
}

/// Whether the metadata are those of something that Paifang made.
fn is_made_by_us(metadata: &Value) -> bool {
    metadata.pointer(MANAGED_BY_LABEL).is_some_and(|label| label == MANAGED_BY)
}

fn seen(value: &Value, resource_version: Arc<str>) -> Seen {
    let metadata = |field: &str| value.get("metadata").and_then(|metadata| metadata.get(field));
    let status = value.get("status").filter(|status| !status.is_null());
    Seen {
        uid: metadata("uid").and_then(Value::as_str).unwrap_or_default().into(),
        resource_version,
        generation: metadata("generation").and_then(Value::as_i64).unwrap_or_default(),
        status: status.and_then(|status| serde_json::value::to_raw_value(status).ok()).map(Arc::from),
    }
}

fn slim(kind: Kind, value: &mut Value) {
    let Some(fields) = value.as_object_mut() else { return };
    if let Some(metadata) = fields.get_mut("metadata") {
        // of what we made it must be known for whom; of Services of others, that they are not ours
        let owners = kind == Kind::Service || is_made_by_us(metadata);
        metadata.as_object_mut().into_iter().for_each(|metadata| slim_metadata(owners, metadata));
    }
    match kind {
        Kind::Service => slim_service(fields),
        Kind::EndpointSlice => slim_slice(fields),
        Kind::Namespace => fields.retain(|name, _| ["apiVersion", "kind", "metadata"].contains(&name.as_str())),
        Kind::Secret => {
            fields.retain(|name, _| ["apiVersion", "kind", "metadata", "data", "type"].contains(&name.as_str()));
        }
        _ => {
            fields.remove("status");
        }
    }
}

fn slim_metadata(owners: bool, metadata: &mut Map<String, Value>) {
    metadata.retain(|name, _| METADATA.contains(&name.as_str()) || (owners && name == "ownerReferences"));
    let emptied = metadata.get_mut("annotations").and_then(Value::as_object_mut).is_some_and(|annotations| {
        annotations.retain(|name, _| is_own(name));
        annotations.is_empty()
    });
    if emptied {
        metadata.remove("annotations");
    }
}

fn slim_service(fields: &mut Map<String, Value>) {
    if let Some(status) = fields.get_mut("status").and_then(Value::as_object_mut) {
        status.retain(|name, _| name == "loadBalancer");
    }
}

fn slim_slice(fields: &mut Map<String, Value>) {
    let endpoints = fields.get_mut("endpoints").and_then(Value::as_array_mut);
    for endpoint in endpoints.into_iter().flatten().filter_map(Value::as_object_mut) {
        endpoint.remove("deprecatedTopology");
        if let Some(target) = endpoint.get_mut("targetRef").and_then(Value::as_object_mut) {
            target.retain(|name, _| ["kind", "name", "namespace"].contains(&name.as_str()));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(kind: Kind, value: &Value) -> Item {
        item(kind, serde_json::from_str::<Raw<false>>(&value.to_string()).unwrap())
    }

    fn stored(kind: Kind, value: &Value) -> Value {
        let Content::Object(object) = read(kind, value).content else { panic!("an object") };
        let mut text = Vec::new();
        object.to_json(&mut text).unwrap();
        serde_json::from_slice(&text).unwrap()
    }

    #[test]
    fn only_metadata_that_means_something_is_kept() {
        let value = json!({"metadata": {
            "name": "a", "namespace": "b", "uid": "u", "generation": 3, "resourceVersion": "9",
            "creationTimestamp": "2026-01-02T03:04:05Z", "labels": {"l": "m"}, "managedFields": [{}],
            "annotations": {"paifang.dev/x": "y", "kubectl.kubernetes.io/last-applied-configuration": "{}"},
            "ownerReferences": [{"apiVersion": "v1", "kind": "X", "name": "x", "uid": "x"}], "finalizers": ["f"],
        }, "spec": {}, "status": {"parents": []}});
        assert_eq!(
            stored(Kind::HttpRoute, &value)["metadata"],
            json!({
                "name": "a", "namespace": "b", "uid": "u", "generation": 3, "labels": {"l": "m"},
                "creationTimestamp": "2026-01-02T03:04:05Z", "annotations": {"paifang.dev/x": "y"},
            })
        );
        assert_eq!(stored(Kind::HttpRoute, &value).get("status"), None);
        assert!(stored(Kind::Service, &value)["metadata"]["ownerReferences"].is_array());
    }

    #[test]
    fn status_and_version_are_noted_for_whoever_writes_statuses() {
        let value = json!({"metadata": {"name": "a", "namespace": "b", "uid": "u", "generation": 3,
            "resourceVersion": "9"}, "spec": {}, "status": {"parents": [{"controllerName": "other"}]}});
        let seen = read(Kind::HttpRoute, &value).seen.unwrap();
        assert_eq!((&*seen.uid, &*seen.resource_version, seen.generation), ("u", "9", 3));
        assert_eq!(seen.status.unwrap().get(), r#"{"parents":[{"controllerName":"other"}]}"#);
        assert!(read(Kind::ReferenceGrant, &value).seen.is_none());
    }

    /// Else each would look as if its owner had changed, and be written again and again.
    #[test]
    fn the_owners_of_our_own_slices_are_kept() {
        let kept = |labels: Value| {
            let owners = json!([{"apiVersion": "v1", "kind": "X", "name": "x", "uid": "x"}]);
            let metadata = json!({"name": "a", "labels": labels, "ownerReferences": owners});
            let slice = json!({"metadata": metadata, "addressType": "IPv4", "endpoints": []});
            stored(Kind::EndpointSlice, &slice)["metadata"]["ownerReferences"].is_array()
        };
        assert!(kept(json!({"app.kubernetes.io/managed-by": "paifang"})));
        assert!(!kept(json!({"app.kubernetes.io/managed-by": "other"})));
    }

    #[test]
    fn of_services_and_slices_only_our_own_are_noted() {
        for kind in [Kind::Service, Kind::EndpointSlice] {
            let ours = json!({"metadata": {"name": "a", "labels": {"app.kubernetes.io/managed-by": "paifang"}},
                "addressType": "IPv4", "endpoints": []});
            assert!(read(kind, &ours).seen.is_some());
            let other = json!({"metadata": {"name": "a", "labels": {"app.kubernetes.io/managed-by": "Helm"}},
                "addressType": "IPv4", "endpoints": []});
            assert!(read(kind, &other).seen.is_none());
        }
    }

    #[test]
    fn services_keep_their_addresses_and_slices_their_endpoints() {
        let service = json!({"metadata": {"name": "a"}, "spec": {}, "status": {
            "loadBalancer": {"ingress": [{"ip": "10.0.0.1"}]}, "conditions": []}});
        let kept = json!({"loadBalancer": {"ingress": [{"ip": "10.0.0.1"}]}});
        assert_eq!(stored(Kind::Service, &service)["status"], kept);
        let slice = json!({"metadata": {"name": "a"}, "addressType": "IPv4", "endpoints": [{
            "addresses": ["10.0.0.1"], "deprecatedTopology": {"a": "b"},
            "targetRef": {"kind": "Pod", "name": "p", "namespace": "n", "uid": "u", "resourceVersion": "1"}}]});
        assert_eq!(
            stored(Kind::EndpointSlice, &slice)["endpoints"],
            json!([{"addresses": ["10.0.0.1"],
            "targetRef": {"kind": "Pod", "name": "p", "namespace": "n"}}])
        );
    }

    #[test]
    fn namespaces_keep_labels_and_secrets_their_data() {
        let namespace = json!({"metadata": {"name": "a", "labels": {"l": "m"}}, "spec": {"finalizers": ["x"]},
            "status": {"phase": "Active"}});
        let stored_namespace = stored(Kind::Namespace, &namespace);
        assert_eq!(stored_namespace["metadata"]["labels"], json!({"l": "m"}));
        assert!(stored_namespace.get("spec").is_none() && stored_namespace.get("status").is_none());
        let secret = json!({"metadata": {"name": "a"}, "type": "Opaque", "data": {"k": "eA=="}, "immutable": true});
        let stored_secret = stored(Kind::Secret, &secret);
        assert_eq!((&stored_secret["data"], &stored_secret["type"]), (&json!({"k": "eA=="}), &json!("Opaque")));
        assert!(stored_secret.get("immutable").is_none());
    }

    #[test]
    fn a_malformed_object_says_which_field_and_a_secret_shows_nothing() {
        let value = json!({"metadata": {"name": "a", "labels": 7}, "spec": {"rules": []}});
        let Content::Malformed(defect) = read(Kind::HttpRoute, &value).content else { panic!("malformed") };
        assert_eq!(defect.field, "metadata.labels");
        let value = json!({"metadata": {"name": "a"}, "data": {"k": 4711}});
        let Content::Malformed(defect) = read(Kind::Secret, &value).content else { panic!("malformed") };
        assert!(!format!("{defect:?}").contains("4711"));
    }
}
