//! One pass of the control loop, and what it leaves for others to look at.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use imbl::ordmap::DiffItem;

use crate::api::{Kind, ObjectKey};
use crate::config::Config;
use crate::ir::{BackendKey, BackendProtocol, Ir};
use crate::proxy::{Routes, Server};
use crate::snapshot::{Exposure, Facts, Snapshot, Socket};
use crate::source::State;
use crate::source::live::Live;
use crate::table::Table;
use crate::telemetry::Metrics;
use crate::telemetry::label::ListenerState;
use crate::translate::endpoints::EndpointIndex;
use crate::translate::{Translation, Translator};

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
    translator: Translator,
    endpoints: EndpointIndex,
    live: Arc<Live>,
    facts: Arc<Facts>,
    ir: Ir,
    /// Whether limits have nowhere to be counted together, which is worth saying once.
    storeless: bool,
    /// What the last pass worked with, and what it made of it.
    before: Snapshot,
    translation: Arc<Translation>,
}

impl Pass {
    pub(super) fn new(
        config: &Config,
        metrics: Arc<Metrics>,
        routes: Arc<Routes>,
        server: Server,
        live: Arc<Live>,
        storeless: bool,
    ) -> Self {
        let facts = Facts { exposure: config.exposure(), assume_bound: false, ..Facts::default() };
        Self {
            metrics,
            routes,
            server,
            translator: Translator::default(),
            endpoints: EndpointIndex::default(),
            live,
            facts: Arc::new(facts),
            ir: Ir::default(),
            storeless,
            before: Snapshot::default(),
            translation: Arc::default(),
        }
    }

    /// Takes one state of the store to the data plane.
    pub(super) fn run(&mut self, state: &State) -> View {
        self.recall_addresses();
        let snapshot = Snapshot { facts: Arc::clone(&self.facts), ..state.snapshot.clone() };
        let moved = self.endpoints.update(&snapshot);
        if self.means_the_same(&snapshot) {
            resolve_some(&self.routes.table(), &self.ir, &self.endpoints, &moved);
        } else {
            self.take(&snapshot, &moved);
        }
        self.before = Snapshot { facts: Arc::clone(&self.facts), ..snapshot };
        View { version: state.version, translation: Arc::clone(&self.translation), addresses: self.server.addresses() }
    }

    /// With a pool of addresses, the statuses are the record of who has which.
    fn recall_addresses(&mut self) {
        if matches!(self.facts.exposure, Exposure::AddressPool(_)) {
            let assigned = self.live.addresses();
            if assigned != self.facts.assigned {
                self.facts = Arc::new(Facts { assigned, ..(*self.facts).clone() });
            }
        }
    }

    /// Whether nothing but endpoints differs from the last pass: they reach the data plane without a
    /// translation and without a new table.
    fn means_the_same(&self, snapshot: &Snapshot) -> bool {
        let kinds = Kind::ALL.into_iter().filter(|kind| *kind != Kind::EndpointSlice);
        self.routes.load().table.generation > 0
            && Arc::ptr_eq(&self.before.facts, &snapshot.facts)
            && kinds.into_iter().all(|kind| self.before.shares(snapshot, kind))
    }

    fn take(&mut self, snapshot: &Snapshot, moved: &HashSet<ObjectKey>) {
        let mut translation = self.translate(snapshot);
        self.publish(&mut translation.ir, moved);
        if self.try_sockets() {
            // the sockets' fate is part of the statuses; what is served does not depend on it
            drop(translation);
            translation = self.translate(&Snapshot { facts: Arc::clone(&self.facts), ..snapshot.clone() });
            self.share(&mut translation.ir);
        }
        self.count(snapshot, &translation);
        self.translation = Arc::new(translation);
    }

    fn translate(&mut self, snapshot: &Snapshot) -> Translation {
        let began = Instant::now();
        let translation = self.translator.translate(snapshot);
        self.metrics.translate_duration.observe(began.elapsed().as_secs_f64());
        translation
    }

    /// Endpoints first: a route is never published before its backends have theirs.
    fn publish(&mut self, ir: &mut Ir, moved: &HashSet<ObjectKey>) {
        let current = self.routes.table();
        if self.share(ir) && current.generation > 0 {
            resolve_some(&current, ir, &self.endpoints, moved);
            return;
        }
        let began = Instant::now();
        let table = Arc::new(Table::compile(ir, Some(&current)));
        resolve_new(&table, &current, &self.endpoints);
        resolve_some(&table, ir, &self.endpoints, moved);
        self.metrics.compile_duration.observe(began.elapsed().as_secs_f64());
        self.metrics.published(table.generation, SystemTime::now());
        self.warn_of_no_store(&table);
        self.routes.publish(table);
        self.ir = ir.clone();
    }

    fn warn_of_no_store(&mut self, table: &Table) {
        if self.storeless && table.limits.any_global() {
            tracing::warn!(
                "some limits are counted Global and limits.store is not set: they do what onStoreFailure says"
            );
            self.storeless = false;
        }
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

/// Gives the backends of some Services their endpoints. The cost is that of these Services.
fn resolve_some(table: &Table, ir: &Ir, index: &EndpointIndex, services: &HashSet<ObjectKey>) {
    for service in services {
        let (namespace, name) = (Arc::clone(&service.namespace), Arc::clone(&service.name));
        let first = BackendKey { namespace, service: name, port: 0, protocol: BackendProtocol::Http1 };
        let of_service = |key: &BackendKey| key.namespace == service.namespace && key.service == service.name;
        for (key, _) in ir.backends.range(first..).take_while(|(key, _)| of_service(key)) {
            if let Some(cell) = table.backends.get(key) {
                cell.set_endpoints(&index.resolve(key));
            }
        }
    }
}

/// Gives the backends that are new in a table their endpoints.
fn resolve_new(table: &Table, previous: &Table, index: &EndpointIndex) {
    for difference in previous.backends.diff(&table.backends) {
        if let DiffItem::Add(key, cell) | DiffItem::Update { new: (key, cell), .. } = difference {
            cell.set_endpoints(&index.resolve(key));
        }
    }
}
