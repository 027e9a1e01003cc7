//! Shares of a saturated gateway: who gets in, who is told to come again, what is given back.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, response::Parts};
use paifang::config::{Config, LimitsConfig};
use paifang::limit::clock::Hand;
use paifang::telemetry::AccessLog;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::backend::refusing;
use crate::body::Streamed;
use crate::client::{Http2, http2, whole};
use crate::held::Held;
use crate::limits::still;
use crate::raw::Raw;
use crate::world::{World, gateway, service, to};
use crate::{eventually, within};

/// When to come again.
const SOON: HeaderValue = HeaderValue::from_static("1");

/// A namespace, its tenant, and a route for `TEAM.example.com` to a Service; all called like the team.
fn team(name: &str, share: &Value, mode: &str, backend: &Held) -> Vec<Value> {
    let mut service = service(name, &[backend.address]);
    service["metadata"]["namespace"] = json!(name);
    vec![
        json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name, "labels": { "team": name } } }),
        json!({
            "apiVersion": "paifang.dev/v1alpha1", "kind": "Tenant", "metadata": { "name": name },
            "spec": { "namespaces": { "matchLabels": { "team": name } }, "share": share, "mode": mode },
        }),
        service,
        json!({
            "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
            "metadata": { "name": name, "namespace": name },
            "spec": {
                "parentRefs": [{ "name": "edge", "namespace": "test" }], "hostnames": [format!("{name}.example.com")],
                "rules": [{ "backendRefs": [to(name)] }],
            },
        }),
    ]
}

/// Two tenants, `a` and `b`, each with a backend that holds its requests.
struct Scene {
    world: World,
    /// The time, which stands still unless it is moved.
    hand: Hand,
    /// One connection for all requests.
    client: Http2,
    a: Held,
    b: Held,
    asked: JoinSet<(Parts, Bytes)>,
}

impl Scene {
    async fn start(capacity: u32, (a, b): (Value, Value)) -> Self {
        Self::in_mode("Enforce", capacity, (a, b)).await
    }

    /// The mode is that of `b`.
    async fn in_mode(mode: &str, capacity: u32, (a, b): (Value, Value)) -> Self {
        let (of_a, of_b) = (Held::start().await, Held::start().await);
        let everybody = json!({ "namespaces": { "from": "All" } });
        let listeners = json!([{ "name": "http", "protocol": "HTTP", "port": 80, "allowedRoutes": everybody }]);
        let teams = team("a", &a, "Enforce", &of_a).into_iter().chain(team("b", &b, mode, &of_b));
        let limits = LimitsConfig { capacity, ..LimitsConfig::default() };
        let config = Config { limits, ..Config::default() };
        let (limits, hand) = still();
        let objects = gateway(listeners).into_iter().chain(teams);
        let world = World::start_with(config, AccessLog::disabled(), limits, objects).await;
        let client = http2(world.address("http")).await;
        Self { world, hand, client, a: of_a, b: of_b, asked: JoinSet::new() }
    }

    /// Sends requests of a tenant; the answers are waited for elsewhere.
    fn ask(&mut self, team: &str, count: usize) {
        for _ in 0..count {
            self.send(request(team).body(Streamed::empty()).unwrap());
        }
    }

    fn send(&mut self, request: Request<Streamed>) {
        let mut client = self.client.clone();
        self.asked.spawn(async move {
            client.ready().await.unwrap();
            whole(client.send_request(request).await.unwrap()).await
        });
    }

    /// The next answer, whoever gets it.
    async fn answer(&mut self) -> (Parts, Bytes) {
        within("an answer", self.asked.join_next()).await.unwrap().unwrap()
    }

    /// Takes so many answers, all of them denials.
    async fn denied(&mut self, count: usize) {
        for _ in 0..count {
            let (head, body) = self.answer().await;
            assert_eq!((head.status, &head.headers["retry-after"]), (StatusCode::SERVICE_UNAVAILABLE, &SOON));
            assert_eq!(body, "the gateway is busy: try again\n");
        }
    }

    /// Takes so many answers, all of them of a backend.
    async fn served(&mut self, count: usize) {
        for _ in 0..count {
            let (head, body) = self.answer().await;
            assert_eq!((head.status, &*body), (StatusCode::OK, &b"held"[..]));
        }
    }

    /// Both want more than there is, then one request of `a` ends.
    async fn round(&mut self) {
        self.hand.advance(Duration::from_millis(10));
        self.ask("b", 2);
        self.ask("a", 1);
        self.settled().await;
        self.a.release(1);
        self.served(1).await;
        self.settled().await;
    }

    /// Takes answers until clients, backends and the edge agree on how many requests are under way.
    async fn settled(&mut self) {
        let agreement = async {
            loop {
                while let Some(answer) = self.asked.try_join_next() {
                    answer.unwrap();
                }
                let (held, used) = (self.a.now() + self.b.now(), self.says("used", "a") + self.says("used", "b"));
                if self.asked.len() == held && used == held as f64 {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        within("an agreement on what is under way", agreement).await;
    }

    fn says(&self, metric: &str, team: &str) -> f64 {
        self.world.metric(&[&format!("paifang_share_{metric}{{tenant=\"{team}\"}}")])
    }
}

fn request(team: &str) -> http::request::Builder {
    Request::builder().uri(format!("http://{team}.example.com/")).version(http::Version::HTTP_2)
}

#[tokio::test]
async fn who_has_a_guarantee_always_gets_in() {
    let mut scene = Scene::start(10, (json!({ "guaranteed": { "concurrency": 4 } }), json!({ "weight": 1000 }))).await;
    scene.ask("b", 12);
    scene.b.has(6).await;
    scene.denied(6).await;
    assert_eq!((scene.says("used", "b"), scene.says("denied_total", "b")), (6.0, 6.0));
    let reason = ["paifang_requests_total", "route=\"b\"", "code=\"503\",reason=\"saturated\""];
    eventually("denials counted", || scene.world.metric(&reason) == 6.0).await;

    scene.ask("a", 4);
    scene.a.has(4).await;
    scene.ask("a", 1);
    scene.denied(1).await;
    for (metric, a, b) in [
        ("used", 4.0, 6.0),
        ("guaranteed", 4.0, 0.0),
        ("denied_total", 1.0, 6.0),
        ("denied_below_guarantee_total", 0.0, 0.0),
    ] {
        assert_eq!((scene.says(metric, "a"), scene.says(metric, "b")), (a, b), "{metric}");
    }
    assert_eq!(scene.world.metric(&["paifang_share_capacity"]), 10.0);

    scene.a.release(4);
    scene.b.release(6);
    scene.served(10).await;
    eventually("all places given back", || scene.says("used", "a") + scene.says("used", "b") == 0.0).await;
}

#[tokio::test]
async fn what_is_idle_is_lent_and_given_back_by_weight() {
    let mut scene = Scene::start(12, (json!({ "weight": 1 }), json!({ "weight": 2 }))).await;
    scene.ask("a", 12);
    scene.a.has(12).await;
    let mut rounds = 0;
    while scene.b.now() < 8 {
        scene.round().await;
        rounds += 1;
        assert!(rounds < 50, "{} are not the part of who comes back", scene.b.now());
    }
    for _ in 0..5 {
        scene.round().await;
        assert_eq!((scene.a.now(), scene.b.now()), (3, 8), "who has its part gets no more");
    }
}

#[tokio::test]
async fn a_grpc_client_is_told_in_its_own_words() {
    let mut scene = Scene::start(1, (json!({}), json!({}))).await;
    scene.ask("a", 1);
    scene.a.has(1).await;
    let call = request("b").method("POST").header("content-type", "application/grpc").header("te", "trailers");
    scene.send(call.body(Streamed::empty()).unwrap());
    let (head, _) = scene.answer().await;
    assert_eq!(head.status, StatusCode::OK);
    assert_eq!((&head.headers["grpc-status"], &head.headers["retry-after"]), (&HeaderValue::from_static("14"), &SOON));
}

#[tokio::test]
async fn shadow_mode_counts_and_denies_nothing() {
    let shares = (json!({ "guaranteed": { "concurrency": 1 } }), json!({}));
    let mut scene = Scene::in_mode("Shadow", 2, shares).await;
    scene.ask("b", 3);
    scene.b.has(3).await;
    assert_eq!((scene.says("used", "b"), scene.says("denied_total", "b")), (1.0, 2.0));
    scene.ask("a", 1);
    scene.a.has(1).await;
    scene.a.release(1);
    scene.b.release(3);
    scene.served(4).await;
}

#[tokio::test]
async fn a_request_counts_until_its_last_byte_in_either_direction() {
    let mut scene = Scene::start(1, (json!({}), json!({}))).await;
    let (feed, body) = Streamed::fed();
    scene.send(request("a").method("POST").body(body).unwrap());
    scene.a.has(1).await;
    scene.ask("b", 1);
    scene.denied(1).await;
    scene.a.release(1);
    assert!(feed.data("slow").await, "the answer has begun, the body has not ended");
    assert_eq!(scene.says("used", "a"), 1.0);
    drop(feed);
    scene.served(1).await;
    eventually("the place given back", || scene.says("used", "a") == 0.0).await;
    scene.ask("b", 1);
    scene.b.has(1).await;
}

#[tokio::test]
async fn a_failed_request_has_no_place_while_its_connection_lingers() {
    let mut scene = Scene::start(1, (json!({}), json!({}))).await;
    let (refused, _socket) = refusing();
    let mut service = service("a", &[refused]);
    service["metadata"]["namespace"] = json!("a");
    scene.world.put([service]).await;
    let mut client = Raw::connect(scene.world.address("http")).await;
    client.write("POST / HTTP/1.1\r\nHost: a.example.com\r\nContent-Length: 9\r\n\r\nhalf").await;
    assert_eq!(client.message().await.status(), 503);
    eventually("the place given back", || scene.says("used", "a") == 0.0).await;
    let open = scene.world.metric(&["paifang_connections_open"]);
    assert_eq!(open, 2.0, "the rest of the body is still waited for");
    scene.ask("b", 1);
    scene.b.has(1).await;
}

#[tokio::test]
async fn promises_follow_the_tenant() {
    let mut scene = Scene::start(10, (json!({ "guaranteed": { "concurrency": 4 } }), json!({}))).await;
    scene.ask("a", 2);
    scene.a.has(2).await;
    let changed = json!({ "guaranteed": { "concurrency": 7 } });
    scene.world.put(team("a", &changed, "Enforce", &scene.a)).await;
    assert_eq!((scene.says("guaranteed", "a"), scene.says("used", "a")), (7.0, 2.0));
    scene.world.remove("Tenant/a").await;
    assert_eq!(scene.says("guaranteed", "a"), 0.0);
    scene.a.release(2);
    scene.served(2).await;
    scene.ask("b", 11);
    scene.b.has(10).await;
    scene.denied(1).await;
    scene.b.release(10);
    scene.served(10).await;
    eventually("its series gone", || !scene.world.scrape().contains("tenant=\"a\"")).await;
}

#[tokio::test]
async fn a_denial_below_a_guarantee_that_was_cut_is_counted() {
    let promise = |concurrency: u32| json!({ "guaranteed": { "concurrency": concurrency } });
    let mut scene = Scene::start(4, (promise(6), promise(2))).await;
    scene.ask("a", 4);
    scene.a.has(3).await;
    scene.denied(1).await;
    for (metric, a, b) in
        [("guaranteed", 3.0, 1.0), ("denied_total", 1.0, 0.0), ("denied_below_guarantee_total", 1.0, 0.0)]
    {
        assert_eq!((scene.says(metric, "a"), scene.says(metric, "b")), (a, b), "{metric}");
    }
}
