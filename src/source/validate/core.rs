//! Service and EndpointSlice.

use std::net::IpAddr;

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::EndpointSlice;

use super::{Violations, repeated};
use crate::source::schema::Form;

/// Ports of a Service: there are some, they have names when there are several, and none is there twice.
pub(super) fn check_service(service: &Service, out: &mut Violations) {
    let Some(spec) = &service.spec else {
        return out.refuse("spec", "is required", "add 'spec' with 'ports'");
    };
    let ports = spec.ports.as_deref().unwrap_or_default();
    let headless = spec.cluster_ip.as_deref() == Some("None");
    let external = spec.type_.as_deref() == Some("ExternalName");
    if ports.is_empty() && !headless && !external {
        out.refuse("spec.ports", "is required", "list at least one port");
    }
    if ports.len() > 1
        && let Some(index) = ports.iter().position(|port| port.name.as_deref().unwrap_or_default().is_empty())
    {
        out.refuse(format!("spec.ports[{index}].name"), "is required when there are several ports", "name every port");
    }
    let names: Vec<_> = ports.iter().filter_map(|port| port.name.as_deref()).collect();
    if let Some(name) = repeated(names.iter()).and_then(|at| names.get(at)) {
        out.refuse("spec.ports", format!("the name '{name}' stands twice"), "rename one of the ports");
    }
    if let Some(index) = repeated(ports.iter().map(|port| (port.port, port.protocol.as_deref()))) {
        out.refuse(format!("spec.ports[{index}]"), "an earlier port has the same number and protocol", "remove one");
    }
    for (index, name) in ports.iter().enumerate().filter_map(|(index, port)| Some((index, port.name.as_deref()?))) {
        if !name.is_empty() && !Form::Label.holds(name) {
            let field = format!("spec.ports[{index}].name");
            out.refuse(field, format!("'{name}' is not valid"), format!("write {}", Form::Label.words()));
        }
    }
}

/// Addresses of an EndpointSlice. Loopback is allowed here, unlike in a cluster: one machine is the
/// point of serving a folder.
pub(super) fn check_endpoint_slice(slice: &EndpointSlice, out: &mut Violations) {
    let kind = slice.address_type.as_str();
    for (e, endpoint) in slice.endpoints.iter().flatten().enumerate() {
        for (a, address) in endpoint.addresses.iter().enumerate() {
            let holds = match kind {
                "IPv4" => address.parse().is_ok_and(|ip: IpAddr| ip.is_ipv4()),
                "IPv6" => address.parse().is_ok_and(|ip: IpAddr| ip.is_ipv6()),
                "FQDN" => Form::Subdomain.holds(address),
                _ => true,
            };
            if !holds {
                let field = format!("endpoints[{e}].addresses[{a}]");
                out.refuse(field, format!("'{address}' is no {kind} address"), "write an address of the addressType");
            }
        }
    }
    if let Some(index) = repeated(slice.ports.iter().flatten().map(|port| port.name.as_deref().unwrap_or_default())) {
        out.refuse(format!("ports[{index}].name"), "an earlier port has the same name", "rename one of the ports");
    }
}
