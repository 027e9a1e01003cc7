//! Fetching the Secrets and ConfigMaps that somebody refers to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use kube::{Api, Client};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;

use super::Settings;
use super::event::{Event, Fetched, Message, Outbox};
use super::raw::Raw;
use super::{code, slim};
use crate::api::{ObjectKey, ObjectRef};

/// Requests at the same time.
const CONCURRENT: usize = 8;
/// Failures after which nobody waits for the object any more, while it is still tried: a few seconds.
const PATIENCE: usize = 6;

/// The objects that somebody refers to.
pub(super) struct Fetches {
    client: Client,
    sender: mpsc::Sender<Message>,
    settings: Settings,
    permits: Arc<Semaphore>,
    wanted: BTreeMap<ObjectRef, Fetch>,
}

#[derive(Debug)]
struct Fetch {
    task: Task,
    /// There is a definitive answer: the object, or that it does not exist or may not be read.
    settled: bool,
    /// There is an answer of some kind.
    tried: bool,
    /// The answer says what there is.
    known: bool,
    version: Option<Arc<str>>,
}

/// A task that ends with its handle.
#[derive(Debug)]
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Fetches {
    /// Fetches nothing yet.
    pub(super) fn new(client: Client, sender: mpsc::Sender<Message>, settings: Settings) -> Self {
        Self { client, sender, settings, permits: Arc::new(Semaphore::new(CONCURRENT)), wanted: BTreeMap::new() }
    }

    /// Says which objects are wanted from now on. The others are forgotten.
    pub(super) fn want(&mut self, wanted: BTreeSet<ObjectRef>) {
        self.wanted.retain(|object, _| wanted.contains(object));
        for object in wanted {
            if !self.wanted.contains_key(&object) {
                let task = self.spawn(&object, Instant::now());
                self.wanted.insert(object, Fetch { task, settled: false, tried: false, known: false, version: None });
            }
        }
    }

    /// Notes that an object exists in a version; it is fetched if it is wanted and that is news.
    pub(super) fn changed(&mut self, object: &ObjectRef, version: &str, at: Instant) {
        let known = |fetch: &Fetch| fetch.version.as_deref() == Some(version) && !version.is_empty();
        if self.wanted.get(object).is_none_or(known) {
            return;
        }
        let task = self.spawn(object, at);
        if let Some(fetch) = self.wanted.get_mut(object) {
            fetch.task = task;
        }
    }

    /// Notes that an object does not exist any more.
    pub(super) fn gone(&mut self, object: &ObjectRef) {
        if let Some(fetch) = self.wanted.get_mut(object) {
            fetch.task.0.abort();
            (fetch.settled, fetch.tried, fetch.known, fetch.version) = (true, true, true, None);
        }
    }

    /// Notes what a fetch came to. Says whether anybody wants it.
    pub(super) fn arrived(&mut self, object: &ObjectRef, fetched: &Fetched) -> bool {
        let Some(fetch) = self.wanted.get_mut(object) else { return false };
        fetch.tried = true;
        fetch.settled |= !matches!(fetched, Fetched::Failing);
        fetch.known |= matches!(fetched, Fetched::Found(_) | Fetched::Absent);
        if let Fetched::Found(item) = fetched {
            fetch.version = Some(Arc::clone(&item.version));
        }
        true
    }

    /// Whether there is a definitive answer for everything; with `any`, an answer of any kind.
    pub(super) fn settled(&self, any: bool) -> bool {
        self.wanted.values().all(|fetch| fetch.settled || (any && fetch.tried))
    }

    /// Whether there is an answer for these, if only that the API server does not give one.
    pub(super) fn tried(&self, objects: &[ObjectRef]) -> bool {
        objects.iter().all(|object| self.wanted.get(object).is_some_and(|fetch| fetch.tried))
    }

    /// Whether it is known what there is of an object, if only that there is nothing.
    pub(super) fn knows(&self, object: &ObjectRef) -> bool {
        self.wanted.get(object).is_some_and(|fetch| fetch.known)
    }

    fn spawn(&self, object: &ObjectRef, at: Instant) -> Task {
        let one = One {
            object: object.clone(),
            outbox: Outbox::new(object.kind, self.sender.clone()),
            permits: Arc::clone(&self.permits),
            settings: self.settings.clone(),
            at,
        };
        Task(tokio::spawn(one.fetch(self.client.clone())))
    }
}

struct One {
    object: ObjectRef,
    outbox: Outbox,
    permits: Arc<Semaphore>,
    settings: Settings,
    at: Instant,
}

impl One {
    /// Asks until there is an answer that stays.
    async fn fetch(self, client: Client) {
        let ObjectRef { kind, key } = &self.object;
        let api = Api::<Raw<false>>::namespaced_with(client, &key.namespace, &kind.resource());
        let (mut backoff, mut failures, mut refused) = (self.settings.backoff(), 0, false);
        loop {
            let pause = match self.ask(&api, &key.name).await {
                Ok(raw) => {
                    let item = Box::new(slim::item(*kind, raw));
                    return self.tell(key, Fetched::Found(item)).await;
                }
                Err(error) => match code(&error) {
                    Some(404) => return self.tell(key, Fetched::Absent).await,
                    Some(403) => {
                        if !std::mem::replace(&mut refused, true) {
                            tracing::warn!(object = %self.object, "may not be read");
                            self.tell(key, Fetched::Forbidden).await;
                        }
                        self.settings.probe_every
                    }
                    _ => {
                        failures += 1;
                        if failures == PATIENCE {
                            self.tell(key, Fetched::Failing).await;
                        }
                        backoff.pause()
                    }
                },
            };
            tokio::time::sleep(pause).await;
        }
    }

    async fn ask(&self, api: &Api<Raw<false>>, name: &str) -> kube::Result<Raw<false>> {
        // Nobody closes the semaphore.
        let _permit = self.permits.acquire().await.ok();
        api.get(name).await
    }

    async fn tell(&self, key: &ObjectKey, fetched: Fetched) {
        self.outbox.send(Event::Fetched(key.clone(), fetched), self.at).await;
    }
}
