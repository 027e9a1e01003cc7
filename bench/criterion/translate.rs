//! What translating a snapshot costs.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use paifang::api::Kind;
use paifang::api::gateway::CONTROLLER_NAME;
use paifang::snapshot::{Object, Snapshot};
use paifang::translate::{Translator, translate};
use serde_json::{Value, json};

/// The allocator of the product.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Services that the routes share.
const SERVICES: usize = 10;

/// One Gateway, and `count` routes with a host, a path and a backend each.
fn world(count: usize) -> Snapshot {
    let mut snapshot = Snapshot::default();
    let mut put = |kind: Kind, manifest: Value| match Object::from_json(kind, &manifest) {
        Ok(object) => snapshot.put(object),
        Err(error) => unreachable!("the manifest is right: {error}"),
    };
    put(Kind::GatewayClass, json!({"metadata": {"name": "paifang"}, "spec": {"controllerName": CONTROLLER_NAME}}));
    let listeners = json!([{"name": "http", "protocol": "HTTP", "port": 80}]);
    let gateway = json!({"gatewayClassName": "paifang", "listeners": listeners});
    put(Kind::Gateway, json!({"metadata": {"name": "edge", "namespace": "web"}, "spec": gateway}));
    for n in 0..SERVICES {
        let metadata = json!({"name": format!("service-{n}"), "namespace": "web"});
        put(Kind::Service, json!({"metadata": metadata, "spec": {"ports": [{"port": 80}]}}));
    }
    for n in 0..count {
        put(Kind::HttpRoute, route(n));
    }
    snapshot
}

fn route(n: usize) -> Value {
    json!({
        "metadata": {"name": format!("route-{n}"), "namespace": "web", "generation": 1},
        "spec": {
            "parentRefs": [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "edge"}],
            "hostnames": [format!("host-{n}.team-{}.example.com", n % 97)],
            "rules": [{
                "matches": [{"path": {"type": "PathPrefix", "value": format!("/api/v{}", n % 3)}}],
                "backendRefs": [{"group": "", "kind": "Service", "name": format!("service-{}", n % SERVICES),
                    "port": 80, "weight": 1}],
            }],
        },
    })
}

fn full(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("translate");
    group.sample_size(10);
    for count in [10, 1_000, 10_000, 40_000] {
        let snapshot = world(count);
        let translation = translate(&snapshot);
        let attached: usize = translation.ir.listeners.iter().map(|listener| listener.routes.len()).sum();
        assert!(attached == count && translation.problems.is_empty(), "every route is served");
        group.bench_function(format!("{count} routes"), |bench| {
            bench.iter_with_large_drop(|| translate(black_box(&snapshot)));
        });
    }
}

/// One route changes back and forth, as a source puts it, and a translator with a past follows.
fn one_changed(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("translate");
    group.sample_size(10);
    for count in [10, 1_000, 5_000, 10_000, 40_000] {
        let mut snapshot = world(count);
        let versions = [route(count / 2), route(count / 2)];
        let mut versions = versions.iter().cycle();
        let mut translator = Translator::default();
        drop(translator.translate(&snapshot));
        group.bench_function(format!("1 changed of {count} routes"), |bench| {
            bench.iter_with_large_drop(|| {
                let changed = versions.next().and_then(|it| Object::from_json(Kind::HttpRoute, it).ok());
                changed.into_iter().for_each(|object| snapshot.put(object));
                translator.translate(black_box(&snapshot))
            });
        });
    }
}

criterion_group!(benches, full, one_changed);
criterion_main!(benches);
