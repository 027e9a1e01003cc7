//! Election of the replica that writes, by a Lease.
//!
//! Validity is judged by this machine's monotonic clock only: the holder trusts its lease up to some time
//! before it ends, counted from the sending of the last renewal; others wait for its whole duration,
//! counted from when they saw that renewal. The Lease is watched, so that a release is seen at once.
//!
//! A lease may be taken early, when the endpoints of our own Service say that the holder's pod is gone.
//! Should it still run, two replicas write for the moment until it sees the Lease change. That harms
//! nothing: both write the same content, every status carries the resourceVersion it was made from, and
//! what is provisioned is written as it shall be, by whomever.

mod presence;
mod record;

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{BoxStream, StreamExt};
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{Api, PostParams};
use kube::runtime::{WatchStreamExt, watcher};
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

use self::presence::is_absent;
use self::record::{Record, Step};
use super::leadership::Term;
use super::request::{FIELD_MANAGER, Refused, within};
use crate::source::State;
use crate::telemetry::Metrics;

/// How long a holder must have been absent before its lease is taken early: a pod that is replaced in
/// place, or one event that is late, is no absence.
const ABSENCE: Duration = Duration::from_secs(1);
/// Time between two tries when one failed.
const RETRY: Duration = Duration::from_millis(500);

/// Random numbers from 0 to 1, so that replicas do not move in step.
pub type Jitter = Arc<dyn Fn() -> f64 + Send + Sync>;

/// How this replica takes part in the election.
#[derive(Clone)]
pub struct LeaseSettings {
    /// Namespace of the Lease, and of our own Service.
    pub namespace: String,
    /// Name of the Lease.
    pub name: String,
    /// Name of this pod.
    pub identity: String,
    /// Our own Service, whose endpoints are the replicas.
    pub service: String,
    /// How long the lease holds without being renewed.
    pub duration: Duration,
    /// Time between two renewals; at most a third of the duration.
    pub renew: Duration,
    /// Randomness.
    pub jitter: Jitter,
}

/// Takes part in the election until it is told to stop.
pub(crate) struct Elector {
    api: Api<Lease>,
    settings: LeaseSettings,
    state: watch::Receiver<State>,
    terms: watch::Sender<Option<Term>>,
    metrics: Arc<Metrics>,
    known: Known,
    count: u64,
    /// When the lease is renewed or looked at again.
    tick: Instant,
    /// Nothing is tried before.
    rest: Instant,
    absent: Option<Instant>,
}

/// What is known of the Lease.
enum Known {
    Unknown,
    Missing,
    Record(Box<Record>),
}

impl Elector {
    /// An elector that has not looked yet.
    pub(crate) fn new(
        client: kube::Client,
        settings: LeaseSettings,
        state: watch::Receiver<State>,
        terms: watch::Sender<Option<Term>>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let api = Api::namespaced(client, &settings.namespace);
        // one renewal may fail without the lease being lost
        let settings = LeaseSettings { renew: settings.renew.min(settings.duration / 3), ..settings };
        let now = Instant::now();
        Self {
            api,
            settings,
            state,
            terms,
            metrics,
            known: Known::Unknown,
            count: 0,
            tick: now,
            rest: now,
            absent: None,
        }
    }

    /// Runs until `stop` speaks or its sender is gone; then gives the lease back.
    pub(crate) async fn run(mut self, mut stop: oneshot::Receiver<()>) {
        let mut leases = self.leases();
        loop {
            self.expire();
            self.look();
            self.act().await;
            let wake = self.wake();
            tokio::select! {
                biased;
                _ = &mut stop => return self.release().await,
                Some(lease) = leases.next() => self.observe(lease),
                Ok(()) = self.state.changed() => {}
                () = tokio::time::sleep_until(wake) => {}
            }
        }
    }

    /// The Lease whenever it changes. Where it cannot be watched, looking at every tick must do.
    fn leases(&self) -> BoxStream<'static, Option<Lease>> {
        let leases = watcher::watch_object(self.api.clone(), &self.settings.name).default_backoff();
        leases.filter_map(|lease| std::future::ready(lease.ok())).chain(futures_util::stream::pending()).boxed()
    }

    fn observe(&mut self, lease: Option<Lease>) {
        let now = Instant::now();
        let known = std::mem::replace(&mut self.known, Known::Missing);
        match (known, lease) {
            (Known::Record(known), Some(lease)) => self.known = Known::Record(Box::new(known.next(&lease, now))),
            (_, Some(lease)) => self.known = Known::Record(Box::new(Record::new(&lease, now))),
            (_, None) => {}
        }
        if !matches!(&self.known, Known::Record(record) if record.holder == self.settings.identity) {
            self.lose("another replica has the lease");
        }
    }

    /// Notes since when the holder's pod is absent.
    fn look(&mut self) {
        let absent = match &self.known {
            Known::Record(record) if !record.holder.is_empty() && self.terms.borrow().is_none() => {
                let state = self.state.borrow();
                super::is_complete(&state) && is_absent(&state.snapshot, &self.settings, &record.holder)
            }
            _ => false,
        };
        self.absent = absent.then(|| self.absent.unwrap_or_else(Instant::now));
    }

    fn expire(&mut self) {
        if self.terms.borrow().is_some_and(|term| term.until <= Instant::now()) {
            self.lose("the lease could not be renewed");
        }
    }

    fn lose(&mut self, because: &str) {
        if self.terms.borrow().is_some() {
            tracing::warn!(because, "this replica no longer writes");
            self.metrics.control.leader.set(0);
            self.terms.send_replace(None);
        }
    }

    async fn act(&mut self) {
        let now = Instant::now();
        if now < self.rest {
            return;
        }
        if self.step(now) == Step::Hold && now >= self.tick {
            self.refresh(now).await;
        }
        let now = Instant::now();
        if now >= self.rest && self.step(now) == Step::Write {
            self.take(now).await;
        }
    }

    fn step(&self, now: Instant) -> Step {
        match &self.known {
            Known::Unknown => Step::Hold,
            Known::Missing => Step::Write,
            Known::Record(record) if record.holder == self.settings.identity => {
                let leads = self.terms.borrow().is_some();
                if leads && now < self.tick { Step::Hold } else { Step::Write }
            }
            Known::Record(record) => {
                let absent = self.absent.is_some_and(|since| now >= since + ABSENCE);
                if record.is_free(now) || absent { Step::Write } else { Step::Hold }
            }
        }
    }

    /// When something must be done although nothing happened.
    fn wake(&self) -> Instant {
        let term = *self.terms.borrow();
        let mut wake = self.tick;
        if let (None, Known::Record(record)) = (term, &self.known) {
            wake = wake.min(record.ends());
        }
        if let Some(since) = self.absent {
            wake = wake.min(since + ABSENCE);
        }
        let wake = wake.max(self.rest);
        // its end must be told in time, also when nothing may be tried
        term.map_or(wake, |term| wake.min(term.until))
    }

    /// Reads the Lease.
    async fn refresh(&mut self, now: Instant) {
        match within(now + self.settings.renew, self.api.get_opt(&self.settings.name)).await {
            Ok(lease) => {
                self.observe(lease);
                self.tick = now + self.spread(self.settings.renew);
            }
            Err(error) => self.failed(&error),
        }
    }

    /// Makes the lease ours, or renews it.
    async fn take(&mut self, now: Instant) {
        let until = now + self.settings.duration.mul_f64(0.8);
        // While the lease is held, no answer is awaited for longer than it holds: readers must hear of its end.
        let held = self.terms.borrow().map_or(now + self.settings.renew, |term| term.until);
        let deadline = held.min(now + self.settings.renew);
        match within(deadline, self.write(&self.settings.identity, self.settings.duration)).await {
            Ok(lease) => {
                self.observe(Some(lease));
                self.tick = now + self.spread(self.settings.renew);
                self.lead(until);
            }
            Err(Refused::Conflict) => {
                self.known = Known::Unknown;
                self.tick = now;
                self.rest = Instant::now() + self.spread(RETRY).mul_f64(0.1);
            }
            Err(error) => self.failed(&error),
        }
    }

    async fn write(&self, holder: &str, duration: Duration) -> Result<Lease, kube::Error> {
        let params = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
        let known = if let Known::Record(record) = &self.known { Some(&**record) } else { None };
        let lease = Record::lease(known, &self.settings, (holder, duration), jiff::Timestamp::now());
        match known {
            Some(_) => self.api.replace(&self.settings.name, &params, &lease).await,
            None => self.api.create(&params, &lease).await,
        }
    }

    fn lead(&mut self, until: Instant) {
        if self.terms.borrow().is_none() {
            self.count += 1;
            self.metrics.control.lease_transitions.inc();
            self.metrics.control.leader.set(1);
            tracing::info!(lease = self.settings.name, "this replica writes now");
        }
        self.terms.send_replace(Some(Term { number: self.count, until }));
    }

    fn failed(&mut self, error: &Refused) {
        tracing::warn!(%error, lease = self.settings.name, "the lease could not be read or written");
        self.rest = Instant::now() + self.spread(RETRY.min(self.settings.renew));
    }

    /// Between the whole and 4/5 of a time.
    fn spread(&self, time: Duration) -> Duration {
        time.mul_f64(1.0 - 0.2 * (self.settings.jitter)().clamp(0.0, 1.0))
    }

    /// Gives the lease back, so that the next replica need not wait for its end.
    async fn release(mut self) {
        let holds = self.terms.borrow().is_some();
        self.terms.send_replace(None);
        self.metrics.control.leader.set(0);
        if holds {
            let deadline = Instant::now() + self.settings.renew;
            if let Err(error) = within(deadline, self.write("", Duration::from_secs(1))).await {
                tracing::warn!(%error, "the lease could not be given back");
            }
            self.known = Known::Unknown;
        }
    }
}

#[cfg(test)]
mod tests;
