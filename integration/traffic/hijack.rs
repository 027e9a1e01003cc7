//! Claims while the world changes: namespaces move, claims and tenants come and go. What never moves is
//! in `integration/cases/hijack`.

use std::net::SocketAddr;

use http::Request;
use paifang::api::{Kind, ObjectKey, ObjectRef};
use serde_json::{Value, json};

use crate::backend::named;
use crate::body::Streamed;
use crate::client::{Http1, http1, send1};
use crate::world::{World, gateway, service, to};

const CLAIMED: &str = "pay.example.com";
const PERMITTED: &str = "paifang.dev/HostnamePermitted";
const NOT_PERMITTED: &str = "paifang_claims_not_permitted_total";
const SHADOWED: &str = "paifang_claims_shadowed_total";

/// A namespace that a team has.
fn namespace(name: &str, team: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name, "labels": { "team": team } } })
}

/// A tenant of the namespaces of its team.
fn tenant(team: &str, hostnames: &[&str], mode: &str) -> Value {
    let claims = if hostnames.is_empty() { json!([]) } else { json!([{ "hostnames": hostnames }]) };
    json!({
        "apiVersion": "paifang.dev/v1alpha1", "kind": "Tenant", "metadata": { "name": team },
        "spec": { "namespaces": { "matchLabels": { "team": team } }, "claims": claims, "mode": mode },
    })
}

/// A route and its Service, all called like the namespace.
fn app(namespace: &str, created: &str, hostnames: Value, address: SocketAddr) -> [Value; 2] {
    let mut service = service(namespace, &[address]);
    service["metadata"]["namespace"] = json!(namespace);
    let route = json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
        "metadata": { "name": namespace, "namespace": namespace, "creationTimestamp": created },
        "spec": {
            "parentRefs": [{ "name": "edge", "namespace": "test" }], "hostnames": hostnames,
            "rules": [{ "backendRefs": [to(namespace)] }],
        },
    });
    [service, route]
}

/// The owner of a hostname, and an older route of somebody else that asks for it, too.
struct Scene {
    world: World,
    /// One connection, so that no change needs a new one.
    client: Http1,
}

impl Scene {
    async fn start() -> Self {
        let everybody = json!({ "namespaces": { "from": "All" } });
        let listeners = json!([{ "name": "http", "protocol": "HTTP", "port": 80, "allowedRoutes": everybody }]);
        let fixed = [namespace("pay", "pay"), namespace("evil", "evil"), tenant("evil", &[], "Enforce")];
        let pay = app("pay", "2026-01-01T00:00:00Z", json!([CLAIMED]), named("pay").await);
        let evil = app("evil", "2020-01-01T00:00:00Z", json!([CLAIMED, "evil.example.org"]), named("evil").await);
        let objects = gateway(listeners).into_iter().chain(fixed).chain(pay).chain(evil);
        let world = World::start(objects.chain([tenant("pay", &[CLAIMED], "Enforce")])).await;
        let client = http1(world.address("http")).await;
        Self { world, client }
    }

    /// Who answers a request for the claimed hostname: a backend's name, or the status.
    async fn answer(&mut self) -> String {
        let request = Request::builder().uri("/").header("host", CLAIMED).body(Streamed::empty()).unwrap();
        let (head, body) = send1(&mut self.client, request).await;
        if head.status == 200 { String::from_utf8(body.to_vec()).unwrap() } else { head.status.as_u16().to_string() }
    }

    /// A condition of a route: status and reason, or nothing.
    fn says(&self, namespace: &str, kind: &str) -> Option<(String, String)> {
        let route = ObjectRef::new(Kind::HttpRoute, ObjectKey::new(namespace, namespace));
        let status = serde_json::to_value(&*self.world.view().translation.statuses[&route]).unwrap();
        let conditions = status["parents"][0]["conditions"].as_array().unwrap();
        let found = conditions.iter().find(|condition| condition["type"] == kind)?;
        let text = |field: &str| found[field].as_str().unwrap().to_owned();
        Some((text("status"), text("reason")))
    }

    /// The route lost what it asks for, in whole or in part.
    fn loses(&self, namespace: &str, kind: &str) {
        let lost = Some(("False".to_owned(), "HostnameNotPermitted".to_owned()));
        assert_eq!(self.says(namespace, kind), lost, "{namespace}");
    }

    /// The route is accepted with everything it asks for.
    fn has_all(&self, namespace: &str) {
        assert_eq!(self.says(namespace, "Accepted"), Some(("True".to_owned(), "Accepted".to_owned())), "{namespace}");
        assert_eq!(self.says(namespace, PERMITTED), None, "{namespace}");
    }

    fn counted(&self, metric: &str) -> f64 {
        self.world.metric(&[metric, "route=\"evil\""])
    }
}

#[tokio::test]
async fn a_relabelled_namespace_has_the_claims_of_its_new_tenant_only() {
    let mut scene = Scene::start().await;
    assert_eq!((scene.answer().await, scene.counted(NOT_PERMITTED)), ("pay".into(), 1.0));
    scene.loses("evil", PERMITTED);

    scene.world.put([namespace("evil", "pay")]).await;
    assert_eq!(scene.answer().await, "evil", "it is the same tenant's, and older");
    scene.has_all("evil");

    scene.world.put([namespace("evil", "evil")]).await;
    assert_eq!(scene.answer().await, "pay");
    scene.loses("evil", PERMITTED);

    scene.world.put([namespace("pay", "nobody")]).await;
    assert_eq!(scene.answer().await, "404", "the claim stays with the tenant, and nobody inherits it");
    scene.loses("pay", "Accepted");
    scene.loses("evil", PERMITTED);

    scene.world.remove("Namespace/pay").await;
    assert_eq!(scene.answer().await, "404", "nor does anybody when the namespace is gone");
    scene.world.put([namespace("pay", "pay")]).await;
    assert_eq!(scene.answer().await, "pay");
    scene.has_all("pay");
}

#[tokio::test]
async fn a_claim_holds_from_the_moment_it_is_made_until_it_is_withdrawn() {
    let mut scene = Scene::start().await;
    for (tenant_of_pay, answer) in [
        (tenant("pay", &["other.example.com"], "Enforce"), "evil"),
        (tenant("pay", &["*.example.com"], "Enforce"), "pay"),
        (tenant("pay", &[], "Enforce"), "evil"),
        (tenant("pay", &[CLAIMED], "Enforce"), "pay"),
    ] {
        let before = scene.counted(NOT_PERMITTED);
        scene.world.put([tenant_of_pay.clone()]).await;
        assert_eq!(scene.answer().await, answer, "{tenant_of_pay}");
        let refused = scene.counted(NOT_PERMITTED) - before;
        if answer == "pay" {
            scene.loses("evil", PERMITTED);
            assert_eq!(refused, 1.0, "{tenant_of_pay}");
        } else {
            scene.has_all("evil");
            assert_eq!(refused, 0.0, "{tenant_of_pay}");
        }
    }
}

#[tokio::test]
async fn a_claim_ends_with_its_tenant() {
    let mut scene = Scene::start().await;
    scene.world.remove("Tenant/pay").await;
    assert_eq!((scene.answer().await, scene.counted(NOT_PERMITTED)), ("evil".into(), 0.0));
    scene.has_all("evil");
    scene.world.put([tenant("pay", &[CLAIMED], "Enforce")]).await;
    assert_eq!((scene.answer().await, scene.counted(NOT_PERMITTED)), ("pay".into(), 1.0));
    scene.world.remove("HTTPRoute/pay").await;
    assert_eq!((scene.answer().await, scene.counted(NOT_PERMITTED)), ("404".into(), 2.0), "a claim needs no route");
    scene.loses("evil", PERMITTED);
    let unrouted = ["paifang_requests_unrouted_total", "reason=\"not_permitted\""];
    crate::eventually("the reason counted", || scene.world.metric(&unrouted) == 1.0).await;
}

#[tokio::test]
async fn shadow_mode_counts_what_enforcing_then_denies() {
    let mut scene = Scene::start().await;
    scene.world.put([tenant("pay", &[CLAIMED], "Shadow")]).await;
    assert_eq!((scene.answer().await, scene.counted(SHADOWED)), ("evil".into(), 1.0));
    scene.has_all("evil");
    scene.world.put([tenant("pay", &[CLAIMED], "Enforce")]).await;
    assert_eq!((scene.answer().await, scene.counted(NOT_PERMITTED)), ("pay".into(), 1.0));
    assert_eq!(scene.counted(SHADOWED), 1.0);
}
