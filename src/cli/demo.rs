//! Backends for demonstrations: a Service with the annotation `paifang.dev/echo: "2"` gets two
//! echo backends in this process as its endpoints. Only for folders; a cluster has pods.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointConditions, EndpointPort, EndpointSlice};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::api::{Kind, ObjectKey, ObjectRef};
use crate::echo::{Echo, Identity};
use crate::snapshot::Object;
use crate::source::{Change, State, Store};

/// The annotation that asks for echo backends, and how many of them.
const ANNOTATION: &str = "paifang.dev/echo";
/// No demonstration needs more.
const MOST: usize = 16;

/// How long a backend that nothing refers to any more goes on, for requests that already chose it.
const RETIREMENT: Duration = Duration::from_secs(60);

/// The running echo backends, by Service, and the endpoints they stand for.
#[derive(Debug, Default)]
pub(super) struct Demo {
    backends: BTreeMap<ObjectKey, Vec<Echo>>,
    slices: BTreeMap<ObjectKey, Arc<EndpointSlice>>,
}

impl Demo {
    /// Starts what the Services ask for and stops what they no longer ask for; each new backend becomes
    /// an endpoint at once.
    pub(super) async fn follow(&mut self, state: &State, store: &Store) {
        let services = &state.snapshot.services;
        let wanted: BTreeMap<_, _> =
            services.iter().filter_map(|(key, service)| Some((key, (service, replicas(service)?)))).collect();
        let mut retired = Vec::new();
        for (key, backends) in &mut self.backends {
            let keep = wanted.get(key).map_or(0, |(_, replicas)| *replicas);
            retired.extend(backends.drain(keep.min(backends.len())..));
        }
        self.backends.retain(|key, _| wanted.contains_key(key));
        let mut slices = BTreeMap::new();
        for (key, (service, replicas)) in wanted {
            let backends = self.backends.entry(key.clone()).or_default();
            start(key, backends, replicas).await;
            slices.extend(backends.iter().enumerate().map(|backend| slice(key, service, backend)));
        }
        let changes = changes(&self.slices, &slices);
        self.slices = slices;
        if !changes.is_empty() {
            store.apply(changes, false);
        }
        retire(retired);
    }
}

/// What leads from the old endpoints to the new ones.
fn changes(
    old: &BTreeMap<ObjectKey, Arc<EndpointSlice>>,
    new: &BTreeMap<ObjectKey, Arc<EndpointSlice>>,
) -> Vec<Change> {
    let put = new.iter().filter(|(key, slice)| old.get(*key) != Some(*slice));
    let put = put.map(|(_, slice)| Change::Put(Object::EndpointSlice(Arc::clone(slice))));
    let gone = old.keys().filter(|key| !new.contains_key(*key));
    put.chain(gone.map(|key| Change::Remove(ObjectRef::new(Kind::EndpointSlice, key.clone())))).collect()
}

fn retire(backends: Vec<Echo>) {
    if !backends.is_empty() {
        tokio::spawn(async move {
            tokio::time::sleep(RETIREMENT).await;
            drop(backends);
        });
    }
}

/// How many echo backends a Service asks for.
pub(super) fn replicas(service: &Service) -> Option<usize> {
    let text = service.metadata.annotations.as_ref()?.get(ANNOTATION)?;
    match text.parse() {
        Ok(replicas @ 1..=MOST) => Some(replicas),
        _ => {
            let service = ObjectKey::of(&service.metadata);
            tracing::warn!(%service, "{ANNOTATION} must be a number from 1 to {MOST}, not '{text}'");
            None
        }
    }
}

/// Adds backends until there are as many as asked for.
async fn start(key: &ObjectKey, backends: &mut Vec<Echo>, replicas: usize) {
    for n in backends.len() + 1..=replicas {
        let identity = Identity {
            name: key.to_string(),
            namespace: key.namespace.to_string(),
            service: key.name.to_string(),
            pod: format!("{}-{n}", key.name),
        };
        match Echo::start(identity).await {
            Ok(backend) => backends.push(backend),
            Err(error) => tracing::error!(service = %key, %error, "cannot start an echo backend"),
        }
    }
}

/// One slice for each backend, because each has a port of its own.
fn slice(key: &ObjectKey, service: &Service, (n, backend): (usize, &Echo)) -> (ObjectKey, Arc<EndpointSlice>) {
    let (address, name) = (backend.address(), format!("{}-echo-{n}", key.name));
    let port = |name: Option<String>| EndpointPort {
        name,
        port: Some(i32::from(address.port())),
        protocol: Some("TCP".to_owned()),
        ..EndpointPort::default()
    };
    let ports = service.spec.iter().flat_map(|spec| spec.ports.iter().flatten());
    let slice = EndpointSlice {
        metadata: ObjectMeta {
            name: Some(name.clone()),
            namespace: Some(key.namespace.to_string()),
            labels: Some([("kubernetes.io/service-name".to_owned(), key.name.to_string())].into()),
            ..ObjectMeta::default()
        },
        address_type: "IPv4".to_owned(),
        endpoints: Some(vec![Endpoint {
            addresses: vec![address.ip().to_string()],
            conditions: Some(EndpointConditions { ready: Some(true), ..EndpointConditions::default() }),
            ..Endpoint::default()
        }]),
        ports: Some(ports.map(|written| port(written.name.clone())).collect()),
    };
    (ObjectKey::new(Arc::clone(&key.namespace), name), Arc::new(slice))
}
