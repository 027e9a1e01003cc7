//! One pass of the control loop, and what it leaves for others to look at.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use crate::config::Config;
use crate::ir::Ir;
use crate::proxy::{Routes, Server};
use crate::snapshot::{Facts, Snapshot, Socket};
use crate::source::State;
use crate::table::Table;
use crate::telemetry::Metrics;
use crate::telemetry::label::ListenerState;
use crate::translate::endpoints::EndpointIndex;
use crate::translate::{Translation, translate};

/// What the process serves and says at this moment.
#[derive(Debug, Clone, Default)]
pub struct View {
    /// The version of the store it was made from; 0 before the first.
    pub version: u64,
    /// What is served, the statuses and the problems.
    pub translation: Arc<Translation>,
    /// Where each wanted socket is really bound.
    pub addresses: BTreeMap<Socket, SocketAddr>,
}

/// What the loop remembers between passes.
pub(super) struct Pass {
    pub(super) metrics: Arc<Metrics>,
    pub(super) routes: Arc<Routes>,
    pub(super) server: Server,
    facts: Arc<Facts>,
    ir: Ir,
}

impl Pass {
    pub(super) fn new(config: &Config, metrics: Arc<Metrics>, routes: Arc<Routes>, server: Server) -> Self {
        let facts = Facts { exposure: config.exposure(), assume_bound: false, ..Facts::default() };
        Self { metrics, routes, server, facts: Arc::new(facts), ir: Ir::default() }
    }

    /// Takes one state of the store to the data plane.
    pub(super) fn run(&mut self, state: &State) -> View {
        let mut snapshot = state.snapshot.clone();
        snapshot.facts = Arc::clone(&self.facts);
        let mut translation = self.translate(&snapshot);
        self.publish(&snapshot, &mut translation.ir);
        if self.try_sockets() {
            // the sockets' fate is part of the statuses; what is served does not depend on it
            drop(translation);
            snapshot.facts = Arc::clone(&self.facts);
            translation = self.translate(&snapshot);
            self.share(&mut translation.ir);
        }
        self.count(&snapshot, &translation);
        View { version: state.version, translation: Arc::new(translation), addresses: self.server.addresses() }
    }

    fn translate(&self, snapshot: &Snapshot) -> Translation {
        let began = Instant::now();
        let translation = translate(snapshot);
        self.metrics.translate_duration.observe(began.elapsed().as_secs_f64());
        translation
    }

    /// Endpoints first: a route is never published before its backends have theirs.
    fn publish(&mut self, snapshot: &Snapshot, ir: &mut Ir) {
        let current = self.routes.table();
        if self.share(ir) && current.generation > 0 {
            resolve(&current, snapshot);
            return;
        }
        let began = Instant::now();
        let table = Arc::new(Table::compile(ir, Some(&current)));
        resolve(&table, snapshot);
        self.metrics.compile_duration.observe(began.elapsed().as_secs_f64());
        self.metrics.published(table.generation, SystemTime::now());
        self.routes.publish(table);
        self.ir = ir.clone();
    }

    /// Two equal IRs need not both be kept: the one that is served stands for both. Says whether they
    /// are equal.
    fn share(&self, ir: &mut Ir) -> bool {
        let equal = *ir == self.ir;
        if equal {
            ir.clone_from(&self.ir);
        }
        equal
    }

    /// Opens and closes sockets; `true` when that changed what is known about them.
    pub(super) fn try_sockets(&mut self) -> bool {
        let wanted: BTreeSet<Socket> = self.ir.listeners.iter().flat_map(|listener| listener.sockets.clone()).collect();
        let sockets = self.server.reconcile(&wanted);
        if sockets == self.facts.sockets {
            return false;
        }
        self.facts = Arc::new(Facts { sockets, ..(*self.facts).clone() });
        true
    }

    fn count(&self, snapshot: &Snapshot, translation: &Translation) {
        self.metrics.translated(snapshot, &translation.problems);
        let bound = self.server.addresses().len();
        self.metrics.listeners.set(ListenerState::Bound, bound);
        self.metrics.listeners.set(ListenerState::Failed, self.facts.sockets.len() - bound);
    }
}

/// Gives every backend its endpoints. Cells whose endpoints did not change are left alone.
fn resolve(table: &Table, snapshot: &Snapshot) {
    let index = EndpointIndex::new(snapshot);
    for (key, cell) in &table.backends {
        cell.set_endpoints(&index.resolve(key));
    }
}
