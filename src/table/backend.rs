//! Backends at run time: a cell of endpoints, swapped alone, and the choice among them.

use std::collections::BTreeSet;
use std::hash::BuildHasher;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use arc_swap::ArcSwap;
use pingora_load_balancing::selection::consistent::KetamaHashing;
use pingora_load_balancing::selection::{BackendIter, BackendSelection};

use crate::ir::{Backend, BackendKey};

/// How an endpoint is chosen where the backend itself does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Balance {
    /// One after the other.
    #[default]
    RoundRobin,
    /// The less busy of two, one of them next in turn.
    LeastRequest,
}

/// A backend's endpoints and state. Tables come and go; the cell stays.
#[derive(Debug)]
pub struct BackendCell {
    /// Which backend.
    pub key: BackendKey,
    /// How it is used.
    pub settings: Backend,
    /// Keeps its connections apart from those of other backends at the same address.
    pub group: u64,
    endpoints: ArcSwap<Endpoints>,
    turn: AtomicUsize,
}

/// The endpoints of a backend at one moment.
#[derive(Default)]
pub struct Endpoints {
    list: Box<[Arc<Endpoint>]>,
    /// Consistent hashing, only for backends with affinity.
    ring: Option<Arc<KetamaHashing>>,
}

impl std::fmt::Debug for Endpoints {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.list.iter().map(|endpoint| endpoint.address)).finish()
    }
}

/// One address that serves a backend. Shared by the endpoint lists it appears in, so that counts
/// survive a change of its neighbours.
#[derive(Debug)]
pub struct Endpoint {
    /// Where it listens.
    pub address: SocketAddr,
    active: AtomicU32,
}

/// A request in flight to an endpoint; ends when dropped.
#[derive(Debug)]
pub struct InFlight(Arc<Endpoint>);

impl InFlight {
    /// The endpoint.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.0
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.active.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A cell is only ever itself.
impl PartialEq for BackendCell {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Eq for BackendCell {}

impl BackendCell {
    /// A cell without endpoints.
    #[must_use]
    pub fn new(key: BackendKey, settings: Backend) -> Self {
        let group = foldhash::fast::FixedState::default().hash_one(&key);
        Self { key, settings, group, endpoints: ArcSwap::default(), turn: AtomicUsize::new(0) }
    }

    /// Swaps the endpoints. Addresses that stay keep their counts; says whether anything changed.
    pub fn set_endpoints(&self, addresses: &[SocketAddr]) -> bool {
        let current = self.endpoints.load();
        if current.list.iter().map(|endpoint| endpoint.address).eq(addresses.iter().copied()) {
            return false;
        }
        let list = addresses.iter().map(|address| current.keep(*address)).collect();
        let ring = self.settings.client_ip_affinity.then(|| ring(addresses));
        self.endpoints.store(Arc::new(Endpoints { list, ring }));
        true
    }

    /// The addresses at this moment.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.endpoints.load().list.iter().map(|endpoint| endpoint.address).collect()
    }

    /// Whether there is an endpoint that is not among those tried.
    #[must_use]
    pub fn has_other_than(&self, tried: &[SocketAddr]) -> bool {
        self.endpoints.load().list.iter().any(|endpoint| !tried.contains(&endpoint.address))
    }

    /// Chooses an endpoint and counts the request on it, avoiding those in `tried` while others are
    /// left. `None` when there are no endpoints.
    #[must_use]
    pub fn choose(&self, balance: Balance, client: Option<IpAddr>, tried: &[SocketAddr]) -> Option<InFlight> {
        let endpoints = self.endpoints.load();
        let chosen = match (&endpoints.ring, client) {
            (Some(ring), Some(client)) => endpoints.by_hash(ring, client, tried),
            _ => endpoints.in_turn(&self.turn, balance, tried),
        }?;
        chosen.active.fetch_add(1, Ordering::Relaxed);
        Some(InFlight(Arc::clone(chosen)))
    }
}

impl Endpoints {
    fn keep(&self, address: SocketAddr) -> Arc<Endpoint> {
        let known = self.list.iter().find(|endpoint| endpoint.address == address);
        known.map_or_else(|| Arc::new(Endpoint { address, active: AtomicU32::new(0) }), Arc::clone)
    }

    fn in_turn(&self, turn: &AtomicUsize, balance: Balance, tried: &[SocketAddr]) -> Option<&Arc<Endpoint>> {
        let count = self.list.len();
        if count <= 1 {
            return self.list.first();
        }
        let start = turn.fetch_add(1, Ordering::Relaxed);
        let mut fresh = (start..start + count)
            .filter_map(|n| self.list.get(n % count))
            .filter(|endpoint| !tried.contains(&endpoint.address));
        let Some(first) = fresh.next() else {
            return self.list.get(start % count);
        };
        match balance {
            Balance::RoundRobin => Some(first),
            Balance::LeastRequest => {
                let busy = |endpoint: &Endpoint| endpoint.active.load(Ordering::Relaxed);
                // a step that varies with the turn, so that every pair meets
                let other = fresh.nth(start / count % count.saturating_sub(1).max(1));
                Some(other.filter(|other| busy(other) < busy(first)).unwrap_or(first))
            }
        }
    }

    fn by_hash(&self, ring: &Arc<KetamaHashing>, client: IpAddr, tried: &[SocketAddr]) -> Option<&Arc<Endpoint>> {
        let key = match client {
            IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
            IpAddr::V6(address) => address.octets(),
        };
        let mut nodes = ring.iter(&key);
        let mut first = None;
        // the ring holds many points of each endpoint: bound the walk
        for _ in 0..64 * self.list.len().min(64) {
            let Some(address) = nodes.next().and_then(|node| node.addr.as_inet()) else { break };
            let Some(endpoint) = self.list.iter().find(|endpoint| endpoint.address == *address) else { continue };
            if !tried.contains(&endpoint.address) {
                return Some(endpoint);
            }
            first.get_or_insert(endpoint);
        }
        first
    }
}

fn ring(addresses: &[SocketAddr]) -> Arc<KetamaHashing> {
    let backends: BTreeSet<_> = addresses
        .iter()
        .filter_map(|address| pingora_load_balancing::Backend::new(&address.to_string()).ok())
        .collect();
    Arc::new(KetamaHashing::build(&backends))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::BackendProtocol;

    fn cell(affinity: bool, ports: &[u16]) -> BackendCell {
        let key =
            BackendKey { namespace: "ns".into(), service: "svc".into(), port: 80, protocol: BackendProtocol::Http1 };
        let cell = BackendCell::new(key, Backend { client_ip_affinity: affinity });
        cell.set_endpoints(&addresses(ports));
        cell
    }

    fn addresses(ports: &[u16]) -> Vec<SocketAddr> {
        ports.iter().map(|port| SocketAddr::from(([10, 0, 0, 1], *port))).collect()
    }

    fn pick(cell: &BackendCell, balance: Balance, tried: &[SocketAddr]) -> u16 {
        cell.choose(balance, None, tried).unwrap().endpoint().address.port()
    }

    #[test]
    fn without_endpoints_there_is_no_choice() {
        assert!(cell(false, &[]).choose(Balance::RoundRobin, None, &[]).is_none());
    }

    #[test]
    fn round_robin_takes_one_after_the_other() {
        let cell = cell(false, &[1, 2, 3]);
        let picks: Vec<_> = (0..6).map(|_| pick(&cell, Balance::RoundRobin, &[])).collect();
        assert_eq!(picks, [1, 2, 3, 1, 2, 3]);
    }

    #[test]
    fn a_retry_avoids_what_was_tried_until_nothing_else_is_left() {
        let cell = cell(false, &[1, 2]);
        assert!((0..10).all(|_| pick(&cell, Balance::RoundRobin, &addresses(&[1])) == 2));
        assert!((0..10).all(|_| pick(&cell, Balance::LeastRequest, &addresses(&[1])) == 2));
        let both = addresses(&[1, 2]);
        assert!([1, 2].contains(&pick(&cell, Balance::RoundRobin, &both)));
    }

    #[test]
    fn least_request_avoids_a_busy_endpoint_while_another_is_idle() {
        let cell = cell(false, &[1, 2, 3]);
        let held: Vec<_> = (0..9)
            .filter_map(|_| cell.choose(Balance::RoundRobin, None, &[]))
            .filter(|flight| flight.endpoint().address.port() == 2)
            .collect();
        assert_eq!(held.len(), 3);
        let picks: Vec<_> = (0..60).map(|_| pick(&cell, Balance::LeastRequest, &[])).collect();
        assert!(!picks.contains(&2), "{picks:?}");
    }

    #[test]
    fn counts_survive_a_change_of_neighbours_and_end_with_the_request() {
        let cell = cell(false, &[1, 2]);
        let flight = cell.choose(Balance::RoundRobin, None, &[]).unwrap();
        assert!(cell.set_endpoints(&addresses(&[3, 1])));
        assert!(!cell.set_endpoints(&addresses(&[3, 1])), "nothing changed");
        let active = |port| {
            cell.endpoints.load().list.iter().find(|e| e.address.port() == port).unwrap().active.load(Ordering::Relaxed)
        };
        assert_eq!((active(1), active(3)), (1, 0));
        drop(flight);
        assert_eq!(active(1), 0);
    }

    #[test]
    fn a_client_with_affinity_stays_until_its_endpoint_goes_or_fails() {
        let cell = cell(true, &[1, 2, 3, 4]);
        let client = Some(IpAddr::from([192, 0, 2, 7]));
        let choose = |tried: &[SocketAddr]| cell.choose(Balance::RoundRobin, client, tried).unwrap().endpoint().address;
        let home = choose(&[]);
        assert!((0..20).all(|_| choose(&[]) == home));
        assert_ne!(choose(&[home]), home, "a retry goes elsewhere");
    }
}
