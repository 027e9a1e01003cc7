//! From the IR to a table, reusing what has not changed.
//!
//! ```text
//! Table ─ Port ─ Listener ─ HostTable ─ Source ─ CompiledRoute (actions, conditions)
//!                                          └──── Rule (identity, counters)
//! ```
//! Each level is shared with the previous table when what it was compiled from is equal. Equality
//! is found by pointer first, so an unchanged route costs a comparison and no more.

mod diff;
mod filter;
mod grpc;
mod host;
mod listener;
mod precedence;
mod route;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use foldhash::fast::RandomState;
use imbl::OrdMap;
use imbl::ordmap::DiffItem;

pub(crate) use host::Source;
pub(crate) use route::CompiledRoute;

use super::hostmap::HostMap;
use super::{BackendCell, Cells, Claims, Limits, Listener, Map, Port, Shares, Table};
use crate::ir::{Backend, BackendKey, Ir, Pattern, Route, Target};
use crate::snapshot::Socket;

impl Table {
    /// Compiles the IR, reusing what it can of the table before.
    #[must_use]
    pub fn compile(ir: &Ir, previous: Option<&Self>) -> Self {
        let empty = Self::default();
        let previous = previous.unwrap_or(&empty);
        let (backends, changed) = carry_cells(&ir.backends, previous);
        let claims = Claims::compile(&ir.claims, &previous.claims);
        let limits = Limits::compile(&ir.limits, &previous.limits);
        let limited_as_before = Arc::ptr_eq(&limits, &previous.limits);
        let shares = previous.shares.compile(&ir.shares);
        let mut compiler =
            Compiler { limited_as_before, ..Compiler::new(&backends, changed, &claims, &limits, shares) };
        let listeners = compiler.listeners(&ir.listeners, &previous.listeners);
        let shares = compiler.shares;
        let ports = ports(&listeners, &previous.ports);
        let (generation, settings) = (previous.generation + 1, ir.backends.clone());
        Self { generation, ports, backends, claims, shares, limits, settings, listeners }
    }
}

/// What compiling one table needs and remembers.
struct Compiler<'a> {
    cells: &'a Cells,
    claims: &'a Arc<Claims>,
    limits: &'a Limits,
    /// Whether the limits are those of the previous table.
    limited_as_before: bool,
    shares: Shares,
    /// Backends whose cell is not the one the previous table had.
    changed: HashSet<BackendKey, RandomState>,
    /// By address of the route, which the IR keeps alive: shared by listeners and hostnames.
    routes: Map<*const Route, Arc<CompiledRoute>>,
    /// By text: many routes write the same expression.
    patterns: Map<&'a str, Option<Arc<Pattern>>>,
    /// Labels of rules without a name.
    positions: Vec<Arc<str>>,
}

impl<'a> Compiler<'a> {
    fn new(
        cells: &'a Cells,
        changed: HashSet<BackendKey, RandomState>,
        claims: &'a Arc<Claims>,
        limits: &'a Limits,
        shares: Shares,
    ) -> Self {
        Self {
            cells,
            claims,
            limits,
            limited_as_before: false,
            shares,
            changed,
            routes: Map::default(),
            patterns: Map::default(),
            positions: Vec::new(),
        }
    }

    /// Whether what was compiled from one route serves another: equal, and with the same cells.
    fn is_same(&self, old: &Arc<Route>, new: &Arc<Route>) -> bool {
        old == new && (self.changed.is_empty() || !self.names_changed_backend(new))
    }

    fn names_changed_backend(&self, route: &Route) -> bool {
        let changed = |target: &Target| matches!(target, Target::Backend(key) if self.changed.contains(key));
        route.rules.iter().any(|rule| {
            let filters = std::iter::once(&rule.filters).chain(rule.backends.iter().map(|backend| &backend.filters));
            rule.backends.iter().any(|backend| changed(&backend.target))
                || filters.flat_map(|filters| &filters.mirrors).any(|mirror| changed(&mirror.target))
        })
    }

    /// The label of a rule: its name, or its position.
    fn label(&mut self, name: Option<&Arc<str>>, position: usize) -> Arc<str> {
        while self.positions.len() <= position {
            self.positions.push(self.positions.len().to_string().into());
        }
        name.or_else(|| self.positions.get(position)).map_or_else(|| "".into(), Arc::clone)
    }
}

/// The cells of all backends, and the keys whose cell is new or gone. The cost is that of what differs.
fn carry_cells(backends: &OrdMap<BackendKey, Backend>, previous: &Table) -> (Cells, HashSet<BackendKey, RandomState>) {
    let (mut cells, mut changed) = (previous.backends.clone(), HashSet::default());
    for difference in previous.settings.diff(backends) {
        let key = match difference {
            DiffItem::Remove(key, _) => {
                cells.remove(key);
                key
            }
            DiffItem::Add(key, settings) | DiffItem::Update { new: (key, settings), .. } => {
                cells.insert(key.clone(), Arc::new(BackendCell::new(key.clone(), settings.clone())));
                key
            }
        };
        changed.insert(key.clone());
    }
    (cells, changed)
}

fn ports(listeners: &[Arc<Listener>], previous: &Map<Socket, Arc<Port>>) -> Map<Socket, Arc<Port>> {
    let mut by_socket: BTreeMap<Socket, Vec<Arc<Listener>>> = BTreeMap::new();
    for listener in listeners {
        for socket in &listener.source.sockets {
            by_socket.entry(*socket).or_default().push(Arc::clone(listener));
        }
    }
    let port = |(socket, listeners): (Socket, Vec<Arc<Listener>>)| {
        let same = |port: &&Arc<Port>| {
            port.listeners.len() == listeners.len()
                && port.listeners.iter().zip(&listeners).all(|(a, b)| Arc::ptr_eq(a, b))
        };
        let port = previous.get(&socket).filter(same).cloned();
        port.or_else(|| new_port(socket, listeners)).map(|port| (socket, port))
    };
    by_socket.into_iter().filter_map(port).collect()
}

fn new_port(socket: Socket, listeners: Vec<Arc<Listener>>) -> Option<Arc<Port>> {
    let protocol = listeners.first()?.protocol;
    let mut by_host = HostMap::default();
    // in reverse: of two listeners with one hostname the first serves
    by_host.update(listeners.iter().rev().map(|listener| (listener.hostname.clone(), Some(Arc::clone(listener)))));
    Some(Arc::new(Port { socket, protocol, listeners: listeners.into(), by_host }))
}
