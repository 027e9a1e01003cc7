//! Backends for demonstrations: a Service with the annotation `paifang.dev/echo: "2"` gets two
//! echo backends in this process as its endpoints. Only for folders; a cluster has pods.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointConditions, EndpointPort, EndpointSlice};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::api::ObjectKey;
use crate::echo::{Echo, Identity};
use crate::snapshot::Object;
use crate::source::{Change, State, Store};

/// The annotation that asks for echo backends, and how many of them.
const ANNOTATION: &str = "paifang.dev/echo";
/// No demonstration needs more.
const MOST: usize = 16;

/// The running echo backends, by Service.
#[derive(Debug, Default)]
pub(super) struct Demo {
    backends: BTreeMap<ObjectKey, Vec<Echo>>,
}

impl Demo {
    /// Starts what the Services ask for and stops what they no longer ask for; each new backend becomes
    /// an endpoint at once.
    pub(super) async fn follow(&mut self, state: &State, store: &Store) {
        let wanted: BTreeMap<_, _> = state
            .snapshot
            .services
            .iter()
            .filter_map(|(key, service)| Some((key, (service, replicas(service)?))))
            .collect();
        self.backends.retain(|key, _| wanted.contains_key(key));
        let mut changes = Vec::new();
        for (key, (service, replicas)) in wanted {
            if self.backends.get(key).is_none_or(|backends| backends.len() != replicas) {
                let backends = start(key, replicas).await;
                changes.extend(slices(key, service, &backends).into_iter().map(Change::Put));
                self.backends.insert(key.clone(), backends);
            }
        }
        if !changes.is_empty() {
            store.apply(changes, false);
        }
    }
}

fn replicas(service: &Service) -> Option<usize> {
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

async fn start(key: &ObjectKey, replicas: usize) -> Vec<Echo> {
    let mut backends = Vec::with_capacity(replicas);
    for n in 1..=replicas {
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
    backends
}

/// One slice for each backend, because each has a port of its own.
fn slices(key: &ObjectKey, service: &Service, backends: &[Echo]) -> Vec<Object> {
    let ports = service.spec.iter().flat_map(|spec| spec.ports.iter().flatten());
    let names: Vec<_> = ports.map(|port| port.name.clone()).collect();
    let slice = |(n, backend): (usize, &Echo)| {
        let address = backend.address();
        let port = |name: &Option<String>| EndpointPort {
            name: name.clone(),
            port: Some(i32::from(address.port())),
            protocol: Some("TCP".to_owned()),
            ..EndpointPort::default()
        };
        Object::EndpointSlice(std::sync::Arc::new(EndpointSlice {
            metadata: ObjectMeta {
                name: Some(format!("{}-echo-{n}", key.name)),
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
            ports: Some(names.iter().map(port).collect()),
        }))
    };
    backends.iter().enumerate().map(slice).collect()
}
