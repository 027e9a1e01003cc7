mod tokens;

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::api::{Kind, ObjectRef};
use crate::ir::{Limit, LimitSource, LimitTarget};
use crate::snapshot::Snapshot;
use crate::translate::testing::{class, condition, gateway, route, snapshot, status_of};
use crate::translate::{Problem, Translation, Translator, translate};

const GROUP: &str = "gateway.networking.k8s.io";

fn target(kind: &str, name: &str, section: Option<&str>) -> Value {
    let group = match kind {
        "Namespace" => "",
        "Tenant" => "paifang.dev",
        _ => GROUP,
    };
    match section {
        Some(section) => json!({"group": group, "kind": kind, "name": name, "sectionName": section}),
        None => json!({"group": group, "kind": kind, "name": name}),
    }
}

fn policy(name: &str, targets: Value, limits: Value) -> Value {
    json!({"kind": "RateLimitPolicy", "metadata": {"name": name, "generation": 7},
        "spec": {"targetRefs": targets, "limits": limits}})
}

/// A limit of requests, with further fields.
fn limit(more: Value) -> Value {
    let rate = json!({"requests": 10, "per": "1s"});
    let mut limit = json!({"rate": rate, "scope": "Route", "counting": "PerReplica"});
    for (field, value) in more.as_object().unwrap() {
        limit[field] = value.clone();
    }
    limit
}

/// A key by the claim `sub` of tokens whose keys are there.
fn claim(keys: Value) -> Value {
    json!({"type": "JWTClaim", "name": "sub", "jwt": {"keys": keys}})
}

fn listeners() -> Value {
    json!([{"name": "http", "port": 80, "protocol": "HTTP"}])
}

fn world(objects: impl IntoIterator<Item = Value>) -> Snapshot {
    let r = route("r", json!({"rules": [{"name": "search"}, {}]}));
    let grpc = json!({"kind": "GRPCRoute", "metadata": {"name": "g"}, "spec": {"rules": [{"name": "search"}]}});
    let mine = json!({"kind": "Tenant", "metadata": {"name": "mine"},
        "spec": {"namespaces": {"matchLabels": {"kubernetes.io/metadata.name": "default"}}}});
    let other = json!({"kind": "Tenant", "metadata": {"name": "other"},
        "spec": {"namespaces": {"matchLabels": {"team": "other"}}}});
    let foreign = json!({"kind": "Gateway", "metadata": {"name": "foreign"},
        "spec": {"gatewayClassName": "others", "listeners": listeners()}});
    let others = json!({"kind": "GatewayClass", "metadata": {"name": "others"}, "spec": {"controllerName": "o/o"}});
    snapshot([class(), gateway(listeners()), r, grpc, mine, other, foreign, others].into_iter().chain(objects))
}

fn conditions(translation: &Translation, ancestor: usize) -> Value {
    status_of(translation, "RateLimitPolicy default/p")["ancestors"][ancestor]["conditions"].clone()
}

fn message(translation: &Translation, ancestor: usize) -> String {
    conditions(translation, ancestor)[0]["message"].as_str().unwrap().to_owned()
}

#[test]
fn a_policy_is_put_on_what_is_there_and_its_own() {
    for (it, expected) in [
        (target("Gateway", "gw", None), json!({"gateway": {"gateway": "default/gw"}})),
        (target("Gateway", "gw", Some("http")), json!({"gateway": {"gateway": "default/gw", "listener": "http"}})),
        (target("HTTPRoute", "r", None), json!({"route": {"route": "HTTPRoute default/r"}})),
        (
            target("HTTPRoute", "r", Some("search")),
            json!({"route": {"route": "HTTPRoute default/r", "rule": "search"}}),
        ),
        (
            target("GRPCRoute", "g", Some("search")),
            json!({"route": {"route": "GRPCRoute default/g", "rule": "search"}}),
        ),
        (target("Namespace", "default", None), json!({"namespace": "default"})),
        (target("Tenant", "mine", None), json!({"tenant": "mine"})),
    ] {
        let translation = translate(&world([policy("p", json!([it]), json!({"a": limit(json!({}))}))]));
        assert_eq!(condition(&conditions(&translation, 0), "Accepted"), ("True", "Accepted", 7), "{it}");
        assert_eq!(condition(&conditions(&translation, 0), "Programmed"), ("True", "Programmed", 7), "{it}");
        assert_eq!(translation.ir.limits.len(), 1, "{it}");
        assert_eq!(json!(translation.ir.limits[0].targets), json!([expected]));
        assert!(translation.problems.iter().all(|problem| problem.object.kind != Kind::RateLimitPolicy));
    }
}

#[test]
fn a_target_that_is_not_there_or_not_its_own_is_refused_alone() {
    let core = |kind: &str| json!({"group": "", "kind": kind, "name": "x"});
    for (it, reason, words) in [
        (
            target("Gateway", "gone", None),
            "TargetNotFound",
            "spec.targetRefs[1].name: there is no Gateway 'default/gone'",
        ),
        (target("Gateway", "foreign", None), "TargetNotFound", "Paifang does not serve"),
        (
            target("Gateway", "gw", Some("tls")),
            "TargetNotFound",
            "spec.targetRefs[1].sectionName: the Gateway 'gw' has no listener 'tls'",
        ),
        (target("HTTPRoute", "g", None), "TargetNotFound", "there is no HTTPRoute 'default/g'"),
        (target("HTTPRoute", "r", Some("find")), "TargetNotFound", "the HTTPRoute 'r' has no rule 'find'"),
        (target("GRPCRoute", "r", None), "TargetNotFound", "there is no GRPCRoute 'default/r'"),
        (
            target("Namespace", "infra", None),
            "Invalid",
            "a policy of namespace 'default' cannot limit namespace 'infra'",
        ),
        (target("Tenant", "gone", None), "TargetNotFound", "there is no Tenant 'gone'"),
        (target("Tenant", "other", None), "Invalid", "namespace 'default' does not belong to Tenant 'other'"),
        (target("Namespace", "default", Some("a")), "Invalid", "a Namespace has no sections"),
        (
            target("TCPRoute", "r", None),
            "Invalid",
            "spec.targetRefs[1].kind: 'gateway.networking.k8s.io/TCPRoute' cannot be limited",
        ),
        (core("Service"), "Invalid", "'Service' cannot be limited"),
    ] {
        let targets = json!([target("HTTPRoute", "r", None), it]);
        let translation = translate(&world([policy("p", targets, json!({"a": limit(json!({}))}))]));
        assert_eq!(condition(&conditions(&translation, 0), "Accepted"), ("True", "Accepted", 7), "{it}");
        assert_eq!(condition(&conditions(&translation, 1), "Accepted"), ("False", reason, 7), "{it}");
        assert_eq!(condition(&conditions(&translation, 1), "Programmed"), ("False", "Invalid", 7), "{it}");
        assert!(message(&translation, 1).contains(words), "{}", message(&translation, 1));
        assert_eq!(translation.ir.limits[0].targets.len(), 1, "{it}");
    }
}

#[test]
fn one_limit_that_cannot_be_honoured_refuses_the_policy() {
    let when = |condition: Value| json!({"when": [condition]});
    let header =
        |kind: &str, name: &str, value: &str| when(json!({"headers": [{"type": kind, "name": name, "value": value}]}));
    let key = |part: Value| json!({"key": [{"type": "ClientIP"}, part]});
    let rate =
        |requests: u64, per: &str, burst: u64| json!({"rate": {"requests": requests, "per": per, "burst": burst}});
    let without_rate = |mut more: Value| {
        more["rate"] = Value::Null;
        more
    };
    for (more, words) in [
        (rate(0, "1s", 1), "rate.requests: 0 is no number"),
        (rate(1, "1s", 0), "rate.burst: 0 is no number"),
        (rate(1_000_000_001, "1s", 1), "rate.requests: 1000000001 is no number"),
        (rate(1, "500ms", 1), "rate.per: '500ms' is no time"),
        (rate(1, "25h", 1), "rate.per: '25h' is no time"),
        (json!({"concurrency": 5}), "spec.limits.bad: needs exactly one of rate"),
        (without_rate(json!({})), "spec.limits.bad: needs exactly one of rate"),
        (without_rate(json!({"concurrency": 0})), "bad.concurrency: 0 is no number"),
        (without_rate(json!({"bandwidth": "many"})), "bad.bandwidth: 'many' is no quantity"),
        (without_rate(json!({"concurrency": 5, "counting": "Global"})), "bad.counting: only a rate is counted Global"),
        (without_rate(json!({"connections": 5})), "bad.scope: connections are not counted by Route"),
        (json!({"counting": "Guess"}), "bad.counting: unknown value 'Guess'"),
        (json!({"onStoreFailure": "Guess"}), "bad.onStoreFailure: unknown value 'Guess'"),
        (json!({"scope": "World"}), "bad.scope: unknown value 'World'"),
        (json!({"mode": "Dream"}), "bad.mode: unknown value 'Dream'"),
        (key(json!({"type": "JWTClaim", "name": "sub"})), "bad.key[1].jwt: is required for JWTClaim"),
        (key(claim(json!({"kind": "Vault", "name": "x"}))), "bad.key[1].jwt.keys.kind: unknown kind 'Vault'"),
        (key(json!({"type": "JWTClaim", "jwt": {"keys": {"name": "x"}}})), "bad.key[1].name: is required for JWTClaim"),
        (key(json!({"type": "Path", "jwt": {"keys": {"name": "x"}}})), "bad.key[1].jwt: does not belong to Path"),
        (key(json!({"type": "Moon"})), "bad.key[1].type: unknown type 'Moon'"),
        (key(json!({"type": "Header"})), "bad.key[1].name: is required for Header"),
        (key(json!({"type": "Header", "name": "a b"})), "bad.key[1].name: 'a b' is no name"),
        (key(json!({"type": "Cookie", "name": "a;b"})), "bad.key[1].name: 'a;b' is no name"),
        (key(json!({"type": "Query", "name": ""})), "bad.key[1].name: is required for Query"),
        (key(json!({"type": "Path", "name": "x"})), "bad.key[1].name: does not belong to Path"),
        (when(json!({})), "bad.when[0]: needs methods, paths or headers"),
        (when(json!({"methods": ["GET", "BREW"]})), "bad.when[0].methods[1]: unknown method 'BREW'"),
        (when(json!({"paths": [{"value": "a"}]})), "bad.when[0].paths[0].value: a path starts with '/'"),
        (when(json!({"paths": [{"type": "Glob", "value": "/a"}]})), "bad.when[0].paths[0].type: unknown type 'Glob'"),
        (header("Exact", "a b", "c"), "bad.when[0].headers[0].name: 'a b' is no name of a header"),
        (header("RegularExpression", "a", "("), "bad.when[0].headers[0].value: not a usable regular expression"),
        (header("Like", "a", "b"), "bad.when[0].headers[0].type: unknown type 'Like'"),
        (json!({"except": ["10.0.0.0/8", "10.0.0.0/33"]}), "bad.except[1]: '10.0.0.0/33' is not a network"),
        (json!({"response": {"status": 200}}), "bad.response.status: 200 is no status code of a denial"),
        (json!({"response": {"contentType": "text/plain"}}), "bad.response.contentType: needs a body"),
        (json!({"response": {"body": "x", "contentType": "a\nb"}}), "bad.response.contentType: is no media type"),
        (json!({"response": {"body": "x".repeat(4097)}}), "bad.response.body: has more than 4096 characters"),
    ] {
        let limits = json!({"bad": limit(more.clone()), "good": limit(json!({}))});
        let targets = json!([target("HTTPRoute", "r", None), target("Gateway", "gw", None)]);
        let translation = translate(&world([policy("p", targets, limits)]));
        for ancestor in 0..2 {
            assert_eq!(condition(&conditions(&translation, ancestor), "Accepted"), ("False", "Invalid", 7), "{more}");
        }
        assert!(message(&translation, 0).contains(words), "{}", message(&translation, 0));
        assert!(translation.ir.limits.is_empty(), "{more}");
        let told = |problem: &Problem| format!("{}: {}", problem.field, problem.message).contains(words);
        assert_eq!(translation.problems.iter().filter(|problem| told(problem)).count(), 1, "{more}");
    }
    for name in ["", "-a", "a-", "A", "a.b", &"a".repeat(64)] {
        let mut limits = json!({});
        limits[name] = limit(json!({}));
        let translation = translate(&world([policy("p", json!([target("HTTPRoute", "r", None)]), limits)]));
        assert!(message(&translation, 0).contains("is no name for a limit"), "{name}");
    }
}

#[test]
fn connections_are_limited_where_they_come_in() {
    let limits =
        json!({"c": {"connections": 5, "scope": "Gateway", "counting": "Divide", "key": [{"type": "ClientIP"}]}});
    let targets = json!([
        target("HTTPRoute", "r", None),
        target("Gateway", "gw", Some("http")),
        target("Namespace", "default", None),
        target("Tenant", "mine", None)
    ]);
    let translation = translate(&world([policy("p", targets, limits)]));
    let verdicts = [0, 1, 2, 3].map(|it| condition(&conditions(&translation, it), "Accepted").0.to_owned());
    assert_eq!(verdicts, ["False", "True", "False", "True"]);
    assert!(message(&translation, 0).starts_with("spec.targetRefs[0]: limit 'c' counts connections"));
    assert_eq!(translation.ir.limits[0].targets.len(), 2);
}

#[test]
fn the_status_says_what_shadow_mode_means() {
    let shadow = limit(json!({"mode": "Shadow"}));
    for (limits, words) in [
        (json!({"a": limit(json!({}))}), "its limits hold in all that is served"),
        (json!({"a": shadow}), "what its limits would deny is counted; in Shadow mode they deny nothing"),
        (json!({"a": shadow, "b": limit(json!({}))}), "those in Shadow mode deny nothing"),
    ] {
        let translation = translate(&world([policy("p", json!([target("HTTPRoute", "r", None)]), limits)]));
        let said = conditions(&translation, 0)[1]["message"].as_str().unwrap().to_owned();
        assert!(said.ends_with(words), "{said}");
    }
}

#[test]
fn a_target_named_twice_is_told_once() {
    let targets = json!([target("HTTPRoute", "r", None), target("HTTPRoute", "r", None)]);
    let translation = translate(&world([policy("p", targets, json!({"a": limit(json!({}))}))]));
    assert_eq!(status_of(&translation, "RateLimitPolicy default/p")["ancestors"].as_array().unwrap().len(), 1);
    assert_eq!(translation.ir.limits[0].targets.len(), 1);
}

#[test]
fn ceilings_and_shares_are_those_of_tenants_that_say_so() {
    let tenant = |name: &str, spec: Value| {
        let mut spec = spec;
        spec["namespaces"] = json!({"matchLabels": {"team": name}});
        json!({"kind": "Tenant", "metadata": {"name": name}, "spec": spec})
    };
    let all = json!({"requests": {"rate": 5, "per": "1m"}, "concurrency": 6, "connections": 7, "bandwidth": "1k"});
    let translation = translate(&snapshot([
        tenant("b", json!({"limits": all, "share": {"weight": 3, "guaranteed": {"concurrency": 2}}})),
        tenant("a", json!({"limits": {"concurrency": 1}, "mode": "Shadow"})),
        tenant("c", json!({"limits": {"concurrency": 0, "connections": 9, "requests": {"rate": 1, "per": "x"}}})),
        tenant("d", json!({"share": {"weight": 0}})),
    ]));
    let limits = translation.ir.limits.iter();
    let limits: Vec<_> =
        limits.map(|it| format!("{} {} {:?} {}", it.id.source, it.id.name, it.amount, it.enforced)).collect();
    assert_eq!(
        limits,
        [
            "Tenant a concurrency Concurrency(1) false",
            "Tenant b bandwidth Bandwidth(1000) true",
            "Tenant b concurrency Concurrency(6) true",
            "Tenant b connections Connections(7) true",
            "Tenant b requests Rate { requests: 5, per: 60s, burst: 5 } true",
            "Tenant c connections Connections(9) true",
        ]
    );
    let shares = translation.ir.shares.iter();
    let shares: Vec<_> =
        shares.map(|it| format!("{} {} {} {}", it.tenant, it.weight, it.guaranteed, it.enforced)).collect();
    assert_eq!(shares, ["a 1 0 false", "b 3 2 true", "d 1 0 true"]);
    let fields: Vec<_> = translation.problems.iter().map(|problem| problem.field.as_str()).collect();
    assert_eq!(fields, ["spec.limits.concurrency", "spec.limits.requests.per"]);
    let status = status_of(&translation, "Tenant c");
    assert_eq!(condition(&status["conditions"], "Accepted").0, "True", "its claims and other ceilings hold");
}

fn put(world: &mut Snapshot, manifest: Value) {
    let other = snapshot([manifest]);
    let object = Kind::ALL.into_iter().flat_map(|kind| other.all(kind)).next().unwrap();
    world.put(object);
}

#[test]
fn what_does_not_change_stays_the_very_same() {
    let on = |name: &str, route: &str| {
        policy(name, json!([target("HTTPRoute", route, None)]), json!({"a": limit(json!({}))}))
    };
    let mut world = world([on("p", "r"), on("q", "r")]);
    let mut translator = Translator::default();
    let first = translator.translate(&world).ir.limits;
    put(&mut world, route("another", json!({})));
    put(&mut world, route("r", json!({"hostnames": ["a.example.com"]})));
    put(&mut world, json!({"kind": "Namespace", "metadata": {"name": "x"}}));
    assert!(Arc::ptr_eq(&first, &translator.translate(&world).ir.limits), "no limit changed");
    put(&mut world, on("q", "another"));
    let next = translator.translate(&world).ir.limits;
    assert!(!Arc::ptr_eq(&first, &next) && Arc::ptr_eq(&first[0], &next[0]) && !Arc::ptr_eq(&first[1], &next[1]));
}

#[test]
fn a_policy_waits_for_its_route() {
    let limits = json!({"a": limit(json!({}))});
    let mut world = world([policy("p", json!([target("HTTPRoute", "late", Some("search"))]), limits)]);
    let mut translator = Translator::default();
    let verdict = |translation: &Translation| condition(&conditions(translation, 0), "Accepted").1.to_owned();
    assert_eq!(verdict(&translator.translate(&world)), "TargetNotFound");
    put(&mut world, route("late", json!({"rules": [{}]})));
    assert!(message(&translator.translate(&world), 0).contains("has no rule 'search'"));
    put(&mut world, route("late", json!({"rules": [{"name": "search"}]})));
    let translation = translator.translate(&world);
    assert_eq!((verdict(&translation).as_str(), translation.ir.limits.len()), ("Accepted", 1));
    let gone: ObjectRef = ObjectRef::new(Kind::HttpRoute, crate::api::ObjectKey::new("default", "late"));
    world.remove(&gone);
    assert!(translator.translate(&world).ir.limits.is_empty());
}

/// Policies of the platform's namespace and of a team's, on everything that can be limited.
fn any_policy() -> impl Strategy<Value = Value> {
    let targets = prop_oneof![
        Just(target("Gateway", "gw", None)),
        Just(target("Gateway", "gw", Some("http"))),
        Just(target("HTTPRoute", "r", None)),
        Just(target("HTTPRoute", "r", Some("search"))),
        Just(target("Namespace", "default", None)),
        Just(target("Namespace", "team", None)),
        Just(target("Tenant", "mine", None)),
        Just(target("Tenant", "other", None)),
        Just(target("Service", "x", None)),
    ];
    let amounts = prop_oneof![
        (0_u32..3, prop_oneof![Just("1s"), Just("x")])
            .prop_map(|(n, per)| json!({"rate": {"requests": n, "per": per}})),
        (0_u32..3).prop_map(|n| json!({"concurrency": n})),
        (1_u32..3).prop_map(|n| json!({"connections": n, "scope": "Tenant"})),
    ];
    let limits = (amounts, any::<bool>(), any::<bool>()).prop_map(|(amount, shadow, excepted)| {
        let mut limit = json!({"scope": "Rule", "counting": "Divide"});
        for (field, value) in amount.as_object().unwrap() {
            limit[field] = value.clone();
        }
        if shadow {
            limit["mode"] = json!("Shadow");
        }
        if excepted {
            limit["except"] = json!(["0.0.0.0/0", "::/0"]);
        }
        limit
    });
    let targets = proptest::collection::vec(targets, 1..4);
    let limits = proptest::collection::btree_map("[ab]", limits, 1..3);
    ("[p-s]", prop_oneof![Just("default"), Just("team")], targets, limits).prop_map(
        |(name, namespace, targets, limits)| {
            let mut policy = policy(&name, json!(targets), json!(limits));
            policy["metadata"]["namespace"] = json!(namespace);
            policy
        },
    )
}

/// A gateway of the platform in `default`, and a team in its own namespace with a route of the same name.
fn shared(policies: &[Value]) -> Snapshot {
    let mut team =
        route("r", json!({"parentRefs": [{"name": "gw", "namespace": "default"}], "rules": [{"name": "search"}]}));
    team["metadata"]["namespace"] = json!("team");
    let labels = json!({"kind": "Namespace", "metadata": {"name": "team", "labels": {"team": "other"}}});
    world([team, labels].into_iter().chain(policies.iter().cloned()))
}

/// Whether a limit covers requests to routes that are not in a namespace.
fn reaches_beyond(limit: &Limit, namespace: &str) -> bool {
    limit.targets.iter().any(|target| match target {
        LimitTarget::Gateway { gateway, .. } => &*gateway.namespace != namespace,
        LimitTarget::Route { route, .. } => &*route.key.namespace != namespace,
        LimitTarget::Namespace(other) => &**other != namespace,
        LimitTarget::Tenant(tenant) => &**tenant != "other",
    })
}

proptest! {
    /// A policy more leaves every limit as it was: nothing that anybody adds lets more through.
    #[test]
    fn no_change_by_a_descendant_ever_admits_more(
        policies in proptest::collection::vec(any_policy(), 0..6),
        more in any_policy(),
    ) {
        let key = |it: &Value| (it["metadata"]["namespace"].clone(), it["metadata"]["name"].clone());
        let others: Vec<Value> = policies.into_iter().filter(|it| key(it) != key(&more)).collect();
        let before = translate(&shared(&others)).ir.limits;
        let all: Vec<Value> = others.into_iter().chain([more.clone()]).collect();
        let after = translate(&shared(&all)).ir.limits;
        for limit in &*before {
            prop_assert!(after.contains(limit), "{:?}", limit.id);
        }
        let added: Vec<_> = after.iter().filter(|limit| !before.contains(limit)).collect();
        for limit in &added {
            prop_assert_eq!(json!(limit.id.source), json!(format!("RateLimitPolicy {}/{}",
                more["metadata"]["namespace"].as_str().unwrap(), more["metadata"]["name"].as_str().unwrap())));
        }
        if more["metadata"]["namespace"] == "team" {
            prop_assert!(added.iter().all(|limit| !reaches_beyond(limit, "team")), "a team limits only itself");
        }
    }
}

proptest! {
    /// Whatever a team writes, rewrites or removes, what others have put on it stays as it is.
    #[test]
    fn no_change_by_a_team_touches_the_limits_of_others(
        policies in proptest::collection::vec(any_policy(), 0..8),
        instead in proptest::collection::vec(any_policy(), 0..8),
    ) {
        let of_team = |it: &Value| it["metadata"]["namespace"] == "team";
        let others: Vec<Value> = policies.iter().filter(|it| !of_team(it)).cloned().collect();
        let changed: Vec<Value> = others.into_iter().chain(instead.into_iter().filter(of_team)).collect();
        let foreign = |policies: &[Value]| -> Vec<Arc<Limit>> {
            let limits = translate(&shared(policies)).ir.limits;
            let own = |limit: &Arc<Limit>| matches!(&limit.id.source, LimitSource::Policy(key) if &*key.namespace == "team");
            limits.iter().filter(|limit| !own(limit)).cloned().collect()
        };
        prop_assert_eq!(foreign(&policies), foreign(&changed));
    }
}

#[test]
fn an_empty_policy_is_nobodys_limit() {
    let translation = translate(&world([policy("p", json!([]), json!({}))]));
    assert!(translation.ir.limits.is_empty());
    assert_eq!(status_of(&translation, "RateLimitPolicy default/p"), json!({"ancestors": []}));
}
