//! Makes Gateways reachable: their Services, and EndpointSlices that lead to the pods of Paifang.

mod plan;
mod service;
mod slice;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use tokio::sync::watch;
use tokio::time::Instant;

pub(crate) use plan::Place;
use plan::{Action, plan};

use super::events::{Events, Turn};
use super::leadership::Leadership;
use super::queue::{Done, Queue};
use super::request::{Refused, Requests};
use crate::api::{Kind, ObjectKey, ObjectRef};
use crate::snapshot::{Objects, Snapshot};
use crate::source::State;
use crate::telemetry::Metrics;
use crate::telemetry::label::WriteOutcome;
use crate::translate::{GatewayService, Translation};

/// Requests at the same time.
const AT_ONCE: usize = 8;
/// How long something must not be wanted before it is deleted: an address that is given up is gone.
const DELETION: Duration = Duration::from_secs(2);
/// How long the watch may take to show what was written, before it is written again.
const ECHO: Duration = Duration::from_secs(5);
/// Time between two looks: a roll-out changes many EndpointSlices at once.
const PAUSE: Duration = Duration::from_millis(50);

/// The loop. What has to be done follows from what is wanted and what is there, each time anew.
pub(crate) struct Provisioner {
    work: Work,
    place: Place,
    leadership: Leadership,
    state: watch::Receiver<State>,
    wanted: watch::Receiver<Arc<Translation>>,
    latest: Option<Arc<Translation>>,
    actions: BTreeMap<ObjectRef, Arc<Action>>,
    done: BTreeMap<ObjectRef, (Arc<Action>, Instant)>,
    unwanted: BTreeMap<ObjectRef, Instant>,
    looked: Option<Looked>,
    refused: BTreeSet<ObjectKey>,
    queue: Queue,
    running: FuturesUnordered<BoxFuture<'static, (ObjectRef, Arc<Action>, Done)>>,
    term: Option<u64>,
}

/// What the actions follow from.
struct Looked {
    services: Objects<Service>,
    slices: Objects<EndpointSlice>,
    translation: Arc<Translation>,
}

/// What an action needs.
#[derive(Clone)]
pub(crate) struct Work {
    /// The API server.
    pub(crate) requests: Requests,
    /// Where Services that are not ours are told of.
    pub(crate) events: Events,
    /// Counters.
    pub(crate) metrics: Arc<Metrics>,
}

impl Provisioner {
    /// A provisioner of what is wanted.
    pub(crate) fn new(
        work: Work,
        place: Place,
        leadership: Leadership,
        state: watch::Receiver<State>,
        wanted: watch::Receiver<Arc<Translation>>,
    ) -> Self {
        let first = Arc::clone(&wanted.borrow());
        Self {
            work,
            place,
            leadership,
            state,
            wanted,
            latest: (*first != Translation::default()).then_some(first),
            actions: BTreeMap::new(),
            done: BTreeMap::new(),
            unwanted: BTreeMap::new(),
            looked: None,
            refused: BTreeSet::new(),
            queue: Queue::default(),
            running: FuturesUnordered::new(),
            term: None,
        }
    }

    /// Runs until it is dropped, or until nobody translates any more.
    pub(crate) async fn run(mut self) {
        let (mut look, mut next_look) = (true, Instant::now());
        loop {
            look |= self.lead();
            if look && Instant::now() >= next_look {
                look = false;
                if self.look() {
                    next_look = Instant::now() + PAUSE;
                }
            }
            let wake = self.start().into_iter().chain(look.then_some(next_look)).min();
            tokio::select! {
                Some((object, action, done)) = self.running.next(), if !self.running.is_empty() => {
                    self.finish(object, action, done);
                }
                () = self.leadership.changed() => {}
                Ok(()) = self.state.changed() => look = true,
                changed = self.wanted.changed() => match changed {
                    Ok(()) => {
                        self.latest = Some(Arc::clone(&self.wanted.borrow_and_update()));
                        look = true;
                    }
                    Err(_) => return,
                },
                () = super::writer::sleep(wake) => {}
            }
        }
    }

    /// Says whether a term has begun; what is under way when one ends is dropped.
    fn lead(&mut self) -> bool {
        let term = self.leadership.term().map(|term| term.number);
        let changed = term != self.term;
        if changed {
            self.term = term;
            self.running.clear();
            self.queue.clear();
            self.done.clear();
            self.unwanted.clear();
            self.actions.clear();
            self.looked = None;
            self.refused.clear();
        }
        changed && term.is_some()
    }

    /// Compares what is wanted with what is there; says whether either has changed.
    fn look(&mut self) -> bool {
        let Some(latest) = self.latest.as_ref().filter(|_| self.term.is_some()) else { return false };
        let (now, state) = (Instant::now(), self.state.borrow_and_update().clone());
        // Half a picture must not change what is there.
        if !super::is_complete(&state) || self.looked.as_ref().is_some_and(|it| it.is_same(&state.snapshot, latest)) {
            return false;
        }
        self.looked = Some(Looked::at(&state.snapshot, latest));
        let plan = plan(&state.snapshot, &latest.services, &self.place);
        let services = Arc::clone(latest);
        self.refuse(&plan.refused, &services.services);
        self.actions = plan.actions.into_iter().map(|(object, action)| (object, Arc::new(action))).collect();
        self.unwanted.retain(|object, _| self.actions.get(object).is_some_and(|action| action.is_deletion()));
        self.done.retain(|object, (done, at)| self.actions.get(object) == Some(done) && now < *at + ECHO);
        for (object, action) in &self.actions {
            let due = match self.done.get(object) {
                Some((_, at)) => *at + ECHO,
                None if action.is_deletion() => *self.unwanted.entry(object.clone()).or_insert(now) + DELETION,
                None => now,
            };
            self.queue.push(object.clone(), due, now);
        }
        true
    }

    /// Says once that a Service of somebody else stands in the way.
    fn refuse(&mut self, names: &BTreeSet<ObjectKey>, services: &BTreeMap<ObjectKey, Arc<GatewayService>>) {
        for name in names.difference(&self.refused) {
            let Some(service) = services.get(name) else { continue };
            tracing::error!(service = %name, gateway = %service.gateway, "a Service of this name exists and is not ours");
            let note = format!("the Service '{name}' exists and was not made by Paifang: delete or rename it");
            let turn = Turn { bad: true, reason: "ServiceNotOurs".to_owned(), note };
            let gateway = ObjectRef::new(Kind::Gateway, service.gateway.clone());
            self.work.events.send(&gateway, &service.gateway_uid.as_str().into(), vec![turn]);
        }
        self.refused.clone_from(names);
    }

    /// Starts what may start; says when more can.
    fn start(&mut self) -> Option<Instant> {
        self.term?;
        while self.running.len() < AT_ONCE {
            let now = Instant::now();
            let Some(object) = self.queue.pop(now) else { return self.queue.next() };
            // What was asked for may have been done or given up meanwhile.
            let action = self.actions.get(&object).filter(|action| self.is_due(&object, action, now)).cloned();
            let Some(action) = action else {
                self.queue.done(object, Done::Nothing, now);
                continue;
            };
            let work = self.work.clone();
            self.running.push(Box::pin(async move {
                let done = work.run(&object, &action).await;
                (object, action, done)
            }));
        }
        None
    }

    fn is_due(&self, object: &ObjectRef, action: &Arc<Action>, now: Instant) -> bool {
        let waits = self.unwanted.get(object).is_some_and(|since| now < *since + DELETION);
        let done = self.done.get(object).is_some_and(|(done, at)| done == action && now < *at + ECHO);
        !(done || action.is_deletion() && waits)
    }

    fn finish(&mut self, object: ObjectRef, action: Arc<Action>, done: Done) {
        let now = Instant::now();
        self.queue.done(object.clone(), done, now);
        if done == Done::Written {
            self.queue.push(object.clone(), now + ECHO, now);
            self.done.insert(object, (action, now));
        }
    }
}

impl Looked {
    fn at(snapshot: &Snapshot, translation: &Arc<Translation>) -> Self {
        Self {
            services: snapshot.services.clone(),
            slices: snapshot.endpoint_slices.clone(),
            translation: Arc::clone(translation),
        }
    }

    fn is_same(&self, snapshot: &Snapshot, translation: &Translation) -> bool {
        self.services.ptr_eq(&snapshot.services)
            && self.slices.ptr_eq(&snapshot.endpoint_slices)
            && self.translation.services == translation.services
    }
}

impl Work {
    async fn run(&self, object: &ObjectRef, action: &Action) -> Done {
        let answer = match action {
            Action::Service(service) => service::write(&self.requests, object, service).await,
            Action::Slice(body) => self.requests.apply(object, body).await.map(|_| ()),
            Action::Delete { uid } => match self.requests.delete(object, uid.as_deref()).await {
                Ok(_) | Err(Refused::Gone) => Ok(()),
                Err(error) => Err(error),
            },
        };
        let outcome = answer.as_ref().map_or_else(Refused::outcome, |()| Some(WriteOutcome::Written));
        if let Some(outcome) = outcome {
            self.metrics.control.provision_writes.inc(outcome);
        }
        let (first, most) = match answer {
            Ok(()) => return Done::Written,
            Err(Refused::Conflict | Refused::Gone | Refused::NotLeader) => {
                (Duration::from_millis(100), Duration::from_secs(5))
            }
            Err(error) => {
                tracing::warn!(%object, %error, "not written, will be tried again");
                (Duration::from_millis(500), Duration::from_mins(1))
            }
        };
        Done::Retry { first, most }
    }
}

#[cfg(test)]
mod tests;
