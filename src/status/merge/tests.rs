use std::collections::BTreeMap;

use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::api::ObjectKey;
use crate::api::gateway::shared::ParentReference;
use crate::api::policy::status::{AncestorReference, Contest, QuotaStatus, User};
use crate::api::status::{
    Condition, ConditionStatus, PolicyAncestorStatus, PolicyStatus, RouteParentStatus, RouteStatus, SupportedFeature,
};

fn route() -> ObjectRef {
    ObjectRef::new(Kind::HttpRoute, ObjectKey::new("shop", "cart"))
}

fn gateway() -> ObjectRef {
    ObjectRef::new(Kind::Gateway, ObjectKey::new("shop", "gw"))
}

fn now(second: i64) -> Now {
    Now(Timestamp::from_second(second).unwrap())
}

fn condition(kind: &'static str, status: ConditionStatus, generation: i64) -> Condition {
    Condition { kind, status, reason: "Reason", message: "text".into(), observed_generation: generation }
}

fn parent(name: &str, conditions: Vec<Condition>) -> RouteParentStatus {
    let parent_ref = ParentReference { name: name.to_owned(), ..ParentReference::default() };
    RouteParentStatus { parent_ref, controller_name: CONTROLLER_NAME, conditions }
}

fn parents(parents: Vec<RouteParentStatus>) -> Status {
    Status::Route(RouteStatus { parents })
}

fn listening(conditions: Vec<Condition>, listeners: &[&str]) -> Status {
    let listeners = listeners.iter().map(|name| ListenerStatus {
        name: (*name).to_owned(),
        supported_kinds: Vec::new(),
        attached_routes: 1,
        conditions: conditions.clone(),
    });
    let listeners = listeners.collect();
    Status::Gateway(GatewayStatus { addresses: Vec::new(), conditions, listeners })
}

#[test]
fn entries_of_other_controllers_stay_as_they_are() {
    let foreign = json!({"parentRef": {"name": "x"}, "controllerName": "other/one", "extra": [1], "conditions": [
        {"type": "Accepted", "status": "True", "reason": "R", "message": "", "observedGeneration": 1,
            "lastTransitionTime": "2020-01-01T00:00:00Z"}]});
    let gone = json!({"parentRef": {"name": "old"}, "controllerName": CONTROLLER_NAME, "conditions": []});
    let current = json!({"parents": [foreign, gone], "others": {"a": 1}});
    let wanted = parents(vec![parent("gw", vec![condition("Accepted", ConditionStatus::True, 4)])]);
    let next = merge(&route(), &current, Some(&wanted), now(0)).unwrap();
    assert_eq!(next["parents"][0], foreign);
    assert_eq!(next["parents"].as_array().unwrap().len(), 2, "our entry of a parent that is gone is removed");
    assert_eq!(next["parents"][1]["conditions"][0]["observedGeneration"], 4);
    assert_eq!(next["parents"][1]["parentRef"]["kind"], "Gateway");
    assert_eq!(next["others"], json!({"a": 1}));
    let left = merge(&route(), &next, None, now(0)).unwrap();
    assert_eq!(left["parents"], json!([foreign]), "without a status only theirs are left");
    assert_eq!(merge(&route(), &left, None, now(0)), None);
}

fn policy() -> ObjectRef {
    ObjectRef::new(Kind::RateLimitPolicy, ObjectKey::new("shop", "api"))
}

fn ancestor(name: &str, conditions: Vec<Condition>) -> PolicyAncestorStatus {
    let ancestor_ref = AncestorReference {
        group: "gateway.networking.k8s.io".to_owned(),
        kind: "HTTPRoute".to_owned(),
        namespace: Some("shop".to_owned()),
        name: name.to_owned(),
        section_name: None,
    };
    PolicyAncestorStatus { ancestor_ref, controller_name: CONTROLLER_NAME, conditions }
}

#[test]
fn targets_of_a_policy_are_told_beside_what_others_say() {
    let reference = |name: &str| json!({"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "namespace": "shop", "name": name});
    let foreign =
        json!({"ancestorRef": reference("cart"), "controllerName": "other/one", "extra": [1], "conditions": []});
    let stale = json!({"type": "x.io/Stale", "status": "True", "reason": "R", "message": "m",
        "lastTransitionTime": "2020-01-01T00:00:00Z"});
    let known = json!({"ancestorRef": reference("cart"), "controllerName": CONTROLLER_NAME, "conditions": [stale]});
    let gone = json!({"ancestorRef": reference("gone"), "controllerName": CONTROLLER_NAME, "conditions": []});
    let current = json!({"ancestors": [gone, known, foreign], "others": {"a": 1}});
    let told = |names: &[&str]| {
        let one = |name: &&str| ancestor(name, vec![condition("Accepted", ConditionStatus::True, 4)]);
        Status::Policy(PolicyStatus { ancestors: names.iter().map(one).collect() })
    };
    let next = merge(&policy(), &current, Some(&told(&["new", "cart"])), now(0)).unwrap();
    let names: Vec<_> =
        next["ancestors"].as_array().unwrap().iter().map(|it| it["ancestorRef"]["name"].clone()).collect();
    assert_eq!(names, ["cart", "cart", "new"], "each keeps its place, new ones come last");
    assert_eq!(next["ancestors"][1], foreign);
    assert_eq!(next["ancestors"][0]["conditions"][0], stale);
    assert_eq!(next["ancestors"][2]["ancestorRef"], reference("new"));
    assert_eq!(next["others"], json!({"a": 1}));
    assert_eq!(merge(&policy(), &next, Some(&told(&["new", "cart"])), now(9)), None);
    let left = merge(&policy(), &next, None, now(0)).unwrap();
    assert_eq!(left["ancestors"], json!([foreign]), "without a status only theirs are left");
    let others: Vec<_> =
        (0..14).map(|n| json!({"ancestorRef": reference(&format!("{n}")), "controllerName": "o/o"})).collect();
    let next = merge(&policy(), &json!({"ancestors": others}), Some(&told(&["a", "b", "c", "d"])), now(0)).unwrap();
    assert_eq!(next["ancestors"].as_array().unwrap().len(), 16, "no more than GEP-713 allows");
}

/// Conformance: GatewayPreserveForeignConditions.
#[test]
fn foreign_conditions_of_a_gateway_and_its_listeners_stay_as_they_are() {
    let stale = json!({"type": "x.io/Stale", "status": "True", "reason": "R", "message": "m",
        "observedGeneration": 1, "lastTransitionTime": "2020-01-01T00:00:00Z"});
    let conflicted = json!({"type": "Conflicted", "status": "True", "reason": "R", "message": "",
        "lastTransitionTime": "2020-01-01T00:00:00Z"});
    let current = json!({"conditions": [stale], "listeners": [
        {"name": "gone", "conditions": [stale]}, {"name": "a", "conditions": [conflicted, stale]}]});
    let wanted = listening(vec![condition("Accepted", ConditionStatus::True, 2)], &["a"]);
    let next = merge(&gateway(), &current, Some(&wanted), now(0)).unwrap();
    assert_eq!(next["conditions"][0], stale);
    assert_eq!(next["listeners"].as_array().unwrap().len(), 1);
    assert_eq!(next["listeners"][0]["conditions"][0], stale, "Conflicted, which is ours, no longer holds");
    assert_eq!(next["listeners"][0]["conditions"].as_array().unwrap().len(), 2);
}

#[test]
fn times_change_with_the_status_of_a_condition_only() {
    let of = |status, generation| parents(vec![parent("gw", vec![condition("Accepted", status, generation)])]);
    let time = |it: &Value| it["parents"][0]["conditions"][0]["lastTransitionTime"].as_str().unwrap().to_owned();
    let first = merge(&route(), &Value::Null, Some(&of(ConditionStatus::True, 1)), now(1)).unwrap();
    assert_eq!(time(&first), "1970-01-01T00:00:01Z");
    let later = merge(&route(), &first, Some(&of(ConditionStatus::True, 2)), now(2)).unwrap();
    assert_eq!(time(&later), "1970-01-01T00:00:01Z");
    let turned = merge(&route(), &later, Some(&of(ConditionStatus::False, 2)), now(3)).unwrap();
    assert_eq!(time(&turned), "1970-01-01T00:00:03Z");
}

#[test]
fn a_parent_is_known_again_whatever_it_leaves_to_defaults() {
    let current = json!({"parents": [
        {"parentRef": {"name": "gw", "namespace": "shop", "group": "gateway.networking.k8s.io", "kind": "Gateway"},
            "controllerName": CONTROLLER_NAME, "conditions": []},
        {"parentRef": {"name": "z"}, "controllerName": "other/one", "conditions": []}]});
    let next = merge(&route(), &current, Some(&parents(vec![parent("gw", Vec::new())])), now(0)).unwrap();
    assert_eq!(next["parents"].as_array().unwrap().len(), 2);
    assert_eq!(next["parents"][0]["parentRef"]["namespace"], Value::Null, "as the route writes it now");
}

#[test]
fn supported_features_are_sorted() {
    let features = ["b", "a"].into_iter().map(|name| SupportedFeature { name }).collect();
    let wanted = Status::GatewayClass(GatewayClassStatus { conditions: Vec::new(), supported_features: features });
    let class = ObjectRef::new(Kind::GatewayClass, ObjectKey::new("", "c"));
    let next = merge(&class, &Value::Null, Some(&wanted), now(0)).unwrap();
    assert_eq!(next["supportedFeatures"], json!([{"name": "a"}, {"name": "b"}]));
}

#[test]
fn a_share_grant_is_told_its_users_and_a_tenant_its_quotas() {
    let user =
        |name: &str| User { kind: "HTTPRoute".into(), namespace: "a".into(), name: name.into(), ..User::default() };
    let grant = ObjectRef::new(Kind::ShareGrant, ObjectKey::new("n", "g"));
    let used_by = |names: &[&str]| {
        let used_by: Vec<_> = names.iter().map(|name| user(name)).collect();
        let users = u32::try_from(names.len()).unwrap();
        let conditions = vec![condition("Accepted", ConditionStatus::True, 1)];
        Status::ShareGrant(ShareGrantStatus { conditions, users, used_by })
    };
    let one = merge(&grant, &Value::Null, Some(&used_by(&["r"])), now(0)).unwrap();
    assert_eq!((&one["users"], &one["usedBy"][0]["name"]), (&json!(1), &json!("r")));
    let none = merge(&grant, &one, Some(&used_by(&[])), now(9)).unwrap();
    assert_eq!((&none["users"], none["usedBy"].as_array().map_or(0, Vec::len)), (&json!(0), 0));
    assert_eq!(none["conditions"], one["conditions"], "nothing about it has changed");
    assert!(merge(&grant, &none, Some(&used_by(&[])), now(10)).is_none(), "nothing to write");

    let tenant = ObjectRef::new(Kind::Tenant, ObjectKey::new("", "t"));
    let quotas = |used| {
        let quotas = vec![QuotaStatus { name: "routes".into(), used, limit: 3 }];
        let claims = ClaimsStatus::default();
        Status::Tenant(TenantStatus { conditions: Vec::new(), namespaces: 1, routes: 2, claims, quotas })
    };
    let next = merge(&tenant, &Value::Null, Some(&quotas(4)), now(0)).unwrap();
    assert_eq!(next["quotas"], json!([{"name": "routes", "used": 4, "limit": 3}]));
}

#[test]
fn a_contest_that_is_over_leaves_the_status() {
    let tenant = ObjectRef::new(Kind::Tenant, ObjectKey::new("", "t"));
    let contested = |contests: Vec<Contest>| {
        let claims = ClaimsStatus { held: 1, contested: u32::try_from(contests.len()).unwrap(), contests };
        Status::Tenant(TenantStatus { conditions: Vec::new(), namespaces: 1, routes: 2, claims, quotas: Vec::new() })
    };
    let contest = Contest { hostname: "a.example.com".into(), tenant: "u".into(), ..Contest::default() };
    let before = merge(&tenant, &Value::Null, Some(&contested(vec![contest])), now(0)).unwrap();
    assert_eq!(before["claims"]["contests"][0]["tenant"], "u");
    let after = merge(&tenant, &before, Some(&contested(Vec::new())), now(1)).unwrap();
    // written as a merge patch, in which a field that is left out stays as it was
    assert_eq!(after["claims"], json!({"held": 1, "contested": 0, "contests": []}));
    assert!(merge(&tenant, &after, Some(&contested(Vec::new())), now(2)).is_none(), "nothing to write");
}

#[test]
fn no_list_grows_beyond_what_the_crds_allow() {
    let foreign: Vec<_> = (0..8).map(|n| json!({"type": format!("x.io/{n}"), "status": "True"})).collect();
    let wanted = listening(vec![condition("Accepted", ConditionStatus::True, 2)], &[]);
    let next = merge(&gateway(), &json!({"conditions": foreign}), Some(&wanted), now(0)).unwrap();
    let conditions = next["conditions"].as_array().unwrap();
    assert_eq!((conditions.len(), &conditions[7]["type"]), (8, &json!("Accepted")), "ours come first");
    let others: Vec<_> =
        (0..30).map(|n| json!({"parentRef": {"name": format!("{n}")}, "controllerName": "o/o"})).collect();
    let ours = (0..5).map(|n| parent(&format!("g{n}"), Vec::new())).collect();
    let next = merge(&route(), &json!({"parents": others}), Some(&parents(ours)), now(0)).unwrap();
    assert_eq!(next["parents"].as_array().unwrap().len(), 32);
}

#[test]
fn every_condition_that_a_translation_says_is_known_as_ours() {
    use crate::translate::translate;
    let class = json!({"kind": "GatewayClass", "metadata": {"name": "c", "generation": 1},
        "spec": {"controllerName": CONTROLLER_NAME}});
    let gateway = json!({"kind": "Gateway", "metadata": {"name": "g", "namespace": "n", "generation": 1},
        "spec": {"gatewayClassName": "c", "listeners": [{"name": "a", "port": 80, "protocol": "HTTP"},
            {"name": "b", "port": 80, "protocol": "HTTP"}]}});
    let mut snapshot = crate::snapshot::Snapshot::default();
    for (kind, object) in [(Kind::GatewayClass, class), (Kind::Gateway, gateway)] {
        snapshot.put(crate::snapshot::Object::from_json(kind, &object).unwrap());
    }
    let translation = translate(&snapshot);
    assert_eq!(translation.statuses.len(), 2);
    for status in translation.statuses.values() {
        let text = serde_json::to_string(status).unwrap();
        for part in text.split("\"type\":\"").skip(1) {
            let kind = part.split('"').next().unwrap();
            assert!(kind == "IPAddress" || conditions::OWN_CONDITIONS.contains(&kind), "{kind}");
        }
    }
}

fn any_condition() -> impl Strategy<Value = Value> {
    let kinds =
        prop_oneof![Just("Accepted"), Just("Conflicted"), Just("PartiallyInvalid"), Just("x.io/A"), Just("x.io/B")];
    (kinds, prop_oneof![Just("True"), Just("False")], 0..3_i64, any::<bool>()).prop_map(|(kind, status, n, extra)| {
        let mut condition = json!({"type": kind, "status": status, "reason": "R", "observedGeneration": n,
            "lastTransitionTime": format!("2020-01-0{}T00:00:00Z", n + 1)});
        if extra {
            condition["extra"] = json!({"n": n});
        }
        condition
    })
}

/// Lists keyed by type, as the API server holds them.
fn any_conditions() -> impl Strategy<Value = Vec<Value>> {
    proptest::collection::vec(any_condition(), 0..5).prop_map(|all| {
        let mut kept: Vec<Value> = Vec::new();
        for it in all {
            if !kept.iter().any(|known| known["type"] == it["type"]) {
                kept.push(it);
            }
        }
        kept
    })
}

fn any_parent() -> impl Strategy<Value = Value> {
    let controllers = prop_oneof![Just(CONTROLLER_NAME), Just("other/one")];
    (controllers, "[a-c]", any_conditions()).prop_map(|(controller, name, conditions)| {
        json!({"parentRef": {"name": name}, "controllerName": controller, "conditions": conditions})
    })
}

fn any_wanted() -> impl Strategy<Value = Vec<Condition>> {
    let status = prop_oneof![Just(ConditionStatus::True), Just(ConditionStatus::False)];
    let one = |kind| {
        (status.clone(), 1..4_i64, any::<bool>())
            .prop_map(move |(status, n, on)| on.then(|| condition(kind, status, n)))
    };
    (one("Accepted"), one("ResolvedRefs"), one("PartiallyInvalid"))
        .prop_map(|(a, b, c)| [a, b, c].into_iter().flatten().collect())
}

/// What is somebody else's in a list of conditions.
fn foreign(conditions: &Value) -> Vec<Value> {
    let all = conditions.as_array().cloned().unwrap_or_default();
    all.into_iter().filter(|it| it["type"].as_str().unwrap().contains('/')).collect()
}

/// What is ours, in the order of its types.
fn ours(conditions: &Value) -> BTreeMap<String, (Value, Value)> {
    let all = conditions.as_array().cloned().unwrap_or_default();
    let own = all.into_iter().filter(|it| !it["type"].as_str().unwrap().contains('/'));
    own.map(|it| (it["type"].as_str().unwrap().to_owned(), (it["status"].clone(), it["observedGeneration"].clone())))
        .collect()
}

fn as_wanted(wanted: &[Condition]) -> BTreeMap<String, (Value, Value)> {
    let pair = |it: &Condition| (json!(it.status), json!(it.observed_generation));
    wanted.iter().map(|it| (it.kind.to_owned(), pair(it))).collect()
}

proptest! {
    #[test]
    fn a_route_keeps_what_is_foreign_and_gets_what_is_wanted(
        current in proptest::collection::vec(any_parent(), 0..6),
        wanted in proptest::collection::btree_map("[a-c]", any_wanted(), 0..3),
    ) {
        let current = json!({"parents": current});
        let status = parents(wanted.iter().map(|(name, conditions)| parent(name, conditions.clone())).collect());
        let next = merge(&route(), &current, Some(&status), now(0)).unwrap_or_else(|| current.clone());
        let others = |it: &Value| -> Vec<Value> {
            it["parents"].as_array().unwrap().iter().filter(|it| !is_ours(it)).cloned().collect()
        };
        prop_assert_eq!(others(&next), others(&current));
        let own: Vec<_> = next["parents"].as_array().unwrap().iter().filter(|it| is_ours(it)).collect();
        prop_assert_eq!(own.len(), wanted.len());
        for entry in own {
            let name = entry["parentRef"]["name"].as_str().unwrap();
            prop_assert_eq!(ours(&entry["conditions"]), as_wanted(&wanted[name]));
            let before = current["parents"].as_array().unwrap().iter().find(|it| is_ours(it) && it["parentRef"]["name"] == name);
            prop_assert_eq!(foreign(&entry["conditions"]), before.map(|it| foreign(&it["conditions"])).unwrap_or_default());
        }
        prop_assert_eq!(merge(&route(), &next, Some(&status), now(9)), None);
    }

    #[test]
    fn a_gateway_keeps_what_is_foreign_and_gets_what_is_wanted(
        top in any_conditions(),
        below in any_conditions(),
        wanted in any_wanted(),
    ) {
        let current = json!({"conditions": top, "listeners": [{"name": "a", "conditions": below}], "x": 1});
        let status = listening(wanted.clone(), &["a", "b"]);
        let next = merge(&gateway(), &current, Some(&status), now(0)).unwrap_or_else(|| current.clone());
        prop_assert_eq!(foreign(&next["conditions"]), foreign(&current["conditions"]));
        let listener = |it: &Value| foreign(&it["listeners"][0]["conditions"]);
        prop_assert_eq!(listener(&next), listener(&current));
        for conditions in [&next["conditions"], &next["listeners"][0]["conditions"], &next["listeners"][1]["conditions"]] {
            prop_assert_eq!(ours(conditions), as_wanted(&wanted));
        }
        prop_assert_eq!(&next["x"], &current["x"]);
        prop_assert_eq!(merge(&gateway(), &next, Some(&status), now(9)), None);
    }
}
