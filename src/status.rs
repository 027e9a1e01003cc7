//! Writes into a cluster what a translation means for it: statuses, Services of Gateways, Events.
//!
//! One replica writes, the holder of a Lease; the others keep the latest translation, so that the next
//! leader writes at once. What stands in the API server is changed only where it differs, and never what
//! somebody else has written there.
//!
//! ```text
//! lease ─► leadership ─┬─► writer: queue ─► merge ─► PATCH …/status ─► Live
//!     Translation, Live┘─► provision: plan ─► Services, EndpointSlices
//!                                └─► events
//! ```

mod events;
mod leadership;
mod lease;
mod merge;
mod provision;
mod queue;
pub mod replicas;
mod request;
#[cfg(test)]
mod testing;
mod writer;

use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

pub use self::lease::{Jitter, LeaseSettings};

use self::leadership::Leadership;
use self::lease::Elector;
use self::provision::{Place, Provisioner, Work};
use self::request::Requests;
use self::writer::{Attempt, Pace, Writer};
use crate::source::State;
use crate::source::live::Live;
use crate::telemetry::Metrics;
use crate::translate::Translation;

/// How this replica writes.
#[derive(Clone)]
pub struct Settings {
    /// The election. Its namespace and Service are those of the process.
    pub lease: LeaseSettings,
    /// Writes of statuses per second.
    pub writes_per_second: usize,
    /// Time between two looks at every object; a few minutes.
    pub reconcile: Duration,
}

/// Jitter from the system's randomness.
#[must_use]
pub fn random() -> Jitter {
    Arc::new(|| {
        let bits = std::hash::RandomState::new().build_hasher().finish();
        f64::from(u32::try_from(bits >> 32).unwrap_or_default()) / f64::from(u32::MAX)
    })
}

/// What writes into the cluster, running.
pub struct Status {
    leads: watch::Receiver<bool>,
    stop: oneshot::Sender<()>,
    elector: JoinHandle<()>,
    writers: Vec<JoinHandle<()>>,
}

impl Status {
    /// Starts it on the current runtime. Nothing is written before the lease is held, `wanted` has
    /// changed from the empty translation it may begin with, and objects are known to `live`.
    #[must_use]
    pub fn start(
        client: kube::Client,
        settings: Settings,
        live: Arc<Live>,
        state: watch::Receiver<State>,
        wanted: watch::Receiver<Arc<Translation>>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let (terms, leadership) = watch::channel(None);
        let (stop, stopped) = oneshot::channel();
        let leadership = Leadership::new(leadership);
        let requests = Requests::new(client.clone(), leadership.clone());
        let (events, sender) = events::events(requests.clone(), &settings.lease.identity);
        let place = Place { namespace: settings.lease.namespace.clone(), service: settings.lease.service.clone() };
        let pace = Pace { writes_per_second: settings.writes_per_second, reconcile: settings.reconcile };
        let attempt =
            Attempt { requests: requests.clone(), live, events: events.clone(), metrics: Arc::clone(&metrics) };
        let work = Work { requests, events, metrics: Arc::clone(&metrics) };
        let writer = Writer::new(attempt, leadership.clone(), state.clone(), wanted.clone(), pace);
        let provisioner = Provisioner::new(work, place, leadership.clone(), state.clone(), wanted);
        let (say, leads) = watch::channel(false);
        let elector = Elector::new(client, settings.lease, state, terms, metrics);
        let writers = vec![
            tokio::spawn(writer.run()),
            tokio::spawn(provisioner.run()),
            tokio::spawn(sender.run()),
            tokio::spawn(leadership.say(say)),
        ];
        Self { leads, stop, elector: tokio::spawn(elector.run(stopped)), writers }
    }

    /// Whether this replica is the one that writes.
    #[must_use]
    pub fn leader(&self) -> watch::Receiver<bool> {
        self.leads.clone()
    }

    /// Ends every write, then gives the lease back.
    pub async fn shutdown(self) {
        for writer in self.writers {
            writer.abort();
            let _ended = writer.await;
        }
        let _stopping = self.stop.send(());
        let _ended = self.elector.await;
    }
}

/// Whether the state shows the whole cluster as it is now. Only then may anything be removed.
const fn is_complete(state: &State) -> bool {
    state.synced && !state.restored
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::testing::{Cluster, object};
    use super::*;
    use crate::api::Kind;
    use crate::api::status::{GatewayStatus, Status as Wanted};

    /// A replica on a cluster, with what it is told.
    fn replica(cluster: &Cluster, live: &Arc<Live>, pod: &str) -> (Status, watch::Sender<Arc<Translation>>) {
        let lease = LeaseSettings {
            namespace: "infra".to_owned(),
            name: "paifang".to_owned(),
            identity: pod.to_owned(),
            service: "paifang".to_owned(),
            duration: Duration::from_secs(15),
            renew: Duration::from_secs(3),
            jitter: random(),
        };
        let settings = Settings { lease, writes_per_second: 100, reconcile: Duration::from_secs(300) };
        let (_, state) = watch::channel(State { synced: true, ..State::default() });
        let (translations, wanted) = watch::channel(Arc::default());
        let metrics = Arc::new(Metrics::new().unwrap());
        (Status::start(cluster.client(), settings, Arc::clone(live), state, wanted, metrics), translations)
    }

    #[test]
    fn jitter_lies_between_0_and_1() {
        let jitter = random();
        assert!((0..100).all(|_| (0.0..=1.0).contains(&jitter())));
    }

    #[tokio::test(start_paused = true)]
    async fn a_replica_that_ends_hands_over_to_the_next() {
        let (cluster, gw) = (Cluster::new(), object(Kind::Gateway, "gw"));
        cluster.put(&gw, json!({"metadata": {"generation": 1}}));
        let (one_live, two_live) = (Arc::new(Live::default()), Arc::new(Live::default()));
        let (one, one_wants) = replica(&cluster, &one_live, "one");
        one.leader().wait_for(|leads| *leads).await.unwrap();
        let (two, two_wants) = replica(&cluster, &two_live, "two");
        let status =
            Wanted::Gateway(GatewayStatus { addresses: Vec::new(), conditions: Vec::new(), listeners: Vec::new() });
        let listening = |name: &str| {
            let Wanted::Gateway(mut status) = status.clone() else { unreachable!() };
            status.listeners.push(crate::api::status::ListenerStatus {
                name: name.to_owned(),
                supported_kinds: Vec::new(),
                attached_routes: 0,
                conditions: Vec::new(),
            });
            let statuses = [(gw.clone(), Arc::new(Wanted::Gateway(status)))].into_iter().collect();
            Arc::new(Translation { statuses, ..Translation::default() })
        };
        let written = |name: &'static str| {
            let gw = gw.clone();
            move |cluster: &Cluster| {
                cluster.get(&gw).unwrap()["status"].pointer("/listeners/0/name") == Some(&Value::from(name))
            }
        };
        cluster.show(&one_live, &gw);
        one_wants.send_replace(listening("first"));
        cluster.until(written("first")).await;
        cluster.show(&two_live, &gw);
        two_wants.send_replace(listening("second"));
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert!(written("first")(&cluster), "only the leader writes");
        assert!(!*two.leader().borrow());
        one.shutdown().await;
        cluster.until(written("second")).await;
        two.shutdown().await;
    }
}
