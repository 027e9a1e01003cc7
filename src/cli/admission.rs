//! `paifang admission`: claims as policies of the API server.

use std::fmt::Write as _;
use std::io::Read as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use serde::Serialize;

use super::{Admission, check};
use crate::admission;
use crate::api::Kind;
use crate::source::{Change, Finding, Level, folder};

/// The kinds of which one that cannot be read would leave a hole.
const NEEDED: [Kind; 4] = [Kind::Tenant, Kind::GatewayClass, Kind::GatewayParameters, Kind::Gateway];

/// Prints the policies and bindings as one YAML stream; nothing when what they are made from is wrong.
pub(super) fn admission(arguments: &Admission) -> anyhow::Result<ExitCode> {
    let (changes, findings) = read(&arguments.manifests)?;
    let stand_in_the_way = |finding: &&Finding| {
        finding.level == Level::Error && finding.object.as_ref().is_none_or(|object| NEEDED.contains(&object.kind))
    };
    let errors: Vec<_> = findings.iter().filter(stand_in_the_way).map(ToString::to_string).collect();
    anyhow::ensure!(errors.is_empty(), "no policies are printed before this is mended:\n{}", errors.join("\n"));
    let mut out = String::new();
    for (policy, binding) in admission::policies(&check::snapshot(&changes))? {
        document(&policy, &mut out)?;
        document(&binding, &mut out)?;
    }
    super::print(&out)?;
    Ok(ExitCode::SUCCESS)
}

/// The objects of a folder, or of standard input.
fn read(manifests: &Path) -> anyhow::Result<(Vec<Change>, Vec<Finding>)> {
    if manifests != Path::new("-") {
        let loaded = folder::load(manifests)?;
        return Ok((loaded.changes, loaded.findings));
    }
    let mut text = String::new();
    std::io::stdin().lock().read_to_string(&mut text).context("standard input cannot be read")?;
    Ok(folder::parse(Path::new("standard input"), &text))
}

fn document(object: &impl Serialize, out: &mut String) -> anyhow::Result<()> {
    writeln!(out, "---")?;
    out.push_str(&serde_saphyr::to_string(object).context("a policy cannot be written as YAML")?);
    Ok(())
}
