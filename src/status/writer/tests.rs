use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::*;
use crate::api::gateway::CONTROLLER_NAME;
use crate::api::gateway::shared::ParentReference;
use crate::api::status::{
    Condition, ConditionStatus, GatewayStatus, ListenerStatus, RouteParentStatus, RouteStatus, Status,
};
use crate::source::live::Live;
use crate::status::events;
use crate::status::leadership::Term;
use crate::status::request::Requests;
use crate::status::testing::{Cluster, Fault, leading, object, path};
use crate::telemetry::Metrics;
use crate::telemetry::label::WriteOutcome;

/// A writer at work on a cluster in memory.
struct Scene {
    cluster: Cluster,
    live: Arc<Live>,
    terms: watch::Sender<Option<Term>>,
    wanted: watch::Sender<Arc<Translation>>,
    state: watch::Sender<State>,
    metrics: Arc<Metrics>,
    writer: JoinHandle<()>,
}

impl Scene {
    fn new() -> Self {
        let (terms, leadership) = leading();
        Self::led(terms, leadership)
    }

    fn led(terms: watch::Sender<Option<Term>>, leadership: Leadership) -> Self {
        let (cluster, live, metrics) = (Cluster::new(), Arc::new(Live::default()), Arc::new(Metrics::new().unwrap()));
        let requests = Requests::new(cluster.client(), leadership.clone());
        let (events, _) = events::events(requests.clone(), "me");
        let (wanted, translations) = watch::channel(Arc::default());
        let (state, states) = watch::channel(State { synced: true, ..State::default() });
        let attempt = Attempt { requests, live: Arc::clone(&live), events, metrics: Arc::clone(&metrics) };
        let pace = Pace { writes_per_second: 100, reconcile: Duration::from_secs(300) };
        let writer = Writer::new(attempt, leadership, states, translations, pace);
        let writer = tokio::spawn(writer.run());
        Self { cluster, live, terms, wanted, state, metrics, writer }
    }

    /// An object as it comes to the cluster and is seen.
    fn add(&self, object: &ObjectRef, status: Value) {
        self.cluster.put(object, json!({"metadata": {"generation": 9}, "status": status}));
        self.cluster.show(&self.live, object);
    }

    fn want(&self, statuses: impl IntoIterator<Item = (ObjectRef, Status)>) {
        let statuses = statuses.into_iter().map(|(object, status)| (object, Arc::new(status))).collect();
        self.wanted.send_replace(Arc::new(Translation { statuses, ..Translation::default() }));
    }

    fn status(&self, object: &ObjectRef) -> Value {
        self.cluster.get(object).unwrap()["status"].clone()
    }

    async fn until(&self, object: &ObjectRef, pointer: &str, value: Value) {
        let is = |cluster: &Cluster| cluster.get(object).unwrap()["status"].pointer(pointer) == Some(&value);
        self.cluster.until(is).await;
    }
}

fn gateway(attached: i32) -> Status {
    let listener = ListenerStatus {
        name: "a".to_owned(),
        supported_kinds: Vec::new(),
        attached_routes: attached,
        conditions: Vec::new(),
    };
    Status::Gateway(GatewayStatus { addresses: Vec::new(), conditions: Vec::new(), listeners: vec![listener] })
}

const ATTACHED: &str = "/listeners/0/attachedRoutes";

fn route(parent: &str) -> Status {
    let parent_ref = ParentReference { name: parent.to_owned(), ..ParentReference::default() };
    let accepted = Condition {
        kind: "Accepted",
        status: ConditionStatus::True,
        reason: "Accepted",
        message: "".into(),
        observed_generation: 9,
    };
    let parent = RouteParentStatus { parent_ref, controller_name: CONTROLLER_NAME, conditions: vec![accepted] };
    Status::Route(RouteStatus { parents: vec![parent] })
}

#[tokio::test(start_paused = true)]
async fn a_status_is_written_once() {
    let (scene, gw) = (Scene::new(), object(Kind::Gateway, "gw"));
    scene.add(&gw, Value::Null);
    scene.want([(gw.clone(), gateway(3))]);
    scene.until(&gw, ATTACHED, json!(3)).await;
    // the watch brings it, the same is wanted again, everything is looked at again
    scene.cluster.show(&scene.live, &gw);
    scene.want([(gw.clone(), gateway(3))]);
    tokio::time::sleep(Duration::from_secs(900)).await;
    assert_eq!(scene.cluster.writes("gateways").len(), 1);
    assert_eq!(scene.metrics.control.status_writes.value(WriteOutcome::Written), 1);
    assert_eq!(scene.metrics.control.status_queue.get(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_others_write_in_between_is_kept() {
    let (scene, r) = (Scene::new(), object(Kind::HttpRoute, "r"));
    scene.add(&r, Value::Null);
    let foreign: fn(&mut Value) =
        |it| it["status"] = json!({"parents": [{"parentRef": {"name": "z"}, "controllerName": "o/o"}]});
    scene.cluster.fault(Method::PATCH, "httproutes", Fault::Edit(foreign));
    scene.want([(r.clone(), route("gw"))]);
    scene.until(&r, "/parents/1/parentRef/name", json!("gw")).await;
    assert_eq!(scene.status(&r)["parents"][0], json!({"parentRef": {"name": "z"}, "controllerName": "o/o"}));
    assert_eq!(scene.metrics.control.status_writes.value(WriteOutcome::Conflict), 1);
}

#[tokio::test(start_paused = true)]
async fn a_storm_of_conflicts_ends_in_a_write() {
    let (scene, gw) = (Scene::new(), object(Kind::Gateway, "gw"));
    scene.add(&gw, Value::Null);
    for n in 0..20 {
        let edit: fn(&mut Value) = |it| it["spec"]["n"] = json!(it["spec"]["n"].as_u64().unwrap_or_default() + 1);
        let fault = if n % 2 == 0 { Fault::Edit(edit) } else { Fault::Code(409) };
        scene.cluster.fault(Method::PATCH, "gateways", fault);
    }
    scene.want([(gw.clone(), gateway(3))]);
    scene.until(&gw, ATTACHED, json!(3)).await;
    assert_eq!(scene.cluster.writes("gateways").len(), 21);
}

#[tokio::test(start_paused = true)]
async fn errors_and_silence_are_tried_again_and_hold_up_nobody() {
    let (scene, gw, other) = (Scene::new(), object(Kind::Gateway, "gw"), object(Kind::Gateway, "other"));
    scene.add(&gw, Value::Null);
    scene.add(&other, Value::Null);
    for fault in [Fault::Code(500), Fault::Hang, Fault::Code(403), Fault::Code(429)] {
        scene.cluster.fault(Method::PATCH, "gateways/gw", fault);
    }
    scene.want([(gw.clone(), gateway(3)), (other.clone(), gateway(4))]);
    scene.until(&other, ATTACHED, json!(4)).await;
    assert_eq!(scene.status(&gw), Value::Null);
    scene.until(&gw, ATTACHED, json!(3)).await;
    assert_eq!(scene.metrics.control.status_writes.value(WriteOutcome::Forbidden), 1);
    assert_eq!(scene.metrics.control.status_writes.value(WriteOutcome::Failed), 3);
}

#[tokio::test(start_paused = true)]
async fn an_object_that_is_gone_is_left_alone() {
    let (scene, gw) = (Scene::new(), object(Kind::Gateway, "gw"));
    scene.add(&gw, Value::Null);
    scene.cluster.remove(&path(&gw));
    scene.want([(gw.clone(), gateway(3))]);
    scene.cluster.until(|cluster| !cluster.writes("gateways").is_empty()).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(scene.cluster.writes("gateways").len() <= 2, "once as it was wanted, once as it was seen");
    assert!(scene.metrics.control.status_writes.value(WriteOutcome::Gone) > 0);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_changes_in_a_second_are_twenty_writes_at_most() {
    let (scene, gw) = (Scene::new(), object(Kind::Gateway, "gw"));
    scene.add(&gw, Value::Null);
    for n in 1..=1000 {
        scene.want([(gw.clone(), gateway(n))]);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    scene.until(&gw, ATTACHED, json!(1000)).await;
    let writes = scene.cluster.writes("gateways").len();
    assert!(writes <= 20, "{writes}");
    let replaced = usize::try_from(scene.metrics.control.status_replaced.get()).unwrap();
    assert_eq!(writes + replaced, 1000, "each state is written or replaced");
    assert_eq!(scene.metrics.control.status_dropped.get(), 0);
}

#[tokio::test(start_paused = true)]
async fn writes_of_all_objects_together_keep_to_their_rate() {
    let scene = Scene::new();
    let objects: Vec<_> = (0..1000).map(|n| object(Kind::Gateway, &format!("gw{n}"))).collect();
    for object in &objects {
        scene.add(object, Value::Null);
    }
    let start = Instant::now();
    scene.want(objects.iter().map(|object| (object.clone(), gateway(1))));
    scene.cluster.until(|cluster| cluster.writes("gateways").len() == 1000).await;
    let took = start.elapsed();
    assert!((8.5..10.0).contains(&took.as_secs_f64()), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn losing_the_lease_stops_writes_at_once_and_the_next_term_begins_with_one() {
    let (scene, gw) = (Scene::new(), object(Kind::Gateway, "gw"));
    scene.add(&gw, Value::Null);
    scene.terms.send_replace(None);
    scene.want([(gw.clone(), gateway(1))]);
    tokio::time::sleep(Duration::from_secs(1)).await;
    scene.want([(gw.clone(), gateway(2))]);
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(scene.cluster.writes("").len(), 0);
    let start = Instant::now();
    let until = start + Duration::from_secs(10);
    scene.terms.send_replace(Some(Term { number: 2, until }));
    scene.until(&gw, ATTACHED, json!(2)).await;
    assert!(start.elapsed() < Duration::from_millis(10), "{:?}", start.elapsed());
    tokio::time::sleep_until(until).await;
    scene.want([(gw.clone(), gateway(3))]);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(scene.status(&gw).pointer(ATTACHED), Some(&json!(2)), "nothing is written after the end of the term");
}

#[tokio::test(start_paused = true)]
async fn what_waits_when_the_lease_is_lost_is_dropped_and_counted() {
    let (scene, gw, other) = (Scene::new(), object(Kind::Gateway, "gw"), object(Kind::Gateway, "other"));
    scene.add(&gw, Value::Null);
    scene.add(&other, Value::Null);
    scene.want([(gw.clone(), gateway(1))]);
    scene.until(&gw, ATTACHED, json!(1)).await;
    scene.cluster.fault(Method::PATCH, "gateways/other", Fault::Hang);
    scene.want([(gw.clone(), gateway(2)), (other.clone(), gateway(2))]);
    tokio::time::sleep(Duration::from_millis(10)).await;
    scene.terms.send_replace(None);
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert_eq!(scene.metrics.control.status_dropped.get(), 2, "one rested after its last write, one was under way");
    assert_eq!(scene.status(&gw).pointer(ATTACHED), Some(&json!(1)));
}

#[tokio::test(start_paused = true)]
async fn what_somebody_else_undoes_is_written_again() {
    let (scene, gw) = (Scene::new(), object(Kind::Gateway, "gw"));
    scene.add(&gw, Value::Null);
    scene.want([(gw.clone(), gateway(3))]);
    scene.until(&gw, ATTACHED, json!(3)).await;
    scene.cluster.edit(&path(&gw), |it| it["status"] = json!({}));
    scene.cluster.show(&scene.live, &gw);
    scene.until(&gw, ATTACHED, json!(3)).await;
}

#[tokio::test(start_paused = true)]
async fn entries_of_a_route_that_is_no_longer_ours_are_removed() {
    let (scene, r) = (Scene::new(), object(Kind::HttpRoute, "r"));
    let theirs = json!({"parentRef": {"name": "z"}, "controllerName": "o/o"});
    let ours = json!({"parentRef": {"name": "old"}, "controllerName": CONTROLLER_NAME, "conditions": []});
    scene.add(&r, json!({"parents": [ours, theirs]}));
    tokio::time::sleep(Duration::from_secs(900)).await;
    assert_eq!(scene.cluster.writes("").len(), 0, "nothing was translated yet");
    scene.want([]);
    scene.until(&r, "/parents", json!([theirs])).await;
    assert!(!scene.writer.is_finished());
}

#[tokio::test(start_paused = true)]
async fn a_status_of_an_object_that_was_made_anew_waits_for_its_translation() {
    let (scene, r) = (Scene::new(), object(Kind::HttpRoute, "r"));
    scene.cluster.put(&r, json!({"metadata": {"generation": 1}}));
    scene.cluster.show(&scene.live, &r);
    scene.want([(r.clone(), route("gw"))]);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(scene.cluster.writes("").len(), 0, "it was made for generation 9");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_removed_before_the_whole_cluster_was_seen() {
    let (scene, r) = (Scene::new(), object(Kind::HttpRoute, "r"));
    scene.state.send_replace(State::default());
    let ours = json!({"parentRef": {"name": "old"}, "controllerName": CONTROLLER_NAME, "conditions": []});
    scene.add(&r, json!({"parents": [ours]}));
    scene.want([]);
    tokio::time::sleep(Duration::from_secs(900)).await;
    assert_eq!(scene.cluster.writes("").len(), 0);
    scene.state.send_replace(State { synced: true, ..State::default() });
    scene.until(&r, "/parents", json!([])).await;
}
