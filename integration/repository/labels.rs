//! Label values that users build alerts on: none that can never occur.

use std::path::Path;

use crate::files::read;
use crate::sources::sources;

/// The variants of an enum that the macro `labels!` declares in a file.
fn variants(path: &str, name: &str) -> Vec<String> {
    let text = read(path);
    let (_, body) = text.split_once(&format!("pub enum {name}(")).unwrap();
    let (body, _) = body.split_once("\n    }").unwrap();
    let declared = body.lines().filter_map(|line| line.trim().split_once(" = \""));
    declared.map(|(variant, _)| variant.to_owned()).collect()
}

#[track_caller]
fn occurs(path: &str, name: &str) {
    let sources = sources();
    let variants = variants(path, name);
    assert!(variants.len() > 1, "{variants:?}");
    for variant in variants {
        let used = format!("{name}::{variant}");
        let others = sources.iter().filter(|source| source.path != Path::new(path));
        let mut words = others.flat_map(|source| source.code()).flat_map(|(_, line)| {
            line.split(|letter: char| !letter.is_alphanumeric() && letter != ':').map(str::to_owned)
        });
        assert!(words.any(|word| word == used), "nothing gives {used}");
    }
}

#[test]
fn every_reason_can_occur() {
    occurs("src/telemetry/reason.rs", "Reason");
}

#[test]
fn every_state_of_a_listener_can_occur() {
    occurs("src/telemetry/label.rs", "ListenerState");
}

#[test]
fn every_reason_of_a_condition_is_explained() {
    let text = read("src/docs/troubleshooting.md");
    let (_, table) = text.split_once("# Every reason").unwrap();
    let code = read("src/translate/reason.rs");
    let reasons: Vec<_> = code.lines().filter_map(|line| line.split("=> \"").nth(1)?.split('"').next()).collect();
    assert!(reasons.len() > 20, "{reasons:?}");
    for reason in reasons {
        let named =
            table.lines().filter_map(|row| row.split('|').nth(1)).any(|names| names.contains(&format!("`{reason}`")));
        assert!(named, "src/docs/troubleshooting.md does not explain {reason}");
    }
}
