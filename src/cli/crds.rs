//! `paifang crds`: the CustomResourceDefinitions of this version.

use std::process::ExitCode;

use anyhow::Context as _;

use crate::api::policy;

/// Prints every CRD as a document of one YAML stream.
pub(super) fn crds() -> anyhow::Result<ExitCode> {
    let mut out = String::new();
    for crd in policy::crds() {
        out.push_str("---\n");
        out.push_str(&serde_saphyr::to_string(&crd).context("the CRDs cannot be written as YAML")?);
    }
    super::print(&out)?;
    Ok(ExitCode::SUCCESS)
}
