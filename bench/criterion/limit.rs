//! What limits cost a request.
#![allow(clippy::indexing_slicing, reason = "a bench that panics has failed")]

#[path = "worlds.rs"]
mod worlds;

use std::hint::black_box;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use http::{HeaderMap, HeaderName, HeaderValue};
use paifang::ir::limit::{self, KeyPart, Scope};
use paifang::ir::{Ir, Limit, LimitId, LimitSource, LimitTarget};
use paifang::limit::Clock;
use paifang::limit::concurrency::Concurrency;
use paifang::limit::counting::Quota;
use paifang::limit::decision::decide;
use paifang::limit::gcra::Cell;
use paifang::limit::keys::{Key, KeyHasher, Keys};
use paifang::limit::rate::RateLimit;
use paifang::limit::share::Share;
use paifang::table::limits::{Amount, Asked, Tokens};
use paifang::table::{Query, Table};
use smallvec::SmallVec;

const MILLION: usize = 1_000_000;
const KEY: HeaderName = HeaderName::from_static("x-key");

/// A quota that admits all: denials are cheaper.
fn wide() -> Quota {
    Quota { requests: 1_000_000, period: Duration::from_secs(1), burst: 1_000_000 }
}

/// Keys without order, so that caches are as cold as in production.
fn clients() -> Vec<Key> {
    let hasher = KeyHasher::<std::hash::RandomState>::default();
    (0..MILLION).map(|n: usize| hasher.key(n.wrapping_mul(7_919) % MILLION)).collect()
}

fn cells(criterion: &mut Criterion) {
    let (clock, params) = (Clock::start(), wide().params());
    criterion.bench_function("limit/clock", |bench| bench.iter(|| clock.now()));
    let cell = Cell::default();
    criterion.bench_function("limit/one cell", |bench| bench.iter(|| cell.check(params, clock.now(), 1).is_ok()));
    let hasher = KeyHasher::<std::hash::RandomState>::default();
    let client = std::net::Ipv6Addr::LOCALHOST;
    criterion.bench_function("limit/key of an address", |bench| bench.iter(|| hasher.key(black_box(client))));
    let (keys, clients) = (Keys::new(MILLION), clients());
    for client in &clients {
        let _ = keys.take(*client, params, clock.now(), 1);
    }
    let mut turn = clients.iter().cycle();
    criterion.bench_function("limit/keyed, 1000000 keys", |bench| {
        bench.iter(|| turn.next().map(|key| keys.take(*key, params, clock.now(), 1).is_ok()));
    });
    assert_eq!(keys.overflowed(), 0, "every key has its place");
}

fn decisions(criterion: &mut Criterion) {
    let (clock, clients) = (Clock::start(), clients());
    let limits = [
        RateLimit::of_all("tenant", wide()),
        RateLimit::of_all("route", wide()),
        RateLimit::of_each("per-client", wide(), MILLION),
        RateLimit::of_each("per-key", wide(), 1_000),
    ];
    let keys = |n: usize| [Key::new(1), Key::new(1), clients[n % MILLION], clients[n % 1_000]];
    for (count, name) in [(1, "limit/decision of 1 limit"), (4, "limit/decision of 4 limits, 1000000 keys")] {
        let mut n = 0;
        let mut next = || {
            n += 1;
            let keys = keys(n);
            let asked: [_; 4] = std::array::from_fn(|n| (&limits[n], keys[n]));
            decide(&asked[..count], clock.now(), 1).is_ok()
        };
        criterion.bench_function(name, |bench| bench.iter(&mut next));
    }
}

/// The limits of a rule as requests meet them: who is counted, by which key, and the decision.
fn bound(criterion: &mut Criterion) {
    let ir = |count: usize| {
        let limits = ["tenant", "route", "client", "key"].into_iter().take(count);
        Ir { limits: limits.map(|name| Arc::new(limit(name))).collect(), ..worlds::hosts(1) }
    };
    for (count, name) in [(1, "limit/bound, 1 limit"), (4, "limit/bound, 4 limits of which 2 have a key")] {
        let table = Table::compile(&ir(count), None);
        let rule = table.rules().next().cloned();
        let meters = rule.as_ref().map(|rule| &*rule.limits.meters).unwrap_or_default();
        let verifiers = rule.as_ref().map(|rule| &*rule.limits.verifiers).unwrap_or_default();
        assert_eq!(meters.len(), count, "every limit is bound");
        let (clock, headers) = (Clock::start(), HeaderMap::from_iter([(KEY, HeaderValue::from_static("some-token"))]));
        let query = Query { host: "a", path: "/", query: None, method: "GET", headers: &headers };
        let mut n = 0_u32;
        let mut next = || {
            n = n.wrapping_add(1);
            let tokens = Tokens::of(verifiers);
            let asked = Asked { client: Ipv4Addr::from(n % 100_000).into(), query, tokens: &tokens };
            let counted = meters.iter().filter(|meter| meter.limit.counts(&asked));
            let rates = counted.filter_map(|meter| match &meter.amount {
                Amount::Rate(rate) => Some((rate, meter.key(&asked))),
                _ => None,
            });
            let rates: SmallVec<[_; 8]> = rates.collect();
            decide(&rates, clock.now(), 1).is_ok()
        };
        criterion.bench_function(name, |bench| bench.iter(&mut next));
    }
}

/// A limit on everything in the namespace of the bench's routes.
fn limit(name: &str) -> Limit {
    let key = match name {
        "client" => vec![KeyPart::ClientIp],
        "key" => vec![KeyPart::Header(KEY)],
        _ => Vec::new(),
    };
    let gateway = worlds::hosts(1).listeners.first().map(|listener| listener.gateway.clone());
    let targets = gateway.map(|gateway| LimitTarget::Gateway { gateway, listener: None });
    let id = LimitId { source: LimitSource::Tenant("bench".into()), name: name.into() };
    let amount = limit::Amount::Rate { requests: 1_000_000, per: Duration::from_secs(1), burst: 1_000_000 };
    Limit { key, ..Limit::plain(id, targets.into_iter().collect(), Scope::Gateway, amount) }
}

fn permits(criterion: &mut Criterion) {
    let limit = Concurrency::new(10);
    criterion.bench_function("limit/concurrency", |bench| bench.iter(|| limit.acquire().is_some()));
    let (clock, share) = (Clock::start(), Share::new(1_000));
    let members: Vec<_> = (0..1_000).map(|n| share.join(1 + n % 7, 0)).collect();
    let member = &members[0];
    criterion.bench_function("limit/share, borrowed", |bench| bench.iter(|| member.acquire(clock.now()).is_some()));
    let all: Vec<_> = (0..1_000).filter_map(|n| members[n].acquire(clock.now())).collect();
    assert_eq!(all.len(), 1_000, "the capacity is used up");
    criterion.bench_function("limit/share, denied, 1000 members", |bench| {
        bench.iter(|| member.acquire(clock.now()).is_none());
    });
}

criterion_group!(benches, cells, decisions, bound, permits);
criterion_main!(benches);
