use http::Method;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::*;
use crate::snapshot::{Object, Snapshot};
use crate::status::events;
use crate::status::leadership::Term;
use crate::status::testing::{Cluster, Fault, leading, object, path};
use crate::translate::ServicePort;

/// A provisioner at work on a cluster in memory, whose watch is [`Scene::see`].
struct Scene {
    cluster: Cluster,
    state: watch::Sender<State>,
    wanted: watch::Sender<Arc<Translation>>,
    terms: watch::Sender<Option<Term>>,
    metrics: Arc<Metrics>,
    _running: [JoinHandle<()>; 2],
}

impl Scene {
    fn new() -> Self {
        let (terms, leadership) = leading();
        let (cluster, metrics) = (Cluster::new(), Arc::new(Metrics::new().unwrap()));
        let requests = Requests::new(cluster.client(), leadership.clone());
        let (events, sender) = events::events(requests.clone(), "me");
        let (wanted, translations) = watch::channel(Arc::default());
        let (state, states) = watch::channel(State { synced: true, ..State::default() });
        let work = Work { requests, events, metrics: Arc::clone(&metrics) };
        let place = Place { namespace: "infra".to_owned(), service: "edge".to_owned() };
        let provisioner = Provisioner::new(work, place, leadership, states, translations);
        let running = [tokio::spawn(provisioner.run()), tokio::spawn(sender.run())];
        Self { cluster, state, wanted, terms, metrics, _running: running }
    }

    fn want(&self, services: &[GatewayService]) {
        let named = |it: &GatewayService| (ObjectKey::new("default", &*it.gateway.name), Arc::new(it.clone()));
        let services = services.iter().map(named).collect();
        self.wanted.send_replace(Arc::new(Translation { services, ..Translation::default() }));
    }

    /// What is in the cluster comes to the store.
    fn see(&self, synced: bool) {
        let mut snapshot = Snapshot::default();
        for (kind, group) in [(Kind::Service, "/api/v1/"), (Kind::EndpointSlice, "/apis/discovery.k8s.io/")] {
            for object in self.cluster.below(group) {
                snapshot.put(Object::from_json(kind, &object).unwrap());
            }
        }
        self.state
            .send_modify(|state| *state = State { snapshot, version: state.version + 1, synced, restored: false });
    }

    fn pods(&self, name: &str, addresses: &[&str]) {
        let endpoints: Vec<_> = addresses
            .iter()
            .map(|it| {
                json!({"addresses": [it], "conditions": {"ready": true}, "nodeName": "n", "zone": "z",
                "hints": {"forZones": [{"name": "z"}]}, "targetRef": {"kind": "Pod", "name": "p"}})
            })
            .collect();
        let slice = json!({"metadata": {"labels": {"kubernetes.io/service-name": "edge"}}, "addressType": "IPv4",
            "endpoints": endpoints, "ports": [{"name": "admin", "port": 9000}]});
        self.cluster.put(&ObjectRef::new(Kind::EndpointSlice, ObjectKey::new("infra", name)), slice);
        self.see(true);
    }

    fn slices(&self) -> Vec<Value> {
        self.cluster.below("/apis/discovery.k8s.io/v1/namespaces/default/")
    }

    async fn rest(&self) {
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
}

fn service(gateway: &str, ports: &[(&str, u16, u16)]) -> GatewayService {
    let text = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    GatewayService {
        gateway: ObjectKey::new("default", gateway),
        gateway_uid: format!("uid of {gateway}"),
        labels: [
            text("app.kubernetes.io/managed-by", "paifang"),
            text("gateway.networking.k8s.io/gateway-name", gateway),
            text("team", "shop"),
        ]
        .into(),
        annotations: [text("note", "a")].into(),
        kind: "LoadBalancer",
        traffic_policy: "Local",
        ports: ports
            .iter()
            .map(|(name, port, pod)| ServicePort { name: (*name).to_owned(), port: *port, pod_port: *pod })
            .collect(),
        load_balancer_ip: None,
    }
}

fn gw() -> ObjectRef {
    object(Kind::Service, "gw")
}

#[tokio::test(start_paused = true)]
async fn a_gateway_gets_a_service_and_endpoints_that_follow_the_pods() {
    let scene = Scene::new();
    scene.pods("a", &["10.0.0.1"]);
    scene.want(&[service("gw", &[("http", 80, 10_000)])]);
    scene.cluster.until(|cluster| cluster.get(&gw()).is_some()).await;
    let made = scene.cluster.get(&gw()).unwrap();
    assert_eq!(made["spec"]["type"], "LoadBalancer");
    assert_eq!(made["spec"]["externalTrafficPolicy"], "Local");
    assert_eq!(made["spec"]["ports"], json!([{"name": "http", "port": 80, "targetPort": 10_000, "protocol": "TCP"}]));
    assert_eq!(made["metadata"]["ownerReferences"][0]["uid"], "uid of gw");
    assert_eq!(made["spec"]["selector"], Value::Null);
    scene.cluster.until(|_| scene.slices().len() == 1).await;
    let slice = scene.slices().remove(0);
    assert_eq!(slice["ports"], json!([{"name": "http", "port": 10_000, "protocol": "TCP"}]));
    assert_eq!(slice["metadata"]["labels"]["kubernetes.io/service-name"], "gw");
    assert_eq!(slice["endpoints"][0]["targetRef"]["name"], "p");
    assert_eq!(slice["endpoints"][0]["hints"], Value::Null);
    scene.see(true);
    let start = Instant::now();
    scene.pods("a", &["10.0.0.1", "10.0.0.2"]);
    scene.cluster.until(|_| scene.slices()[0]["endpoints"].as_array().unwrap().len() == 2).await;
    assert!(start.elapsed() <= Duration::from_millis(100), "{:?}", start.elapsed());
    scene.see(true);
    let writes = scene.cluster.writes("").len();
    scene.rest().await;
    assert_eq!(scene.cluster.writes("").len(), writes, "nothing more is to be done");
    assert_eq!(scene.metrics.control.provision_writes.value(WriteOutcome::Written), 3);
    scene.cluster.remove("/apis/discovery.k8s.io/v1/namespaces/infra/endpointslices/a");
    scene.see(true);
    scene.cluster.until(|_| scene.slices().is_empty()).await;
}

#[tokio::test(start_paused = true)]
async fn what_others_set_on_a_service_is_theirs() {
    let scene = Scene::new();
    scene.want(&[service("gw", &[("http", 80, 10_000), ("https", 443, 10_001)])]);
    scene.cluster.until(|cluster| cluster.get(&gw()).is_some()).await;
    scene.cluster.edit(&path(&gw()), |it| {
        it["spec"]["type"] = json!("NodePort");
        it["spec"]["externalTrafficPolicy"] = json!("Cluster");
        it["spec"]["ports"][0]["nodePort"] = json!(30_000);
        it["metadata"]["labels"]["theirs"] = json!("x");
        it["metadata"]["annotations"]["theirs"] = json!("x");
    });
    scene.see(true);
    scene.rest().await;
    assert_eq!(scene.cluster.writes("services").len(), 1);
    let mut next = service("gw", &[("web", 80, 10_002)]);
    next.labels.remove("team");
    next.annotations.insert("note".to_owned(), "b".to_owned());
    next.load_balancer_ip = Some([10, 1, 1, 1].into());
    scene.want(&[next]);
    scene.cluster.until(|cluster| cluster.get(&gw()).unwrap()["spec"]["ports"][0]["name"] == "web").await;
    let there = scene.cluster.get(&gw()).unwrap();
    assert_eq!(
        there["spec"]["ports"],
        json!([{"name": "web", "port": 80, "targetPort": 10_002, "protocol": "TCP", "nodePort": 30_000}])
    );
    assert_eq!(
        (&there["spec"]["type"], &there["spec"]["externalTrafficPolicy"]),
        (&json!("NodePort"), &json!("Cluster"))
    );
    assert_eq!(there["spec"]["loadBalancerIP"], Value::Null, "only a load balancer takes an address");
    assert_eq!(there["metadata"]["labels"]["theirs"], "x");
    assert_eq!(there["metadata"]["annotations"]["theirs"], "x");
    assert_eq!(there["metadata"]["annotations"]["note"], "b");
    assert_eq!(there["metadata"]["labels"]["team"], Value::Null, "we had set it and no longer want it");
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_not_ours_is_never_touched() {
    let scene = Scene::new();
    let theirs =
        json!({"metadata": {"labels": {"app.kubernetes.io/managed-by": "paifang"}}, "spec": {"ports": [{"port": 1}]}});
    let theirs = scene.cluster.put(&gw(), theirs);
    scene.pods("a", &["10.0.0.1"]);
    scene.want(&[service("gw", &[("http", 80, 10_000)])]);
    let events = || scene.cluster.below("/apis/events.k8s.io/v1/namespaces/default/");
    scene.cluster.until(|_| !events().is_empty()).await;
    scene.rest().await;
    scene.want(&[]);
    scene.rest().await;
    assert_eq!(scene.cluster.get(&gw()), Some(theirs));
    assert_eq!(scene.slices(), Vec::<Value>::new(), "nor is it led to us");
    assert_eq!(events().len(), 1);
    assert_eq!((&events()[0]["reason"], &events()[0]["regarding"]["name"]), (&json!("ServiceNotOurs"), &json!("gw")));
}

#[tokio::test(start_paused = true)]
async fn a_service_that_came_between_look_and_write_is_not_touched() {
    let scene = Scene::new();
    let theirs = scene.cluster.put(&gw(), json!({"spec": {"ports": [{"port": 1}]}}));
    // the store does not know it yet
    scene.want(&[service("gw", &[("http", 80, 10_000)])]);
    scene.rest().await;
    assert_eq!(scene.cluster.get(&gw()), Some(theirs));
}

#[tokio::test(start_paused = true)]
async fn what_no_gateway_wants_is_deleted_only_with_the_whole_picture() {
    let scene = Scene::new();
    scene.pods("a", &["10.0.0.1"]);
    scene.want(&[service("gw", &[("http", 80, 10_000)])]);
    scene.cluster.until(|cluster| cluster.get(&gw()).is_some() && !scene.slices().is_empty()).await;
    scene.see(false);
    scene.want(&[]);
    scene.rest().await;
    assert!(scene.cluster.get(&gw()).is_some(), "not every watch has delivered");
    scene.see(true);
    tokio::time::sleep(DELETION.mul_f64(0.5)).await;
    scene.want(&[service("gw", &[("http", 80, 10_000)])]);
    scene.rest().await;
    assert!(scene.cluster.get(&gw()).is_some(), "it was wanted again in time");
    scene.want(&[]);
    scene.cluster.until(|cluster| cluster.get(&gw()).is_none() && scene.slices().is_empty()).await;
}

#[tokio::test(start_paused = true)]
async fn a_service_of_a_gateway_that_was_made_anew_is_replaced() {
    let scene = Scene::new();
    let mut old = service("gw", &[("http", 80, 10_000)]);
    scene.want(std::slice::from_ref(&old));
    scene.cluster.until(|cluster| cluster.get(&gw()).is_some()).await;
    scene.see(true);
    old.gateway_uid = "another".to_owned();
    scene.want(&[old]);
    scene.cluster.until(|cluster| cluster.get(&gw()).is_none()).await;
    scene.see(true);
    scene.cluster.until(|cluster| cluster.get(&gw()).is_some()).await;
    assert_eq!(scene.cluster.get(&gw()).unwrap()["metadata"]["ownerReferences"][0]["uid"], "another");
}

#[tokio::test(start_paused = true)]
async fn failures_are_tried_again() {
    let scene = Scene::new();
    for fault in [Fault::Code(500), Fault::Code(403), Fault::Hang, Fault::Code(409)] {
        scene.cluster.fault(Method::POST, "services", fault);
    }
    scene.want(&[service("gw", &[("http", 80, 10_000)])]);
    scene.cluster.until(|cluster| cluster.get(&gw()).is_some()).await;
    assert_eq!(scene.metrics.control.provision_writes.value(WriteOutcome::Forbidden), 1);
}

#[tokio::test(start_paused = true)]
async fn nobody_provisions_without_the_lease() {
    let scene = Scene::new();
    scene.terms.send_replace(None);
    scene.want(&[service("gw", &[("http", 80, 10_000)])]);
    scene.rest().await;
    assert!(scene.cluster.writes("").is_empty());
    let until = Instant::now() + Duration::from_secs(60);
    scene.terms.send_replace(Some(Term { number: 2, until }));
    scene.cluster.until(|cluster| cluster.get(&gw()).is_some()).await;
}

#[tokio::test(start_paused = true)]
async fn what_the_watch_never_shows_is_written_again_now_and_then() {
    let scene = Scene::new();
    scene.want(&[service("gw", &[("http", 80, 10_000)])]);
    scene.cluster.until(|cluster| cluster.get(&gw()).is_some()).await;
    scene.cluster.edit(&path(&gw()), |it| it["spec"]["ports"] = json!([]));
    let lost = |cluster: &Cluster| cluster.get(&gw()).unwrap()["spec"]["ports"] != json!([]);
    let start = Instant::now();
    scene.cluster.until(lost).await;
    assert!(start.elapsed() <= ECHO + Duration::from_secs(1), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_load_balancer_gets_the_address_that_is_asked_for() {
    let scene = Scene::new();
    let mut wanted = service("gw", &[("http", 80, 10_000)]);
    for address in [[10, 1, 1, 1], [10, 1, 1, 2]] {
        wanted.load_balancer_ip = Some(address.into());
        scene.want(std::slice::from_ref(&wanted));
        let text = json!(wanted.load_balancer_ip);
        scene.cluster.until(|cluster| cluster.get(&gw()).is_some_and(|it| it["spec"]["loadBalancerIP"] == text)).await;
        scene.see(true);
    }
    scene.rest().await;
    assert_eq!(scene.cluster.writes("services").len(), 2);
}
