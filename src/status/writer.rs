//! Writes statuses: one loop that knows what waits, and a few requests at a time.

mod attempt;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::watch;
use tokio::time::Instant;

#[cfg(test)]
pub(crate) use attempt::seen;
pub(crate) use attempt::{Attempt, Outcome};

use super::leadership::Leadership;
use super::queue::{Done, Queue, Rate};
use crate::api::{Kind, ObjectRef};
use crate::snapshot::differences;
use crate::source::State;
use crate::translate::Translation;

/// Requests at the same time.
const AT_ONCE: usize = 8;
/// Objects looked at before others may run.
const AT_A_TIME: usize = 64;
/// How long nothing must be wanted for an object before our entries are removed: the watches of a Gateway
/// and of its routes need not arrive in order.
const REMOVAL: Duration = Duration::from_secs(1);

/// The loop. It owns the queue; what is wanted is read when an object's turn comes, so the latest wins.
pub(crate) struct Writer {
    attempt: Arc<Attempt>,
    leadership: Leadership,
    state: watch::Receiver<State>,
    wanted: watch::Receiver<Arc<Translation>>,
    /// The translation that was looked at last; none before the first.
    latest: Option<Arc<Translation>>,
    queue: Queue,
    rate: Rate,
    running: FuturesUnordered<BoxFuture<'static, (ObjectRef, Outcome)>>,
    term: Option<u64>,
    forbidden: BTreeSet<Kind>,
    reconcile: Duration,
    /// Whether the whole cluster was seen: nothing is removed before.
    complete: bool,
}

/// How often and how fast.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// Writes per second.
    pub(crate) writes_per_second: usize,
    /// Time between two looks at every object.
    pub(crate) reconcile: Duration,
}

impl Writer {
    /// A writer of what is wanted.
    pub(crate) fn new(
        attempt: Attempt,
        leadership: Leadership,
        state: watch::Receiver<State>,
        wanted: watch::Receiver<Arc<Translation>>,
        pace: Pace,
    ) -> Self {
        let first = Arc::clone(&wanted.borrow());
        Self {
            attempt: Arc::new(attempt),
            leadership,
            state,
            wanted,
            // What stands there before the first translation is empty, and must not be taken for one.
            latest: (*first != Translation::default()).then_some(first),
            queue: Queue::default(),
            rate: Rate::per_second(pace.writes_per_second, Instant::now()),
            running: FuturesUnordered::new(),
            term: None,
            forbidden: BTreeSet::new(),
            reconcile: pace.reconcile,
            complete: false,
        }
    }

    /// Runs until it is dropped, or until nobody translates any more.
    pub(crate) async fn run(mut self) {
        let live = Arc::clone(&self.attempt.live);
        let mut full = tokio::time::interval(self.reconcile);
        full.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            self.lead();
            let wake = self.start();
            self.report();
            tokio::select! {
                Some((object, outcome)) = self.running.next(), if !self.running.is_empty() => self.finish(object, outcome),
                () = self.leadership.changed() => {}
                changed = self.wanted.changed() => match changed {
                    Ok(()) => self.translated(),
                    Err(_) => return,
                },
                () = whole(&mut self.state), if !self.complete => {
                    self.complete = true;
                    self.check_all();
                }
                objects = live.changed() => self.changed(objects),
                _ = full.tick() => self.check_all(),
                () = sleep(wake) => {}
            }
        }
    }

    /// A new term begins with a look at everything; what is under way when one ends is dropped.
    fn lead(&mut self) {
        let term = self.leadership.term().map(|term| term.number);
        if term != self.term {
            self.term = term;
            let dropped = self.running.len() + self.queue.clear();
            self.running.clear();
            self.attempt.metrics.control.status_dropped.inc_by(u64::try_from(dropped).unwrap_or(u64::MAX));
            self.check_all();
        }
    }

    fn check_all(&mut self) {
        let Some(latest) = self.latest.clone() else { return };
        for object in latest.statuses.keys().cloned().chain(self.attempt.live.all()) {
            self.check(object);
        }
    }

    fn check(&mut self, object: ObjectRef) {
        if let Some((due, now)) = self.due(&object) {
            self.queue.push(object, due, now);
        }
    }

    /// The same for an object of which something new is wanted.
    fn check_news(&mut self, object: ObjectRef) {
        if let Some((due, now)) = self.due(&object)
            && self.queue.push_news(object, due, now)
        {
            self.attempt.metrics.control.status_replaced.inc();
        }
    }

    /// When an object shall be looked at, and now; never while somebody else writes.
    fn due(&self, object: &ObjectRef) -> Option<(Instant, Instant)> {
        let latest = self.latest.as_ref().filter(|_| self.term.is_some())?;
        let now = Instant::now();
        let wait = if latest.statuses.contains_key(object) { Duration::ZERO } else { REMOVAL };
        Some((now + wait, now))
    }

    /// Only what differs from the last translation is looked at.
    fn translated(&mut self) {
        let next = Arc::clone(&self.wanted.borrow_and_update());
        let Some(last) = self.latest.replace(Arc::clone(&next)) else { return self.check_all() };
        for object in differences(&last.statuses, &next.statuses) {
            self.check_news(object.clone());
        }
    }

    fn changed(&mut self, objects: BTreeSet<ObjectRef>) {
        for object in objects {
            self.check(object);
        }
    }

    /// Starts what may start; says when more can.
    fn start(&mut self) -> Option<Instant> {
        for _ in 0..AT_A_TIME {
            let now = Instant::now();
            if self.running.len() >= AT_ONCE || self.term.is_none() {
                return None;
            }
            if let Some(ready) = self.rate.ready().filter(|ready| *ready > now) {
                return self.queue.next().map(|next| next.max(ready));
            }
            let Some(object) = self.queue.pop(now) else { return self.queue.next() };
            self.begin(object, now);
        }
        Some(Instant::now())
    }

    fn begin(&mut self, object: ObjectRef, now: Instant) {
        let wanted = self.latest.as_ref().and_then(|latest| latest.statuses.get(&object)).cloned();
        let write =
            if wanted.is_some() || self.complete { self.attempt.prepare(&object, wanted.as_deref()) } else { None };
        let Some(write) = write else { return self.queue.done(object, Done::Nothing, now) };
        self.rate.take(now);
        let attempt = Arc::clone(&self.attempt);
        self.running.push(Box::pin(async move {
            let outcome = attempt.run(&object, wanted.as_deref(), write).await;
            (object, outcome)
        }));
    }

    fn finish(&mut self, object: ObjectRef, outcome: Outcome) {
        if outcome == Outcome::Forbidden {
            if self.forbidden.insert(object.kind) {
                tracing::error!(kind = %object.kind, "the process may not write statuses of this kind: grant 'patch' on its status");
            }
        } else if outcome == Outcome::Written {
            self.forbidden.remove(&object.kind);
        }
        self.queue.done(object, outcome.done(), Instant::now());
    }

    fn report(&self) {
        let metrics = &self.attempt.metrics.control;
        metrics.status_queue.set(i64::try_from(self.queue.len()).unwrap_or(i64::MAX));
        metrics.status_queue_age.set(self.queue.age(Instant::now()).as_secs_f64());
    }
}

/// Waits until the whole cluster was seen.
async fn whole(state: &mut watch::Receiver<State>) {
    if state.wait_for(super::is_complete).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Sleeps until a moment, or for ever.
pub(super) async fn sleep(until: Option<Instant>) {
    match until {
        Some(until) => tokio::time::sleep_until(until).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
