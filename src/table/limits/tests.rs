use std::time::Duration;

use http::HeaderMap;

use super::token::Verifiers;
use super::*;
use crate::api::{Kind, ObjectKey};
use crate::ir::limit::{self, KeyPart, Scope, When};
use crate::ir::{self, Attached, Ir, LimitId, LimitSource, ListenerProtocol, Match, PathMatch, Route, RouteId, Routes};
use crate::jwt::Expected;
use crate::jwt::testing::{Signer, expected};
use crate::limit::clock::{Clock, Hand};
use crate::limit::decision::decide;
use crate::limit::keys::Key;
use crate::table::{Query, Rule, Table};

/// A table, and a clock that stands still.
struct World {
    table: Table,
    ir: Ir,
    hand: Hand,
}

/// Each in a namespace of its own.
fn route_id(name: &str) -> RouteId {
    RouteId { kind: Kind::HttpRoute, key: ObjectKey::new(name, name) }
}

/// Two rules, of which the first has a name.
fn route(name: &str, tenant: Option<&str>) -> Arc<Route> {
    let found = |path: &str| Match {
        path: PathMatch::Prefix(path.to_owned()),
        method: None,
        headers: Vec::new(),
        query: Vec::new(),
    };
    let rule = |name: Option<&str>, path| ir::Rule {
        name: name.map(Into::into),
        matches: vec![found(path)],
        filters: ir::Filters::default(),
        backends: Vec::new(),
        timeouts: ir::Timeouts::default(),
        retry: None,
    };
    let rules = vec![rule(Some("search"), "/search"), rule(None, "/")];
    Arc::new(Route { id: route_id(name), tenant: tenant.map(Into::into), created: 0, rules })
}

fn listener(name: &str, routes: Routes) -> Arc<ir::Listener> {
    Arc::new(ir::Listener {
        gateway: ObjectKey::new("infra", "edge"),
        name: name.into(),
        port: 80,
        sockets: Vec::new(),
        protocol: ListenerProtocol::Http,
        hostname: None,
        certificates: Vec::new(),
        claims_required: false,
        routes,
    })
}

fn rate(requests: u32) -> limit::Amount {
    limit::Amount::Rate { requests, per: Duration::from_secs(1), burst: requests }
}

fn id(name: &str) -> LimitId {
    LimitId { source: LimitSource::Policy(ObjectKey::new("shop", "api")), name: name.into() }
}

fn limit(name: &str, target: LimitTarget, scope: Scope, amount: limit::Amount) -> Limit {
    Limit::plain(id(name), vec![target], scope, amount)
}

fn on_gateway() -> LimitTarget {
    LimitTarget::Gateway { gateway: ObjectKey::new("infra", "edge"), listener: None }
}

fn on_route(name: &str, rule: Option<&str>) -> LimitTarget {
    LimitTarget::Route { route: route_id(name), rule: rule.map(Into::into) }
}

impl World {
    /// Two listeners with two routes, of which the first belongs to a tenant.
    fn new(limits: Vec<Limit>) -> Self {
        let attached =
            [route("api", Some("shop")), route("web", None)].map(|route| Attached { hostnames: vec![], route });
        let routes: Routes = attached.into_iter().collect();
        let ir = Ir { listeners: vec![listener("http", routes.clone()), listener("alt", routes)], ..Ir::default() };
        let (clock, hand) = Clock::by_hand();
        let table = Table::on(Arc::new(Basis { clock, ..Basis::default() }));
        let mut world = Self { table, ir, hand };
        world.set(limits);
        world
    }

    fn set(&mut self, limits: Vec<Limit>) {
        self.ir.limits = limits.into_iter().map(Arc::new).collect();
        self.table = Table::compile(&self.ir, Some(&self.table));
    }

    fn rule(&self, listener: &str, route: &str, rule: &str) -> &Arc<Rule> {
        let is =
            |it: &&Arc<Rule>| &*it.id.listener == listener && &*it.id.route.key.name == route && &*it.id.rule == rule;
        self.table.rules().find(is).unwrap()
    }

    fn names(&self, listener: &str, route: &str, rule: &str) -> Vec<&str> {
        self.rule(listener, route, rule).limits.meters.iter().map(|meter| &*meter.limit.source.id.name).collect()
    }

    /// How many requests pass, of many.
    fn passes(&self, listener: &str, route: &str, rule: &str) -> usize {
        let meters = &self.rule(listener, route, rule).limits.meters;
        let rates = meters.iter().filter_map(|meter| match &meter.amount {
            Amount::Rate(rate) => Some((rate, Key::new(0))),
            _ => None,
        });
        let (rates, now) = (rates.collect::<Vec<_>>(), self.table.limits.basis.clock.now());
        (0..100).take_while(|_| decide(&rates, now, 1).is_ok()).count()
    }
}

#[test]
fn a_rule_is_under_everything_that_is_put_on_what_it_is_part_of() {
    let listener = LimitTarget::Gateway { gateway: ObjectKey::new("infra", "edge"), listener: Some("alt".into()) };
    let world = World::new(vec![
        limit("rule", on_route("api", Some("search")), Scope::Rule, rate(1)),
        limit("route", on_route("api", None), Scope::Route, rate(2)),
        limit("namespace", LimitTarget::Namespace("api".into()), Scope::Namespace, rate(3)),
        limit("tenant", LimitTarget::Tenant("shop".into()), Scope::Tenant, rate(4)),
        limit("listener", listener, Scope::Listener, rate(5)),
        Limit {
            // on the route as well, and once in all
            targets: vec![on_gateway(), on_route("api", None)],
            ..limit("gateway", on_gateway(), Scope::Gateway, rate(6))
        },
    ]);
    let all = ["gateway", "listener", "tenant", "namespace", "route", "rule"];
    assert_eq!(world.names("alt", "api", "search"), all);
    assert_eq!(world.names("http", "api", "1"), ["gateway", "tenant", "namespace", "route"]);
    assert_eq!(world.names("http", "web", "search"), ["gateway"]);
    let policy = world.rule("http", "api", "1").limits.policy.clone().unwrap();
    assert_eq!(policy.to_str().unwrap().split(", ").next(), Some("\"gateway\";q=6;w=1"));
    assert_eq!(policy.to_str().unwrap().split(", ").count(), 4);
    let none = World::new(Vec::new());
    assert!(none.rule("http", "web", "search").limits.policy.is_none());
}

#[test]
fn a_scope_says_who_shares_a_counter() {
    let scopes = [
        (Scope::Gateway, [true, true, true]),
        (Scope::Listener, [false, true, true]),
        (Scope::Tenant, [true, true, false]),
        (Scope::Namespace, [true, true, false]),
        (Scope::Route, [true, true, false]),
        (Scope::Rule, [true, false, false]),
    ];
    for (scope, shared) in scopes {
        let world = World::new(vec![limit("a", on_gateway(), scope, rate(3))]);
        let of = |listener, route, rule| Arc::as_ptr(&world.rule(listener, route, rule).limits.meters[0]);
        let first = of("http", "api", "search");
        // another listener, another rule, and routes of other owners
        assert_eq!(of("alt", "api", "search") == first, shared[0], "{scope:?}");
        assert_eq!(of("http", "api", "1") == first, shared[1], "{scope:?}");
        assert_eq!(of("http", "web", "search") == first, shared[2], "{scope:?}");
        assert_eq!(of("http", "web", "1") == of("http", "web", "search"), shared[1], "{scope:?}");
    }
}

#[test]
fn what_a_rule_decides_of_a_key_is_a_counter_of_its_own() {
    let keyed = Limit { key: vec![KeyPart::Route], ..limit("a", on_gateway(), Scope::Gateway, rate(2)) };
    let world = World::new(vec![keyed]);
    assert_eq!((world.passes("http", "api", "search"), world.passes("alt", "api", "1")), (2, 0));
    assert_eq!(world.passes("http", "web", "1"), 2);
}

#[test]
fn a_change_forgives_nothing() {
    let with = |requests| limit("a", on_gateway(), Scope::Gateway, rate(requests));
    let mut world = World::new(vec![with(10)]);
    assert_eq!(world.passes("http", "api", "1"), 10);
    let denials = Arc::clone(&world.rule("http", "api", "1").limits.meters[0].denials);
    // another limit comes, and the order changes
    world.set(vec![limit("0", on_gateway(), Scope::Gateway, rate(50)), with(10)]);
    assert_eq!(world.passes("http", "api", "1"), 0);
    world.set(vec![with(20)]);
    assert_eq!(world.passes("http", "api", "1"), 0, "a whole second is owed");
    world.hand.advance(Duration::from_millis(100));
    assert_eq!(world.passes("http", "web", "1"), 2);
    let other = Arc::clone(&world.rule("http", "web", "1").limits.meters[0].denials);
    assert!(Arc::ptr_eq(&denials, &other) && denials.of(Mode::Enforce) == 4);
    let shadow = Limit { enforced: false, ..with(20) };
    world.set(vec![shadow]);
    assert_eq!(world.passes("http", "api", "1"), 100);
    world.set(vec![with(20)]);
    assert_eq!(world.passes("http", "api", "1"), 0);
    assert_eq!(denials.of(Mode::Shadow), 100);
}

#[test]
fn what_is_gone_is_forgotten() {
    let with = || vec![limit("a", on_gateway(), Scope::Gateway, rate(10))];
    let mut world = World::new(with());
    assert_eq!((world.passes("http", "api", "1"), world.table.limits.meters().len()), (10, 1));
    world.set(Vec::new());
    assert_eq!(world.table.limits.meters().len(), 0);
    world.set(with());
    assert_eq!(world.passes("http", "api", "1"), 10);
}

#[test]
fn rules_that_a_change_does_not_reach_stay() {
    let mut world = World::new(vec![limit("a", on_route("web", None), Scope::Route, rate(1))]);
    let (api, web) = (Arc::clone(world.rule("http", "api", "1")), Arc::clone(world.rule("http", "web", "1")));
    world.set(vec![limit("a", on_route("web", None), Scope::Route, rate(2))]);
    assert!(Arc::ptr_eq(&api, world.rule("http", "api", "1")));
    assert!(!Arc::ptr_eq(&web, world.rule("http", "web", "1")));
    assert!(Arc::ptr_eq(&web.stats, &world.rule("http", "web", "1").stats));
}

#[test]
fn only_what_is_asked_for_is_counted() {
    let header = ir::ValueMatch { name: "x-plan".to_owned(), value: ir::ValuePattern::Regex("free|trial".to_owned()) };
    let paths = vec![PathMatch::Prefix("/search".to_owned()), PathMatch::Exact("/".to_owned())];
    let one = When { methods: vec!["POST"], paths, headers: vec![header] };
    let other = When { methods: vec!["DELETE"], ..When::default() };
    let limit = Limit {
        when: vec![one, other],
        except: vec!["10.0.0.0/8".parse().unwrap()],
        ..limit("a", on_gateway(), Scope::Gateway, rate(1))
    };
    let compiled = Compiled::new(&Arc::new(limit), &Verifiers::default(), &Clock::start());
    let tokens = Tokens::default();
    let counts = |client: &str, method, path, plan: &'static str| {
        let headers: HeaderMap =
            [(http::HeaderName::from_static("x-plan"), HeaderValue::from_static(plan))].into_iter().collect();
        let query = Query { host: "a", path, query: None, method, headers: &headers };
        compiled.counts(&Asked { client: client.parse().unwrap(), query, tokens: &tokens })
    };
    assert!(counts("::1", "POST", "/search/a", "free") && counts("::1", "POST", "/", "trial"));
    assert!(counts("::1", "POST", "/search;a=1", "free"), "servers may take it for the same");
    assert!(counts("::1", "DELETE", "/x", "") && !counts("::1", "GET", "/search", "free"));
    assert!(!counts("::1", "POST", "/searches", "free") && !counts("::1", "POST", "/search", "freeze"));
    assert!(!counts("10.1.2.3", "DELETE", "/", "") && !counts("::ffff:10.1.2.3", "DELETE", "/", ""));
}

#[test]
fn places_at_one_moment_are_divided_and_outlive_a_change() {
    let with = |max, counting| Limit {
        counting,
        key: vec![KeyPart::ClientIp],
        ..limit("a", on_gateway(), Scope::Gateway, limit::Amount::Concurrency(max))
    };
    let mut world = World::new(vec![with(2, Counting::PerReplica)]);
    let enter = |world: &World| {
        let meter = Arc::clone(&world.rule("http", "api", "1").limits.meters[0]);
        let Amount::Concurrency(in_use) = &meter.amount else { panic!("no rate") };
        meter.enter(in_use, Key::new(7))
    };
    let held = (enter(&world), enter(&world));
    assert!(held.0.is_some() && held.1.is_some() && enter(&world).is_none());
    world.set(vec![with(6, Counting::Divide)]);
    world.table.limits.basis.replicas.store(2, std::sync::atomic::Ordering::Relaxed);
    let third = enter(&world);
    assert!(third.is_some() && enter(&world).is_none(), "three for each of two replicas");
    drop((held, third));
    assert!(enter(&world).is_some());
}

#[test]
fn what_is_left_is_told_without_taking_it() {
    let by_client = |limit| Limit { key: vec![KeyPart::ClientIp], ..limit };
    let world = World::new(vec![
        limit("rate", on_route("api", None), Scope::Route, rate(3)),
        by_client(limit("flight", on_route("api", None), Scope::Route, limit::Amount::Concurrency(3))),
        by_client(limit("open", on_gateway(), Scope::Gateway, limit::Amount::Connections(3))),
        limit("bytes", on_route("api", None), Scope::Route, limit::Amount::Bandwidth(3)),
        Limit {
            counting: Counting::Global { otherwise: limit::StoreFailure::Local },
            ..limit("store", on_route("api", None), Scope::Route, rate(3))
        },
    ]);
    let rule = world.rule("http", "api", "1").id.clone();
    let meter = |name: &str| world.table.meter(&rule, &id(name)).unwrap();
    let headers = HeaderMap::new();
    let query = Query { host: "a", path: "/", query: None, method: "GET", headers: &headers };
    let tokens = Tokens::default();
    let asked = |client: &str| Asked { client: client.parse().unwrap(), query, tokens: &tokens };
    let [one, other] = ["10.0.0.1", "10.0.0.2"].map(asked);
    let mut held = Vec::new();
    for taken in 0..3 {
        for _ in 0..2 {
            assert_eq!(["rate", "flight", "open"].map(|name| meter(name).left(&one)), [Some(3 - taken); 3]);
            assert_eq!(["flight", "open"].map(|name| meter(name).left(&other)), [Some(3); 2]);
        }
        let Amount::Rate(rate) = &meter("rate").amount else { panic!("no rate") };
        assert!(decide(&[(rate, Key::new(0))], world.table.limits.basis.clock.now(), 1).is_ok());
        for meter in [meter("flight"), meter("open")] {
            let (Amount::Concurrency(in_use) | Amount::Connections(in_use)) = &meter.amount else { panic!("a rate") };
            held.push(meter.enter(in_use, meter.key(&one)).unwrap());
        }
    }
    assert_eq!(
        (meter("rate").left(&one), meter("open").left(&one), meter("bytes").left(&one)),
        (Some(0), Some(0), None)
    );
    let asked = |name| meter(name).global_ask(b"k").map(|ask| ask.params.burst());
    assert_eq!((asked("store"), asked("rate"), meter("store").left(&one)), (Some(3), None, Some(3)));
    assert!(world.table.meter(&rule, &id("none")).is_none());
}

/// A limit of one by the claim `sub` of tokens that are like this.
fn by_subject(name: &str, tokens: &Arc<Expected>) -> Limit {
    let key = vec![KeyPart::JwtClaim { name: "sub".into(), tokens: Arc::clone(tokens) }];
    Limit { key, ..limit(name, on_gateway(), Scope::Gateway, rate(1)) }
}

#[test]
fn who_expects_the_same_tokens_shares_what_was_verified() {
    let signer = Signer::ed25519("a");
    let tokens = Arc::new(expected(&[&signer]));
    let strict = Arc::new(Expected { issuer: Some("me".into()), ..expected(&[&signer]) });
    let again = Arc::new(expected(&[&signer]));
    let all = [by_subject("a", &tokens), by_subject("b", &again), by_subject("c", &strict)];
    let mut world = World::new(all.to_vec());
    let verifiers = |world: &World| world.rule("http", "api", "1").limits.verifiers.to_vec();
    let before = verifiers(&world);
    assert_eq!(before.len(), 2);
    world.set(all[..2].to_vec());
    let after = verifiers(&world);
    assert!(after.len() == 1 && Arc::ptr_eq(&before[0], &after[0]));
    assert!(Arc::ptr_eq(&before[0].outcomes, &before[1].outcomes), "they are of one namespace");
    let unlimited = World::new(vec![limit("a", on_gateway(), Scope::Gateway, rate(1))]);
    assert!(verifiers(&unlimited).is_empty());
}

#[test]
fn a_token_is_verified_once_for_a_request_and_other_keys_forgive_nothing() {
    let (old, new) = (Signer::ed25519("old"), Signer::ed25519("new"));
    let of = |signer: &Signer| Arc::new(expected(&[signer]));
    let mut world = World::new(vec![by_subject("a", &of(&old)), by_subject("b", &of(&old))]);
    let headers = |signer: &Signer| {
        let field = format!("Bearer {}", signer.token(&serde_json::json!({ "sub": "me" })));
        HeaderMap::from_iter([(http::header::AUTHORIZATION, HeaderValue::from_str(&field).unwrap())])
    };
    let ask = |world: &World, headers: &HeaderMap| {
        let limits = &world.rule("http", "api", "1").limits;
        let tokens = Tokens::of(&limits.verifiers);
        let query = Query { host: "a", path: "/", query: None, method: "GET", headers };
        let asked = Asked { client: [127, 0, 0, 1].into(), query, tokens: &tokens };
        let rates = limits.meters.iter().filter_map(|meter| match &meter.amount {
            Amount::Rate(rate) => Some((rate, meter.key(&asked))),
            _ => None,
        });
        let verdict = decide(&rates.collect::<Vec<_>>(), world.table.limits.basis.clock.now(), 1).is_ok();
        let outcomes: Vec<_> = limits.verifiers[0].outcomes.all().filter(|(_, count)| *count > 0).collect();
        (verdict, outcomes)
    };
    assert_eq!(ask(&world, &headers(&old)), (true, vec![("verified", 1)]));
    assert_eq!(ask(&world, &headers(&old)), (false, vec![("verified", 2)]));
    assert_eq!(ask(&world, &headers(&new)), (true, vec![("verified", 2), ("unknown_key", 1)]), "as without a token");
    world.set(vec![by_subject("a", &of(&new)), by_subject("b", &of(&new))]);
    assert_eq!(ask(&world, &headers(&new)), (false, vec![("verified", 3), ("unknown_key", 1)]), "the same subject");
    assert_eq!(ask(&world, &headers(&old)).1, [("verified", 3), ("unknown_key", 2)]);
}

#[test]
fn every_outcome_is_counted_under_its_own_name() {
    use crate::jwt::Rejected;
    for (index, rejected) in Rejected::ALL.into_iter().enumerate() {
        assert_eq!(rejected as usize, index);
        assert_eq!(Rejected::ALL.iter().filter(|other| other.as_str() == rejected.as_str()).count(), 1);
    }
}
