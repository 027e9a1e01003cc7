//! The whole edge in the test's own process: the one place that knows the product's API.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use imbl::OrdMap;
use jiff::Timestamp;
use paifang::api::status::Status;
use paifang::api::{Kind, ObjectKey, ObjectRef};
use paifang::config::{Config, Ports};
use paifang::controller::{Edge, Inputs};
use paifang::ir::ListenerProtocol;
use paifang::snapshot::Snapshot;
use paifang::source::finding::{Finding, Level};
use paifang::source::{Change, Store, folder};
use paifang::telemetry::{AccessLog, Metrics};

use super::backends::Backends;
use super::echo::Log;

/// What a manifest file holds, read as `paifang run` reads it.
pub(crate) struct Loaded {
    /// The objects.
    pub(crate) snapshot: Snapshot,
    /// The same, as the source delivers them.
    pub(crate) changes: Vec<Change>,
    /// What is wrong with the file, as it is shown to people, with the file's bare name.
    pub(crate) findings: Vec<String>,
    /// Whether `kubectl apply` would refuse or warn about any of it.
    pub(crate) refused: bool,
}

/// Reads a manifest file.
pub(crate) fn load(file: &Path) -> anyhow::Result<Loaded> {
    let folder = tempfile::tempdir()?;
    let name = file.file_name().context("a manifest has a name")?;
    std::fs::copy(file, folder.path().join(name))?;
    let mut loaded = folder::load(folder.path())?;
    loaded.changes.iter_mut().for_each(age);
    let store = Store::default();
    store.apply(loaded.changes.clone(), true);
    let snapshot = store.subscribe().borrow().snapshot.clone().at(Timestamp::now());
    let prefix = format!("{}/", folder.path().display());
    let findings = loaded.findings.iter().map(|finding| finding.to_string().replace(&prefix, "")).collect();
    let refused = loaded.findings.iter().any(|finding: &Finding| finding.level < Level::Note);
    Ok(Loaded { snapshot, changes: loaded.changes, findings, refused })
}

/// Gives an object the generation of its annotation `test.paifang.dev/generation`. The source
/// counts generations itself, as an API server does, and starts at 1.
fn age(change: &mut Change) {
    if let Change::Put(object) = change {
        let meta = object.metadata_mut();
        let wanted = meta.annotations.as_ref().and_then(|notes| notes.get("test.paifang.dev/generation")?.parse().ok());
        meta.generation = wanted.or(meta.generation);
    }
}

/// A listener of the manifests and where it is really bound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// `namespace/name`.
    pub(crate) gateway: String,
    /// Name of the listener.
    pub(crate) listener: String,
    /// Port as the manifest says it.
    pub(crate) port: u16,
    /// Whether TLS is spoken.
    pub(crate) tls: bool,
    /// Where to connect.
    pub(crate) address: SocketAddr,
}

/// An edge that serves a manifest file with backends that answer.
pub(crate) struct EdgeUnderTest {
    edge: Edge,
    store: Arc<Store>,
    backends: Backends,
}

impl EdgeUnderTest {
    /// Starts an edge and waits until it serves.
    pub(crate) async fn start(file: &Path) -> anyhow::Result<Self> {
        let mut loaded = load(file)?;
        let mut backends = Backends::start(&loaded.snapshot).await?;
        loaded.changes.append(&mut backends.changes);
        let config = Config { ports: Ports::Ephemeral, threads: 1, ..Config::default() };
        let inputs = Inputs::default();
        let store = Arc::clone(&inputs.store);
        let edge = Edge::start(config, inputs, AccessLog::disabled(), Arc::new(Metrics::new()?))?;
        let under_test = Self { edge, store, backends };
        under_test.apply(loaded.changes).await?;
        Ok(under_test)
    }

    /// Listeners that serve.
    pub(crate) fn places(&self) -> Vec<Place> {
        let view = self.edge.view().borrow().clone();
        let listeners = view.translation.ir.listeners.iter();
        let sockets = listeners.flat_map(|listener| listener.sockets.iter().map(move |socket| (listener, socket)));
        let places = sockets.filter_map(|(listener, socket)| {
            Some(Place {
                gateway: listener.gateway.to_string(),
                listener: listener.name.to_string(),
                port: socket.port,
                tls: listener.protocol == ListenerProtocol::Https,
                address: *view.addresses.get(socket)?,
            })
        });
        places.collect()
    }

    /// What it says about the objects.
    pub(crate) fn statuses(&self) -> OrdMap<ObjectRef, Arc<Status>> {
        self.edge.view().borrow().translation.statuses.clone()
    }

    /// The sum of a metric's series.
    pub(crate) fn metric(&self, name: &str) -> u64 {
        let scrape: String = self.edge.metrics().scrape().collect();
        let series = scrape.lines().filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with('{')));
        series.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
    }

    /// What the backends received.
    pub(crate) const fn log(&self) -> &Log {
        &self.backends.log
    }

    /// Removes an object, named `Kind namespace/name`, and waits until that is served.
    pub(crate) async fn remove(&self, object: &str) -> anyhow::Result<()> {
        let (kind, key) = object.split_once(' ').context("an object is named `Kind namespace/name`")?;
        let (namespace, name) = key.split_once('/').context("a key is `namespace/name`")?;
        let kind = Kind::ALL.into_iter().find(|known| known.as_str() == kind).context("an unknown kind")?;
        self.apply([Change::Remove(ObjectRef::new(kind, ObjectKey::new(namespace, name)))]).await
    }

    /// Stops it.
    pub(crate) async fn shutdown(self) {
        self.edge.shutdown().await;
    }

    async fn apply(&self, changes: impl IntoIterator<Item = Change>) -> anyhow::Result<()> {
        self.store.apply(changes, true);
        let version = self.store.subscribe().borrow().version;
        anyhow::ensure!(self.edge.settled(version).await, "the edge ended");
        Ok(())
    }
}
