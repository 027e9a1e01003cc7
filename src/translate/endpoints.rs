//! Endpoints of backends, from EndpointSlices.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointSlice};

use crate::api::ObjectKey;
use crate::ir::BackendKey;
use crate::snapshot::{Objects, Snapshot, differences};

/// The label by which a slice names its Service.
const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// The EndpointSlices by Service. It follows snapshot after snapshot, at the cost of what changed.
#[derive(Debug, Default)]
pub struct EndpointIndex {
    services: Objects<Service>,
    slices: Objects<EndpointSlice>,
    by_service: HashMap<ObjectKey, BTreeMap<ObjectKey, Arc<EndpointSlice>>>,
}

impl EndpointIndex {
    /// Takes over a snapshot; returns the Services whose endpoints may now be others.
    pub fn update(&mut self, snapshot: &Snapshot) -> HashSet<ObjectKey> {
        let mut changed: HashSet<ObjectKey> = differences(&self.services, &snapshot.services).cloned().collect();
        for key in differences(&self.slices, &snapshot.endpoint_slices) {
            if let Some(service) = self.slices.get(key).and_then(|slice| service_of(key, slice)) {
                self.by_service.entry(service.clone()).and_modify(|slices| drop(slices.remove(key)));
                changed.insert(service);
            }
            if let Some(slice) = snapshot.endpoint_slices.get(key)
                && let Some(service) = service_of(key, slice)
            {
                self.by_service.entry(service.clone()).or_default().insert(key.clone(), Arc::clone(slice));
                changed.insert(service);
            }
        }
        for service in &changed {
            if self.by_service.get(service).is_some_and(BTreeMap::is_empty) {
                self.by_service.remove(service);
            }
        }
        self.services = snapshot.services.clone();
        self.slices = snapshot.endpoint_slices.clone();
        changed
    }

    /// The addresses of a backend that take requests, sorted, each once.
    ///
    /// Ready endpoints; if there is none, those that terminate and still serve, because a
    /// request that may succeed is better than one that cannot.
    #[must_use]
    pub fn resolve(&self, backend: &BackendKey) -> Vec<SocketAddr> {
        let key = backend.service();
        let Some(service) = self.services.get(&key) else { return Vec::new() };
        let Some(port_name) = port_name(service, backend.port) else { return Vec::new() };
        let Some(slices) = self.by_service.get(&key) else { return Vec::new() };
        let mut found = collect(slices.values(), port_name, is_ready);
        if found.is_empty() {
            found = collect(slices.values(), port_name, is_serving);
        }
        prefer_family(&mut found, service);
        found.sort_unstable();
        found.dedup();
        found
    }
}

/// The Service that a slice belongs to.
fn service_of(key: &ObjectKey, slice: &EndpointSlice) -> Option<ObjectKey> {
    let name = slice.metadata.labels.as_ref()?.get(SERVICE_NAME)?;
    Some(ObjectKey::new(Arc::clone(&key.namespace), name.as_str()))
}

/// The addresses of one backend; see [`EndpointIndex::resolve`].
#[must_use]
pub fn endpoints(snapshot: &Snapshot, key: &BackendKey) -> Vec<SocketAddr> {
    let mut index = EndpointIndex::default();
    index.update(snapshot);
    index.resolve(key)
}

/// Slices name ports as the Service does; an unnamed port is the empty name.
fn port_name(service: &Service, port: u16) -> Option<&str> {
    let ports = service.spec.as_ref()?.ports.as_deref()?;
    let tcp = ports.iter().filter(|candidate| candidate.protocol.as_deref().unwrap_or("TCP") == "TCP");
    let port = tcp.into_iter().find(|candidate| candidate.port == i32::from(port))?;
    Some(port.name.as_deref().unwrap_or_default())
}

fn collect<'a>(
    slices: impl Iterator<Item = &'a Arc<EndpointSlice>>,
    port_name: &str,
    takes: fn(&Endpoint) -> bool,
) -> Vec<SocketAddr> {
    let mut found = Vec::new();
    for slice in slices.filter(|slice| matches!(slice.address_type.as_str(), "IPv4" | "IPv6")) {
        let ports = slice.ports.iter().flatten().filter(|port| {
            port.name.as_deref().unwrap_or_default() == port_name && port.protocol.as_deref().unwrap_or("TCP") == "TCP"
        });
        for port in ports.filter_map(|port| u16::try_from(port.port?).ok().filter(|port| *port > 0)) {
            let endpoints = slice.endpoints.iter().flatten().filter(|endpoint| takes(endpoint));
            let addresses = endpoints.flat_map(|endpoint| &endpoint.addresses);
            found.extend(addresses.filter_map(|text| Some(SocketAddr::new(text.parse::<IpAddr>().ok()?, port))));
        }
    }
    found
}

fn is_ready(endpoint: &Endpoint) -> bool {
    endpoint.conditions.as_ref().and_then(|conditions| conditions.ready).unwrap_or(true)
}

/// Nobody says whether it serves: then it does only if it is ready.
fn is_serving(endpoint: &Endpoint) -> bool {
    let conditions = endpoint.conditions.as_ref();
    let terminating = conditions.and_then(|conditions| conditions.terminating).unwrap_or(false);
    terminating && conditions.and_then(|conditions| conditions.serving).unwrap_or(false)
}

/// A dual-stack Service lists every pod twice: keep the family it names first, if it has any.
fn prefer_family(found: &mut Vec<SocketAddr>, service: &Service) {
    let families = service.spec.as_ref().and_then(|spec| spec.ip_families.as_ref());
    let wants_v6 = match families.and_then(|families| families.first()).map(String::as_str) {
        Some("IPv4") => false,
        Some("IPv6") => true,
        _ => return,
    };
    if found.iter().any(|address| address.is_ipv6() == wants_v6) {
        found.retain(|address| address.is_ipv6() == wants_v6);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::ir::BackendProtocol;
    use crate::translate::testing::snapshot;

    fn service(spec: Value) -> Value {
        json!({"kind": "Service", "metadata": {"name": "web"}, "spec": spec})
    }

    fn slice(name: &str, ports: Value, endpoints: Value) -> Value {
        let family = if endpoints.to_string().contains("::") { "IPv6" } else { "IPv4" };
        json!({"kind": "EndpointSlice", "metadata": {"name": name, "labels": {SERVICE_NAME: "web"}},
            "addressType": family, "ports": ports, "endpoints": endpoints})
    }

    fn resolved(manifests: impl IntoIterator<Item = Value>) -> Vec<String> {
        let key = BackendKey {
            namespace: "default".into(),
            service: "web".into(),
            port: 80,
            protocol: BackendProtocol::Http1,
        };
        endpoints(&snapshot(manifests), &key).iter().map(ToString::to_string).collect()
    }

    /// Conformance: HTTPRouteServiceTypes.
    #[test]
    fn ports_are_found_by_name_whatever_their_number() {
        let found = resolved([
            service(
                json!({"clusterIP": "None", "ports": [{"name": "first", "port": 80}, {"name": "second", "port": 81}]}),
            ),
            slice(
                "a",
                json!([{"name": "second", "port": 4000}, {"name": "first", "port": 3000}]),
                json!([{"addresses": ["10.0.0.2"]}]),
            ),
            slice(
                "b",
                json!([{"name": "first", "port": 3001}]),
                json!([{"addresses": ["10.0.0.1"]}, {"addresses": ["10.0.0.1"]}]),
            ),
        ]);
        assert_eq!(found, ["10.0.0.1:3001", "10.0.0.2:3000"]);
    }

    #[test]
    fn an_unnamed_port_matches_unnamed_ports_only() {
        let found = resolved([
            service(json!({"ports": [{"port": 80}]})),
            slice("a", json!([{"name": "", "port": 3000}]), json!([{"addresses": ["10.0.0.1"]}])),
            slice("b", json!([{"name": "other", "port": 3000}]), json!([{"addresses": ["10.0.0.2"]}])),
            slice("c", json!([{"port": 70000}]), json!([{"addresses": ["10.0.0.3", "nonsense"]}])),
        ]);
        assert_eq!(found, ["10.0.0.1:3000"]);
    }

    #[test]
    fn terminating_endpoints_serve_only_when_nobody_is_ready() {
        let port = json!([{"port": 3000}]);
        let leaving =
            json!({"addresses": ["10.0.0.1"], "conditions": {"ready": false, "serving": true, "terminating": true}});
        let broken = json!({"addresses": ["10.0.0.2"], "conditions": {"ready": false, "serving": false}});
        let ready = json!({"addresses": ["10.0.0.3"], "conditions": {"ready": true}});
        let ports = json!({"ports": [{"port": 80}]});
        let all = [service(ports.clone()), slice("a", port.clone(), json!([leaving, broken, ready]))];
        assert_eq!(resolved(all), ["10.0.0.3:3000"]);
        assert_eq!(resolved([service(ports), slice("a", port, json!([leaving, broken]))]), ["10.0.0.1:3000"]);
    }

    #[test]
    fn a_dual_stack_service_lists_each_pod_once() {
        let slices = || {
            [
                slice("a", json!([{"port": 3000}]), json!([{"addresses": ["10.0.0.1"]}])),
                slice("b", json!([{"port": 3000}]), json!([{"addresses": ["fd00::1"]}])),
            ]
        };
        let world = |spec| [service(spec)].into_iter().chain(slices());
        assert_eq!(
            resolved(world(json!({"ports": [{"port": 80}], "ipFamilies": ["IPv6", "IPv4"]}))),
            ["[fd00::1]:3000"]
        );
        assert_eq!(resolved(world(json!({"ports": [{"port": 80}]}))).len(), 2, "nobody says which family counts");
    }

    #[test]
    fn an_index_follows_what_changes_and_names_the_services() {
        let ports = json!({"ports": [{"port": 80}]});
        let made = |address: &str| slice("a", json!([{"port": 3000}]), json!([{"addresses": [address]}]));
        let key = BackendKey {
            namespace: "default".into(),
            service: "web".into(),
            port: 80,
            protocol: BackendProtocol::Http1,
        };
        let mut index = EndpointIndex::default();
        let mut world = snapshot([service(ports), made("10.0.0.1")]);
        assert_eq!(index.update(&world), HashSet::from([key.service()]));
        assert_eq!(index.update(&world), HashSet::new(), "nothing changed");
        world.endpoint_slices = snapshot([made("10.0.0.2")]).endpoint_slices;
        assert_eq!(index.update(&world), HashSet::from([key.service()]));
        assert_eq!(index.resolve(&key), ["10.0.0.2:3000".parse().unwrap()]);
        world.endpoint_slices = snapshot([service(json!({}))]).endpoint_slices;
        assert_eq!(index.update(&world), HashSet::from([key.service()]));
        assert!(index.resolve(&key).is_empty() && index.by_service.is_empty());
    }

    #[test]
    fn what_does_not_exist_has_no_endpoints() {
        assert!(resolved([]).is_empty());
        assert!(resolved([service(json!({"ports": [{"port": 81}]}))]).is_empty());
    }
}
