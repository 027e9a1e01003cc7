//! How Gateways are reached: settings that the translator must know.

use std::net::{IpAddr, Ipv4Addr};
use std::ops::RangeInclusive;

/// How Gateways are reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exposure {
    /// Listener ports are bound on this machine: on the addresses a Gateway asks for, or on this one.
    Host(IpAddr),
    /// Each Gateway takes an address of a pool that is bound on this machine.
    AddressPool(Vec<AddressRange>),
    /// Each Gateway gets a Service, and each of its ports a port of this pod.
    Service(ServiceExposure),
}

impl Default for Exposure {
    fn default() -> Self {
        Self::Host(IpAddr::V4(Ipv4Addr::LOCALHOST))
    }
}

/// Addresses from the first to the last, both included; of one family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressRange {
    /// The first.
    pub first: IpAddr,
    /// The last, not below the first.
    pub last: IpAddr,
}

impl AddressRange {
    /// How many addresses it has; all of IPv6 counts one less than it should.
    #[must_use]
    pub fn size(&self) -> u128 {
        match (self.first, self.last) {
            (IpAddr::V4(first), IpAddr::V4(last)) => u128::from(u32::from(last).saturating_sub(u32::from(first))) + 1,
            (IpAddr::V6(first), IpAddr::V6(last)) => {
                u128::from(last).saturating_sub(u128::from(first)).saturating_add(1)
            }
            _ => 0,
        }
    }

    /// Whether an address lies in it.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        address.is_ipv4() == self.first.is_ipv4() && self.first <= address && address <= self.last
    }
}

/// Settings of the Services that Gateways get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceExposure {
    /// `spec.type`
    pub kind: ServiceType,
    /// `spec.externalTrafficPolicy` of a Service when it is made; later it is its owner's to change.
    pub traffic_policy: TrafficPolicy,
    /// Pod ports that may be given to listeners.
    pub ports: RangeInclusive<u16>,
    /// The address pod ports are bound on.
    pub bind: IpAddr,
}

/// Type of a Gateway's Service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ServiceType {
    /// A load balancer gives it an address.
    #[default]
    LoadBalancer,
    /// Every node listens on a port of its own.
    NodePort,
    /// Reachable inside the cluster.
    ClusterIP,
}

impl ServiceType {
    /// The type as a Service writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LoadBalancer => "LoadBalancer",
            Self::NodePort => "NodePort",
            Self::ClusterIP => "ClusterIP",
        }
    }
}

/// Which pods take connections that arrive at a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TrafficPolicy {
    /// Any; the client's address may be lost.
    #[default]
    Cluster,
    /// Only those of that node; the client's address survives.
    Local,
}

impl TrafficPolicy {
    /// The policy as a Service writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cluster => "Cluster",
            Self::Local => "Local",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_holds_both_ends_and_one_family() {
        let range = AddressRange { first: IpAddr::from([10, 0, 0, 1]), last: IpAddr::from([10, 0, 0, 9]) };
        assert!(range.contains(range.first) && range.contains(range.last));
        assert!(!range.contains(IpAddr::from([10, 0, 0, 10])));
        assert!(!range.contains("::ffff:10.0.0.5".parse().unwrap()));
    }
}
