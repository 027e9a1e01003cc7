//! Worlds of a given size for the benches.
#![allow(dead_code, reason = "each bench uses its part of this module")]

use std::net::IpAddr;
use std::sync::Arc;

use paifang::api::{Kind, ObjectKey};
use paifang::ir::{
    Attached, Backend, BackendKey, BackendProtocol, Claim, Filters, Hostname, Ir, Listener, ListenerProtocol, Match,
    PathMatch, Route, RouteId, Rule, Target, Timeouts, ValueMatch, ValuePattern, WeightedBackend,
};
use paifang::snapshot::Socket;

/// The allocator of the product.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Where everything listens.
pub(crate) fn socket() -> Socket {
    Socket { address: IpAddr::from([127, 0, 0, 1]), port: 80 }
}

/// `count` routes, each with a host, a backend and two rules of its own: `/` and `/api/v1`.
pub(crate) fn hosts(count: usize) -> Ir {
    let route = |n| {
        let rules = vec![rule(n, vec![prefix("/")]), rule(n, vec![prefix("/api/v1")])];
        attached(n, format!("host-{n}.team-{}.example.com", n % 97), rules)
    };
    ir((0..count).map(route).collect())
}

/// The same, each host claimed by the tenant of its route, and every team's hosts by a wildcard.
pub(crate) fn claimed(count: usize) -> Ir {
    let mut ir = hosts(count);
    let tenant = |n: usize| -> Arc<str> { format!("tenant-{}", n % 97).into() };
    for listener in &mut ir.listeners {
        let owned = |attached: &Attached| {
            let mut attached = attached.clone();
            let route = Arc::make_mut(&mut attached.route);
            route.tenant = Some(tenant(usize::try_from(route.created).unwrap_or_default()));
            attached
        };
        let routes = listener.routes.iter().map(owned).collect();
        *listener = Arc::new(Listener { routes, ..Listener::clone(listener) });
    }
    let claim = |hostname: String, n: usize| {
        Hostname::parse(&hostname).map(|hostname| Claim {
            hostname,
            prefix: String::new(),
            tenant: tenant(n),
            enforced: true,
        })
    };
    let wide = (0..97).filter_map(|n| claim(format!("*.team-{n}.example.com"), n));
    let exact = (0..count).filter_map(|n| claim(format!("host-{n}.team-{}.example.com", n % 97), n));
    ir.claims = wide.chain(exact).collect();
    ir
}

/// `count` routes on one host, each with a path of its own.
pub(crate) fn paths(count: usize) -> Ir {
    let route = |n| {
        let path = format!("/service-{}/resource-{n}", n % 31);
        attached(n, "one.example.com".to_owned(), vec![rule(n, vec![prefix(&path)])])
    };
    ir((0..count).map(route).collect())
}

/// `count` routes on one host and one path, told apart by the value of a header.
pub(crate) fn headers(count: usize) -> Ir {
    let route = |n| {
        let value = ValuePattern::Exact(format!("tenant-{n}"));
        let found = Match { headers: vec![ValueMatch { name: "x-tenant".into(), value }], ..prefix("/") };
        attached(n, "one.example.com".to_owned(), vec![rule(n, vec![found])])
    };
    ir((0..count).map(route).collect())
}

/// The same IR with another set of rules in one route: everything else is the same pointers.
pub(crate) fn with_changed_route(ir: &Ir, n: usize) -> Ir {
    let mut changed = ir.clone();
    for listener in &mut changed.listeners {
        let mut edited = Listener::clone(listener);
        let attached = edited.routes.iter().nth(n).cloned();
        if let Some(mut attached) = attached {
            Arc::make_mut(&mut attached.route).rules.reverse();
            edited.routes.insert(attached);
        }
        *listener = Arc::new(edited);
    }
    changed
}

fn prefix(path: &str) -> Match {
    Match { path: PathMatch::Prefix(path.into()), method: None, headers: vec![], query: vec![] }
}

fn key(n: usize) -> BackendKey {
    let service = format!("service-{n}").into();
    BackendKey { namespace: format!("team-{}", n % 97).into(), service, port: 80, protocol: BackendProtocol::Http1 }
}

fn rule(n: usize, matches: Vec<Match>) -> Rule {
    let (target, filters) = (Target::Backend(key(n)), Filters::default());
    Rule {
        name: None,
        matches,
        filters: Filters::default(),
        backends: vec![WeightedBackend { weight: 1, target, filters }],
        timeouts: Timeouts::default(),
        retry: None,
    }
}

fn attached(n: usize, hostname: String, rules: Vec<Rule>) -> Attached {
    let key = ObjectKey::new(format!("team-{}", n % 97), format!("route-{n}"));
    let id = RouteId { kind: Kind::HttpRoute, key };
    let created = i64::try_from(n).unwrap_or_default();
    Attached {
        hostnames: Hostname::parse(&hostname).into_iter().collect(),
        route: Arc::new(Route { id, tenant: None, created, rules }),
    }
}

fn ir(routes: Vec<Attached>) -> Ir {
    let backends = (0..routes.len()).map(|n| (key(n), Backend::default())).collect();
    let listener = Listener {
        gateway: ObjectKey::new("infra", "edge"),
        name: "http".into(),
        port: socket().port,
        sockets: vec![socket()],
        protocol: ListenerProtocol::Http,
        hostname: None,
        certificates: Vec::new(),
        claims_required: false,
        routes: routes.into_iter().collect(),
    };
    Ir { listeners: vec![Arc::new(listener)], backends, ..Ir::default() }
}
