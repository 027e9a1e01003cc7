use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use imbl::OrdSet;
use proptest::prelude::*;

use super::*;
use crate::api::{ObjectKey, ObjectRef};
use crate::ir::Certificate;
use crate::snapshot::Object;
use crate::table::Rule;
use crate::table::limits::Meter;
use crate::table::shares::Part;
use crate::telemetry::Reason;
use crate::telemetry::fixture::{certificate, rule};
use crate::telemetry::label::Label;

const DOCUMENT: &str = include_str!("../../docs/metrics.md");

/// Rules that are served, without a table.
struct Fixed(Vec<Rule>);

impl Served for Fixed {
    fn rules(&self, visit: &mut dyn FnMut(&Rule)) {
        self.0.iter().for_each(visit);
    }

    fn shares(&self, visit: &mut dyn FnMut(&Part)) {
        visit(&Part::default());
    }

    fn capacity(&self) -> u32 {
        10_000
    }

    fn certificates(&self, visit: &mut dyn FnMut(&ObjectKey, &str, &Certificate)) {
        visit(&ObjectKey::new("infra", "edge"), "web", &certificate(1_900_000_000));
        visit(&ObjectKey::new("infra", "edge"), "web", &certificate(1_900_000_000));
    }

    fn limits(&self, visit: &mut dyn FnMut(&Arc<Meter>)) {
        self.0.iter().flat_map(|rule| &rule.limits.meters).for_each(visit);
    }
}

fn scraped(metrics: &Metrics) -> String {
    metrics.scrape().collect()
}

fn of_rules(rules: Vec<Rule>) -> String {
    let metrics = Metrics::new().unwrap();
    metrics.observe(Arc::new(Fixed(rules)), usize::MAX);
    scraped(&metrics)
}

/// Names and types in a scrape.
fn families(text: &str) -> BTreeMap<&str, &str> {
    text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' ')).collect()
}

#[test]
#[cfg(target_os = "linux")]
fn the_document_names_the_same_metrics_with_the_same_types_as_a_scrape() {
    let rows = DOCUMENT.lines().filter(|line| line.starts_with("| `paifang_") || line.starts_with("| `process_"));
    let documented: BTreeMap<&str, &str> = rows
        .map(|row| {
            let mut cells = row.split('|').map(|cell| cell.trim().trim_matches('`'));
            (cells.nth(1).unwrap(), cells.next().unwrap())
        })
        .collect();
    let text = of_rules(vec![rule("cart", None)]);
    assert_eq!(documented, families(&text));
}

#[test]
fn the_document_names_every_reason_with_its_code() {
    for reason in Reason::ALL.iter().filter(|reason| **reason != Reason::None) {
        let row = format!("| `{}` | {} |", reason.as_str(), reason.status());
        assert!(DOCUMENT.contains(&row), "{row}");
    }
    let section = DOCUMENT.split_once("## Reasons").unwrap().1;
    assert_eq!(section.lines().filter(|line| line.starts_with("| `")).count(), Reason::ALL.len() - 1);
}

#[test]
fn the_document_names_every_value_of_every_small_label() {
    let text = of_rules(Vec::new());
    for line in text.lines().filter(|line| line.contains("outcome=") || line.contains("state=")) {
        let value = line.rsplit('"').nth(1).unwrap();
        assert!(DOCUMENT.contains(&format!("`{value}`")), "{line}");
    }
}

#[test]
fn a_rule_shows_what_it_counted() {
    let rule = rule("cart", Some("*.example.com"));
    rule.stats.counters().finish(200, "", Duration::from_micros(700));
    rule.stats.counters().finish(503, "no_endpoints", Duration::from_secs(20));
    let counters = rule.stats.counters();
    for (counter, value) in [
        (&counters.request_bytes, 5),
        (&counters.response_bytes, 9),
        (&counters.retries, 3),
        (&counters.not_permitted, 4),
        (&counters.shadowed, 6),
    ] {
        counter.store(value, std::sync::atomic::Ordering::Relaxed);
    }
    let text = of_rules(vec![rule]);
    let labels = "gateway_namespace=\"infra\",gateway=\"edge\",listener=\"web\",route_kind=\"HTTPRoute\",\
                  route_namespace=\"shop\",route=\"cart\",rule=\"0\",tenant=\"\",hostname=\"*.example.com\"";
    for line in [
        format!("paifang_requests_total{{{labels},code=\"200\",reason=\"\"}} 1"),
        format!("paifang_requests_total{{{labels},code=\"503\",reason=\"no_endpoints\"}} 1"),
        format!("paifang_request_duration_seconds_bucket{{{labels},le=\"0.0005\"}} 0"),
        format!("paifang_request_duration_seconds_bucket{{{labels},le=\"0.001\"}} 1"),
        format!("paifang_request_duration_seconds_bucket{{{labels},le=\"10\"}} 1"),
        format!("paifang_request_duration_seconds_bucket{{{labels},le=\"+Inf\"}} 2"),
        format!("paifang_request_duration_seconds_sum{{{labels}}} 20.0007"),
        format!("paifang_request_duration_seconds_count{{{labels}}} 2"),
        format!("paifang_request_bytes_total{{{labels}}} 5"),
        format!("paifang_response_bytes_total{{{labels}}} 9"),
        format!("paifang_retries_total{{{labels}}} 3"),
        format!("paifang_claims_not_permitted_total{{{labels}}} 4"),
        format!("paifang_claims_shadowed_total{{{labels}}} 6"),
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
}

#[test]
fn a_rule_without_requests_has_no_series_and_one_met_twice_is_counted_once() {
    let (idle, busy) = (rule("idle", None), rule("busy", None));
    busy.stats.counters().finish(200, "", Duration::ZERO);
    // the same rule on another socket, and its heir in a table that began to count anew
    let again = Rule { stats: Arc::clone(&busy.stats), ..rule("busy", None) };
    let heir = rule("busy", None);
    heir.stats.counters().finish(200, "", Duration::ZERO);
    heir.stats.counters().finish(404, "", Duration::ZERO);
    let text = of_rules(vec![idle, busy, again, heir]);
    let counted: Vec<&str> = text.lines().filter(|line| line.starts_with("paifang_requests_total{")).collect();
    assert_eq!(counted.len(), 2, "{counted:?}");
    assert!(
        counted[0].contains("route=\"busy\"") && counted[0].ends_with("code=\"200\",reason=\"\"} 2"),
        "{counted:?}"
    );
}

#[test]
fn requests_that_met_no_rule_are_counted_by_code_and_reason() {
    let metrics = Metrics::new().unwrap();
    metrics.unrouted.counters().finish(404, Reason::RouteNotFound.as_str(), Duration::ZERO);
    let line = "paifang_requests_unrouted_total{code=\"404\",reason=\"route_not_found\"} 1";
    assert!(scraped(&metrics).lines().any(|found| found == line));
}

#[test]
fn a_certificate_shows_its_end_once_however_often_it_is_met() {
    let text = of_rules(Vec::new());
    let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("paifang_certificate")).collect();
    let labels =
        "gateway_namespace=\"infra\",gateway=\"edge\",listener=\"web\",secret_namespace=\"infra\",secret=\"wildcard\"";
    assert_eq!(lines, [format!("paifang_certificate_not_after_seconds{{{labels}}} 1900000000")]);
}

#[test]
fn objects_and_problems_are_counted_by_kind() {
    let metrics = Metrics::new().unwrap();
    let problem = |kind, field: &str| Problem {
        object: ObjectRef::new(kind, ObjectKey::new("shop", "cart")),
        field: field.to_owned(),
        reason: "BackendNotFound",
        message: String::new(),
        remedy: String::new(),
    };
    let mut snapshot = Snapshot::default();
    let service = serde_json::json!({ "metadata": { "namespace": "shop", "name": "cart" } });
    snapshot.put(Object::from_json(Kind::Service, &service).unwrap());
    let problems = [problem(Kind::HttpRoute, "a"), problem(Kind::HttpRoute, "b"), problem(Kind::Gateway, "a")];
    metrics.translated(&snapshot, &problems.into_iter().collect());
    let counts = [Kind::HttpRoute, Kind::Gateway, Kind::Service]
        .map(|kind| (metrics.objects.value(kind), metrics.problems.value(kind)));
    assert_eq!(counts, [(0, 2), (0, 1), (1, 0)]);
    metrics.translated(&Snapshot::default(), &OrdSet::default());
    assert_eq!((metrics.objects.value(Kind::Service), metrics.problems.value(Kind::HttpRoute)), (0, 0));
}

#[test]
fn a_publication_shows_generation_and_time() {
    let metrics = Metrics::new().unwrap();
    metrics.published(7, SystemTime::UNIX_EPOCH + Duration::from_millis(1500));
    let text = scraped(&metrics);
    for line in [
        "paifang_config_generation 7",
        "paifang_config_publishes_total 1",
        "paifang_config_last_applied_timestamp_seconds 1.5",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}");
    }
}

#[test]
fn ten_thousand_rules_come_in_pieces_of_bounded_size_and_families_stay_together() {
    let rules: Vec<Rule> = (0..10_000).map(|n| rule(&format!("route-{n}"), None)).collect();
    rules.iter().for_each(|rule| rule.stats.counters().finish(200, "", Duration::ZERO));
    let metrics = Metrics::new().unwrap();
    metrics.observe(Arc::new(Fixed(rules)), usize::MAX);
    let mut names = Vec::new();
    let mut seen = BTreeSet::new();
    for piece in metrics.scrape() {
        assert!(piece.len() < 48 << 10 && piece.ends_with('\n'), "{}", piece.len());
        for name in piece.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
            assert!(seen.insert(name.to_owned()), "{name} twice");
        }
        names.extend(piece.lines().filter(|line| line.starts_with("paifang_retries_total{")).map(str::to_owned));
    }
    assert_eq!(names.len(), 10_000);
}

#[test]
fn ten_thousand_rules_of_one_tenant_stay_within_its_budget_and_none_is_lost() {
    let mut rules: Vec<Rule> = (0..10_000).map(|n| rule(&format!("route-{n}"), None)).collect();
    for (n, rule) in rules.iter_mut().enumerate() {
        rule.id.tenant = Some("shop".into());
        rule.created = n as i64;
        rule.stats.counters().finish(200, "", Duration::from_millis(1));
    }
    let metrics = Metrics::new().unwrap();
    metrics.observe(Arc::new(Fixed(rules)), 2100);
    for _ in 0..2 {
        let text = scraped(&metrics);
        let series: Vec<&str> = text.lines().filter(|line| line.contains("tenant=\"shop\",")).collect();
        assert_eq!(series.len(), 2100 + 21, "100 rules, and the sum of all others");
        let requests = series.iter().filter(|line| line.starts_with("paifang_requests_total{"));
        let requests = requests.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap());
        assert_eq!(requests.sum::<u64>(), 10_000);
        assert!(text.contains("\npaifang_rules_overflowed{tenant=\"shop\"} 9900\n"));
        let sum = "route_namespace=\"__overflow__\",route=\"__overflow__\",rule=\"__overflow__\",tenant=\"shop\"";
        assert!(series.iter().any(|line| line.contains(sum) && line.ends_with("code=\"200\",reason=\"\"} 9900")));
        assert!(series.iter().any(|line| line.contains("route=\"route-99\"")), "the oldest have their own");
    }
}

proptest! {
    #[test]
    fn a_label_value_never_leaves_its_quotes(name in "\\PC{0,20}|[\"\\\\\n,}={ a]{0,20}") {
        let rule = rule(&name, None);
        rule.stats.counters().finish(200, "", Duration::ZERO);
        let text = of_rules(vec![rule]);
        let line = text.lines().find(|line| line.starts_with("paifang_retries_total{")).unwrap();
        let value = line.split_once(",route=\"").unwrap().1.split_once("\",rule=\"0\"").unwrap().0;
        let mut unescaped = String::new();
        let mut chars = value.chars();
        while let Some(c) = chars.next() {
            match c {
                '\\' => unescaped.push(match chars.next() {
                    Some('n') => '\n',
                    Some(c) => c,
                    None => return Err(TestCaseError::fail("a lone backslash")),
                }),
                '"' => return Err(TestCaseError::fail("a bare quote")),
                c => unescaped.push(c),
            }
        }
        prop_assert_eq!(unescaped, name);
    }
}
