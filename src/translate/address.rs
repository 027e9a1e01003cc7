//! The addresses a Gateway listens on.

use std::net::IpAddr;

use super::field::Field;
use super::finding::Findings;
use super::reason::Reason;
use crate::api::gateway::listener::{AddressType, GatewayAddress};

/// Reads `spec.addresses`: each asks for an address, or, without a value, for any. Whoever asks for
/// none asks for any.
pub(crate) fn asked(written: &[GatewayAddress], findings: &mut Findings) -> Vec<Option<IpAddr>> {
    if written.is_empty() {
        return vec![None];
    }
    let mut asked = Vec::new();
    for (index, address) in written.iter().enumerate() {
        let at = Field::SPEC.item("addresses", index);
        let Some(address) = read(address, &at, findings) else { continue };
        if !asked.contains(&address) {
            asked.push(address);
        }
    }
    asked
}

/// `None` when it cannot be read, `Some(None)` when any address will do.
fn read(address: &GatewayAddress, at: &Field<'_>, findings: &mut Findings) -> Option<Option<IpAddr>> {
    let kind = address.kind.as_ref().unwrap_or(&AddressType::IpAddress);
    if *kind != AddressType::IpAddress {
        let message = format!("addresses of type '{kind}' are not supported");
        findings.reject(Reason::UnsupportedAddress, &at.name("type"), message, "use an address of type IPAddress");
        return None;
    }
    match address.value.as_deref().unwrap_or_default() {
        "" => Some(None),
        text => match text.parse() {
            Ok(address) => Some(Some(address)),
            Err(_) => {
                let message = format!("'{text}' is not an IP address");
                let remedy = "write an IPv4 or IPv6 address";
                findings.unprogrammed(Reason::AddressNotUsable, &at.name("value"), message, remedy);
                None
            }
        },
    }
}

/// An address as a status shows it.
pub(crate) fn assigned(address: IpAddr) -> GatewayAddress {
    GatewayAddress { kind: Some(AddressType::IpAddress), value: Some(address.to_string()), routability: None }
}
