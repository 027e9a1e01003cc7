//! The addresses a Gateway listens on.

use std::net::IpAddr;

use super::field::Field;
use super::finding::Findings;
use super::reason::Reason;
use crate::api::gateway::listener::{AddressType, GatewayAddress};

/// Reads `spec.addresses`; without any, or with an empty value, the default address serves.
pub(crate) fn addresses(asked: &[GatewayAddress], default: IpAddr, findings: &mut Findings) -> Vec<IpAddr> {
    if asked.is_empty() {
        return vec![default];
    }
    let mut addresses = Vec::new();
    for (index, address) in asked.iter().enumerate() {
        let at = Field::SPEC.item("addresses", index);
        let Some(address) = read(address, default, &at, findings) else { continue };
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    addresses
}

fn read(address: &GatewayAddress, default: IpAddr, at: &Field<'_>, findings: &mut Findings) -> Option<IpAddr> {
    let kind = address.kind.as_ref().unwrap_or(&AddressType::IpAddress);
    if *kind != AddressType::IpAddress {
        let message = format!("addresses of type '{kind}' are not supported");
        findings.reject(Reason::UnsupportedAddress, &at.name("type"), message, "use an address of type IPAddress");
        return None;
    }
    match address.value.as_deref().unwrap_or_default() {
        "" => Some(default),
        text => text.parse().ok().or_else(|| {
            let message = format!("'{text}' is not an IP address");
            findings.unprogrammed(
                Reason::AddressNotUsable,
                &at.name("value"),
                message,
                "write an IPv4 or IPv6 address",
            );
            None
        }),
    }
}

/// An address as a status shows it.
pub(crate) fn assigned(address: IpAddr) -> GatewayAddress {
    GatewayAddress { kind: Some(AddressType::IpAddress), value: Some(address.to_string()), routability: None }
}
