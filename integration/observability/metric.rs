//! What `src/docs/metrics.md` promises, and what a query of PromQL relies on.

use std::collections::{BTreeMap, BTreeSet};

use crate::alert::recorded;
use crate::read;

/// Labels that Prometheus itself adds, and the one of buckets.
const SCRAPED: [&str; 3] = ["instance", "job", "le"];

/// Words that are followed by labels in parentheses.
const GROUPING: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];

const OPERATORS: [&str; 6] = ["and", "or", "unless", "bool", "offset", "atan2"];

/// Metrics with their labels, and the words that are documented.
pub struct Known {
    metrics: BTreeMap<String, BTreeSet<String>>,
    words: BTreeSet<String>,
}

impl Known {
    pub fn read() -> Self {
        let text = read("src/docs/metrics.md");
        let sets = ["rule labels", "limit labels"].map(|set| {
            let (_, rest) = text.split_once(&format!("The **{set}** are")).unwrap();
            (set, quoted(rest.split_once("\n\n").unwrap().0))
        });
        let mut metrics = BTreeMap::new();
        for line in text.lines() {
            let [name, kind, labels] = match line.split('|').map(str::trim).collect::<Vec<_>>()[..] {
                ["", name, kind, labels, ..] if name.starts_with('`') => [name.trim_matches('`'), kind, labels],
                _ => continue,
            };
            let mut known = quoted(labels.split(':').next().unwrap());
            let set = sets.iter().filter(|(set, _)| labels.starts_with(set));
            known.extend(set.flat_map(|(_, labels)| labels.clone()));
            match kind {
                "counter" | "gauge" => _ = metrics.insert(name.to_owned(), known),
                "histogram" => {
                    metrics.extend(["bucket", "sum", "count"].map(|part| (format!("{name}_{part}"), known.clone())))
                }
                // a table of something else
                _ => {}
            }
        }
        assert!(metrics.len() > 40, "{metrics:?}");
        Self { metrics, words: quoted(&text) }
    }
}

/// The words in backquotes.
fn quoted(text: &str) -> BTreeSet<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// What a query names.
#[derive(Debug, Default, PartialEq, Eq)]
struct Names {
    metrics: BTreeSet<String>,
    labels: BTreeSet<String>,
    /// Texts that labels are compared with.
    values: BTreeSet<String>,
}

/// Takes a query apart. Where words stand says what they are; Prometheus itself checks the rest.
fn names(query: &str) -> Names {
    let mut names = Names::default();
    // texts alternate with what is between them
    let mut code = String::new();
    for (n, part) in query.split('"').enumerate() {
        if n % 2 == 0 {
            code.push_str(part);
        } else {
            names.values.extend(part.split('|').map(str::to_owned));
        }
    }
    let (mut labels_until, mut previous) = (None, String::new());
    let mut rest = code.as_str();
    while let Some(first) = rest.chars().next() {
        let is_word = |c: char| c.is_ascii_alphanumeric() || "_:$.".contains(c);
        let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len()).max(first.len_utf8());
        let (token, after) = rest.split_at(length);
        rest = after;
        match token {
            "[" => rest = rest.split_once(']').unwrap().1,
            "{" => labels_until = Some("}"),
            "(" if GROUPING.contains(&&*previous) => labels_until = Some(")"),
            "}" | ")" if labels_until == Some(token) => labels_until = None,
            word if first.is_ascii_alphabetic() || first == '_' => {
                let next = rest.trim_start();
                // aggregations take their labels before what they work on
                let is_function = next.starts_with('(') || GROUPING[..2].iter().any(|word| next.starts_with(word));
                if labels_until.is_some() {
                    names.labels.insert(word.to_owned());
                } else if !is_function && !OPERATORS.contains(&word) && !GROUPING.contains(&word) {
                    names.metrics.insert(word.to_owned());
                }
            }
            _ => {}
        }
        if !token.trim().is_empty() {
            previous = token.to_owned();
        }
    }
    names
}

/// All that a query names is documented; rules may also be asked for what they record.
#[track_caller]
pub fn check(known: &Known, place: &str, query: &str) {
    let names = names(query);
    assert!(!names.metrics.is_empty(), "{place}: {query}: names no metric");
    let (mut labels, recorded) = (BTreeSet::from(SCRAPED.map(str::to_owned)), recorded());
    for metric in &names.metrics {
        if let Some(of) = known.metrics.get(metric) {
            labels.extend(of.iter().cloned());
        } else {
            assert!(recorded.contains(metric), "{place}: {metric} is not in src/docs/metrics.md");
        }
    }
    if !names.metrics.iter().all(|metric| recorded.contains(metric)) {
        let strangers: Vec<_> = names.labels.difference(&labels).collect();
        assert!(strangers.is_empty(), "{place}: {:?} have no labels {strangers:?}", names.metrics);
    }
    for value in &names.values {
        let is_pattern = value.is_empty() || value.starts_with('$') || value == "5.." || value.parse::<u16>().is_ok();
        assert!(is_pattern || known.words.contains(value), "{place}: {value:?} is not in src/docs/metrics.md");
    }
}

#[test]
fn queries_are_taken_apart() {
    let set = |words: &[&str]| words.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
    let query = r#"sum by (tenant, le) (rate(a_total{code=~"x|$y", reason!=""}[$__rate_interval])) / on () b:c > 1.5 or vector(0)"#;
    let want = Names {
        metrics: set(&["a_total", "b:c"]),
        labels: set(&["tenant", "le", "code", "reason"]),
        values: set(&["x", "$y", ""]),
    };
    assert_eq!(names(query), want);
}
