//! The Services by which Gateways are reached.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Serialize;

use crate::api::ObjectKey;

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
