//! Gives every Service and every EndpointSlice of a manifest something that really answers.
//!
//! A Service without EndpointSlices gets one echo, or what its label `test.paifang.dev/endpoints`
//! says: one endpoint for each of `echo`, `refuse` (nobody listens), `silent` (never answers),
//! joined by `-`; `none` for no endpoint. EndpointSlices that the manifest has keep everything
//! but their addresses and port numbers, which become those of echoes.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Service, ServicePort};
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointPort, EndpointSlice};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use paifang::api::ObjectKey;
use paifang::snapshot::{Object, Snapshot};
use paifang::source::Change;
use tokio::net::TcpSocket;

use super::echo::{self, Identity, Log};

const ENDPOINTS: &str = "test.paifang.dev/endpoints";
const PLAIN_ENDPOINTS: &str = "paifang.dev/endpoints";
const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// Backends that run as long as this lives.
#[derive(Debug, Default)]
pub(crate) struct Backends {
    /// What they received.
    pub(crate) log: Log,
    /// What the store must learn so that they are found.
    pub(crate) changes: Vec<Change>,
    reserved: Vec<TcpSocket>,
}

impl Backends {
    /// Starts what a snapshot's Services need; `changes` then has their EndpointSlices.
    pub(crate) async fn start(snapshot: &Snapshot) -> anyhow::Result<Self> {
        let mut backends = Self::default();
        let (services, slices) = (&snapshot.services, &snapshot.endpoint_slices);
        for (key, slice) in slices.iter() {
            let owner = owner(key, slice);
            let service = owner.as_ref().and_then(|owner| services.get(owner));
            backends.repoint(slice, &owner.unwrap_or_else(|| key.clone()), service).await?;
        }
        for (key, service) in services.iter() {
            let has_slices = slices.iter().any(|(slice, object)| owner(slice, object).as_ref() == Some(key));
            let annotated = service.metadata.annotations.as_ref().is_some_and(|a| a.contains_key(PLAIN_ENDPOINTS));
            if !has_slices && !annotated {
                backends.serve(key, service).await?;
            }
        }
        Ok(backends)
    }

    /// EndpointSlices for a Service that has none.
    async fn serve(&mut self, key: &ObjectKey, service: &Service) -> anyhow::Result<()> {
        let label = service.metadata.labels.as_ref().and_then(|labels| labels.get(ENDPOINTS));
        let kinds = label.map_or("echo", String::as_str);
        for (number, kind) in kinds.split('-').filter(|kind| *kind != "none").enumerate() {
            for port in ports(service) {
                let endpoint = Endpoint { addresses: vec![format!("replica-{number}")], ..Default::default() };
                let slice =
                    Slice { key, name: format!("{}-{number}-{}", key.name, port.port), port: port.name.clone() };
                let identity = identity(key, u16::try_from(port.port)?, &endpoint);
                let address = self.endpoint(kind, identity).await?;
                self.changes.push(Change::Put(slice.object(address, endpoint)));
            }
        }
        Ok(())
    }

    /// The same slice, one object for each endpoint and port, with addresses that answer.
    async fn repoint(
        &mut self,
        slice: &EndpointSlice,
        owner: &ObjectKey,
        service: Option<&Arc<Service>>,
    ) -> anyhow::Result<()> {
        let name = slice.metadata.name.clone().unwrap_or_default();
        self.changes.push(Change::Remove(Object::EndpointSlice(Arc::new(slice.clone())).reference()));
        for (e, endpoint) in slice.endpoints.iter().flatten().enumerate() {
            for (p, port) in slice.ports.iter().flatten().enumerate() {
                let number = service.and_then(|service| number_of(service, port)).unwrap_or_default();
                let address = self.endpoint("echo", identity(owner, number, endpoint)).await?;
                let one = Slice { key: owner, name: format!("{name}-{e}-{p}"), port: port.name.clone() };
                self.changes.push(Change::Put(one.object(address, endpoint.clone())));
            }
        }
        Ok(())
    }

    async fn endpoint(&mut self, kind: &str, identity: Identity) -> anyhow::Result<std::net::SocketAddr> {
        match kind {
            "echo" => Ok(echo::start(identity, self.log.clone()).await?),
            "silent" => Ok(echo::start_silent().await?),
            "refuse" => {
                let (address, socket) = echo::refusing()?;
                self.reserved.push(socket);
                Ok(address)
            }
            other => anyhow::bail!("{ENDPOINTS}: `{other}` is not echo, refuse, silent or none"),
        }
    }
}

/// An EndpointSlice to be.
struct Slice<'a> {
    key: &'a ObjectKey,
    name: String,
    port: Option<String>,
}

impl Slice<'_> {
    fn object(self, address: std::net::SocketAddr, endpoint: Endpoint) -> Object {
        let labels = BTreeMap::from([(SERVICE_NAME.to_owned(), self.key.name.to_string())]);
        Object::EndpointSlice(Arc::new(EndpointSlice {
            address_type: "IPv4".into(),
            endpoints: Some(vec![Endpoint { addresses: vec![address.ip().to_string()], ..endpoint }]),
            metadata: ObjectMeta {
                name: Some(self.name),
                namespace: Some(self.key.namespace.to_string()),
                labels: Some(labels),
                ..Default::default()
            },
            ports: Some(vec![EndpointPort {
                name: Some(self.port.unwrap_or_default()),
                port: Some(address.port().into()),
                ..Default::default()
            }]),
        }))
    }
}

fn owner(key: &ObjectKey, slice: &EndpointSlice) -> Option<ObjectKey> {
    let name = slice.metadata.labels.as_ref()?.get(SERVICE_NAME)?;
    Some(ObjectKey::new(&*key.namespace, &**name))
}

fn identity(service: &ObjectKey, port: u16, endpoint: &Endpoint) -> Identity {
    Identity { backend: service.to_string(), port, endpoint: endpoint.addresses.first().cloned().unwrap_or_default() }
}

fn ports(service: &Service) -> &[ServicePort] {
    service.spec.as_ref().and_then(|spec| spec.ports.as_deref()).unwrap_or_default()
}

/// The Service port that an EndpointSlice's port stands for: they share the name.
fn number_of(service: &Service, port: &EndpointPort) -> Option<u16> {
    let same = |candidate: &&ServicePort| candidate.name.as_deref().unwrap_or("") == port.name.as_deref().unwrap_or("");
    u16::try_from(ports(service).iter().find(same)?.port).ok()
}
