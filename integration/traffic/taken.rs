//! Limits on connections and on bandwidth.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::backend::{mirroring, named};
use crate::body::Streamed;
use crate::client::{fetch, get, http1, http1_over, post, send1, tcp};
use crate::pki::Authority;
use crate::world::{World, gateway, plain, route_to, service};
use crate::{eventually, within};

/// A policy with one limit on the Gateway.
fn policy(name: &str, limit: Value) -> Value {
    json!({
        "apiVersion": "paifang.dev/v1alpha1", "kind": "RateLimitPolicy",
        "metadata": { "name": "limits", "namespace": "test" },
        "spec": {
            "targetRefs": [{ "group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "edge" }],
            "limits": { name: limit },
        },
    })
}

fn to_backend(address: SocketAddr) -> [Value; 2] {
    [service("backend", &[address]), route_to("backend")]
}

/// Waits until the other side closes without a word.
async fn closed(mut stream: TcpStream) {
    let read = within("the end of the connection", stream.read(&mut [0])).await;
    assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
}

#[tokio::test]
async fn connections_beyond_the_limit_are_closed_and_those_that_end_make_room() {
    let two = json!({ "connections": 2, "scope": "Gateway", "counting": "PerReplica" });
    let backend = to_backend(named("backend").await);
    let mut world = World::start(plain().into_iter().chain(backend).chain([policy("clients", two)])).await;
    let address = world.address("http");
    let (mut one, mut other) = (http1(address).await, http1(address).await);
    assert_eq!(send1(&mut one, get("/")).await.0.status, 200);
    assert_eq!(send1(&mut other, get("/")).await.0.status, 200);
    closed(tcp(address).await).await;
    assert_eq!(world.metric(&["paifang_connections_refused_total", "limited"]), 1.0);
    let decisions = ["paifang_limit_decisions_total", "clients", "\"denied\""];
    assert_eq!(world.metric(&decisions), 1.0);
    drop(one);
    eventually("room again", || world.metric(&["paifang_connections_open"]) == 1.0).await;
    assert_eq!(fetch(address, get("/")).await.0.status, 200);

    let three = json!({ "connections": 3, "scope": "Gateway", "counting": "PerReplica" });
    world.put([policy("clients", three)]).await;
    eventually("only one left", || world.metric(&["paifang_connections_open"]) == 1.0).await;
    let mut more = [http1(address).await, http1(address).await];
    for client in &mut more {
        assert_eq!(send1(client, get("/")).await.0.status, 200);
    }
    closed(tcp(address).await).await;
    assert_eq!(world.metric(&decisions), 2.0, "what was open before the change still counts");
}

#[tokio::test]
async fn a_tenant_has_its_own_connections_by_server_name() {
    let ca = Authority::new();
    let listener = json!([{
        "name": "https", "protocol": "HTTPS", "port": 443, "tls": { "certificateRefs": [{ "name": "all" }] },
    }]);
    let tenant = json!({
        "apiVersion": "paifang.dev/v1alpha1", "kind": "Tenant", "metadata": { "name": "test" },
        "spec": {
            "namespaces": { "matchLabels": { "kubernetes.io/metadata.name": "test" } },
            "claims": [{ "hostnames": ["a.example.com"] }], "limits": { "connections": 1 },
        },
    });
    let mut route = route_to("backend");
    route["spec"]["hostnames"] = json!(["a.example.com"]);
    let namespace = json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": { "name": "test", "labels": { "kubernetes.io/metadata.name": "test" } },
    });
    let objects = [service("backend", &[named("backend").await]), route, tenant, namespace];
    let secret = ca.issue(&["a.example.com", "b.example.com"]).secret("all");
    let world = World::start(gateway(listener).into_iter().chain(objects).chain([secret])).await;
    let (address, client) = (world.address("https"), ca.client(&["http/1.1"]));
    let held = client.connect(address, "a.example.com").await.unwrap();
    assert!(client.connect(address, "a.example.com").await.is_err(), "the second is one too many");
    eventually("counted", || world.metric(&["paifang_tls_handshakes_total", "limited"]) == 1.0).await;
    let _other = client.connect(address, "b.example.com").await.unwrap();
    let mut held = http1_over(held).await;
    let request = http::Request::builder().uri("/").header("host", "a.example.com").body(Streamed::empty()).unwrap();
    assert_eq!(send1(&mut held, request).await.0.status, 200);
}

#[tokio::test]
async fn a_response_is_as_fast_as_its_limit() {
    let limit = json!({ "bandwidth": "512Ki", "scope": "Gateway", "counting": "PerReplica" });
    let objects = to_backend(mirroring().await);
    let mut world = World::start(plain().into_iter().chain(objects)).await;
    let body = vec![7; 384 << 10];
    let began = Instant::now();
    let (head, answer) = fetch(world.address("http"), post("/", Streamed::full(body.clone()))).await;
    assert_eq!((head.status.as_u16(), answer.len()), (200, body.len()));
    let unlimited = began.elapsed();

    world.put([policy("fast", limit)]).await;
    let began = Instant::now();
    let (head, answer) = fetch(world.address("http"), post("/", Streamed::full(body.clone()))).await;
    assert_eq!((head.status.as_u16(), answer.len()), (200, body.len()), "nothing is lost");
    // 64 KiB go at once and a last piece of 64 KiB at most is not waited for
    assert!(began.elapsed() >= Duration::from_millis(500), "{:?}, without limit {unlimited:?}", began.elapsed());
    assert_eq!(world.metric(&["paifang_limit_decisions_total", "fast", "\"denied\""]), 1.0, "each response once");
}
