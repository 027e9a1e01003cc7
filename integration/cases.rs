//! Golden cases: one manifest proves statuses, IR and live traffic.
//!
//! `integration/cases/<topic>/NAME.in.yaml` is served by an edge in this process.
//! `NAME.out.yaml` is what its statuses, problems and IR must be (`UPDATE_EXPECT=1` rewrites it;
//! read every line of the difference). `NAME.http.yaml` lists requests and what they must get.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod runner;
mod support;

use libtest_mimic::{Arguments, Failed, Trial};
use runner::case::Case;
use runner::{golden, traffic};

fn main() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("integration/cases");
    let cases = Case::all(&root).expect("the cases can be listed");
    assert!(!cases.is_empty(), "no cases below {}", root.display());
    let trials = cases.into_iter().flat_map(trials).collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

/// One test for each aspect of a case.
fn trials(case: Case) -> Vec<Trial> {
    let name = format!("{}/{}", case.topic, case.name);
    let mut trials = Vec::new();
    if let Some(steps) = case.traffic() {
        let case = case.clone();
        trials.push(Trial::test(format!("{name} http"), move || Ok(traffic::check(&case, &steps).map_err(failed)?)));
    }
    trials.push(Trial::test(format!("{name} out"), move || Ok(golden::check(&case).map_err(failed)?)));
    trials
}

fn failed(error: anyhow::Error) -> Failed {
    format!("{error:#}").into()
}
