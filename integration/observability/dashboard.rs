//! The dashboards in `deploy/dashboards`, and what holds for each of them without a Prometheus.

use std::process::Command;

use serde_json::Value;

use crate::metric::{Known, check};
use crate::read;

/// A query of a panel.
pub struct Query {
    /// Dashboard, panel and query.
    pub place: String,
    pub expression: String,
    /// Why it has no sample where manifests come from a folder.
    pub empty: Option<String>,
}

pub const DASHBOARDS: [&str; 5] = ["platform", "tenant", "limits", "certificates", "control"];

pub fn dashboard(name: &str) -> Value {
    serde_json::from_str(&read(&format!("deploy/dashboards/{name}.json"))).unwrap()
}

pub fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// Panels that show something, not the headings of rows.
fn panels(dashboard: &Value) -> impl Iterator<Item = &Value> {
    list(&dashboard["panels"]).iter().filter(|panel| panel["type"] != "row")
}

/// Every query of every panel of every dashboard.
pub fn queries() -> Vec<Query> {
    let mut queries = Vec::new();
    for name in DASHBOARDS {
        for panel in panels(&dashboard(name)) {
            assert!(!list(&panel["targets"]).is_empty(), "{name}: {}: asks for nothing", panel["title"]);
            queries.extend(list(&panel["targets"]).iter().map(|target| Query {
                place: format!("{name}: {} {}", panel["title"], target["refId"]),
                expression: target["expr"].as_str().unwrap().to_owned(),
                empty: target["emptyWithoutCluster"].as_str().map(str::to_owned),
            }));
        }
    }
    queries
}

/// Names of variables and the metric with its matchers whose values they take.
pub fn variables() -> Vec<(String, String)> {
    let mut variables = Vec::new();
    for name in DASHBOARDS {
        let dashboard = dashboard(name);
        for variable in list(&dashboard["templating"]["list"]).iter().filter(|it| it["type"] == "query") {
            let (name, query) = (variable["name"].as_str().unwrap(), variable["query"]["query"].as_str().unwrap());
            let query = query.strip_prefix("label_values(").and_then(|rest| rest.strip_suffix(')')).unwrap();
            let metric = query.strip_suffix(&format!(", {name}")).expect("a variable is called like its label");
            variables.push((name.to_owned(), metric.to_owned()));
        }
    }
    variables
}

#[test]
fn they_are_what_the_script_writes() {
    let mut script = Command::new("python3");
    // -B leaves nothing behind in the repository
    script.args(["-B", "deploy/dashboards.py", "--check"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    let output = script.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn queries_name_only_metrics_and_labels_that_are_documented() {
    let known = Known::read();
    let variables = variables();
    assert_eq!(variables.iter().map(|(name, _)| &**name).collect::<Vec<_>>(), ["tenant", "route", "tenant"]);
    for (name, metric) in variables {
        check(&known, &format!("variable {name}"), &format!("count by ({name}) ({metric})"));
    }
    for query in queries() {
        check(&known, &query.place, &query.expression);
    }
}

#[test]
fn every_panel_has_a_unit_and_asks_the_source_that_is_chosen() {
    for name in DASHBOARDS {
        let dashboard = dashboard(name);
        assert_eq!(dashboard["uid"], format!("paifang-{name}"));
        assert_eq!(dashboard["templating"]["list"][0]["type"], "datasource", "{name}");
        for panel in panels(&dashboard) {
            let place = format!("{name}: {}", panel["title"]);
            for asker in [panel].into_iter().chain(list(&panel["targets"])) {
                assert_eq!(asker["datasource"]["uid"], "${datasource}", "{place}");
            }
            if panel["type"] == "table" {
                let columns = list(&panel["fieldConfig"]["overrides"]);
                let units = columns.iter().filter(|column| column["properties"][0]["id"] == "unit").count();
                assert_eq!(units, list(&panel["targets"]).len(), "{place}: a column has no unit");
            } else {
                assert!(panel["fieldConfig"]["defaults"]["unit"].is_string(), "{place} has no unit");
            }
        }
    }
}

#[test]
fn panels_lie_beside_each_other() {
    for name in DASHBOARDS {
        let dashboard = dashboard(name);
        let place = |panel: &Value| ["x", "y", "w", "h"].map(|side| panel["gridPos"][side].as_u64().unwrap());
        let places: Vec<_> = list(&dashboard["panels"]).iter().map(place).collect();
        for (n, [x, y, w, h]) in places.iter().enumerate() {
            assert!(x + w <= 24, "{name}: panel {n} is too wide");
            for [x2, y2, w2, h2] in &places[..n] {
                let apart = x + w <= *x2 || x2 + w2 <= *x || y + h <= *y2 || y2 + h2 <= *y;
                assert!(apart, "{name}: panel {n} lies on another");
            }
        }
    }
}
