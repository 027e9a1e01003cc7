//! `integration/cases/hijack`: attempts to get what another tenant claims. Whose namespace begins with
//! `evil` attacks; every step is an attempt, except those called `control: …`.

use std::path::PathBuf;

use serde_json::Value;

use crate::files::{below, read};

const METRIC: &str = "paifang_claims_not_permitted_total";

struct Attempt {
    /// File and name.
    at: String,
    step: Value,
}

fn files(ending: &str) -> Vec<PathBuf> {
    below("integration/cases/hijack").into_iter().filter(|path| path.to_string_lossy().ends_with(ending)).collect()
}

fn attempts() -> Vec<Attempt> {
    let mut attempts = Vec::new();
    for path in files(".http.yaml") {
        let steps: Vec<Value> = serde_saphyr::from_str(&read(&path)).unwrap();
        for step in steps {
            let name = step["name"].as_str().unwrap();
            if !name.starts_with("control: ") {
                attempts.push(Attempt { at: format!("{}: {name}", path.display()), step });
            }
        }
    }
    attempts
}

#[test]
fn no_attempt_is_meant_to_succeed() {
    let attempts = attempts();
    assert!(attempts.len() >= 60, "only {} attempts", attempts.len());
    for Attempt { at, step } in attempts {
        let expect = &step["expect"];
        let refused = expect["status"].as_u64().is_some_and(|status| (400..600).contains(&status))
            || expect["grpc"].as_u64().is_some_and(|status| status != 0);
        match expect["backend"].as_str() {
            Some(backend) => assert!(!refused && !backend.starts_with("evil"), "{at}: {backend}"),
            None => assert!(refused, "{at}: nobody in particular is expected"),
        }
        assert!(step["split"].is_null(), "{at}: one answer is expected");
        assert!(step["metrics"][METRIC].is_u64(), "{at}: does the table count it?");
    }
}

#[test]
fn the_metric_counts_what_the_table_refuses() {
    let counted = attempts().iter().filter(|attempt| attempt.step["metrics"][METRIC] == 1).count();
    assert!(counted >= 60, "the table refuses {counted} attempts only");
}

#[test]
fn every_attempt_leaves_a_reason() {
    for path in files(".out.yaml") {
        let golden = read(&path);
        let told = golden.contains("reason: HostnameNotPermitted") || golden.starts_with("findings:");
        assert!(told, "{}: nobody is told", path.display());
    }
    assert_eq!(files(".out.yaml").len(), files(".http.yaml").len(), "each case has both");
}

#[test]
fn statuses_that_the_document_quotes_are_those_of_the_cases() {
    let flat = |text: &str| text.lines().map(str::trim).collect::<Vec<_>>().join("\n");
    let cases = below("integration/cases").into_iter().filter(|path| path.to_string_lossy().ends_with(".out.yaml"));
    let goldens: Vec<_> = cases.map(|path| flat(&read(path))).collect();
    let document = read("src/docs/policies.md");
    let quoted: Vec<_> = document.split("```text\n").skip(1).filter_map(|rest| rest.split_once("\n```")).collect();
    assert!(quoted.len() >= 3, "{quoted:?}");
    for (quote, _) in quoted {
        assert!(goldens.iter().any(|golden| golden.contains(&flat(quote))), "no case says\n{quote}");
    }
}
