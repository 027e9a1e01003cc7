use http::Method;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::*;
use crate::api::Kind;
use crate::snapshot::{Object, Snapshot};
use crate::status::testing::{Cluster, Fault};

const LEASE: &str = "/apis/coordination.k8s.io/v1/namespaces/infra/leases/paifang";
const DURATION: Duration = Duration::from_secs(15);

/// One replica that takes part.
struct Replica {
    terms: watch::Receiver<Option<Term>>,
    state: watch::Sender<State>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
    metrics: Arc<Metrics>,
}

fn replica(cluster: &Cluster, identity: &str) -> Replica {
    let settings = LeaseSettings {
        namespace: "infra".to_owned(),
        name: "paifang".to_owned(),
        identity: identity.to_owned(),
        service: "edge".to_owned(),
        duration: DURATION,
        renew: Duration::from_secs(3),
        jitter: Arc::new(|| 0.5),
    };
    let (say, terms) = watch::channel(None);
    let (state, states) = watch::channel(State::default());
    let (stop, stopped) = oneshot::channel();
    let metrics = Arc::new(Metrics::new().unwrap());
    let elector = Elector::new(cluster.client(), settings, states, say, Arc::clone(&metrics));
    Replica { terms, state, stop, task: tokio::spawn(elector.run(stopped)), metrics }
}

impl Replica {
    async fn leads(&mut self) -> Duration {
        let start = Instant::now();
        self.terms.wait_for(Option::is_some).await.unwrap();
        start.elapsed()
    }

    async fn follows(&mut self) -> Duration {
        let start = Instant::now();
        self.terms.wait_for(Option::is_none).await.unwrap();
        start.elapsed()
    }

    fn is_leader(&self) -> bool {
        self.terms.borrow().is_some()
    }
}

fn holder(cluster: &Cluster) -> Value {
    cluster.at(LEASE).unwrap()["spec"]["holderIdentity"].clone()
}

/// The endpoints of our own Service: pods and whether they are ready.
fn pods(pods: &[(&str, bool)]) -> State {
    let endpoints: Vec<_> = pods
        .iter()
        .map(|(name, ready)| {
            json!({"addresses": ["10.0.0.1"], "conditions": {"ready": ready}, "targetRef": {"kind": "Pod", "name": name}})
        })
        .collect();
    let slice = json!({"metadata": {"name": "s", "namespace": "infra", "labels": {"kubernetes.io/service-name": "edge"}},
        "addressType": "IPv4", "endpoints": endpoints});
    let mut snapshot = Snapshot::default();
    snapshot.put(Object::from_json(Kind::EndpointSlice, &slice).unwrap());
    State { snapshot, version: 1, synced: true, restored: false }
}

#[tokio::test(start_paused = true)]
async fn the_first_replica_leads_and_renews() {
    let cluster = Cluster::new();
    let mut one = replica(&cluster, "one");
    assert!(one.leads().await < Duration::from_millis(100));
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert!(one.is_leader());
    assert_eq!((one.metrics.control.leader.get(), one.metrics.control.lease_transitions.get()), (1, 1));
    assert_eq!(cluster.at(LEASE).unwrap()["spec"]["leaseTransitions"], 0);
    assert_eq!(one.terms.borrow().unwrap().number, 1, "renewals go on with the term");
}

#[tokio::test(start_paused = true)]
async fn of_two_replicas_one_leads() {
    let cluster = Cluster::new();
    let (one, two) = (replica(&cluster, "one"), replica(&cluster, "two"));
    for _ in 0..1000 {
        tokio::time::sleep(Duration::from_millis(700)).await;
        assert!(one.is_leader() != two.is_leader());
    }
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_given_back_is_taken_at_once() {
    let cluster = Cluster::new();
    let mut one = replica(&cluster, "one");
    one.leads().await;
    let mut two = replica(&cluster, "two");
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(!two.is_leader());
    one.stop.send(()).unwrap();
    one.task.await.unwrap();
    assert!(two.leads().await < Duration::from_millis(50));
    assert_eq!(holder(&cluster), "two");
}

#[tokio::test(start_paused = true)]
async fn the_lease_of_a_holder_that_died_is_taken_when_it_ends_by_our_clock() {
    let cluster = Cluster::new();
    let mut one = replica(&cluster, "one");
    one.leads().await;
    one.task.abort();
    cluster.edit(LEASE, |it| it["spec"]["renewTime"] = json!("1999-01-01T00:00:00.000000Z"));
    let mut two = replica(&cluster, "two");
    let took = two.leads().await;
    assert!(took >= DURATION, "clocks of machines differ, so its renewTime says nothing: {took:?}");
    assert!(took < DURATION + Duration::from_secs(1), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_holder_that_cannot_renew_stops_before_others_may_start() {
    let cluster = Cluster::new();
    let mut one = replica(&cluster, "one");
    one.leads().await;
    let mut two = replica(&cluster, "two");
    tokio::time::sleep(Duration::from_secs(30)).await;
    for _ in 0..100 {
        cluster.fault(Method::PUT, "leases", Fault::Code(500));
    }
    let stopped = one.follows().await;
    assert!(!two.is_leader());
    assert!(stopped < DURATION.mul_f64(0.8), "{stopped:?}");
    tokio::select! {
        _ = one.leads() => {}
        _ = two.leads() => {}
    }
    assert!(one.is_leader() != two.is_leader());
}

#[tokio::test(start_paused = true)]
async fn a_holder_that_gets_no_answers_stops_in_time() {
    let cluster = Cluster::new();
    let mut one = replica(&cluster, "one");
    one.leads().await;
    cluster.away(true);
    assert!(one.follows().await <= DURATION.mul_f64(0.8) + Duration::from_millis(10));
    cluster.away(false);
    one.leads().await;
    assert_eq!(one.terms.borrow().unwrap().number, 2);
}

#[tokio::test(start_paused = true)]
async fn a_process_that_starts_anew_under_its_name_goes_on_at_once() {
    let cluster = Cluster::new();
    let mut one = replica(&cluster, "one");
    one.leads().await;
    one.task.abort();
    let mut again = replica(&cluster, "one");
    assert!(again.leads().await < Duration::from_millis(50));
}

#[tokio::test(start_paused = true)]
async fn a_holder_whose_lease_is_taken_stops_as_soon_as_it_sees_it() {
    let cluster = Cluster::new();
    let mut one = replica(&cluster, "one");
    one.leads().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    cluster.edit(LEASE, |it| it["spec"]["holderIdentity"] = json!("two"));
    assert!(one.follows().await < Duration::from_millis(50));
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_deleted_is_made_again() {
    let cluster = Cluster::new();
    let mut one = replica(&cluster, "one");
    one.leads().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    cluster.remove(LEASE);
    one.terms.wait_for(|term| term.is_none_or(|term| term.number == 2)).await.unwrap();
    one.leads().await;
    assert_eq!(holder(&cluster), "one");
}

#[tokio::test(start_paused = true)]
async fn the_lease_of_a_pod_that_is_gone_is_taken_early() {
    let cluster = Cluster::new();
    let mut one = replica(&cluster, "one");
    one.leads().await;
    let mut two = replica(&cluster, "two");
    two.state.send_replace(pods(&[("one", true), ("two", true)]));
    tokio::time::sleep(Duration::from_secs(5)).await;
    one.task.abort();
    two.state.send_replace(pods(&[("one", false), ("two", true)]));
    let took = two.leads().await;
    assert!(took >= ABSENCE && took < ABSENCE + Duration::from_millis(100), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn absence_proves_nothing_to_a_replica_that_is_not_ready_or_was_wrong() {
    let cluster = Cluster::new();
    let mut one = replica(&cluster, "one");
    one.leads().await;
    let two = replica(&cluster, "two");
    two.state.send_replace(pods(&[("two", false)]));
    tokio::time::sleep(Duration::from_secs(30)).await;
    for _ in 0..20 {
        two.state.send_replace(pods(&[("two", true)]));
        tokio::time::sleep(ABSENCE.mul_f64(0.5)).await;
        two.state.send_replace(pods(&[("one", true), ("two", true)]));
        tokio::time::sleep(ABSENCE.mul_f64(0.5)).await;
    }
    assert!(one.is_leader() && !two.is_leader());
}
