use serde_json::{Value, json};

use super::{Impossible, policies};
use crate::admission::facts::{Facts, Standing};
use crate::snapshot::Snapshot;
use crate::translate::testing::snapshot;

fn tenant(name: &str, mode: &str, hostnames: &[String]) -> Value {
    json!({"kind": "Tenant", "metadata": {"name": name}, "spec": {
        "namespaces": {"matchLabels": {"team": name}}, "claims": [{"hostnames": hostnames}], "mode": mode}})
}

fn class(name: &str, controller: &str, parameters: Option<&str>) -> Value {
    let reference = parameters
        .map(|name| json!({"group": "paifang.dev", "kind": "GatewayParameters", "namespace": "infra", "name": name}));
    json!({"kind": "GatewayClass", "metadata": {"name": name},
        "spec": {"controllerName": controller, "parametersRef": reference}})
}

fn strict() -> Value {
    json!({"kind": "GatewayParameters", "metadata": {"name": "strict", "namespace": "infra"}, "spec": {"claims": "Required"}})
}

fn expressions(snapshot: &Snapshot, policy: &str) -> String {
    let all = policies(snapshot).unwrap();
    let found = all.into_iter().find(|(it, _)| it.metadata.name.as_deref() == Some(policy)).unwrap().0;
    serde_json::to_string(&found.spec.unwrap().variables).unwrap()
}

const OURS: &str = "paifang.dev/gateway-controller";

#[test]
fn a_gateway_that_nobody_knew_is_judged_by_what_all_classes_say() {
    let others = |classes: Vec<Value>| Facts::enforced(&snapshot(classes.into_iter().chain([strict()]))).others;
    let open = || class("open", OURS, None);
    let closed = || class("closed", OURS, Some("strict"));
    let foreign = || class("foreign", "example.com/other", None);
    assert_eq!(others(vec![]), Standing::Optional, "a folder of Tenants is enough");
    assert_eq!(others(vec![open()]), Standing::Optional);
    assert_eq!(others(vec![closed()]), Standing::Required);
    assert_eq!(others(vec![open(), closed()]), Standing::Optional, "only what both refuse is certain");
    assert_eq!(others(vec![closed(), foreign()]), Standing::Foreign);
}

#[test]
fn only_what_differs_from_the_others_is_listed() {
    let gateway = |name: &str, class: &str| {
        json!({"kind": "Gateway", "metadata": {"name": name, "namespace": "infra"},
            "spec": {"gatewayClassName": class, "listeners": []}})
    };
    let world = snapshot([
        class("open", OURS, None),
        class("closed", OURS, Some("strict")),
        strict(),
        gateway("a", "open"),
        gateway("b", "closed"),
        gateway("c", "missing"),
    ]);
    let gateways: Vec<_> = Facts::enforced(&world).gateways.into_iter().collect();
    assert_eq!(gateways, [("infra/b".to_owned(), Standing::Required)]);
}

#[test]
fn claims_in_shadow_mode_warn_and_deny_nothing() {
    let hostname = |text: &str| [text.to_owned()];
    let enforced = tenant("pay", "Enforce", &hostname("pay.example.com"));
    let world = snapshot([enforced.clone(), tenant("dark", "Shadow", &hostname("dark.example.com"))]);
    let claims = expressions(&world, "paifang-claims-httproutes");
    assert!(claims.contains("'pay.example.com'") && !claims.contains("dark.example.com"), "{claims}");
    let shadow = expressions(&world, "paifang-shadow-gateways");
    assert!(shadow.contains("'pay.example.com'") && shadow.contains("'dark.example.com'"), "{shadow}");
    let shadow = expressions(&snapshot([enforced]), "paifang-shadow-httproutes");
    assert!(!shadow.contains("pay.example.com"), "what is denied needs no warning: {shadow}");
}

#[test]
fn a_tenant_that_selects_every_namespace_selects_none() {
    let everybody = json!({"kind": "Tenant", "metadata": {"name": "all"}, "spec": {"namespaces": {}}});
    assert!(Facts::enforced(&snapshot([everybody])).tenants.is_empty());
}

#[test]
fn long_lists_are_split_and_too_many_claims_refused() {
    let world = |count: usize| {
        let hostnames: Vec<_> = (0..count).map(|n| format!("service-{n}.pay.example.com")).collect();
        snapshot([tenant("pay", "Enforce", &hostnames)])
    };
    let all = policies(&world(2_000)).unwrap();
    let variables = all[0].0.spec.clone().unwrap().variables.unwrap();
    let longest = variables.iter().map(|variable| variable.expression.len()).max().unwrap();
    assert!(longest < 100_000 && variables.iter().any(|variable| variable.name == "claims1"), "{longest}");
    assert!(
        matches!(policies(&world(20_000)), Err(Impossible::TooLarge(name, _)) if name == "paifang-claims-httproutes")
    );
}
