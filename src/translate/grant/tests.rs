use serde_json::{Value, json};

use super::*;
use crate::translate::testing::{grant, snapshot};

const AGO: &str = "2020-01-01T00:00:00Z";

fn route(namespace: &str) -> Referrer<'_> {
    Referrer::route(Kind::HttpRoute, namespace)
}

/// Whether a reference is permitted to a port 80 of a Service, or to a Secret.
fn permits(world: &Snapshot, from: Referrer<'_>, (kind, namespace, name): (&str, &str, &str)) -> bool {
    let key = ObjectKey::new(namespace, name);
    let to = if kind == "Secret" { Referent::secret(&key) } else { Referent::service(&key, Some(80)) };
    judged(world, from, to).is_ok()
}

fn judged(world: &Snapshot, from: Referrer<'_>, to: Referent<'_>) -> Result<Vec<String>, Denied> {
    let tenants = crate::translate::tenant::Memo::default().tenants(world);
    let found = Grants::new(world, &tenants).judge(&from, &to)?;
    Ok(found.into_iter().map(ToString::to_string).collect())
}

/// A ShareGrant `b/NAME` for HTTPRoutes.
fn share(name: &str, namespaces: &Value, to: &Value) -> Value {
    json!({"kind": "ShareGrant", "metadata": {"namespace": "b", "name": name},
        "spec": {"from": [{"kind": "HTTPRoute", "namespaces": namespaces}], "to": [to]}})
}

fn services() -> Value {
    json!({"group": "", "kind": "Service"})
}

#[test]
fn references_inside_a_namespace_need_no_grant() {
    let world = snapshot([]);
    assert!(permits(&world, route("a"), ("Service", "a", "web")));
    assert!(!permits(&world, route("a"), ("Service", "b", "web")));
}

#[test]
fn a_grant_permits_exactly_what_it_names() {
    let world = snapshot([grant("b", ("HTTPRoute", "a"), ("Service", Some("web")))]);
    assert!(permits(&world, route("a"), ("Service", "b", "web")));
    assert!(!permits(&world, route("a"), ("Service", "b", "other")), "another name");
    assert!(!permits(&world, route("a"), ("Secret", "b", "web")), "another kind");
    assert!(!permits(&world, route("a"), ("Service", "c", "web")), "a grant counts only in its own namespace");
    assert!(!permits(&world, Referrer::route(Kind::GrpcRoute, "a"), ("Service", "b", "web")));
    assert!(!permits(&world, route("z"), ("Service", "b", "web")));
}

/// Conformance: GatewaySecretReferenceGrantAllInNamespace.
#[test]
fn a_grant_without_a_name_covers_every_object_of_the_kind() {
    let world = snapshot([grant("b", ("Gateway", "a"), ("Secret", None))]);
    assert!(permits(&world, Referrer::gateway("a"), ("Secret", "b", "any")));
    assert!(!permits(&world, Referrer::gateway("a"), ("Service", "b", "any")));
}

#[test]
fn namespaces_are_shared_with_by_name_label_or_tenant() {
    let labelled = json!({"kind": "Namespace", "metadata": {"name": "labelled", "labels": {"may": "yes"}}});
    let tenant = json!({"kind": "Tenant", "metadata": {"name": "t"},
        "spec": {"namespaces": {"matchLabels": {"kubernetes.io/metadata.name": "of-tenant"}}}});
    let namespaces =
        json!({"names": ["named"], "selector": {"matchLabels": {"may": "yes"}}, "tenants": ["t", "nobody"]});
    let world = snapshot([labelled, tenant, share("s", &namespaces, &services())]);
    for (namespace, want) in [("named", true), ("labelled", true), ("of-tenant", true), ("other", false)] {
        assert_eq!(permits(&world, route(namespace), ("Service", "b", "web")), want, "{namespace}");
        assert!(!permits(&world, Referrer::gateway(namespace), ("Service", "b", "web")), "another kind refers");
    }
    let everybody = snapshot([share("s", &json!({"selector": {}}), &services())]);
    assert!(permits(&everybody, route("other"), ("Service", "b", "web")), "an empty selector is every namespace");
    let nobody = snapshot([share("s", &json!({}), &services())]);
    assert!(!permits(&nobody, route("other"), ("Service", "b", "web")), "the API server refuses it");
}

#[test]
fn targets_are_shared_by_name_label_and_port() {
    let labelled =
        json!({"kind": "Service", "metadata": {"namespace": "b", "name": "labelled", "labels": {"open": "yes"}}});
    let to = |to: Value| snapshot([labelled.clone(), share("s", &json!({"names": ["a"]}), &to)]);
    let ask = |world: &Snapshot, name, port| {
        judged(world, route("a"), Referent::service(&ObjectKey::new("b", name), port)).is_ok()
    };
    let named = to(json!({"group": "", "kind": "Service", "names": ["web"], "ports": [80, 81]}));
    assert!(ask(&named, "web", Some(81)) && !ask(&named, "web", Some(82)) && !ask(&named, "other", Some(80)));
    assert!(!ask(&named, "web", None), "no port is none of these");
    let selected = to(json!({"group": "", "kind": "Service", "selector": {"matchLabels": {"open": "yes"}}}));
    assert!(
        ask(&selected, "labelled", Some(80)) && !ask(&selected, "web", Some(80)),
        "what is not there has no labels"
    );
    let another = to(json!({"group": "apps", "kind": "Service"}));
    assert!(!ask(&another, "web", Some(80)), "another group");
}

#[test]
fn what_cannot_be_meant_permits_nothing() {
    let malformed = json!({"matchExpressions": [{"key": "a", "operator": "NotIn"}]});
    for (namespaces, to) in [
        (json!({"names": ["a"], "selector": malformed}), services()),
        (json!({"names": ["a"]}), json!({"group": "", "kind": "Service", "selector": malformed})),
        (json!({"names": ["a"]}), json!({"group": "", "kind": "Service", "names": ["web"], "selector": {}})),
    ] {
        let world = snapshot([share("s", &namespaces, &to)]);
        assert!(!permits(&world, route("a"), ("Service", "b", "web")), "{namespaces} {to}");
    }
    let mut ported = share("s", &json!({"names": ["a"]}), &json!({"group": "", "kind": "Secret", "ports": [443]}));
    ported["spec"]["from"][0]["kind"] = json!("Gateway");
    assert!(!permits(&snapshot([ported]), Referrer::gateway("a"), ("Secret", "b", "cert")), "a Secret has no ports");
}

#[test]
fn every_grant_that_permits_is_named_and_one_that_ended_when_none_does() {
    let until = |name: &str, end: &str| {
        let mut share = share(name, &json!({"names": ["a"]}), &services());
        share["spec"]["expires"] = json!(end);
        share
    };
    let key = ObjectKey::new("b", "web");
    let ask = |mut world: Snapshot, ended: &str| {
        world.facts = std::sync::Arc::new(crate::snapshot::Facts { ended: ended.parse().ok(), ..Default::default() });
        judged(&world, route("a"), Referent::service(&key, Some(80)))
    };
    let grants = || [until("long", "2021-06-01T00:00:00Z"), until("old", AGO)];
    assert_eq!(ask(snapshot(grants()), "2019-01-01T00:00:00Z").unwrap(), ["b/long", "b/old"]);
    assert_eq!(ask(snapshot(grants()), AGO).unwrap(), ["b/long"], "it ends with its last moment");
    let denied = ask(snapshot(grants()), "2021-06-01T00:00:00Z").unwrap_err();
    assert!(denied.message.ends_with(": ShareGrant 'b/long' permitted it until 2021-06-01T00:00:00Z"), "{denied:?}");
    let both = snapshot(grants().into_iter().chain([grant("b", ("HTTPRoute", "a"), ("Service", None))]));
    assert_eq!(ask(both, "2021-06-01T00:00:00Z").unwrap(), [""; 0], "a ReferenceGrant goes on counting");
}
