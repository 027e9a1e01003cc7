//! What documents, manifests and comments say.

use std::path::{Path, PathBuf};

use crate::files::{all, read, root};

/// Every Markdown file.
pub fn documents() -> Vec<PathBuf> {
    all().into_iter().filter(|path| path.extension().is_some_and(|ending| ending == "md")).collect()
}

/// Files whose text is not ours: the licence, and what Cargo writes.
fn is_ours(path: &Path) -> bool {
    !["LICENSE", "Cargo.lock"].iter().any(|name| path.ends_with(name))
}

/// Targets of the links `[text](target)` of a document.
fn links(text: &str) -> Vec<&str> {
    text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target).collect()
}

/// Words in backquotes or commands that look like paths of this repository.
fn paths(text: &str) -> Vec<&str> {
    let ends = |c: char| c.is_whitespace() || "`'\"()[],:;|#".contains(c);
    let folders = ["conf/", "src/", "integration/", "bench/", "deploy/", ".ci/"];
    let words = text.split(ends).map(|word| word.trim_end_matches(['.', '/']));
    words
        .filter(|word| folders.iter().any(|folder| word.starts_with(folder)) && !word.contains(['*', '$', '<']))
        .collect()
}

#[test]
fn links_and_paths_in_documents_exist() {
    let mut missing = Vec::new();
    for document in documents() {
        let text = read(&document);
        let folder = document.parent().unwrap();
        for link in links(&text).into_iter().filter(|link| !link.contains("://") && !link.starts_with('#')) {
            let target = link.split('#').next().unwrap_or_default();
            if !root().join(folder).join(target).exists() {
                missing.push(format!("{}: {link}", document.display()));
            }
        }
        // capitals stand for a name to be chosen: integration/cases/TOPIC/NAME.in.yaml
        for path in paths(&text).into_iter().filter(|path| !path.contains("NAME")) {
            if !root().join(path).exists() && !root().join(folder).join(path).exists() {
                missing.push(format!("{}: {path}", document.display()));
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[test]
fn the_readme_leads_to_every_page() {
    let readme = read("README.md");
    for page in documents().into_iter().filter(|page| page.starts_with("src/docs")) {
        let name = page.file_name().unwrap().to_string_lossy().into_owned();
        assert!(
            links(&readme).iter().any(|link| link.ends_with(&name)),
            "README.md does not link to {}",
            page.display()
        );
    }
}

/// Anchors of a document, as GitHub makes them of headings.
fn anchors(text: &str) -> Vec<String> {
    let kept = |c: &char| c.is_alphanumeric() || " -_".contains(*c);
    let anchor = |heading: &str| heading.trim_start_matches('#').trim().to_lowercase().chars().filter(kept).collect();
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings.map(anchor).map(|anchor: String| anchor.replace(' ', "-")).collect()
}

#[test]
fn headings_that_documents_link_to_exist() {
    let mut missing = Vec::new();
    for document in documents() {
        let text = read(&document);
        let within = links(&text).into_iter().filter(|link| !link.contains("://"));
        for (target, heading) in within.filter_map(|link| link.split_once('#')) {
            let place = if target.is_empty() { document.clone() } else { document.parent().unwrap().join(target) };
            if !anchors(&read(place)).iter().any(|anchor| anchor == heading) {
                missing.push(format!("{}: {target}#{heading}", document.display()));
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[test]
fn no_file_speaks_of_a_machine_or_of_work_left_undone() {
    // in two parts, so that this file does not hold what it looks for
    let words = [
        ("TO", "DO"),
        ("FIX", "ME"),
        ("XX", "X"),
        ("/ro", "ot/"),
        ("/wo", "rk/"),
        ("/ho", "me/"),
        ("crates.io", "/api"),
        ("static.", "crates.io"),
        ("index.", "crates.io"),
        ("proxy.golang", ".org"),
    ];
    let words: Vec<_> = words.iter().map(|(one, two)| format!("{one}{two}")).collect();
    let mut found = Vec::new();
    for path in all().into_iter().filter(|path| is_ours(path)) {
        let bytes = std::fs::read(root().join(&path)).unwrap();
        for (n, line) in String::from_utf8_lossy(&bytes).lines().enumerate() {
            if let Some(word) = words.iter().find(|word| line.contains(*word)) {
                found.push(format!("{}:{}: {word}", path.display(), n + 1));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn what_cargo_shall_build_exists_and_what_exists_is_built() {
    let manifest = read("Cargo.toml");
    let paths: Vec<_> = manifest.lines().filter_map(|line| line.strip_prefix("path = \"")?.strip_suffix('"')).collect();
    for path in &paths {
        assert!(root().join(path).is_file(), "Cargo.toml: {path}");
    }
    for folder in ["integration", "bench/criterion"] {
        for entry in std::fs::read_dir(root().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let Some(text) = path.extension().filter(|ending| *ending == "rs").map(|_| read(&path)) else { continue };
            let path = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
            let is_module =
                !text.contains("#[test]") && !text.contains("fn main(") && !text.contains("criterion_main!");
            assert!(
                is_module || paths.contains(&&*path) || path.ends_with("worlds.rs"),
                "{path} is in no [[test]] or [[bench]]"
            );
        }
    }
}

#[test]
fn the_changelog_has_a_place_for_what_is_new() {
    let changelog = read("CHANGELOG.md");
    let sections = changelog.lines().filter(|line| line.starts_with("## ")).collect::<Vec<_>>();
    assert_eq!(sections.first(), Some(&"## [Unreleased]"));
}

#[test]
fn licences_are_decided_in_one_place() {
    let deny = read("deny.toml");
    let allowed = deny.split("allow = [").nth(1).and_then(|rest| rest.split(']').next()).unwrap();
    assert!(allowed.contains("\"Apache-2.0\""), "our own licence");
    assert!(!allowed.contains("GPL"), "{allowed}");
    assert!(read("Cargo.toml").contains("license = \"Apache-2.0\"") && read("LICENSE").contains("Apache License"));
}

#[test]
fn every_dependency_is_argued() {
    let manifest = read("Cargo.toml");
    let decisions = read("src/docs/decisions.md");
    let section = |name: &str| manifest.split(&format!("[{name}]\n")).nth(1).and_then(|rest| rest.split("\n[").next());
    for name in ["dependencies", "dev-dependencies"] {
        for line in section(name).unwrap().lines().filter(|line| line.contains('=')) {
            let dependency = line.split([' ', '=']).next().unwrap();
            assert!(decisions.contains(&format!("`{dependency}`")), "{dependency} has no line in decisions.md");
        }
    }
}
