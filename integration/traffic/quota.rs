//! Quotas while the world changes. What never moves is in `integration/cases/quota`.

use http::Request;
use serde_json::{Value, json};

use crate::backend::named;
use crate::body::Streamed;
use crate::client::{http1, send1};
use crate::world::{World, gateway, route_on, service, to};

fn tenant(routes: u32, mode: &str) -> Value {
    json!({
        "apiVersion": "paifang.dev/v1alpha1", "kind": "Tenant", "metadata": { "name": "team" },
        "spec": {
            "namespaces": { "matchLabels": { "kubernetes.io/metadata.name": "test" } },
            "quotas": { "routes": routes }, "mode": mode,
        },
    })
}

/// A route for a hostname of its own.
fn aged(name: &str, day: u32) -> Value {
    let hostnames = json!([format!("{name}.example.com")]);
    let mut route = route_on(name, json!([{ "name": "edge" }]), hostnames, json!([{ "backendRefs": [to("app")] }]));
    route["metadata"]["creationTimestamp"] = json!(format!("2026-01-0{day}T00:00:00Z"));
    route
}

async fn served(world: &World) -> Vec<&'static str> {
    let mut client = http1(world.address("http")).await;
    let mut served = Vec::new();
    for name in ["a", "b", "c"] {
        let host = format!("{name}.example.com");
        let request = Request::builder().uri("/").header("host", host).body(Streamed::empty()).unwrap();
        if send1(&mut client, request).await.0.status == 200 {
            served.push(name);
        }
    }
    served
}

#[tokio::test]
async fn routes_come_and_go_with_the_room_that_there_is() {
    let listeners = json!([{ "name": "http", "protocol": "HTTP", "port": 80 }]);
    let backend = service("app", &[named("app").await]);
    let mut world = World::start(gateway(listeners).into_iter().chain([backend, aged("b", 2), aged("c", 3)])).await;
    assert_eq!(served(&world).await, ["b", "c"], "no tenant, no quota");
    world.put([tenant(2, "Enforce")]).await;
    assert_eq!(served(&world).await, ["b", "c"]);
    world.put([aged("a", 1)]).await;
    assert_eq!(served(&world).await, ["a", "b"], "the oldest have what there is");
    world.put([tenant(2, "Shadow")]).await;
    assert_eq!(served(&world).await, ["a", "b", "c"]);
    world.put([tenant(1, "Enforce")]).await;
    assert_eq!(served(&world).await, ["a"]);
    world.remove("HTTPRoute/a").await;
    assert_eq!(served(&world).await, ["b"], "the next has room");
    world.put([tenant(3, "Enforce")]).await;
    assert_eq!(served(&world).await, ["b", "c"]);
    world.remove("Tenant/team").await;
    world.put([aged("a", 1)]).await;
    assert_eq!(served(&world).await, ["a", "b", "c"]);
}
