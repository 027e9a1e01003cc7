use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Demand, Entry, Ledger, Limits, Quota, Quotas};
use crate::api::{Kind, ObjectKey};
use crate::ir::RouteId;
use crate::snapshot::Snapshot;
use crate::translate::testing::{class, condition, gateway, route, snapshot, status_of};
use crate::translate::{Translation, Translator, translate};

fn tenant(quotas: Value, mode: &str) -> Value {
    json!({"kind": "Tenant", "metadata": {"name": "t", "generation": 1}, "spec": {"quotas": quotas, "mode": mode,
        "namespaces": {"matchLabels": {"kubernetes.io/metadata.name": "default"}}}})
}

/// A route of some age with a number of rules.
fn aged(name: &str, minute: u32, rules: usize, hostnames: &[&str]) -> Value {
    let rules = vec![json!({"matches": [{"path": {"value": "/"}}]}); rules];
    let mut route = route(name, json!({"hostnames": hostnames, "rules": rules}));
    route["metadata"]["creationTimestamp"] = json!(format!("2026-01-01T00:{minute:02}:00Z"));
    route
}

fn world(objects: impl IntoIterator<Item = Value>) -> Snapshot {
    let listeners = json!([{"name": "http", "port": 80, "protocol": "HTTP"}]);
    snapshot([class(), gateway(listeners)].into_iter().chain(objects))
}

/// The names of the routes that are attached.
fn attached(translation: &Translation) -> BTreeSet<String> {
    translation.ir.listeners[0].routes.iter().map(|attached| attached.route.id.key.name.to_string()).collect()
}

fn accepted(translation: &Translation, name: &str) -> (String, String) {
    let status = status_of(translation, &format!("HTTPRoute default/{name}"));
    let (_, reason, _) = condition(&status["parents"][0]["conditions"], "Accepted");
    (reason.to_owned(), status["parents"][0]["conditions"][0]["message"].as_str().unwrap().to_owned())
}

fn used(translation: &Translation) -> Value {
    status_of(translation, "Tenant t")["quotas"].clone()
}

#[test]
fn the_oldest_stay_and_of_an_age_the_first_by_name() {
    let routes = [aged("c", 1, 1, &[]), aged("b", 2, 1, &[]), aged("a", 2, 1, &[]), aged("d", 0, 1, &[])];
    let translation = translate(&world(routes.into_iter().chain([tenant(json!({"routes": 3}), "Enforce")])));
    assert_eq!(attached(&translation), ["a", "c", "d"].map(str::to_owned).into());
    let (reason, message) = accepted(&translation, "b");
    assert_eq!(reason, "QuotaExceeded");
    assert_eq!(message, "Tenant 't' has a quota of 3 for routes: older ones take 3, this adds 1");
    assert_eq!(used(&translation), json!([{"name": "routes", "used": 4, "limit": 3}]));
}

#[test]
fn what_does_not_fit_does_not_stand_in_the_way_of_the_next() {
    let routes = || [aged("a", 0, 2, &[]), aged("large", 1, 3, &[]), aged("small", 2, 2, &[])];
    let translation = translate(&world(routes().into_iter().chain([tenant(json!({"rules": 4}), "Enforce")])));
    assert_eq!(attached(&translation), ["a", "small"].map(str::to_owned).into());
    assert!(accepted(&translation, "large").1.ends_with("4 for rules: older ones take 2, this adds 3"));
    assert_eq!(used(&translation), json!([{"name": "rules", "used": 7, "limit": 4}]));
}

#[test]
fn a_hostname_is_counted_once_however_often_and_in_what_case_it_is_written() {
    let routes = [
        aged("a", 0, 1, &["x.example.com", "y.example.com"]),
        aged("b", 1, 1, &["X.example.com"]),
        aged("c", 2, 1, &["y.example.com", "z.example.com"]),
    ];
    let translation = translate(&world(routes.into_iter().chain([tenant(json!({"hostnames": 2}), "Enforce")])));
    assert_eq!(attached(&translation), ["a", "b"].map(str::to_owned).into());
    assert_eq!(used(&translation), json!([{"name": "hostnames", "used": 3, "limit": 2}]));
}

#[test]
fn routes_of_other_controllers_do_not_count() {
    let mut foreign = aged("a", 0, 1, &[]);
    foreign["spec"]["parentRefs"] = json!([{"name": "somebody-elses"}]);
    let objects = [foreign, aged("b", 1, 1, &[]), tenant(json!({"routes": 1}), "Enforce")];
    assert_eq!(attached(&translate(&world(objects))), ["b".to_owned()].into());
}

#[test]
fn shadow_mode_says_what_would_be_denied_and_denies_nothing() {
    let objects = [aged("a", 0, 1, &[]), aged("b", 1, 1, &[]), tenant(json!({"routes": 1}), "Shadow")];
    let translation = translate(&world(objects));
    assert_eq!(attached(&translation), ["a", "b"].map(str::to_owned).into());
    let says = |name: &str| {
        let status = status_of(&translation, &format!("HTTPRoute default/{name}"));
        condition(&status["parents"][0]["conditions"], "paifang.dev/WithinQuota").1.to_owned()
    };
    assert_eq!((says("a"), says("b")), (String::new(), "QuotaExceeded".to_owned()));
    assert!(translation.problems.is_empty(), "nothing is wrong: {:?}", translation.problems);
}

#[test]
fn listeners_come_before_routes() {
    let mut gateway = gateway(json!([
        {"name": "a", "port": 80, "protocol": "HTTP", "hostname": "a.example.com"},
        {"name": "b", "port": 80, "protocol": "HTTP", "hostname": "b.example.com"},
        {"name": "again", "port": 81, "protocol": "HTTP", "hostname": "a.example.com"}]));
    gateway["metadata"]["creationTimestamp"] = json!("2026-01-02T00:00:00Z");
    let routes = [aged("older", 0, 1, &["c.example.com"]), aged("same", 1, 1, &["a.example.com"])];
    let quota = tenant(json!({"hostnames": 1}), "Enforce");
    let translation = translate(&snapshot([class(), gateway, quota].into_iter().chain(routes)));
    let status = status_of(&translation, "Gateway default/gw");
    let reasons = status["listeners"].as_array().unwrap().iter();
    let reasons: Vec<_> = reasons.map(|listener| condition(&listener["conditions"], "Accepted").1).collect();
    assert_eq!(reasons, ["Accepted", "QuotaExceeded", "Accepted"]);
    assert_eq!(attached(&translation), ["same".to_owned()].into());
    assert_eq!(used(&translation), json!([{"name": "hostnames", "used": 3, "limit": 1}]));
}

#[test]
fn a_count_names_the_routes_that_have_room_now_or_no_more() {
    let limits = Limits { routes: Some(2), ..Limits::default() };
    let quotas = Quotas([("t".into(), Quota::new("t".into(), limits, true))].into_iter().collect());
    let mut ledger = Ledger::default();
    let mut note = |name: &str, created: Option<i64>| {
        let route = RouteId { kind: Kind::HttpRoute, key: ObjectKey::new("default", name) };
        let demand = Demand { rules: 1, hostnames: Vec::new() };
        ledger.note(&route, created.map(|created| Entry { tenant: "t".into(), created, demand }));
        ledger.count(&quotas).into_iter().map(|route| route.key.name.to_string()).collect::<Vec<_>>()
    };
    let nobody = [""; 0];
    assert_eq!(note("b", Some(2)), nobody);
    assert_eq!(note("c", Some(3)), nobody);
    assert_eq!(note("d", Some(4)), ["d"]);
    assert_eq!(note("a", Some(1)), ["c"], "nothing is new for d");
    assert_eq!(note("a", Some(1)), nobody, "nothing that counts has changed");
    assert_eq!(note("b", None), ["c"]);
    assert_eq!(note("c", Some(9)), ["c", "d"], "d is older now");
}

fn any_route() -> impl Strategy<Value = Value> {
    let hostnames = proptest::collection::vec(0_usize..5, 0..3);
    (0_usize..8, 0_u32..4, 1_usize..4, hostnames).prop_map(|(name, minute, rules, hostnames)| {
        let known = ["a.example.com", "b.example.com", "*.example.com", "c.example.com", "d.example.com"];
        let hostnames: BTreeSet<&str> = hostnames.into_iter().map(|index| known[index]).collect();
        aged(&format!("r{name}"), minute, rules, &Vec::from_iter(hostnames))
    })
}

fn any_quotas() -> impl Strategy<Value = Value> {
    let limit = || proptest::option::of(0_u32..6);
    (limit(), limit(), limit()).prop_map(|(routes, rules, hostnames)| {
        let all = [("routes", routes), ("rules", rules), ("hostnames", hostnames)];
        all.into_iter().filter_map(|(name, limit)| Some((name.to_owned(), json!(limit?)))).collect()
    })
}

proptest! {
    #[test]
    fn quotas_only_ever_take_away_and_the_order_of_arrival_does_not_matter(
        routes in proptest::collection::vec(any_route(), 0..8),
        quotas in any_quotas(),
        order in any::<prop::sample::Index>(),
    ) {
        let with = |mode: &str| translate(&world(routes.clone().into_iter().chain([tenant(quotas.clone(), mode)])));
        let without = attached(&translate(&world(routes.clone())));
        let enforced = with("Enforce");
        let served = attached(&enforced);
        prop_assert!(served.is_subset(&without), "{served:?} {without:?}");
        prop_assert_eq!(attached(&with("Shadow")), without);

        // one after the other, beginning anywhere; of two of a name the later one counts in both worlds
        let names: BTreeSet<_> = routes.iter().map(|route| route["metadata"]["name"].to_string()).collect();
        if names.len() == routes.len() {
            let mut arriving = routes.clone();
            arriving.rotate_left(order.index(routes.len().max(1)));
            let (mut translator, mut seen) = (Translator::default(), world([tenant(quotas, "Enforce")]));
            let mut last = translator.translate(&seen);
            for route in arriving {
                seen.http_routes.extend(snapshot([route]).http_routes);
                last = translator.translate(&seen);
            }
            prop_assert_eq!(&last.statuses, &enforced.statuses);
        }
    }

    #[test]
    fn what_is_left_out_hurts_nothing_else(
        routes in proptest::collection::vec(any_route(), 0..8),
        quotas in any_quotas(),
    ) {
        let objects = |routes: Vec<Value>| world(routes.into_iter().chain([tenant(quotas.clone(), "Enforce")]));
        let served = attached(&translate(&objects(routes.clone())));
        let is_served = |route: &Value| served.contains(route["metadata"]["name"].as_str().unwrap());
        let kept: Vec<_> = routes.into_iter().filter(is_served).collect();
        prop_assert_eq!(attached(&translate(&objects(kept))), served);
    }
}
