//! What a selector means.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};

use crate::api::ObjectKey;
use crate::api::gateway::shared::{FromNamespaces, NamespaceSelector};
use crate::snapshot::Snapshot;

/// The label that the API server puts on every Namespace.
const NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// Whether `allowed` lets objects of `namespace` attach to an object of `own` namespace.
/// Absent means `Same`. A value we do not know allows nobody.
pub(crate) fn allows(snapshot: &Snapshot, allowed: Option<&NamespaceSelector>, own: &str, namespace: &str) -> bool {
    let from = allowed.and_then(|allowed| allowed.from.as_ref()).unwrap_or(&FromNamespaces::Same);
    match from {
        FromNamespaces::All => true,
        FromNamespaces::Same => own == namespace,
        FromNamespaces::Selector => allowed
            .and_then(|allowed| allowed.selector.as_ref())
            .is_some_and(|selector| selects(snapshot, selector, namespace)),
        FromNamespaces::None | FromNamespaces::Other(_) => false,
    }
}

/// Whether a selector asks for nothing.
pub(crate) fn selects_everything(selector: &LabelSelector) -> bool {
    selector.match_labels.iter().flatten().next().is_none()
        && selector.match_expressions.iter().flatten().next().is_none()
}

/// Whether the labels of a namespace meet a selector.
pub(crate) fn selects(snapshot: &Snapshot, selector: &LabelSelector, namespace: &str) -> bool {
    let object = snapshot.namespaces.get(&ObjectKey::new("", namespace));
    let label = |key: &str| {
        let written = object.and_then(|object| object.metadata.labels.as_ref()?.get(key)).map(String::as_str);
        written.or((key == NAME_LABEL).then_some(namespace))
    };
    holds(selector, label)
}

/// Whether some labels meet a selector.
pub(crate) fn fits(selector: &LabelSelector, labels: Option<&BTreeMap<String, String>>) -> bool {
    holds(selector, |key| labels?.get(key).map(String::as_str))
}

/// What makes a selector mean nothing.
pub(crate) fn defect(selector: &LabelSelector) -> Option<String> {
    selector.match_expressions.iter().flatten().find_map(|requirement| {
        let has_values = requirement.values.iter().flatten().next().is_some();
        match (requirement.operator.as_str(), has_values) {
            ("In" | "NotIn", true) | ("Exists" | "DoesNotExist", false) => None,
            (operator @ ("In" | "NotIn"), false) => Some(format!("{operator} needs values")),
            (operator @ ("Exists" | "DoesNotExist"), true) => Some(format!("{operator} has no values")),
            (operator, _) => Some(format!("unknown operator '{operator}'")),
        }
    })
}

fn holds<'l>(selector: &LabelSelector, label: impl Fn(&str) -> Option<&'l str>) -> bool {
    let equal = selector.match_labels.iter().flatten().all(|(key, value)| label(key) == Some(value));
    equal && selector.match_expressions.iter().flatten().all(|requirement| meets(requirement, label(&requirement.key)))
}

fn meets(requirement: &LabelSelectorRequirement, value: Option<&str>) -> bool {
    let listed = |value: &str| requirement.values.iter().flatten().any(|candidate| candidate == value);
    match requirement.operator.as_str() {
        "In" => value.is_some_and(listed),
        "NotIn" => !value.is_some_and(listed),
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::translate::testing::snapshot;

    fn allowed(value: serde_json::Value) -> NamespaceSelector {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn the_default_is_the_own_namespace() {
        let world = snapshot([]);
        assert!(allows(&world, None, "a", "a") && !allows(&world, None, "a", "b"));
        let none = allowed(json!({"from": "None"}));
        assert!(!allows(&world, Some(&none), "a", "a"));
        let future = allowed(json!({"from": "Friends"}));
        assert!(!allows(&world, Some(&future), "a", "a"), "what we do not know allows nobody");
    }

    #[test]
    fn a_selector_reads_labels_and_expressions() {
        let world = snapshot([
            json!({"kind": "Namespace", "metadata": {"name": "b", "labels": {"team": "blue", "env": "prod"}}}),
        ]);
        for (selector, want) in [
            (json!({"matchLabels": {"team": "blue"}}), true),
            (json!({"matchLabels": {"team": "red"}}), false),
            (json!({"matchLabels": {"kubernetes.io/metadata.name": "b"}}), true),
            (json!({"matchExpressions": [{"key": "env", "operator": "In", "values": ["prod", "test"]}]}), true),
            (json!({"matchExpressions": [{"key": "env", "operator": "NotIn", "values": ["prod"]}]}), false),
            (json!({"matchExpressions": [{"key": "gone", "operator": "NotIn", "values": ["x"]}]}), true),
            (json!({"matchExpressions": [{"key": "team", "operator": "Exists"}]}), true),
            (json!({"matchExpressions": [{"key": "team", "operator": "DoesNotExist"}]}), false),
            (json!({"matchExpressions": [{"key": "team", "operator": "Resembles"}]}), false),
            (json!({}), true),
        ] {
            let rule = allowed(json!({"from": "Selector", "selector": selector}));
            assert_eq!(allows(&world, Some(&rule), "a", "b"), want, "{selector}");
        }
    }

    #[test]
    fn a_namespace_nobody_delivered_has_its_name_label() {
        let rule = allowed(json!({"from": "Selector", "selector": {"matchLabels": {NAME_LABEL: "b"}}}));
        assert!(allows(&snapshot([]), Some(&rule), "a", "b"));
        assert!(
            !allows(&snapshot([]), Some(&allowed(json!({"from": "Selector"}))), "a", "b"),
            "no selector selects nobody"
        );
    }
}
