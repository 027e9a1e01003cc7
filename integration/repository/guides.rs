//! What pages quote: messages of statuses, and texts that clients are answered with.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use crate::files::{below, read};

const PAGE: &str = "src/docs/product-team.md";

/// Every message of a condition in the golden cases, and, of one that names a field, what it says of it.
fn messages() -> BTreeSet<String> {
    let goldens = below("integration/cases").into_iter().filter(|path| path.to_string_lossy().ends_with(".out.yaml"));
    let mut found = BTreeSet::new();
    for golden in goldens {
        let value: Value = serde_saphyr::from_str(&read(&golden)).unwrap();
        collect(&value, &mut found);
    }
    let after_field = |message: &String| message.split_once("]: ").map(|(_, rest)| rest.to_owned());
    found.iter().filter_map(after_field).collect::<Vec<_>>().into_iter().chain(found.clone()).collect()
}

fn collect(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        Value::Object(fields) => {
            found.extend(fields.get("message").and_then(Value::as_str).map(ToOwned::to_owned));
            fields.values().for_each(|field| collect(field, found));
        }
        _ => {}
    }
}

/// The text in backquotes in one column of the table below a heading.
fn column(heading: &str, number: usize) -> Vec<String> {
    let page = read(PAGE);
    let (_, section) = page.split_once(&format!("\n## {heading}\n")).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| ")).filter_map(|line| line.split('|').nth(number + 1));
    rows.flat_map(|cell| cell.split('`').skip(1).step_by(2).map(ToOwned::to_owned).collect::<Vec<_>>()).collect()
}

#[test]
fn messages_of_statuses_are_those_of_the_golden_cases() {
    let messages = messages();
    let quoted = column("Read the status", 2);
    assert!(quoted.len() > 6, "{quoted:?}");
    for message in quoted {
        assert!(messages.contains(&message), "no status of the golden cases says {message:?}");
    }
}

#[test]
fn texts_of_answers_are_those_of_the_proxy() {
    let proxy = |path: &Path| path.extension().is_some_and(|ending| ending == "rs");
    let sources: Vec<_> = below("src/proxy").into_iter().filter(|path| proxy(path)).map(read).collect();
    let quoted = column("Why another status", 1);
    assert!(quoted.len() > 8, "{quoted:?}");
    for text in quoted {
        assert!(sources.iter().any(|source| source.contains(&format!("\"{text}\""))), "nobody answers {text:?}");
    }
}
