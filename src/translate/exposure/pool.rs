//! A pool of addresses of this machine: each Gateway takes one of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::stable_hash;
use crate::api::ObjectKey;
use crate::snapshot::AddressRange;
use crate::translate::field::Field;
use crate::translate::gateway::GatewayPlan;
use crate::translate::reason::Reason;

/// Gives each Gateway the addresses it asks for, or one of the pool. What a status already says is
/// kept, so that a Gateway stays where it is when others come and go.
pub(super) fn assign(
    pool: &[AddressRange],
    recorded: &BTreeMap<ObjectKey, Vec<IpAddr>>,
    gateways: &mut [GatewayPlan<'_>],
) {
    let mut taken: BTreeSet<IpAddr> =
        gateways.iter().flat_map(|gateway| gateway.asked.iter().flatten().copied()).collect();
    let kept: Vec<_> =
        gateways.iter().map(|gateway| keep(pool, recorded.get(gateway.key), gateway, &mut taken)).collect();
    for (gateway, kept) in gateways.iter_mut().zip(kept) {
        refuse_strangers(pool, gateway);
        let mut addresses: Vec<IpAddr> = Vec::new();
        for asked in gateway.asked.clone() {
            let address = asked.filter(|address| holds(pool, *address));
            let address = address
                .or_else(|| if asked.is_some() { None } else { kept.or_else(|| choose(pool, gateway.key, &taken)) });
            addresses.extend(address.filter(|address| !addresses.contains(address)));
        }
        taken.extend(&addresses);
        if addresses.is_empty() && gateway.asked.contains(&None) {
            let message = "every address of the pool is taken by another Gateway";
            let remedy = "add addresses to exposure.addressPool in conf/paifang.yaml";
            gateway.findings.unprogrammed(Reason::AddressNotAssigned, &Field::SPEC.name("addresses"), message, remedy);
        }
        gateway.addresses = addresses;
    }
}

/// The address that a Gateway without wishes has already.
fn keep(
    pool: &[AddressRange],
    recorded: Option<&Vec<IpAddr>>,
    gateway: &GatewayPlan<'_>,
    taken: &mut BTreeSet<IpAddr>,
) -> Option<IpAddr> {
    if !gateway.asked.contains(&None) {
        return None;
    }
    let kept = recorded?.iter().copied().find(|address| holds(pool, *address) && !taken.contains(address))?;
    taken.insert(kept);
    Some(kept)
}

fn refuse_strangers(pool: &[AddressRange], gateway: &mut GatewayPlan<'_>) {
    let strangers = gateway.asked.iter().flatten().filter(|address| !holds(pool, **address));
    for address in strangers.copied().collect::<Vec<_>>() {
        let message = format!("{address} is not an address of the pool");
        let remedy = "ask for an address of the pool, or for none";
        gateway.findings.unprogrammed(Reason::AddressNotUsable, &Field::SPEC.name("addresses"), message, remedy);
    }
}

fn holds(pool: &[AddressRange], address: IpAddr) -> bool {
    pool.iter().any(|range| range.contains(address))
}

/// The first free address from a place that the Gateway's name decides.
fn choose(pool: &[AddressRange], gateway: &ObjectKey, taken: &BTreeSet<IpAddr>) -> Option<IpAddr> {
    let size = pool.iter().fold(0_u128, |size, range| size.saturating_add(range.size()));
    let start = u128::from(stable_hash(&[&gateway.namespace, &gateway.name])).checked_rem(size)?;
    // at most as many are taken as there are Gateways: a free one is met soon, or none is left
    let tries = size.min(taken.len() as u128 + 1);
    (0..tries).filter_map(|step| nth(pool, start.saturating_add(step) % size)).find(|address| !taken.contains(address))
}

fn nth(pool: &[AddressRange], mut index: u128) -> Option<IpAddr> {
    for range in pool {
        if index < range.size() {
            return Some(match range.first {
                IpAddr::V4(first) => Ipv4Addr::from(u32::from(first).checked_add(u32::try_from(index).ok()?)?).into(),
                IpAddr::V6(first) => Ipv6Addr::from(u128::from(first).checked_add(index)?).into(),
            });
        }
        index -= range.size();
    }
    None
}
