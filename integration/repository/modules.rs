//! Which module may use what.

use crate::files::read;
use crate::sources::{Source, sources};

/// The modules in the order of `src/lib.rs`, which is the order data flows.
fn order() -> Vec<String> {
    let text = read("src/lib.rs");
    let modules = text.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
    modules.map(ToOwned::to_owned).collect()
}

/// What is forbidden, in lines of code: `(what, where)`.
fn found(source: &Source, words: &[&str]) -> Vec<String> {
    let hit = |(n, line): (usize, &str)| {
        let word = words.iter().find(|word| line.contains(**word))?;
        Some(format!("{}:{n}: {word}", source.path.display()))
    };
    source.code().filter_map(hit).collect()
}

fn below<'s>(folder: &str, sources: &'s [Source]) -> Vec<&'s Source> {
    let of = |source: &&Source| {
        source.path.starts_with(folder) || source.path.with_extension("") == std::path::Path::new(folder)
    };
    let found: Vec<_> = sources.iter().filter(of).collect();
    assert!(!found.is_empty(), "{folder} is gone");
    found
}

/// The top modules that a line refers to by `crate::`.
fn used(line: &str) -> Vec<&str> {
    let ends = |c: char| !c.is_ascii_alphanumeric() && c != '_';
    line.split("crate::").skip(1).map(|rest| rest.split(ends).next().unwrap_or_default()).collect()
}

#[test]
fn modules_use_only_those_before_them() {
    let order = order();
    assert!(order.len() > 10, "src/lib.rs lists {order:?}");
    let place = |module: &str| order.iter().position(|known| known == module);
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|source| place(&source.module).is_some()) {
        for (n, line) in source.code() {
            for used in used(line) {
                let at = format!("{}:{n}", source.path.display());
                assert!(!used.is_empty(), "{at}: write one `use crate::module` for each module");
                // a macro or item of the crate's root has no place in the order, nor in the crate
                let used = place(used).unwrap_or_else(|| panic!("{at}: '{used}' is not in src/lib.rs"));
                if used > place(&source.module).unwrap() {
                    wrong.push(format!("{at}: {} uses {}, which comes after it", source.module, order[used]));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn sources_know_only_objects() {
    let sources = sources();
    let allowed = ["api", "snapshot", "source", "telemetry"];
    let strangers = below("src/source", &sources).into_iter().flat_map(|source| {
        let lines = source.code();
        lines.flat_map(|(n, line)| {
            used(line).into_iter().filter(|used| !allowed.contains(used)).map(move |used| (n, used.to_owned()))
        })
    });
    assert_eq!(strangers.collect::<Vec<_>>(), []);
}

#[test]
fn limits_know_nothing_of_requests() {
    let sources = sources();
    let strangers = below("src/limit", &sources).into_iter().flat_map(|source| {
        let lines = source.code();
        lines.flat_map(|(n, line)| {
            used(line).into_iter().filter(|used| *used != "limit").map(move |used| (n, used.to_owned()))
        })
    });
    assert_eq!(strangers.collect::<Vec<_>>(), []);
}

#[test]
fn pingora_is_used_by_the_proxy_only() {
    let sources = sources();
    let others = sources.iter().filter(|source| source.module != "proxy");
    let others = others.filter(|source| !source.path.ends_with("table/backend.rs"));
    let uses = others.flat_map(|source| {
        found(
            source,
            &[
                "pingora::",
                "pingora_core::",
                "pingora_proxy::",
                "pingora_load_balancing::",
                "pingora_timeout::",
                "use pingora",
            ],
        )
    });
    assert_eq!(uses.collect::<Vec<_>>(), Vec::<String>::new());
}

#[test]
fn translation_and_compilation_are_pure() {
    let words = [
        "Instant",
        "SystemTime",
        "std::fs",
        "std::net::Tcp",
        "TcpStream",
        "TcpListener",
        "std::env",
        "std::process",
        "rand::",
        "random(",
        "tokio::",
        "tracing::",
    ];
    let sources = sources();
    for folder in ["src/ir", "src/translate", "src/table/compile"] {
        for source in below(folder, &sources) {
            assert_eq!(found(source, &words), Vec::<String>::new());
        }
    }
}

#[test]
fn kubernetes_ends_at_translate() {
    let sources = sources();
    let after = ["table", "limit", "config", "telemetry", "proxy", "admin"];
    for source in sources.iter().filter(|source| after.contains(&source.module.as_str())) {
        assert_eq!(found(source, &["k8s_openapi", "kube::"]), Vec::<String>::new());
    }
}

#[test]
fn the_order_is_the_one_that_contributors_read() {
    let text = read("CONTRIBUTING.md");
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    assert_eq!(rows.collect::<Vec<_>>(), order(), "the table of modules in CONTRIBUTING.md and src/lib.rs");
}
