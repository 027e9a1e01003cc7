//! What a lookup costs, from the socket to the rule.

#[path = "worlds.rs"]
mod worlds;

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use http::{HeaderMap, HeaderName, HeaderValue};
use paifang::ir::Ir;
use paifang::table::{Query, Table};

/// A request.
struct Request {
    host: String,
    path: String,
    headers: Arc<HeaderMap>,
}

fn request(host: String, path: String, tenant: Option<usize>) -> Request {
    Request { host, path, headers: Arc::new(headers(tenant)) }
}

/// The headers a browser sends.
fn headers(tenant: Option<usize>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for name in ["host", "user-agent", "accept", "accept-encoding", "accept-language", "cookie", "x-request-id"] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static("some value of usual length"));
    }
    if let Some(value) = tenant.and_then(|n| HeaderValue::from_str(&format!("tenant-{n}")).ok()) {
        headers.insert(HeaderName::from_static("x-tenant"), value);
    }
    headers
}

fn measure(criterion: &mut Criterion, name: &str, ir: &Ir, requests: &[Request], expect: bool) {
    let table = Table::compile(ir, None);
    let find = |request: &Request| {
        let Request { host, path, headers } = request;
        let query = Query { host, path, query: Some("a=1&b=2"), method: "GET", headers };
        let listener = table.port(&worlds::socket()).and_then(|port| port.listener(host));
        listener.is_some_and(|listener| listener.find(&query).hit.is_some())
    };
    assert!(requests.iter().all(|request| find(request) == expect), "{name}: every request is answered as meant");
    let mut turn = requests.iter().cycle();
    criterion.bench_function(name, |bench| bench.iter(|| turn.next().map(|request| find(black_box(request)))));
}

/// Numbers that walk through `count` without order, so that caches are as cold as in production.
fn scattered(count: usize) -> impl Iterator<Item = usize> {
    (0..10_000).map(move |n: usize| n.wrapping_mul(7919) % count)
}

fn lookup(criterion: &mut Criterion) {
    let host = |n: usize| format!("host-{n}.team-{}.example.com", n % 97);
    for count in [10, 1_000, 10_000] {
        let hit = scattered(count).map(|n| request(host(n), "/api/v1/users/42/orders".to_owned(), None));
        let ir = worlds::hosts(count);
        measure(criterion, &format!("lookup/{count} hosts"), &ir, &hit.collect::<Vec<_>>(), true);
        let miss = scattered(count).map(|n| request(format!("no-{}", host(n)), "/".to_owned(), None));
        measure(criterion, &format!("lookup/{count} hosts, miss"), &ir, &miss.collect::<Vec<_>>(), false);
    }
    let hit = scattered(10_000).map(|n| request(host(n), "/api/v1/users/42/orders".to_owned(), None));
    measure(criterion, "lookup/10000 hosts, claimed", &worlds::claimed(10_000), &hit.collect::<Vec<_>>(), true);
    let path = |n: usize| format!("/service-{}/resource-{n}/items/7", n % 31);
    let hit = scattered(1_000).map(|n| request("one.example.com".to_owned(), path(n), None));
    measure(criterion, "lookup/1000 rules on one host", &worlds::paths(1_000), &hit.collect::<Vec<_>>(), true);
    let hit = scattered(1_000).map(|n| request("one.example.com".to_owned(), "/a".to_owned(), Some(n)));
    measure(criterion, "lookup/1000 rules on one path", &worlds::headers(1_000), &hit.collect::<Vec<_>>(), true);
}

criterion_group!(benches, lookup);
criterion_main!(benches);
