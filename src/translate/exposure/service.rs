//! A Service for each Gateway. The Service is the record of what was given to whom: replicas read the
//! pod ports from it, so they agree without talking, and a restart changes nothing.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{GATEWAY_NAME_LABEL, GatewayService, MANAGED_BY, ServicePort, name, stable_hash};
use crate::api::gateway::listener::{AddressType, GatewayAddress};
use crate::api::{Kind, ObjectKey};
use crate::snapshot::{ServiceExposure, ServiceType, Snapshot, Socket};
use crate::translate::address;
use crate::translate::field::Field;
use crate::translate::gateway::GatewayPlan;
use crate::translate::reason::Reason;

/// The label that names the class of a generated object's Gateway (GEP-1762).
const CLASS_LABEL: &str = "gateway.networking.k8s.io/gateway-class-name";
/// The whole name of the Gateway, where the label has no room for it.
const GATEWAY_ANNOTATION: &str = "paifang.dev/gateway";

/// What a Gateway's Services say and shall say.
#[derive(Debug, Default)]
pub(crate) struct ServicePlan {
    /// Where each port of the Gateway listens, as its Services record it.
    sockets: BTreeMap<u16, Socket>,
    /// The addresses its Services have.
    pub(crate) assigned: Vec<GatewayAddress>,
    /// What is still missing, as the Gateway's condition `Programmed` says it.
    pub(crate) lacking: Option<(Reason, String)>,
    /// The Services that must exist.
    pub(crate) wanted: Vec<(ObjectKey, GatewayService)>,
}

impl ServicePlan {
    /// Where a port listens; nowhere before a Service records it.
    pub(crate) fn socket(&self, port: u16) -> Option<Socket> {
        self.sockets.get(&port).copied()
    }
}

/// The Services of this process's making, by the `metadata.uid` of the Gateway that owns them.
type Made<'a> = HashMap<&'a str, Vec<(&'a ObjectKey, &'a Service)>>;

/// Plans the Services of all Gateways, oldest first.
pub(super) fn assign(settings: &ServiceExposure, snapshot: &Snapshot, gateways: &mut [GatewayPlan<'_>]) {
    let made = made(snapshot);
    let mut taken: BTreeSet<u16> = BTreeSet::new();
    // what is recorded comes first: a newcomer must not take a port that somebody has
    let recorded: Vec<_> = gateways.iter().map(|gateway| recorded(&made, gateway, &mut taken)).collect();
    taken.extend(made.values().flatten().flat_map(|(_, service)| ports(service).map(|(_, pod_port)| pod_port)));
    for (gateway, recorded) in gateways.iter_mut().zip(recorded) {
        let own = made.get(uid(gateway)).map(Vec::as_slice).unwrap_or_default();
        let ports = allocate(settings, gateway, &recorded, &mut taken);
        let mut plan = ServicePlan {
            sockets: recorded
                .iter()
                .map(|(port, pod)| (*port, Socket { address: settings.bind, port: *pod }))
                .collect(),
            ..ServicePlan::default()
        };
        if !ports.is_empty() && (gateway.is_accepted() || !own.is_empty()) {
            for asked in gateway.asked.clone() {
                want(settings, snapshot, own, (gateway, asked), &ports, &mut plan);
            }
        }
        gateway.service = Some(plan);
    }
}

fn uid<'a>(gateway: &GatewayPlan<'a>) -> &'a str {
    gateway.object.metadata.uid.as_deref().unwrap_or_default()
}

fn made(snapshot: &Snapshot) -> Made<'_> {
    let mut made = Made::new();
    for (key, service) in snapshot.services.iter() {
        if let Some(owner) = owner(service) {
            made.entry(owner).or_default().push((key, service));
        }
    }
    made
}

/// The Gateway that a Service of our making belongs to.
fn owner(service: &Service) -> Option<&str> {
    let labels = service.metadata.labels.as_ref()?;
    labels.get(MANAGED_BY.0).filter(|value| *value == MANAGED_BY.1)?;
    let owners = service.metadata.owner_references.as_deref().unwrap_or_default();
    let controller = owners.iter().find(|owner| owner.controller == Some(true))?;
    (controller.kind == Kind::Gateway.as_str()).then_some(&*controller.uid)
}

/// Port and pod port of each port of a Service.
fn ports(service: &Service) -> impl Iterator<Item = (u16, u16)> {
    let ports = service.spec.as_ref().and_then(|spec| spec.ports.as_deref()).unwrap_or_default();
    ports.iter().filter_map(|port| match port.target_port.as_ref()? {
        IntOrString::Int(pod_port) => Some((u16::try_from(port.port).ok()?, u16::try_from(*pod_port).ok()?)),
        IntOrString::String(_) => None,
    })
}

/// The pod ports of a Gateway's ports, without those that an older Gateway has: somebody edited a
/// Service, or two replicas wrote at once.
fn recorded(made: &Made<'_>, gateway: &GatewayPlan<'_>, taken: &mut BTreeSet<u16>) -> BTreeMap<u16, u16> {
    let own = made.get(uid(gateway)).map(Vec::as_slice).unwrap_or_default();
    let mut recorded: BTreeMap<u16, u16> = BTreeMap::new();
    for (port, pod_port) in own.iter().flat_map(|(_, service)| ports(service)) {
        if !recorded.contains_key(&port) && taken.insert(pod_port) {
            recorded.insert(port, pod_port);
        }
    }
    recorded
}

/// A pod port for each port of the Gateway's listeners: the recorded one, or a free one from a place
/// that the Gateway's name and port decide.
fn allocate(
    settings: &ServiceExposure,
    gateway: &mut GatewayPlan<'_>,
    recorded: &BTreeMap<u16, u16>,
    taken: &mut BTreeSet<u16>,
) -> Vec<ServicePort> {
    let served = gateway.listeners.iter().filter(|listener| listener.protocol.is_some() && listener.spec.port > 0);
    let numbers: BTreeSet<u16> = served.map(|listener| listener.spec.port).collect();
    let mut ports = Vec::with_capacity(numbers.len());
    for port in numbers {
        let Some(pod_port) = recorded.get(&port).copied().or_else(|| free(settings, gateway.key, port, taken)) else {
            let message = format!("no pod port is left for port {port}");
            let remedy = "widen exposure.service.podPorts in conf/paifang.yaml";
            gateway.findings.unprogrammed(Reason::NoResources, &Field::SPEC.name("listeners"), message, remedy);
            continue;
        };
        taken.insert(pod_port);
        ports.push(ServicePort { name: format!("tcp-{port}"), port, pod_port });
    }
    ports
}

fn free(settings: &ServiceExposure, gateway: &ObjectKey, port: u16, taken: &BTreeSet<u16>) -> Option<u16> {
    let (first, last) = (*settings.ports.start(), *settings.ports.end());
    let size = u64::from(last.checked_sub(first)?) + 1;
    let start = stable_hash(&[&gateway.namespace, &gateway.name, &port.to_string()]) % size;
    let candidates = (0..size).filter_map(|step| u16::try_from(u64::from(first) + (start + step) % size).ok());
    candidates.into_iter().find(|candidate| !taken.contains(candidate))
}

/// Plans one Service, and reads what the one that exists says.
fn want(
    settings: &ServiceExposure,
    snapshot: &Snapshot,
    own: &[(&ObjectKey, &Service)],
    (gateway, asked): (&mut GatewayPlan<'_>, Option<IpAddr>),
    ports: &[ServicePort],
    plan: &mut ServicePlan,
) {
    let text = asked.map(|address| address.to_string());
    let class = &gateway.object.spec.gateway_class_name;
    let name = name::service(&gateway.key.name, class, text.as_deref());
    let key = ObjectKey::new(gateway.key.namespace.clone(), name);
    if plan.wanted.iter().any(|(known, _)| *known == key) {
        return;
    }
    match own.iter().find(|(known, _)| **known == key) {
        Some((_, service)) => observe(&key, service, asked, plan),
        None if snapshot.services.get(&key).is_some_and(|service| owner(service).is_none()) => {
            let message = format!("Service '{key}' exists and was not made for this Gateway");
            let at = Field::SPEC;
            gateway.findings.unprogrammed(Reason::Invalid, &at, message, "rename or delete that Service");
            return;
        }
        None => lack(plan, Reason::AddressNotAssigned, format!("waiting for Service '{key}' to be made")),
    }
    plan.wanted.push((key, describe(settings, gateway, asked, ports)));
}

fn lack(plan: &mut ServicePlan, reason: Reason, message: String) {
    plan.lacking.get_or_insert((reason, message));
}

/// Takes the addresses that a Service has.
fn observe(key: &ObjectKey, service: &Service, asked: Option<IpAddr>, plan: &mut ServicePlan) {
    let addresses = addresses(service);
    let got = |address: IpAddr| addresses.contains(&address::assigned(address));
    match asked {
        Some(address) if !got(address) => {
            let message = format!("{address} is not usable: the load balancer has not given it to Service '{key}'");
            lack(plan, Reason::AddressNotUsable, message);
        }
        Some(address) => plan.assigned.push(address::assigned(address)),
        None if addresses.is_empty() => {
            let message = format!(
                "Service '{key}' has no address yet; in a cluster without load balancers it never gets one, and \
                 exposure.service.type NodePort or ClusterIP suits better"
            );
            lack(plan, Reason::AddressNotAssigned, message);
        }
        None => plan.assigned.extend(addresses),
    }
}

/// Where a Service is reached, in the order it says.
fn addresses(service: &Service) -> Vec<GatewayAddress> {
    let spec = service.spec.as_ref();
    if spec.and_then(|spec| spec.type_.as_deref()).unwrap_or_default() != ServiceType::LoadBalancer.as_str() {
        let cluster = spec.and_then(|spec| spec.cluster_ips.as_deref()).unwrap_or_default();
        return cluster.iter().filter_map(|text| Some(address::assigned(text.parse().ok()?))).collect();
    }
    let status = service.status.as_ref().and_then(|status| status.load_balancer.as_ref()?.ingress.as_deref());
    let ingress = status.unwrap_or_default().iter();
    ingress
        .filter_map(|ingress| {
            let address = ingress.ip.as_ref().and_then(|ip| Some(address::assigned(ip.parse().ok()?)));
            address.or_else(|| {
                let hostname = ingress.hostname.clone().filter(|name| !name.is_empty())?;
                Some(GatewayAddress { kind: Some(AddressType::Hostname), value: Some(hostname), routability: None })
            })
        })
        .collect()
}

fn describe(
    settings: &ServiceExposure,
    gateway: &GatewayPlan<'_>,
    asked: Option<IpAddr>,
    ports: &[ServicePort],
) -> GatewayService {
    let infrastructure = gateway.object.spec.infrastructure.as_ref();
    let mut labels = infrastructure.map(|it| it.labels.clone()).unwrap_or_default();
    let mut annotations = infrastructure.map(|it| it.annotations.clone()).unwrap_or_default();
    for (label, value) in [
        (MANAGED_BY.0, MANAGED_BY.1.to_owned()),
        (GATEWAY_NAME_LABEL, name::label(&gateway.key.name)),
        (CLASS_LABEL, name::label(&gateway.object.spec.gateway_class_name)),
    ] {
        labels.insert(label.to_owned(), value);
    }
    annotations.insert(GATEWAY_ANNOTATION.to_owned(), gateway.key.name.to_string());
    GatewayService {
        gateway: gateway.key.clone(),
        gateway_uid: uid(gateway).to_owned(),
        labels,
        annotations,
        kind: settings.kind.as_str(),
        traffic_policy: settings.traffic_policy.as_str(),
        ports: ports.to_vec(),
        load_balancer_ip: asked.filter(|_| settings.kind == ServiceType::LoadBalancer),
    }
}
