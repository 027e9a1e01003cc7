//! The source against an API server in this process. Time is tokio's and paused: pauses take none.

mod anything;
mod change;
mod disk;
mod list;
mod outage;
mod secret;
mod server;
mod stall;

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Health, Kubernetes, Settings, Standing};
use crate::api::{Kind, ObjectKey, ObjectRef};
use crate::snapshot::{Object, Snapshot};
use crate::source::live::Live;
use crate::source::{State, Store};
use crate::telemetry::label::WatchRestart;
use crate::telemetry::metrics::Metrics;
use server::Server;

/// The source at work, and all that it feeds.
struct Bed {
    server: Server,
    store: Arc<Store>,
    live: Arc<Live>,
    metrics: Arc<Metrics>,
    source: Kubernetes,
}

impl Bed {
    /// Starts the source.
    fn start(server: &Server, settings: Settings) -> Self {
        let (store, live) = (Arc::new(Store::default()), Arc::new(Live::default()));
        let metrics = Arc::new(Metrics::new().unwrap());
        let source =
            Kubernetes::start(server.client(), settings, Arc::clone(&store), Arc::clone(&live), Arc::clone(&metrics));
        Self { server: server.clone(), store, live, metrics, source }
    }

    /// Starts the source and waits for everything.
    async fn synced(server: &Server) -> Self {
        let bed = Self::start(server, Settings::default());
        bed.until(|state| state.synced).await;
        bed
    }

    /// Waits until the store is as wanted.
    async fn until(&self, wanted: impl FnMut(&State) -> bool) {
        let mut states = self.store.subscribe();
        let waited = tokio::time::timeout(Duration::from_secs(900), states.wait_for(wanted)).await;
        if waited.is_err() {
            panic!("{:?}\n{:?}", self.state(), *self.source.health().borrow());
        }
    }

    /// Waits until the health is as wanted.
    async fn until_health(&self, wanted: impl FnMut(&Health) -> bool) {
        let mut health = self.source.health();
        let waited = tokio::time::timeout(Duration::from_secs(900), health.wait_for(wanted)).await;
        if waited.is_err() {
            panic!("{:?}", *self.source.health().borrow());
        }
    }

    async fn until_standing(&self, kind: Kind, standing: Standing) {
        self.until_health(|health| health.kinds[&kind] == standing).await;
    }

    fn state(&self) -> State {
        self.store.read(Clone::clone)
    }

    fn restarts(&self, reason: WatchRestart) -> u64 {
        self.metrics.control.watch_restarts.value(reason)
    }
}

fn reference(kind: Kind, namespace: &str, name: &str) -> ObjectRef {
    ObjectRef::new(kind, ObjectKey::new(namespace, name))
}

fn has(snapshot: &Snapshot, kind: Kind, namespace: &str, name: &str) -> bool {
    snapshot.get(&reference(kind, namespace, name)).is_some()
}

fn has_route(snapshot: &Snapshot, name: &str) -> bool {
    has(snapshot, Kind::HttpRoute, "shop", name)
}

/// A route with one hostname.
fn route(name: &str, hostname: &str) -> Value {
    json!({"metadata": {"name": name, "namespace": "shop", "uid": name, "generation": 1},
        "spec": {"hostnames": [hostname]}})
}

fn hostname(snapshot: &Snapshot, name: &str) -> String {
    match snapshot.get(&reference(Kind::HttpRoute, "shop", name)) {
        Some(Object::HttpRoute(route)) => route.spec.hostnames.concat(),
        other => panic!("{other:?}"),
    }
}

/// A Gateway with one listener that refers to a Secret of its namespace.
fn gateway(name: &str, secret: &str) -> Value {
    json!({"metadata": {"name": name, "namespace": "edge", "uid": name}, "spec": {"gatewayClassName": "paifang",
        "listeners": [{"name": "https", "port": 443, "protocol": "HTTPS",
            "tls": {"certificateRefs": [{"name": secret}]}}]}})
}

fn secret(name: &str, data: &str) -> Value {
    json!({"metadata": {"name": name, "namespace": "edge"}, "type": "kubernetes.io/tls", "data": {"tls.crt": data}})
}
