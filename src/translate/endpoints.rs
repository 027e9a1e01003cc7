//! Endpoints of backends, from EndpointSlices.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointSlice};

use crate::api::ObjectKey;
use crate::ir::BackendKey;
use crate::snapshot::Snapshot;

/// The label by which a slice names its Service.
const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// The EndpointSlices of a snapshot by Service. Build it once to resolve many backends.
#[derive(Debug)]
pub struct EndpointIndex<'a> {
    snapshot: &'a Snapshot,
    slices: HashMap<(&'a str, &'a str), Vec<&'a EndpointSlice>>,
}

impl<'a> EndpointIndex<'a> {
    /// Indexes the slices; the cost is one pass over them.
    #[must_use]
    pub fn new(snapshot: &'a Snapshot) -> Self {
        let mut slices: HashMap<_, Vec<_>> = HashMap::new();
        for (key, slice) in snapshot.endpoint_slices.iter() {
            let service = slice.metadata.labels.as_ref().and_then(|labels| labels.get(SERVICE_NAME));
            if let Some(service) = service {
                slices.entry((&*key.namespace, service.as_str())).or_default().push(&**slice);
            }
        }
        Self { snapshot, slices }
    }

    /// The addresses of a backend that take requests, sorted, each once.
    ///
    /// Ready endpoints; if there is none, those that terminate and still serve, because a
    /// request that may succeed is better than one that cannot.
    #[must_use]
    pub fn resolve(&self, backend: &BackendKey) -> Vec<SocketAddr> {
        let service = ObjectKey::new(backend.namespace.clone(), backend.service.clone());
        let Some(service) = self.snapshot.services.get(&service) else { return Vec::new() };
        let Some(port_name) = port_name(service, backend.port) else { return Vec::new() };
        let slices = self.slices.get(&(&*backend.namespace, &*backend.service)).map(Vec::as_slice).unwrap_or_default();
        let mut found = collect(slices, port_name, is_ready);
        if found.is_empty() {
            found = collect(slices, port_name, is_serving);
        }
        prefer_family(&mut found, service);
        found.sort_unstable();
        found.dedup();
        found
    }
}

/// The addresses of one backend; see [`EndpointIndex::resolve`].
#[must_use]
pub fn endpoints(snapshot: &Snapshot, key: &BackendKey) -> Vec<SocketAddr> {
    EndpointIndex::new(snapshot).resolve(key)
}

/// Slices name ports as the Service does; an unnamed port is the empty name.
fn port_name(service: &Service, port: u16) -> Option<&str> {
    let ports = service.spec.as_ref()?.ports.as_deref()?;
    let tcp = ports.iter().filter(|candidate| candidate.protocol.as_deref().unwrap_or("TCP") == "TCP");
    let port = tcp.into_iter().find(|candidate| candidate.port == i32::from(port))?;
    Some(port.name.as_deref().unwrap_or_default())
}

fn collect(slices: &[&EndpointSlice], port_name: &str, takes: fn(&Endpoint) -> bool) -> Vec<SocketAddr> {
    let mut found = Vec::new();
    for slice in slices.iter().filter(|slice| matches!(slice.address_type.as_str(), "IPv4" | "IPv6")) {
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
    fn what_does_not_exist_has_no_endpoints() {
        assert!(resolved([]).is_empty());
        assert!(resolved([service(json!({"ports": [{"port": 81}]}))]).is_empty());
    }
}
