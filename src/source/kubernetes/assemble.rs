//! The one task that writes to the store.

mod receive;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use kube::Client;
use tokio::sync::{Notify, mpsc, oneshot, watch as channel};
use tokio::task::JoinSet;

use super::Settings;
use super::defects::Defects;
use super::event::{Message, Outbox};
use super::fetch::Fetches;
use super::health::{Health, Standing};
use super::keep::Kept;
use super::keeper::Keeper;
use super::pending::{Pending, Ready};
use super::progress::Progress;
use super::referenced::{self, REFERRERS};
use super::watch::watch;
use crate::api::{Kind, ObjectRef};
use crate::snapshot::{Object, Snapshot};
use crate::source::live::Live;
use crate::source::{Change, Extent, Store};
use crate::telemetry::metrics::Metrics;

/// Messages that may wait. Watches wait when there are more.
const WAITING: usize = 1024;

/// What the task knows.
pub(super) struct Assembly {
    store: Arc<Store>,
    live: Arc<Live>,
    metrics: Arc<Metrics>,
    settings: Settings,
    inbox: mpsc::Receiver<Message>,
    health: channel::Sender<Health>,
    /// Watches end with the task.
    _watches: JoinSet<()>,
    /// Tells watches that wait when another has reached the API server again.
    back: Arc<Notify>,
    fetches: Fetches,
    keeper: Keeper,
    progress: BTreeMap<Kind, Progress>,
    pending: Pending,
    defects: Defects,
    /// What the objects of the store or those that wait refer to may have changed.
    references_changed: bool,
    /// Everything has been delivered once.
    complete: bool,
    restored: Option<SystemTime>,
    /// The time for the first delivery is over.
    late: bool,
}

impl Assembly {
    /// Starts the watches.
    pub(super) fn new(
        client: Client,
        settings: Settings,
        store: Arc<Store>,
        live: Arc<Live>,
        metrics: Arc<Metrics>,
    ) -> (Self, channel::Receiver<Health>) {
        let (sender, inbox) = mpsc::channel(WAITING);
        let (mut watches, back) = (JoinSet::new(), Arc::new(Notify::new()));
        for kind in Kind::ALL {
            let outbox = Outbox::new(kind, sender.clone());
            let (client, settings) = (client.clone(), settings.clone());
            watches.spawn(watch(kind, client, outbox, settings, Arc::clone(&metrics), Arc::clone(&back)));
        }
        let kinds = Kind::ALL.into_iter().map(|kind| (kind, Standing::Connecting)).collect();
        let (health, receiver) = channel::channel(Health { kinds, ..Health::default() });
        let assembly = Self {
            fetches: Fetches::new(client, sender, settings.clone()),
            keeper: Keeper::new(settings.state_dir.clone(), settings.keep_every, Arc::clone(&metrics)),
            progress: Kind::ALL.into_iter().map(|kind| (kind, Progress::default())).collect(),
            pending: Pending::default(),
            defects: Defects::default(),
            references_changed: false,
            complete: false,
            restored: None,
            late: false,
            _watches: watches,
            back,
            store,
            live,
            metrics,
            settings,
            inbox,
            health,
        };
        (assembly, receiver)
    }

    /// Works until it is stopped.
    pub(super) async fn run(mut self, mut stop: oneshot::Receiver<()>) {
        let late = tokio::time::sleep(self.settings.start_timeout);
        let mut late = std::pin::pin!(late);
        let mut messages = Vec::new();
        loop {
            // Only what is complete replaces what is on disk.
            let may_keep = self.complete;
            tokio::select! {
                received = self.inbox.recv_many(&mut messages, WAITING) => {
                    if received == 0 {
                        break;
                    }
                    self.receive(messages.drain(..));
                    self.finish_start().await;
                    self.report();
                }
                due = self.keeper.due(), if may_keep => {
                    let store = &self.store;
                    self.keeper.work(due, || snapshot(store));
                }
                () = &mut late, if !self.late => {
                    self.late = true;
                    self.finish_start().await;
                    if !self.complete {
                        self.restore().await;
                    }
                    self.report();
                }
                _ = &mut stop => break,
            }
        }
        if self.complete {
            let store = &self.store;
            self.keeper.finish(|| snapshot(store)).await;
        }
    }

    fn receive(&mut self, messages: impl Iterator<Item = Message>) {
        for message in messages {
            self.take(message);
        }
        self.flush();
    }

    /// Brings into the store what may be applied.
    fn flush(&mut self) {
        loop {
            if std::mem::take(&mut self.references_changed) {
                self.refer();
            }
            let (pending, fetches) = (&mut self.pending, &self.fetches);
            // A Gateway that refers to a new certificate takes effect together with it.
            let may = |object: &Object| fetches.tried(&referenced::by(object));
            let Some(Ready { changes, arrived }) = self.store.read(|state| pending.take(&state.snapshot, may)) else {
                return;
            };
            self.references_changed = changes.iter().any(|change| REFERRERS.contains(&kind_of(change)));
            self.store.apply_arrived(changes, Extent::Partial, arrived);
            self.keeper.touch();
        }
    }

    /// Fetches what is referred to, and removes what is not any more.
    fn refer(&mut self) {
        let mut wanted = self.store.read(|state| referenced::by_all(&state.snapshot));
        wanted.extend(self.pending.objects().flat_map(referenced::by));
        // What was just fetched, or cannot be read, may be unwanted already.
        let known: BTreeSet<ObjectRef> =
            [Kind::Secret, Kind::ConfigMap].into_iter().flat_map(|kind| self.known(kind)).collect();
        for unwanted in known.difference(&wanted) {
            self.defects.clear(unwanted);
            self.pending.remove(unwanted.clone(), Instant::now());
        }
        self.fetches.want(wanted);
    }

    /// The objects of a kind that are in the store.
    fn held(&self, kind: Kind) -> Vec<ObjectRef> {
        self.store.read(|state| state.snapshot.all(kind).iter().map(Object::reference).collect())
    }

    fn is_settled(&self) -> bool {
        // One Secret that the API server cannot give must not keep everybody waiting for ever.
        self.progress.values().all(Progress::settled) && self.fetches.settled(self.late) && self.pending.is_empty()
    }

    /// When everything has come for the first time, says so.
    async fn finish_start(&mut self) {
        if self.complete || !self.is_settled() {
            return;
        }
        self.complete = true;
        let forbidden = |kind: &Kind| self.progress.get(kind).is_some_and(|p| p.standing == Standing::Forbidden);
        let forbidden: BTreeSet<Kind> = Kind::ALL.into_iter().filter(forbidden).collect();
        let mut changes = Vec::new();
        if self.restored.take().is_none() && !forbidden.is_empty() {
            // Otherwise a right that was taken away by mistake would empty the configuration at a restart.
            changes = self.additions(self.keeper.restore().await, |kind| forbidden.contains(&kind));
        }
        self.references_changed = !changes.is_empty();
        self.store.apply_arrived(changes, Extent::Complete, Instant::now());
        self.metrics.control.restored.set(0);
        self.keeper.touch();
        self.flush();
        tracing::info!(
            objects = self.store.read(|state| count(&state.snapshot)),
            "the API server has delivered everything"
        );
    }

    /// The API server is late: what was kept is served, as far as nothing newer has come.
    async fn restore(&mut self) {
        let Some(kept) = self.keeper.restore().await else {
            tracing::warn!("the API server has not delivered everything yet, and no configuration is kept");
            return;
        };
        let at = kept.at;
        let open: BTreeSet<Kind> = self.progress.iter().filter(|(_, p)| !p.synced()).map(|(kind, _)| *kind).collect();
        let changes =
            self.additions(Some(kept), |kind| open.contains(&kind) || matches!(kind, Kind::Secret | Kind::ConfigMap));
        tracing::warn!(
            objects = changes.len(),
            "the API server has not delivered everything yet; the kept configuration is served"
        );
        self.restored = Some(at);
        self.metrics.control.restored.set(1);
        self.references_changed = true;
        self.store.apply_arrived(changes, Extent::Restored, Instant::now());
        self.flush();
    }

    /// Kept objects of which the API server has not said anything yet.
    fn additions(&self, kept: Option<Kept>, wanted: impl Fn(Kind) -> bool) -> Vec<Change> {
        let objects = kept.into_iter().flat_map(|kept| kept.objects);
        let is_new = |object: &Object| {
            let reference = object.reference();
            wanted(reference.kind)
                && !self.fetches.knows(&reference)
                && self.store.read(|state| state.snapshot.get(&reference)).is_none()
        };
        objects.filter(is_new).map(Change::Put).collect()
    }

    /// Tells whoever watches how things stand.
    fn report(&mut self) {
        let health = Health {
            kinds: self.progress.iter().map(|(kind, progress)| (*kind, progress.standing.clone())).collect(),
            complete: self.complete,
            restored: self.restored,
            malformed: self.defects.all(),
        };
        self.health.send_if_modified(|known| {
            let modified = *known != health;
            if modified {
                *known = health;
            }
            modified
        });
        for (kind, progress) in &self.progress {
            self.metrics.control.watch_synced.set(*kind, progress.synced().into());
            self.metrics.control.malformed.set(*kind, self.defects.of(*kind).count());
        }
    }
}

fn snapshot(store: &Store) -> Snapshot {
    store.read(|state| state.snapshot.clone())
}

fn count(snapshot: &Snapshot) -> usize {
    Kind::ALL.iter().map(|kind| snapshot.count(*kind)).sum()
}

const fn kind_of(change: &Change) -> Kind {
    match change {
        Change::Put(object) => object.kind(),
        Change::Remove(object) => object.kind,
    }
}
