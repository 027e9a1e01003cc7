//! `NAME.out.yaml`: what the manifests mean, as text with a stable order and without times.

use std::collections::BTreeMap;

use imbl::OrdSet;
use paifang::api::status::Status;
use paifang::api::{Kind, ObjectRef};
use paifang::ir::Ir;
use paifang::translate::{Problem, translate};
use serde::Serialize;

use super::case::Case;
use crate::support::edge;

/// The file's content.
#[derive(Serialize)]
struct Golden<'a> {
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    findings: &'a [String],
    statuses: BTreeMap<&'a ObjectRef, &'a Status>,
    #[serde(skip_serializing_if = "OrdSet::is_empty")]
    problems: &'a OrdSet<Problem>,
    ir: &'a Ir,
}

/// Compares what a case means with what its file says.
pub(crate) fn check(case: &Case) -> anyhow::Result<()> {
    let loaded = edge::load(&case.manifests())?;
    anyhow::ensure!(
        case.is_about_findings() || !loaded.refused,
        "`kubectl apply` would not like this; only cases of the topic or name `refused` may be like that:\n{}",
        loaded.findings.join("\n")
    );
    let translation = translate(&loaded.snapshot);
    // a GatewayClass says the same everywhere: only its own topic shows it
    let shown = |object: &ObjectRef| object.kind != Kind::GatewayClass || case.topic == "class";
    let statuses = translation.statuses.iter().map(|(object, status)| (object, &**status));
    let statuses = statuses.filter(|(object, _)| shown(object)).collect();
    let golden = Golden { findings: &loaded.findings, statuses, problems: &translation.problems, ir: &translation.ir };
    let text = serde_saphyr::to_string(&golden)?;
    let expected = expect_test::expect_file![case.golden()];
    // expect-test panics with the difference; the harness shows it
    expected.assert_eq(&text);
    Ok(())
}
