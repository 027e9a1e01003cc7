//! A real Prometheus that scrapes a real Paifang has an answer to every question.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::alert::{RULES, recorded};
use crate::dashboard::{Query, list, queries, variables};
use crate::prometheus::Prometheus;
use crate::scene::{ERROR_RATIO, ROUTE, Scene, TENANT};

/// Long enough for the busiest machine; it takes some five scrapes.
const DEADLINE: Duration = Duration::from_secs(120);

/// What the scene gives reason for.
const ALERTS: [&str; 7] = [
    "PaifangErrorBudgetBurnsFast",
    "PaifangErrorBudgetBurnsSlowly",
    "PaifangNoEndpoints",
    "PaifangClaimsDenied",
    "PaifangTenantDenied",
    "PaifangLimitStoreDown",
    "PaifangLimitStoreFails",
];

/// A query as Grafana sends it.
fn filled(query: &str) -> String {
    query.replace("$__rate_interval", "30s").replace("$tenant", TENANT).replace("$route", ROUTE)
}

/// Samples of a query, which must be one that Prometheus understands.
#[track_caller]
fn samples(prometheus: &Prometheus, place: &str, query: &str) -> Vec<f64> {
    let samples = prometheus.query(&filled(query)).unwrap_or_else(|error| panic!("{place}: {query}: {error}"));
    samples.into_iter().map(|(_, value)| value).collect()
}

fn alerts(prometheus: &Prometheus) -> BTreeSet<String> {
    let answer = prometheus.get("alerts", &[]).unwrap();
    list(&answer["alerts"]).iter().map(|alert| alert["labels"]["alertname"].as_str().unwrap().to_owned()).collect()
}

/// Sends rounds of traffic, a scrape apart, until nothing is left to wait for.
fn play(scene: &Scene, prometheus: &Prometheus, mut left: impl FnMut() -> Vec<String>) {
    let end = Instant::now() + DEADLINE;
    let mut waiting = vec!["the first scrape".to_owned()];
    for n in 0.. {
        scene.round(n);
        let sent = samples(prometheus, "the time", "time()")[0];
        // all that was counted by then is known
        while samples(prometheus, "the last scrape", "timestamp(paifang_ready)").first().is_none_or(|at| *at <= sent) {
            assert!(Instant::now() < end, "still not as it should be:\n{}", waiting.join("\n"));
            std::thread::yield_now();
        }
        waiting = left();
        if waiting.is_empty() {
            return;
        }
    }
}

#[test]
fn every_panel_shows_something_and_every_rule_works() {
    let scene = Scene::start();
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join(RULES);
    let prometheus = Prometheus::start(scene.admin(), &rules);
    let (empty, queries): (Vec<Query>, _) = queries().into_iter().partition(|query| query.empty.is_some());
    let mut queries: Vec<_> = queries.into_iter().map(|query| (query.place, query.expression)).collect();
    queries.extend(recorded().into_iter().map(|name| ("rule".to_owned(), name)));
    let wanted = BTreeSet::from(ALERTS.map(str::to_owned));
    play(&scene, &prometheus, || {
        queries.retain(|(place, query)| samples(&prometheus, place, query).is_empty());
        let mut left: Vec<_> = queries.iter().map(|(place, query)| format!("{place}: {query}")).collect();
        // with a folder nobody leads and nothing is watched, and no alert must take that for a fault
        left.extend(alerts(&prometheus).symmetric_difference(&wanted).cloned());
        left
    });
    for Query { place, expression, empty } in empty {
        let samples = samples(&prometheus, &place, &expression);
        assert!(samples.is_empty(), "{place} is marked as empty ({empty:?}) and is not");
    }
    values_of_variables(&prometheus);
    tenants_are_told_apart(&prometheus);
}

fn values_of_variables(prometheus: &Prometheus) {
    for (name, metric) in variables() {
        let answer = prometheus.get(&format!("label/{name}/values"), &[("match[]", &filled(&metric))]).unwrap();
        let want = if name == "tenant" { vec!["blog", TENANT] } else { vec![ROUTE] };
        assert_eq!(answer, serde_json::json!(want), "{name}");
    }
}

fn tenants_are_told_apart(prometheus: &Prometheus) {
    let ratio = |tenant: &str| {
        let query = format!("tenant:paifang_error_ratio:rate5m{{tenant=\"{tenant}\"}}");
        samples(prometheus, "rule", &query)[0]
    };
    assert!((ratio(TENANT) - ERROR_RATIO).abs() < 0.2, "{}", ratio(TENANT));
    assert_eq!(ratio("blog"), 0.0, "one tenant's errors are no other's");
}
