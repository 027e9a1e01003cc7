//! Helpers for the tests of this module: manifests in, statuses out.

use serde_json::{Value, json};

use super::Translation;
use crate::api::Kind;
use crate::api::gateway::CONTROLLER_NAME;
use crate::snapshot::{Object, Snapshot};

/// A snapshot of manifests; namespaces default to `default`.
pub(crate) fn snapshot(manifests: impl IntoIterator<Item = Value>) -> Snapshot {
    let mut snapshot = Snapshot::default();
    for mut manifest in manifests {
        let kind = Kind::ALL.into_iter().find(|kind| manifest["kind"] == kind.as_str()).unwrap();
        if !kind.is_cluster_scoped() && manifest["metadata"]["namespace"].is_null() {
            manifest["metadata"]["namespace"] = json!("default");
        }
        snapshot.put(Object::from_json(kind, &manifest).unwrap());
    }
    snapshot
}

/// Our class.
pub(crate) fn class() -> Value {
    json!({"kind": "GatewayClass", "metadata": {"name": "paifang"}, "spec": {"controllerName": CONTROLLER_NAME}})
}

/// A Gateway `default/gw` of our class, at generation 3.
pub(crate) fn gateway(listeners: Value) -> Value {
    json!({"kind": "Gateway", "metadata": {"name": "gw", "generation": 3},
        "spec": {"gatewayClassName": "paifang", "listeners": listeners}})
}

/// An HTTPRoute in `default` attached to `gw`, at generation 5, with further fields of `spec`.
pub(crate) fn route(name: &str, spec: Value) -> Value {
    let mut route = json!({"kind": "HTTPRoute", "metadata": {"name": name, "generation": 5},
        "spec": {"parentRefs": [{"name": "gw"}]}});
    for (field, value) in spec.as_object().unwrap() {
        route["spec"][field] = value.clone();
    }
    route
}

/// A Service with port 80.
pub(crate) fn service(namespace: &str, name: &str) -> Value {
    json!({"kind": "Service", "metadata": {"namespace": namespace, "name": name}, "spec": {"ports": [{"port": 80}]}})
}

/// A ReferenceGrant in `namespace`.
pub(crate) fn grant(namespace: &str, from: (&str, &str), to: (&str, Option<&str>)) -> Value {
    json!({"kind": "ReferenceGrant", "metadata": {"namespace": namespace, "name": format!("{}-{}", from.0, to.0)}, "spec": {
        "from": [{"group": "gateway.networking.k8s.io", "kind": from.0, "namespace": from.1}],
        "to": [{"group": "", "kind": to.0, "name": to.1}],
    }})
}

/// The status of an object named as `Gateway default/gw`, as JSON.
pub(crate) fn status_of(translation: &Translation, object: &str) -> Value {
    let found = translation.statuses.iter().find(|(known, _)| known.to_string() == object);
    serde_json::to_value(found.unwrap_or_else(|| panic!("no status of {object}")).1).unwrap()
}

/// Status, reason and observed generation of a condition; `Absent` when there is none.
pub(crate) fn condition<'a>(conditions: &'a Value, kind: &str) -> (&'a str, &'a str, i64) {
    let found = conditions.as_array().unwrap().iter().find(|condition| condition["type"] == kind);
    found.map_or(("Absent", "", 0), |it| {
        (it["status"].as_str().unwrap(), it["reason"].as_str().unwrap(), it["observedGeneration"].as_i64().unwrap())
    })
}

/// The rules of the first route of the first listener, as the IR dumps them.
pub(crate) fn rules(translation: &Translation) -> Value {
    serde_json::to_value(&translation.ir.listeners[0].routes.iter().next().unwrap().route.rules).unwrap()
}

/// Translates one route with Services `default/web` and `default/api` behind a plain listener.
pub(crate) fn translated(route: Value) -> Translation {
    let listeners = json!([{"name": "http", "port": 80, "protocol": "HTTP"}]);
    let services = [service("default", "web"), service("default", "api")];
    super::translate(&snapshot([class(), gateway(listeners), route].into_iter().chain(services)))
}

/// Status and reason of a condition of the route `default/r` at its first parent.
pub(crate) fn verdict(translation: &Translation, kind: &str) -> (String, String) {
    let found = translation.statuses.iter().find(|(known, _)| known.to_string().ends_with("Route default/r"));
    let status = serde_json::to_value(found.unwrap().1).unwrap();
    let (status, reason, _) = condition(&status["parents"][0]["conditions"], kind);
    (status.to_owned(), reason.to_owned())
}
