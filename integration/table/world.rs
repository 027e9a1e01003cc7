//! Random worlds small enough that everything collides: hostnames from one tree of labels, paths
//! that are prefixes of each other, few headers and parameters, many equal ages.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use paifang::api::{Kind, ObjectKey};
use paifang::ir::limit::{Amount, Scope};
use paifang::ir::{
    Attached, Backend, BackendKey, BackendProtocol, Claim, Filters, GrpcMatch, GrpcParts, Hostname, Ir, Limit, LimitId,
    LimitSource, LimitTarget, Listener, ListenerProtocol, Match, PathMatch, Route, RouteId, Rule, Target, Timeouts,
    ValueMatch, ValuePattern, WeightedBackend,
};
use paifang::snapshot::Socket;
use paifang::table::Query;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{self, select};

/// A route with where it is attached.
#[derive(Debug, Clone)]
pub struct Placed {
    route: Arc<Route>,
    hostnames: Vec<Hostname>,
    /// Bit n: attached to listener n.
    listeners: u8,
}

/// Listeners (hostname, sockets), routes, and which backends have affinity; absent ones do not exist.
#[derive(Debug, Clone)]
pub struct World {
    listeners: Vec<(Option<Hostname>, u8)>,
    routes: BTreeMap<RouteId, Placed>,
    backends: BTreeMap<u16, bool>,
    claims: Arc<[Claim]>,
    limits: Arc<[Arc<Limit>]>,
    /// Bit n: listener n serves only what is claimed.
    required: u8,
}

#[derive(Debug, Clone)]
pub struct Request {
    pub socket: Socket,
    pub host: String,
    path: String,
    query: Option<String>,
    method: &'static str,
    headers: HeaderMap,
}

impl Request {
    pub fn query(&self) -> Query<'_> {
        Query {
            host: &self.host,
            path: &self.path,
            query: self.query.as_deref(),
            method: self.method,
            headers: &self.headers,
        }
    }
}

impl World {
    pub fn ir(&self) -> Ir {
        let backends = self.backends.iter();
        let backends = backends.map(|(n, affinity)| (backend_key(*n), Backend { client_ip_affinity: *affinity }));
        let listeners = self.listeners.iter().enumerate();
        Ir {
            listeners: listeners.map(|(n, listener)| Arc::new(self.listener(n, listener))).collect(),
            backends: backends.collect(),
            claims: Arc::clone(&self.claims),
            limits: Arc::clone(&self.limits),
            ..Ir::default()
        }
    }

    fn listener(&self, n: usize, (hostname, sockets): &(Option<Hostname>, u8)) -> Listener {
        let intersects = |route: &Hostname| hostname.as_ref().is_none_or(|own| own.intersects(route));
        let here = self.routes.values().filter(|placed| placed.listeners & (1 << n) != 0);
        let attached = here.map(|placed| Attached {
            hostnames: placed.hostnames.iter().filter(|name| intersects(name)).cloned().collect(),
            route: Arc::clone(&placed.route),
        });
        let every: Vec<_> = self.routes.values().filter(|placed| placed.hostnames.is_empty()).collect();
        let routes = attached
            .filter(|a| !a.hostnames.is_empty() || every.iter().any(|placed| Arc::ptr_eq(&placed.route, &a.route)));
        Listener {
            gateway: ObjectKey::new("infra", "gw"),
            name: format!("l{n}").into(),
            port: socket(0).port,
            sockets: (0..2).filter(|bit| sockets & (1 << bit) != 0).map(socket).collect(),
            protocol: ListenerProtocol::Http,
            hostname: hostname.clone(),
            certificates: Vec::new(),
            claims_required: self.required & (1 << n) != 0,
            routes: routes.collect(),
        }
    }

    /// Routes, listeners and backends of one world or the other, by choice; some of the first's
    /// routes as equal copies at another address.
    pub fn mix(first: &Self, second: &Self, choices: &[u8]) -> Self {
        let mut choice = choices.iter().copied().cycle();
        let mut next = move || choice.next().unwrap_or_default();
        let mut mixed = first.clone();
        let ids: Vec<_> = first.routes.keys().chain(second.routes.keys()).cloned().collect();
        for id in ids {
            match (next(), first.routes.get(&id), second.routes.get(&id)) {
                (0 | 1, Some(placed), _) => mixed.routes.insert(id, placed.copied()),
                (2, _, Some(placed)) => mixed.routes.insert(id, placed.clone()),
                (3, Some(one), Some(other)) => {
                    mixed.routes.insert(id, Placed { route: Arc::clone(&one.route), ..other.clone() })
                }
                (4, ..) => mixed.routes.remove(&id),
                _ => None,
            };
        }
        if next() == 0 {
            mixed.listeners.clone_from(&second.listeners);
        }
        if next() < 3 {
            mixed.backends.clone_from(&second.backends);
        }
        if next() < 3 {
            mixed.claims.clone_from(&second.claims);
            mixed.limits.clone_from(&second.limits);
            mixed.required = second.required;
        }
        mixed
    }

    /// The same routes, of which others own the hosts.
    pub fn claimed_as(&self, other: &Self) -> Self {
        Self { claims: Arc::clone(&other.claims), required: other.required, ..self.clone() }
    }

    pub fn deep_copy(&self) -> Self {
        let routes = self.routes.iter().map(|(id, placed)| (id.clone(), placed.copied()));
        Self { routes: routes.collect(), ..self.clone() }
    }

    /// The same world, in which route `n` has another time limit.
    pub fn with_new_rules(&self, n: usize) -> Self {
        let mut world = self.clone();
        let id = route_id(Kind::HttpRoute, "n", &format!("r{n}"));
        let route = Arc::make_mut(&mut world.routes.get_mut(&id).unwrap().route);
        route.rules[0].timeouts.request = Some(Duration::from_secs(77));
        world
    }
}

impl Placed {
    fn copied(&self) -> Self {
        Self { route: Arc::new(Route::clone(&self.route)), ..self.clone() }
    }
}

pub fn socket(n: u16) -> Socket {
    Socket { address: IpAddr::from([127, 0, 0, 1]), port: 80 + n }
}

pub fn backend_key(n: u16) -> BackendKey {
    BackendKey { namespace: "n".into(), service: format!("s{n}").into(), port: 80, protocol: BackendProtocol::Http1 }
}

fn route_id(kind: Kind, namespace: &str, name: &str) -> RouteId {
    RouteId { kind, key: ObjectKey::new(namespace, name) }
}

/// `count` hosts with one route each.
pub fn plain(count: u16) -> World {
    let placed = |n: u16| {
        let matches = vec![Match { path: PathMatch::Prefix("/".into()), method: None, headers: vec![], query: vec![] }];
        let route = Route {
            id: route_id(Kind::HttpRoute, "n", &format!("r{n}")),
            tenant: None,
            created: i64::from(n),
            rules: vec![rule(matches, n.into(), n)],
        };
        let hostnames = vec![Hostname::parse(&format!("h{n}.example.com")).unwrap()];
        (route.id.clone(), Placed { route: Arc::new(route), hostnames, listeners: 1 })
    };
    World {
        listeners: vec![(None, 1)],
        routes: (0..count).map(placed).collect(),
        backends: (0..count).map(|n| (n, false)).collect(),
        claims: Arc::default(),
        limits: Arc::default(),
        required: 0,
    }
}

pub fn two_hosts_on_two_listeners() -> World {
    let mut world = plain(1);
    world.listeners = vec![(None, 1), (None, 2)];
    let placed = world.routes.values_mut().next().unwrap();
    placed.hostnames.extend(Hostname::parse("*.example.org"));
    placed.listeners = 3;
    world
}

fn rule(matches: Vec<Match>, unique: u64, backend: u16) -> Rule {
    Rule {
        name: None,
        matches,
        filters: Filters::default(),
        backends: vec![WeightedBackend {
            weight: 1,
            target: Target::Backend(backend_key(backend)),
            filters: Filters::default(),
        }],
        timeouts: Timeouts { request: Some(Duration::from_millis(unique + 1)), backend_request: None },
        retry: None,
    }
}

/// Few routes of every shape.
pub fn small() -> impl Strategy<Value = World> {
    let hostnames = vec(select(vec!["a.t", "b.t", "x.a.t", "t", "*.t", "*.a.t", "*.x.a.t"]), 0..3);
    world(vec(route(hostnames.boxed(), vec(a_match(any_path(), &["x-a", "x-b", "x-c"]), 1..4).boxed()), 1..9).boxed())
}

/// So many routes on so few paths that buckets get an index and path maps hash.
pub fn crowded() -> impl Strategy<Value = World> {
    let few = select(vec!["/", "/a"]).prop_map(|path| PathMatch::Prefix(path.into()));
    let path = prop_oneof![4 => few.boxed(), 1 => any_path()].boxed();
    let hostnames = vec(Just("*.t"), 0..2).boxed();
    world(vec(route(hostnames, vec(a_match(path, &["x-a", "x-a", "x-b"]), 4..20).boxed()), 8..20).boxed())
}

/// Routes that mostly rank calls: few other conditions, so that many rules meet in one request.
pub fn calls() -> impl Strategy<Value = World> {
    let path = prop_oneof![6 => grpc().prop_map(PathMatch::Grpc).boxed(), 1 => any_path()].boxed();
    let headers = proptest::option::weighted(0.2, Just(ValuePattern::Exact("1".into())));
    let a_match = (path, headers).prop_map(|(path, value)| Match {
        path,
        method: None,
        headers: value.map(|value| ValueMatch { name: "x-a".into(), value }).into_iter().collect(),
        query: vec![],
    });
    let hostnames = vec(select(vec!["a.t", "*.t"]), 0..2).boxed();
    world(vec(route(hostnames, vec(a_match, 1..4).boxed()), 1..9).boxed())
}

fn world(routes: BoxedStrategy<Vec<Placed>>) -> impl Strategy<Value = World> {
    let names = Just(vec![None, name("*.t"), name("a.t"), name("*.a.t"), name("b.t")]).prop_shuffle();
    let listeners = (names, 1_usize..4, vec(1_u8..4, 3));
    let backends = vec(prop_oneof![1 => Just(None), 4 => any::<bool>().prop_map(Some)], 4);
    let owned = (claims(), limits());
    (listeners, routes, backends, owned).prop_map(|((names, count, sockets), routes, backends, (claims, limits))| {
        World {
            limits,
            listeners: names.into_iter().take(count).zip(sockets).collect(),
            routes: routes.into_iter().map(|placed| (placed.route.id.clone(), placed)).collect(),
            backends: (0..).zip(backends).filter_map(|(n, affinity)| Some((n, affinity?))).collect(),
            claims: claims.0,
            required: claims.1,
        }
    })
}

/// Half of the worlds have none.
fn claims() -> impl Strategy<Value = (Arc<[Claim]>, u8)> {
    let hostname = select(vec!["a.t", "b.t", "x.a.t", "*.t", "*.a.t"]);
    let prefix = select(vec!["", "", "/a", "/a/b", "/b"]);
    let claim = ((hostname, prefix), (select(vec!["t1", "t2"]), proptest::bool::weighted(0.8)));
    let claims = prop_oneof![Just(Vec::new()).boxed(), vec(claim, 1..6).boxed()];
    (claims, prop_oneof![Just(0), 0_u8..8]).prop_map(|(claims, required)| {
        let unique: BTreeMap<_, _> = claims.into_iter().collect();
        let claim = |((hostname, prefix), (tenant, enforced)): ((&str, &str), (&str, bool))| Claim {
            hostname: Hostname::parse(hostname).unwrap(),
            prefix: prefix.into(),
            tenant: tenant.into(),
            enforced,
        };
        (unique.into_iter().map(claim).collect(), required)
    })
}

/// Half of the worlds have none.
fn limits() -> impl Strategy<Value = Arc<[Arc<Limit>]>> {
    let route = LimitTarget::Route { route: route_id(Kind::HttpRoute, "n", "r"), rule: None };
    let targets = vec![LimitTarget::Tenant("t1".into()), LimitTarget::Namespace("n-a".into()), route];
    let scope = select(vec![Scope::Listener, Scope::Tenant, Scope::Rule]);
    let limit = (select(vec!["a", "b", "c"]), (sample::subsequence(targets, 1..3), scope, 1_u32..3));
    let limits = prop_oneof![Just(Vec::new()).boxed(), vec(limit, 1..4).boxed()];
    limits.prop_map(|limits| {
        let unique: BTreeMap<_, _> = limits.into_iter().collect();
        let limit = |(name, (targets, scope, requests)): (&str, _)| {
            let id = LimitId { source: LimitSource::Tenant("t".into()), name: name.into() };
            let amount = Amount::Rate { requests, per: Duration::from_secs(1), burst: 1 };
            Arc::new(Limit::plain(id, targets, scope, amount))
        };
        unique.into_iter().map(limit).collect()
    })
}

fn name(text: &str) -> Option<Hostname> {
    Hostname::parse(text)
}

fn route(
    hostnames: BoxedStrategy<Vec<&'static str>>,
    matches: BoxedStrategy<Vec<Match>>,
) -> impl Strategy<Value = Placed> {
    let id = (select(vec!["n", "n-a"]), select(vec!["r", "r-b", "s", "t", "u", "v", "w", "x"]));
    let kind = prop_oneof![5 => Just(Kind::HttpRoute), 1 => Just(Kind::GrpcRoute)];
    let rules = vec((matches, 0_u16..4, 0_u64..1 << 40), 1..4);
    let tenant = select(vec![None, Some("t1"), Some("t2")]);
    (kind, id, (0_i64..3, tenant), hostnames, 1_u8..8, rules).prop_map(
        |(kind, (namespace, name), (created, tenant), hostnames, listeners, rules)| {
            let rules = rules.into_iter().map(|(matches, backend, unique)| rule(matches, unique, backend));
            let (id, tenant) = (route_id(kind, namespace, name), tenant.map(Into::into));
            let route = Route { id, tenant, created, rules: rules.collect() };
            let hostnames = hostnames.into_iter().filter_map(Hostname::parse).collect();
            Placed { route: Arc::new(route), hostnames, listeners }
        },
    )
}

fn a_match(path: BoxedStrategy<PathMatch>, headers: &[&'static str]) -> impl Strategy<Value = Match> + use<> {
    let method = proptest::option::weighted(0.3, select(vec!["GET", "POST"]).prop_map(str::to_owned));
    let headers = conditions(headers, &["1", "2", "1,2", "2,1"], &["[12]", "1.*", "(", ".*"]);
    let query = conditions(&["q", "p", "q r"], &["1", "2", "a b", "ä", ""], &["[12]", "a.*", ".*"]);
    (path, method, headers, query).prop_map(|(path, method, headers, query)| Match { path, method, headers, query })
}

fn conditions(
    names: &[&'static str],
    values: &[&'static str],
    patterns: &[&'static str],
) -> impl Strategy<Value = Vec<ValueMatch>> + use<> {
    let exact = select(values.to_vec()).prop_map(|value| ValuePattern::Exact(value.into()));
    let pattern = select(patterns.to_vec()).prop_map(|value| ValuePattern::Regex(value.into()));
    let value = prop_oneof![4 => exact, 1 => pattern];
    let named = (select(names.to_vec()), value);
    let list = prop_oneof![2 => vec(named.clone(), 0..1), 3 => vec(named, 1..3)];
    list.prop_map(|list| {
        let unique: BTreeMap<_, _> = list.into_iter().collect();
        unique.into_iter().map(|(name, value)| ValueMatch { name: name.into(), value }).collect()
    })
}

fn any_path() -> BoxedStrategy<PathMatch> {
    let patterns = vec!["/a.*", "/(a|b)", "/ab?/.*", ".*", "/[ab]+", "/a|/a/b", "(", "/a)(b", "(?x) /a # b"];
    prop_oneof![
        3 => path_text().prop_map(PathMatch::Exact),
        5 => path_text().prop_map(|path| PathMatch::Prefix(without_slash(path))),
        2 => select(patterns).prop_map(|pattern| PathMatch::Regex(pattern.into())),
        5 => grpc().prop_map(PathMatch::Grpc),
    ]
    .boxed()
}

/// Names from those that paths are made of, and expressions that fit several of them.
fn grpc() -> impl Strategy<Value = GrpcMatch> {
    let part = |texts: Vec<&'static str>| proptest::option::weighted(0.6, select(texts).prop_map(str::to_owned));
    let parts =
        |service, method| (part(service), part(method)).prop_map(|(service, method)| GrpcParts { service, method });
    prop_oneof![
        3 => parts(vec!["a", "ab", "b", "a/b"], vec!["a", "ab", "b", "b/a"]).prop_map(GrpcMatch::Exact),
        2 => parts(vec!["a.*", "[ab]", "ab?", "(", ".*"], vec!["a|b", "ab?", ".*", "[ab]+", ")"]).prop_map(GrpcMatch::Regex),
    ]
}

fn without_slash(path: String) -> String {
    match path.strip_suffix('/') {
        Some(front) if !front.is_empty() => front.to_owned(),
        _ => path,
    }
}

fn path_text() -> impl Strategy<Value = String> {
    let segments = vec(select(vec!["a", "ab", "b", "ä"]), 0..4);
    (segments, any::<bool>()).prop_map(|(segments, slash)| {
        let path: String = segments.iter().map(|segment| format!("/{segment}")).collect();
        if slash || path.is_empty() { path + "/" } else { path }
    })
}

pub fn choices() -> impl Strategy<Value = Vec<u8>> {
    vec(0_u8..6, 1..24)
}

pub fn requests() -> impl Strategy<Value = Vec<Request>> {
    vec(request(), 1..40)
}

/// Mostly gRPC, for services and methods that rules of [`calls`] name.
pub fn call_requests() -> impl Strategy<Value = Vec<Request>> {
    let path = (select(vec!["a", "ab", "b", "ä", "a/b"]), select(vec!["a", "ab", "b", "c"]));
    let kind = select(vec!["application/grpc", "application/grpc", "application/grpc+proto", "text/plain"]);
    let host = select(vec!["a.t", "b.t", "x.a.t", "other"]);
    let call = (0_u16..2, host, path, kind, any::<bool>()).prop_map(|(n, host, (service, method), kind, header)| {
        let headers = [("content-type", kind)].into_iter().chain(header.then_some(("x-a", "1")));
        Request {
            socket: socket(n),
            host: host.into(),
            path: format!("/{service}/{method}"),
            query: None,
            method: "POST",
            headers: headers.map(field).collect(),
        }
    });
    vec(prop_oneof![9 => call.boxed(), 1 => request().boxed()], 1..40)
}

fn request() -> impl Strategy<Value = Request> {
    let host = select(vec!["a.t", "b.t", "x.a.t", "y.x.a.t", "t", "c.t", "other", "", ".t", "xa.t"]);
    let path = prop_oneof![9 => path_text().boxed(), 1 => select(vec!["*", "", "//a", "/a//b"]).prop_map(String::from).boxed()];
    let params =
        vec(select(vec!["q=1", "q=2", "p=1", "p", "q+r=a+b", "q%20r=%C3%a4", "q=%31", "q=%zz", "", "p=%ff"]), 0..4);
    let query = proptest::option::weighted(0.7, params.prop_map(|params| params.join("&")));
    let header = (select(vec!["x-a", "x-b", "x-c"]), select(vec!["1", "2", "1,2", "", "\u{e4}"]));
    let method = select(vec!["GET", "POST", "get"]);
    let kinds =
        vec!["application/grpc", "application/grpc", "Application/GRPC+json", "application/grpc-web", "text/plain"];
    let kind = proptest::option::weighted(0.6, select(kinds).prop_map(|kind| ("content-type", kind)));
    (0_u16..3, host, path, query, method, (vec(header, 0..4), kind)).prop_map(
        |(n, host, path, query, method, (headers, kind))| Request {
            socket: socket(n),
            host: host.into(),
            path,
            query,
            method,
            headers: headers.into_iter().chain(kind).map(field).collect(),
        },
    )
}

fn field((name, value): (&'static str, &str)) -> (HeaderName, HeaderValue) {
    (HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).unwrap())
}
