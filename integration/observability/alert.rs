//! The rules in `deploy/rules`: promtool's view of them, and runbooks.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::dashboard::list;
use crate::metric::{Known, check};
use crate::prometheus::promtool;
use crate::read;

pub const RULES: &str = "deploy/rules/paifang.yaml";
const SCENES: [&str; 2] = ["integration/observability/alerts.yaml", "integration/observability/limits.yaml"];

fn yaml(path: &str) -> Value {
    serde_saphyr::from_str(&read(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn rules() -> Vec<Value> {
    let file = yaml(RULES);
    list(&file["groups"]).iter().flat_map(|group| list(&group["rules"]).to_vec()).collect()
}

fn texts(rules: &[Value], key: &str) -> BTreeSet<String> {
    rules.iter().filter_map(|rule| rule[key].as_str().map(str::to_owned)).collect()
}

/// Names of what is recorded.
pub fn recorded() -> BTreeSet<String> {
    texts(&rules(), "record")
}

fn alerts() -> BTreeSet<String> {
    texts(&rules(), "alert")
}

#[test]
fn prometheus_accepts_the_rules() {
    promtool(&["check", "rules", RULES]);
}

#[test]
fn rules_name_only_metrics_and_labels_that_are_documented() {
    let known = Known::read();
    for rule in rules() {
        let name = rule["record"].as_str().or(rule["alert"].as_str()).unwrap();
        check(&known, name, rule["expr"].as_str().unwrap());
    }
}

#[test]
fn tenants_and_routes_have_what_dashboards_and_alerts_of_users_need() {
    let recorded = recorded();
    for level in ["tenant", "route"] {
        for what in ["requests:rate5m", "error_ratio:rate5m"] {
            assert!(recorded.contains(&format!("{level}:paifang_{what}")), "{level} {what}");
        }
        for percentile in ["p50", "p95", "p99"] {
            let name = format!("{level}:paifang_request_duration_seconds:{percentile}_rate5m");
            assert!(recorded.contains(&name), "{name}");
        }
    }
}

#[test]
fn every_alert_fires_and_resolves() {
    promtool(&[&["test", "rules"], &SCENES[..]].concat());
    let mut fired = BTreeSet::new();
    for scene in SCENES.map(yaml).iter().flat_map(|file| list(&file["tests"])) {
        let name = &scene["name"];
        let steps = list(&scene["promql_expr_test"]);
        assert!(list(&steps.last().unwrap()["exp_samples"]).is_empty(), "{name}: what fired must end");
        for sample in steps.iter().flat_map(|step| list(&step["exp_samples"])) {
            let labels = sample["labels"].as_str().unwrap();
            let alert = labels.split("alertname=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
            fired.insert(alert.to_owned());
        }
    }
    assert_eq!(fired, alerts(), "{SCENES:?} have a scene for each alert");
}

#[test]
fn every_alert_says_how_bad_it_is_and_has_a_runbook() {
    for rule in rules().iter().filter(|rule| rule["alert"].is_string()) {
        let alert = rule["alert"].as_str().unwrap();
        let severity = rule["labels"]["severity"].as_str().unwrap_or_default();
        assert!(["critical", "warning", "info"].contains(&severity), "{alert}: severity '{severity}'");
        for text in ["summary", "description"] {
            assert!(rule["annotations"][text].is_string(), "{alert} has no {text}");
        }
        let runbook = format!("src/docs/runbooks.md#{}", alert.to_lowercase());
        assert_eq!(rule["annotations"]["runbook_url"], runbook, "{alert}");
    }
    let text = read("src/docs/runbooks.md");
    let sections: Vec<_> = text.split("\n## ").skip(1).collect();
    for section in &sections {
        for part in ["**Means.**", "**Look at**", "**Do.**"] {
            assert!(section.contains(part), "{part} is missing: {section}");
        }
    }
    let headings: BTreeSet<_> = sections.iter().map(|section| section.lines().next().unwrap().to_owned()).collect();
    assert_eq!(headings, alerts(), "src/docs/runbooks.md has a section for each alert");
}

#[test]
fn the_chart_has_the_same_rules_and_dashboards() {
    assert_eq!(read("deploy/chart/files/rules/paifang.yaml"), read(RULES));
    for name in crate::dashboard::DASHBOARDS {
        let path = format!("dashboards/{name}.json");
        assert_eq!(read(&format!("deploy/chart/files/{path}")), read(&format!("deploy/{path}")));
    }
    // what the template cuts off and puts in
    let rules = read(RULES);
    assert_eq!(rules.matches("\ngroups:").count(), 1);
    assert!(read("deploy/chart/templates/prometheusrule.yaml").contains("runbook_url: src/docs/runbooks.md"));
}
