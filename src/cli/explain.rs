//! `paifang explain`: what a folder, or a process that serves, does with a request.

mod ask;

use std::process::ExitCode;

use super::{Explain, Output, check, demo};
use crate::config::Config;
use crate::explain::{Left, Request, World, explain as account};
use crate::ir::BackendKey;
use crate::snapshot::Snapshot;
use crate::source::folder;
use crate::translate::endpoints::EndpointIndex;
use crate::translate::translate;

/// Prints who serves a request, and why the others do not; 1 when nobody does.
pub(super) fn explain(arguments: &Explain) -> anyhow::Result<ExitCode> {
    let headers = arguments.headers.iter().map(String::as_str);
    let request = Request::parse(&arguments.method, &arguments.url, headers)?.from_client(arguments.client_ip);
    let config = arguments.config.as_deref().map(Config::load).transpose()?.unwrap_or_default();
    let (text, served) = match &arguments.manifests {
        Some(manifests) => of_folder(manifests, &config, &request, arguments.output)?,
        None => ask::process(arguments.admin.unwrap_or(config.admin), &request, arguments.output)?,
    };
    super::print(&text)?;
    Ok(if served { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn of_folder(
    manifests: &std::path::Path,
    config: &Config,
    request: &Request,
    output: Output,
) -> anyhow::Result<(String, bool)> {
    let loaded = folder::load(manifests)?;
    let snapshot = check::snapshot(&loaded.changes);
    let translation = translate(&snapshot);
    let mut index = EndpointIndex::default();
    index.update(&snapshot);
    let endpoints = |key: &BackendKey| endpoints(&snapshot, &index, key);
    let world = World {
        snapshot: &snapshot,
        translation: &translation,
        paths: &config.path,
        endpoints: &endpoints,
        left: &|_, _, _| Left::Nowhere,
    };
    let explanation = account(&world, request)?;
    let text = match output {
        Output::Text => explanation.to_string(),
        Output::Json => serde_json::to_string_pretty(&explanation)? + "\n",
    };
    Ok((text, explanation.is_served()))
}

/// What a folder says, and the backends that serving it would start.
fn endpoints(snapshot: &Snapshot, index: &EndpointIndex, key: &BackendKey) -> Vec<String> {
    let addresses = index.resolve(key).into_iter().map(|address| address.to_string());
    let echo = snapshot.services.get(&key.service()).and_then(|service| demo::replicas(service)).unwrap_or_default();
    addresses.chain((1..=echo).map(|n| format!("echo backend {n}"))).collect()
}
