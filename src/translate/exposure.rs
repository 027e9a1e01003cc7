//! How Gateways are reached: where each of them listens, and which Services lead there.

mod name;
mod pool;
mod service;

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Serialize;

use crate::api::ObjectKey;
use crate::snapshot::{Exposure, Snapshot};

pub(crate) use service::ServicePlan;

use super::gateway::GatewayPlan;

/// The label by which everything that Paifang makes is known.
pub const MANAGED_BY: (&str, &str) = ("app.kubernetes.io/managed-by", "paifang");
/// The label that names the Gateway of a generated object (GEP-1762).
pub const GATEWAY_NAME_LABEL: &str = "gateway.networking.k8s.io/gateway-name";

/// A Service that must exist so that a Gateway can be reached. It has no selector: whoever provisions
/// it points its EndpointSlices at the pods of Paifang.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GatewayService {
    /// The Gateway, which owns it.
    pub gateway: ObjectKey,
    /// `metadata.uid` of the Gateway.
    pub gateway_uid: String,
    /// Labels it must carry: ours and those of `spec.infrastructure`.
    pub labels: BTreeMap<String, String>,
    /// Annotations it must carry: ours and those of `spec.infrastructure`.
    pub annotations: BTreeMap<String, String>,
    /// `spec.type`
    pub kind: &'static str,
    /// `spec.externalTrafficPolicy` when it is made.
    pub traffic_policy: &'static str,
    /// One for each port of the Gateway's listeners.
    pub ports: Vec<ServicePort>,
    /// The address the Gateway asks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load_balancer_ip: Option<IpAddr>,
}

/// A port of a Gateway's Service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServicePort {
    /// Its name in the Service.
    pub name: String,
    /// The listener's port.
    pub port: u16,
    /// The pod port it leads to.
    pub pod_port: u16,
}

/// Decides where every Gateway listens. They come oldest first: who is older chooses first, so that
/// every replica decides alike and a newcomer moves nobody.
pub(crate) fn assign(snapshot: &Snapshot, gateways: &mut [GatewayPlan<'_>]) {
    match &snapshot.facts.exposure {
        Exposure::Host(_) => {}
        Exposure::AddressPool(ranges) => pool::assign(ranges, &snapshot.facts.assigned, gateways),
        Exposure::Service(settings) => service::assign(settings, snapshot, gateways),
    }
}

/// A number that depends on texts alone, the same in every process and release: FNV-1a, 64 bits.
fn stable_hash(texts: &[&str]) -> u64 {
    let bytes = texts.iter().flat_map(|text| text.bytes().chain([0xff]));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests;
