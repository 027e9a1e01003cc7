//! ShareGrants while the world changes: they end, and labels and tenants come and go. What never moves is in
//! `integration/cases/share-grant`.

use http::Request;
use jiff::{SignedDuration, Timestamp};
use paifang::api::{Kind, ObjectKey, ObjectRef};
use paifang::controller::View;
use serde_json::{Value, json};

use crate::backend::named;
use crate::body::Streamed;
use crate::client::{Http1, http1, send1};
use crate::pki::{Authority, shown};
use crate::within;
use crate::world::{World, gateway, route, service_with};

fn namespace(labels: Value) -> Value {
    json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "test", "labels": labels } })
}

fn tenant(team: &str) -> Value {
    json!({
        "apiVersion": "paifang.dev/v1alpha1", "kind": "Tenant", "metadata": { "name": "guests" },
        "spec": { "namespaces": { "matchLabels": { "team": team } } },
    })
}

/// A grant of the namespace `host` for the HTTPRoutes of some namespaces.
fn grant(namespaces: Value, more: Value) -> Value {
    let mut spec = json!({
        "from": [{ "kind": "HTTPRoute", "namespaces": namespaces }], "to": [{ "group": "", "kind": "Service" }],
    });
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({
        "apiVersion": "paifang.dev/v1alpha1", "kind": "ShareGrant",
        "metadata": { "name": "grant", "namespace": "host" }, "spec": spec,
    })
}

/// A route of the namespace `test` to a Service of the namespace `host`.
struct Scene {
    world: World,
    /// One connection, so that no change needs a new one.
    client: Http1,
}

impl Scene {
    async fn start(objects: impl IntoIterator<Item = Value>) -> Self {
        let backends = json!([{ "name": "shared", "namespace": "host", "port": 80 }]);
        let listeners = json!([{ "name": "http", "protocol": "HTTP", "port": 80 }]);
        let fixed = gateway(listeners).into_iter().chain([Self::service(json!({})).await, namespace(json!({}))]);
        let routes = [route("guest", json!([{ "backendRefs": backends }]))];
        let world = World::start(fixed.chain(routes).chain(objects)).await;
        let client = http1(world.address("http")).await;
        Self { world, client }
    }

    async fn service(labels: Value) -> Value {
        let mut service = service_with("shared", &[named("shared").await], json!({ "ports": [{ "port": 80 }] }));
        service["metadata"]["namespace"] = json!("host");
        service["metadata"]["labels"] = labels;
        service
    }

    async fn status(&mut self) -> u16 {
        let request = Request::builder().uri("/").header("host", "a.example.com").body(Streamed::empty()).unwrap();
        send1(&mut self.client, request).await.0.status.as_u16()
    }

    /// Who is said to use the grant.
    fn users(&self) -> u64 {
        said(&self.world.view(), Kind::ShareGrant, "host", "grant")["users"].as_u64().unwrap()
    }

    /// The route is served by the grant, or not served.
    async fn is_shared(&mut self, shared: bool, why: &str) {
        assert_eq!(self.status().await, if shared { 200 } else { 500 }, "{why}");
        assert_eq!(self.users(), u64::from(shared), "{why}");
    }
}

fn said(view: &View, kind: Kind, namespace: &str, name: &str) -> Value {
    let object = ObjectRef::new(kind, ObjectKey::new(namespace, name));
    serde_json::to_value(&*view.translation.statuses[&object]).unwrap()
}

fn has_ended(view: &View) -> bool {
    said(view, Kind::ShareGrant, "host", "grant")["conditions"][0]["reason"] == "Expired"
}

#[tokio::test]
async fn a_grant_that_ends_while_it_serves_ends_service() {
    let until = |end: Timestamp| grant(json!({ "names": ["test"] }), json!({ "expires": end.to_string() }));
    let mut scene = Scene::start([until("2999-01-01T00:00:00Z".parse().unwrap())]).await;
    scene.is_shared(true, "until then").await;

    let end = Timestamp::now() + SignedDuration::from_millis(300);
    scene.world.put([until(end)]).await;
    // nothing changes from here on but the time
    within("the end", scene.world.edge.view().wait_for(has_ended)).await.unwrap();
    assert!(Timestamp::now() >= end, "it ended too early");
    scene.is_shared(false, "it has ended").await;
    let route = said(&scene.world.view(), Kind::HttpRoute, "test", "guest");
    let resolved = &route["parents"][0]["conditions"][1];
    let told = format!(": ShareGrant 'host/grant' permitted it until {end}");
    assert_eq!(resolved["reason"], "RefNotPermitted");
    assert!(resolved["message"].as_str().unwrap().ends_with(&told), "{resolved}");

    scene.world.put([until("2999-01-01T00:00:00Z".parse().unwrap())]).await;
    scene.is_shared(true, "it was given more time").await;
}

#[tokio::test]
async fn a_grant_follows_the_labels_of_namespaces() {
    let labelled = json!({ "selector": { "matchLabels": { "friend": "yes" } } });
    let mut scene = Scene::start([grant(labelled, json!({}))]).await;
    scene.is_shared(false, "no label").await;
    scene.world.put([namespace(json!({ "friend": "yes" }))]).await;
    scene.is_shared(true, "labelled").await;
    scene.world.put([namespace(json!({ "friend": "no" }))]).await;
    scene.is_shared(false, "relabelled").await;
}

#[tokio::test]
async fn a_grant_follows_the_tenants_of_namespaces() {
    let mut scene =
        Scene::start([grant(json!({ "tenants": ["guests"] }), json!({})), namespace(json!({ "team": "a" }))]).await;
    scene.is_shared(false, "no tenant").await;
    scene.world.put([tenant("a")]).await;
    scene.is_shared(true, "the namespace is the tenant's").await;
    scene.world.put([tenant("b")]).await;
    scene.is_shared(false, "the tenant has another").await;
    scene.world.put([tenant("a")]).await;
    scene.is_shared(true, "it has it back").await;
    scene.world.remove("Tenant/guests").await;
    scene.is_shared(false, "the tenant is gone").await;
}

#[tokio::test]
async fn a_grant_follows_the_labels_of_services_and_its_own_changes() {
    let target = |more: Value| json!({ "to": [more] });
    let selected = json!({ "group": "", "kind": "Service", "selector": { "matchLabels": { "open": "yes" } } });
    let guests = || json!({ "names": ["test"] });
    let mut scene = Scene::start([grant(guests(), target(selected))]).await;
    scene.is_shared(false, "no label").await;
    scene.world.put([Scene::service(json!({ "open": "yes" })).await]).await;
    scene.is_shared(true, "labelled").await;
    scene.world.put([grant(guests(), target(json!({ "group": "", "kind": "Service", "ports": [81] })))]).await;
    scene.is_shared(false, "another port").await;
    scene.world.put([grant(guests(), json!({}))]).await;
    scene.is_shared(true, "every port").await;
    scene.world.remove("ShareGrant/grant").await;
    assert_eq!(scene.status().await, 500, "it is gone");
}

#[tokio::test]
async fn a_certificate_is_shown_until_its_grant_ends() {
    let ca = Authority::new();
    let (shared, own) = (ca.issue(&["a.example.com"]), ca.issue(&["b.example.com"]));
    let mut secret = shared.secret("shared");
    secret["metadata"]["namespace"] = json!("host");
    let refs = json!([{ "name": "shared", "namespace": "host" }, { "name": "own" }]);
    let listeners = json!([{ "name": "tls", "protocol": "HTTPS", "port": 443, "tls": { "certificateRefs": refs } }]);
    let until = |end: &str| {
        let from = json!([{ "kind": "Gateway", "namespaces": { "names": ["test"] } }]);
        let to = json!([{ "group": "", "kind": "Secret", "names": ["shared"] }]);
        grant(json!({}), json!({ "from": from, "to": to, "expires": end }))
    };
    let objects = gateway(listeners).into_iter().chain([secret, own.secret("own"), until("2999-01-01T00:00:00Z")]);
    let mut world = World::start(objects).await;
    let (address, client) = (world.address("tls"), ca.client(&[]));
    assert_eq!(shown(&client.connect(address, "a.example.com").await.unwrap()), shared.der);
    assert_eq!(said(&world.view(), Kind::ShareGrant, "host", "grant")["usedBy"][0]["kind"], "Gateway");

    world.put([until(&(Timestamp::now() + SignedDuration::from_millis(300)).to_string())]).await;
    within("the end", world.edge.view().wait_for(has_ended)).await.unwrap();
    let error = client.connect(address, "a.example.com").await.unwrap_err();
    assert!(error.to_string().contains("not valid for name"), "the other certificate is shown: {error}");
    assert_eq!(shown(&client.connect(address, "b.example.com").await.unwrap()), own.der, "it serves on");
    let status = said(&world.view(), Kind::Gateway, "test", "edge");
    assert_eq!(status["listeners"][0]["conditions"][2]["reason"], "RefNotPermitted");
}
