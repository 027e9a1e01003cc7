//! The compiled table: what a request is looked up in.
//!
//! Immutable. A lookup borrows its keys, takes no lock and allocates nothing; it is not linear
//! in the number of hosts, routes or rules. [`Table::compile`] reuses every part of the previous
//! table whose source has not changed, and carries over each backend's cell, so that endpoints,
//! balancing state and counters survive. [`oracle`] says the same slowly: both always agree.

pub mod action;
pub mod backend;
mod bucket;
pub mod claims;
mod compile;
pub mod dump;
mod grpc;
pub mod host;
mod hostmap;
pub mod limits;
mod matcher;
pub mod oracle;
pub mod path;
mod query;
pub mod shares;
pub mod stats;

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;
use http::HeaderMap;
use imbl::OrdMap;

pub use action::{Action, Rule};
pub use backend::BackendCell;
pub use claims::Claims;
pub(crate) use grpc::is_grpc;
pub use host::{Listener, Port};
pub use limits::Limits;
pub use path::HostTable;
pub(crate) use query::Decoded;
pub use shares::Shares;

use crate::ir::{Backend, BackendKey};
use crate::limit::Basis;
use crate::snapshot::Socket;

/// Maps of the table: fast, seeded hashing.
pub type Map<K, V> = HashMap<K, V, RandomState>;

/// The cells of backends.
pub type Cells = OrdMap<BackendKey, Arc<BackendCell>>;

/// One generation of everything that is served.
#[derive(Debug, Default)]
pub struct Table {
    /// Counts published tables; 0 is the empty one before the first.
    pub generation: u64,
    /// What each socket serves.
    pub ports: Map<Socket, Arc<Port>>,
    /// The cell of every backend.
    pub backends: Cells,
    /// Who alone may serve what.
    pub claims: Arc<Claims>,
    /// What each tenant gets of a saturated gateway.
    pub shares: Shares,
    /// What may be taken.
    pub limits: Arc<Limits>,
    /// What the backends were made from.
    settings: OrdMap<BackendKey, Backend>,
    /// Every listener once, in the order of the IR; one may serve several sockets.
    pub listeners: Box<[Arc<Listener>]>,
}

impl Table {
    /// An empty table, for others to be compiled upon whose limits share a basis.
    #[must_use]
    pub fn on(basis: Arc<Basis>) -> Self {
        Self { limits: Limits::on(basis), ..Self::default() }
    }

    /// The same for a gateway that is saturated by so many requests in flight; before there is no bound.
    #[must_use]
    pub fn of_capacity(self, capacity: u32) -> Self {
        Self { shares: Shares::of(capacity), ..self }
    }

    /// What a socket serves.
    #[must_use]
    pub fn port(&self, socket: &Socket) -> Option<&Arc<Port>> {
        self.ports.get(socket)
    }

    /// Every rule of every listener and hostname, in no order.
    pub fn rules(&self) -> impl Iterator<Item = &Arc<Rule>> {
        let hosts = self.listeners.iter().flat_map(|listener| listener.hosts.values());
        hosts.flat_map(|host| &host.table.sources).flat_map(|source| &source.rules)
    }
}

/// What a lookup looks at. All borrowed from the request.
#[derive(Debug, Clone, Copy)]
pub struct Query<'a> {
    /// Host, lower case, without port or trailing dot.
    pub host: &'a str,
    /// Normalised path, without query.
    pub path: &'a str,
    /// What follows `?`, raw.
    pub query: Option<&'a str>,
    /// Method.
    pub method: &'a str,
    /// Header fields.
    pub headers: &'a HeaderMap,
}

/// What came of a lookup.
#[derive(Debug, Clone, Copy)]
pub struct Found<'t> {
    /// The winner.
    pub hit: Option<Hit<'t>>,
    /// The best rule that would have won, had nobody else claimed the host and path.
    pub refused: Option<&'t Arc<Rule>>,
    /// Whether the winner would be refused if every claim was enforced.
    pub shadowed: bool,
}

/// What a lookup found.
#[derive(Debug, Clone, Copy)]
pub struct Hit<'t> {
    /// The winning rule.
    pub rule: &'t Arc<Rule>,
    /// Length of the matched path prefix in bytes (for `ReplacePrefixMatch`), if a prefix matched.
    /// The prefix counts without its trailing slash, so `/` counts 0 and what follows is empty or
    /// begins with `/`.
    pub prefix: Option<usize>,
}
