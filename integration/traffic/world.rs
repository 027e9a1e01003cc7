//! An edge that serves manifests written by the test, and follows their changes.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;

use paifang::api::ObjectRef;
use paifang::config::{Config, Ports};
use paifang::controller::{Edge, Inputs, View};
use paifang::proxy::server::Limits;
use paifang::source::finding::Level;
use paifang::source::{Change, Store, folder};
use paifang::telemetry::{AccessLog, Metrics};
use serde_json::{Value, json};

use crate::within;

/// A running edge and the manifests it serves.
pub struct World {
    pub edge: Edge,
    pub metrics: Arc<Metrics>,
    store: Arc<Store>,
    manifests: BTreeMap<String, Value>,
    served: BTreeSet<ObjectRef>,
}

impl World {
    /// An edge with default settings.
    pub async fn start(manifests: impl IntoIterator<Item = Value>) -> Self {
        Self::with(Config::default(), manifests).await
    }

    /// An edge with settings of the test's own.
    pub async fn with(config: Config, manifests: impl IntoIterator<Item = Value>) -> Self {
        Self::logging(config, AccessLog::disabled(), manifests).await
    }

    /// An edge with an access log.
    pub async fn logging(config: Config, log: AccessLog, manifests: impl IntoIterator<Item = Value>) -> Self {
        Self::start_with(config, log, Limits::default(), manifests).await
    }

    /// An edge whose limits work with what the test gives them.
    pub async fn limited(limits: Limits, log: AccessLog, manifests: impl IntoIterator<Item = Value>) -> Self {
        Self::start_with(Config::default(), log, limits, manifests).await
    }

    pub async fn start_with(
        config: Config,
        log: AccessLog,
        limits: Limits,
        manifests: impl IntoIterator<Item = Value>,
    ) -> Self {
        let config = Config { ports: Ports::Ephemeral, threads: 2, ..config };
        let (inputs, metrics) = (Inputs { limits, ..Inputs::default() }, Arc::new(Metrics::new().unwrap()));
        let store = Arc::clone(&inputs.store);
        let edge = Edge::start(config, inputs, log, Arc::clone(&metrics)).unwrap();
        let mut world = Self { edge, metrics, store, manifests: BTreeMap::new(), served: BTreeSet::new() };
        world.put(manifests).await;
        world
    }

    /// Adds or replaces objects, and waits until that is served.
    pub async fn put(&mut self, manifests: impl IntoIterator<Item = Value>) {
        self.manifests.extend(manifests.into_iter().map(|manifest| (name(&manifest), manifest)));
        self.serve().await;
    }

    /// Removes an object, named `Kind/name`.
    pub async fn remove(&mut self, object: &str) {
        assert!(self.manifests.remove(object).is_some(), "there is no {object}");
        self.serve().await;
    }

    /// Reads all manifests as `paifang run` does, and applies what changed.
    async fn serve(&mut self) {
        let dir = tempfile::tempdir().unwrap();
        let text: Vec<_> = self.manifests.values().map(Value::to_string).collect();
        std::fs::write(dir.path().join("world.yaml"), text.join("\n---\n")).unwrap();
        let loaded = folder::load(dir.path()).unwrap();
        let wrong: Vec<_> = loaded.findings.iter().filter(|finding| finding.level == Level::Error).collect();
        assert!(wrong.is_empty(), "the test's manifests are wrong: {wrong:#?}");
        let objects = loaded.changes.iter().map(|change| match change {
            Change::Put(object) => object.reference(),
            Change::Remove(reference) => reference.clone(),
        });
        let objects: BTreeSet<_> = objects.collect();
        let gone = self.served.difference(&objects).cloned().map(Change::Remove).collect::<Vec<_>>();
        self.served = objects;
        self.store.apply(loaded.changes.into_iter().chain(gone), true);
        let version = self.store.subscribe().borrow().version;
        assert!(within("serving the manifests", self.edge.settled(version)).await, "the edge ended");
    }

    /// What is served and said now.
    pub fn view(&self) -> View {
        self.edge.view().borrow().clone()
    }

    /// Where a listener is bound.
    pub fn address(&self, listener: &str) -> SocketAddr {
        let view = self.view();
        let found = view.translation.ir.listeners.iter().find(|known| &*known.name == listener);
        let socket = found.unwrap_or_else(|| panic!("no listener {listener}")).sockets[0];
        view.addresses[&socket]
    }

    /// All metrics as a scrape shows them.
    pub fn scrape(&self) -> String {
        self.metrics.scrape().collect()
    }

    /// The value of a series whose name and labels contain all of these; 0 without such a series.
    pub fn metric(&self, parts: &[&str]) -> f64 {
        let scrape = self.scrape();
        let lines = scrape.lines().filter(|line| !line.starts_with('#'));
        let fitting = lines.filter(|line| parts.iter().all(|part| line.contains(part)));
        fitting.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }
}

fn name(manifest: &Value) -> String {
    format!("{}/{}", manifest["kind"].as_str().unwrap(), manifest["metadata"]["name"].as_str().unwrap())
}

/// The class, and a Gateway with one plain listener `http`.
pub fn plain() -> Vec<Value> {
    gateway(json!([{ "name": "http", "protocol": "HTTP", "port": 80 }])).to_vec()
}

/// The class, and a Gateway `edge` with these listeners.
pub fn gateway(listeners: Value) -> [Value; 2] {
    let gateway = json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway",
        "metadata": { "name": "edge", "namespace": "test" },
        "spec": { "gatewayClassName": "paifang", "listeners": listeners },
    });
    [class(), gateway]
}

/// The GatewayClass.
pub fn class() -> Value {
    json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "GatewayClass",
        "metadata": { "name": "paifang" },
        "spec": { "controllerName": "paifang.dev/gateway-controller" },
    })
}

/// A Service with these endpoints.
pub fn service(name: &str, endpoints: &[SocketAddr]) -> Value {
    service_with(name, endpoints, json!({ "ports": [{ "port": 80 }] }))
}

/// A Service that is spoken to by HTTP/2.
pub fn h2c_service(name: &str, endpoints: &[SocketAddr]) -> Value {
    service_with(name, endpoints, json!({ "ports": [{ "port": 80, "appProtocol": "kubernetes.io/h2c" }] }))
}

/// A Service with a spec of the test's own.
pub fn service_with(name: &str, endpoints: &[SocketAddr], spec: Value) -> Value {
    let mut metadata = json!({ "name": name, "namespace": "test" });
    if !endpoints.is_empty() {
        let list: Vec<_> = endpoints.iter().map(ToString::to_string).collect();
        metadata["annotations"] = json!({ "paifang.dev/endpoints": list.join(", ") });
    }
    json!({ "apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec })
}

/// A route for every host on every listener.
pub fn route(name: &str, rules: Value) -> Value {
    route_on(name, json!([{ "name": "edge" }]), json!([]), rules)
}

/// A route with one rule that sends everything to one Service.
pub fn route_to(service: &str) -> Value {
    route("route", json!([{ "backendRefs": [to(service)] }]))
}

/// A backendRef.
pub fn to(service: &str) -> Value {
    json!({ "name": service, "port": 80 })
}

/// A route with parents and hostnames of the test's own.
pub fn route_on(name: &str, parents: Value, hostnames: Value, rules: Value) -> Value {
    json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
        "metadata": { "name": name, "namespace": "test" },
        "spec": { "parentRefs": parents, "hostnames": hostnames, "rules": rules },
    })
}
