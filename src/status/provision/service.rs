//! The Service of a Gateway: what is ours in it is kept right, everything else is its owner's.
//!
//! It is read, changed and written with its resourceVersion. Which labels and annotations are ours stands
//! in [`OWNED`], so that one that is no longer wanted can be told from one that somebody else has set.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Service;
use serde_json::{Map, Value, json};

use crate::api::ObjectRef;
use crate::status::request::{Refused, Requests};
use crate::translate::GatewayService;

/// The annotation that names the labels and annotations that are ours.
const OWNED: &str = "paifang.dev/owned-metadata";
/// Everything that we make carries it.
pub(super) const MANAGED_BY: (&str, &str) = ("app.kubernetes.io/managed-by", "paifang");
const GATEWAY_NAME: &str = "gateway.networking.k8s.io/gateway-name";

/// Makes or mends a Service.
pub(super) async fn write(requests: &Requests, object: &ObjectRef, wanted: &GatewayService) -> Result<(), Refused> {
    let there = match requests.get(object).await {
        Ok(there) => there,
        Err(Refused::Gone) => return requests.create(object, &made(object, wanted)).await.map(|_| ()),
        Err(error) => return Err(error),
    };
    let known: Service = serde_json::from_value(there).map_err(|error| Refused::Failed(error.to_string()))?;
    if !is_ours(&known) || !is_owned_by(&known, &wanted.gateway_uid) || known.metadata.deletion_timestamp.is_some() {
        // The watch will show it, and then it is judged anew.
        return Err(Refused::Conflict);
    }
    let Some(mut patch) = change(&known, wanted) else { return Ok(()) };
    if let Some(metadata) = patch.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.insert("resourceVersion".to_owned(), known.metadata.resource_version.clone().into());
    }
    requests.patch(object, &patch).await.map(|_| ())
}

/// Whether a Service was made by Paifang: its label, the Gateway's, and a Gateway that owns it.
pub(super) fn is_ours(service: &Service) -> bool {
    let labels = service.metadata.labels.as_ref();
    let label = |name: &str| labels.and_then(|labels| labels.get(name)).map(String::as_str);
    label(MANAGED_BY.0) == Some(MANAGED_BY.1) && label(GATEWAY_NAME).is_some() && owner(service).is_some()
}

/// Whether the Gateway with this uid owns a Service.
pub(super) fn is_owned_by(service: &Service, gateway_uid: &str) -> bool {
    owner(service) == Some(gateway_uid)
}

fn owner(service: &Service) -> Option<&str> {
    let owners = service.metadata.owner_references.iter().flatten();
    let group = format!("{}/", crate::api::gateway::GROUP);
    let mut gateways = owners.filter(|it| it.controller == Some(true) && it.kind == "Gateway");
    gateways.find(|it| it.api_version.starts_with(&group)).map(|it| it.uid.as_str())
}

/// Whether anything of ours is not as it should be.
pub(super) fn differs(known: &Service, wanted: &GatewayService) -> bool {
    change(known, wanted).is_some()
}

/// A reference to the Gateway that owns what is made for it.
pub(super) fn owner_reference(wanted: &GatewayService) -> Value {
    json!({"apiVersion": format!("{}/v1", crate::api::gateway::GROUP), "kind": "Gateway",
        "name": &*wanted.gateway.name, "uid": wanted.gateway_uid, "controller": true, "blockOwnerDeletion": false})
}

/// A new Service. Its type and traffic policy are set this once; later they are its owner's to change.
fn made(object: &ObjectRef, wanted: &GatewayService) -> Value {
    let (mut labels, mut annotations) = (wanted.labels.clone(), wanted.annotations.clone());
    labels.insert(MANAGED_BY.0.to_owned(), MANAGED_BY.1.to_owned());
    labels.insert(GATEWAY_NAME.to_owned(), gateway_label(wanted));
    annotations.insert(OWNED.to_owned(), owned(wanted));
    let mut spec = json!({"type": wanted.kind, "ports": ports(&[], wanted)});
    if let Some(spec) = spec.as_object_mut() {
        // the API server takes no policy for Services that nothing outside reaches
        if wanted.kind != "ClusterIP" {
            spec.insert("externalTrafficPolicy".to_owned(), wanted.traffic_policy.into());
        }
        if let Some(address) = wanted.load_balancer_ip.filter(|_| wanted.kind == "LoadBalancer") {
            spec.insert("loadBalancerIP".to_owned(), address.to_string().into());
        }
    }
    json!({"apiVersion": "v1", "kind": "Service", "spec": spec, "metadata": {
        "name": &*object.key.name, "namespace": &*object.key.namespace, "labels": labels,
        "annotations": annotations, "ownerReferences": [owner_reference(wanted)]}})
}

/// Without this label a Service would not be known as ours again; a name that is too long for a label
/// value comes shortened from the translation.
fn gateway_label(wanted: &GatewayService) -> String {
    let short = || wanted.gateway.name.chars().take(63).collect::<String>();
    wanted.labels.get(GATEWAY_NAME).cloned().unwrap_or_else(|| short().trim_end_matches(['-', '.']).to_owned())
}

/// The merge patch that puts right what is ours, if anything is wrong.
fn change(known: &Service, wanted: &GatewayService) -> Option<Value> {
    let there = known.metadata.annotations.clone().unwrap_or_default();
    let owned_before = there.get(OWNED).and_then(|text| serde_json::from_str::<Owned>(text).ok()).unwrap_or_default();
    let labels = texts(known.metadata.labels.as_ref(), &wanted.labels, &owned_before.labels);
    let mut annotations = texts(Some(&there), &wanted.annotations, &owned_before.annotations);
    let owned = owned(wanted);
    if there.get(OWNED) != Some(&owned) {
        annotations.insert(OWNED.to_owned(), owned.into());
    }
    let spec = spec(known, wanted);
    if labels.is_empty() && annotations.is_empty() && spec.is_empty() {
        return None;
    }
    Some(json!({"metadata": {"labels": labels, "annotations": annotations}, "spec": spec}))
}

fn spec(known: &Service, wanted: &GatewayService) -> Map<String, Value> {
    let spec = known.spec.clone().unwrap_or_default();
    let mut change = Map::new();
    let there = serde_json::to_value(spec.ports.unwrap_or_default()).unwrap_or_default();
    let there = there.as_array().map_or(&[][..], Vec::as_slice);
    let ports = ports(there, wanted);
    if ports != there {
        change.insert("ports".to_owned(), Value::Array(ports));
    }
    let address = wanted.load_balancer_ip.map(|address| address.to_string());
    // on other types the API server may drop it, and it would be written for ever
    let balanced = spec.type_.as_deref() == Some("LoadBalancer");
    if balanced && address.is_some() && spec.load_balancer_ip != address {
        change.insert("loadBalancerIP".to_owned(), address.into());
    }
    change
}

/// The ports that are wanted. One that is there keeps what else it says, such as its node port.
fn ports(there: &[Value], wanted: &GatewayService) -> Vec<Value> {
    let port = |wanted: &crate::translate::ServicePort| {
        let is_tcp = |it: &Value| it.get("protocol").is_none_or(|protocol| protocol == "TCP");
        let same = |it: &&Value| it.get("port") == Some(&wanted.port.into()) && is_tcp(it);
        let mut port = there.iter().find(same).and_then(Value::as_object).cloned().unwrap_or_default();
        port.insert("name".to_owned(), wanted.name.clone().into());
        port.insert("port".to_owned(), wanted.port.into());
        port.insert("targetPort".to_owned(), wanted.pod_port.into());
        port.insert("protocol".to_owned(), "TCP".into());
        Value::Object(port)
    };
    wanted.ports.iter().map(port).collect()
}

/// What to set among labels or annotations, and, as null, what to remove.
fn texts(
    there: Option<&BTreeMap<String, String>>,
    wanted: &BTreeMap<String, String>,
    owned_before: &[String],
) -> Map<String, Value> {
    let there = |name: &str| there.and_then(|there| there.get(name));
    let mut change: Map<String, Value> = wanted
        .iter()
        .filter(|(name, value)| there(name) != Some(value))
        .map(|(name, value)| (name.clone(), value.clone().into()))
        .collect();
    let gone = owned_before.iter().filter(|name| !wanted.contains_key(*name) && there(name).is_some());
    change.extend(gone.map(|name| (name.clone(), Value::Null)));
    change
}

#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
struct Owned {
    labels: Vec<String>,
    annotations: Vec<String>,
}

fn owned(wanted: &GatewayService) -> String {
    let names = |texts: &BTreeMap<String, String>| texts.keys().cloned().collect();
    let owned = Owned { labels: names(&wanted.labels), annotations: names(&wanted.annotations) };
    serde_json::to_string(&owned).unwrap_or_default()
}
