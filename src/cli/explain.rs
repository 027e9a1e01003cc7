//! `paifang explain`: what a folder does with a request, without serving it.

use std::process::ExitCode;

use anyhow::Context as _;
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::{Explain, Output, check};
use crate::config::Config;
use crate::explain::{Request, explain as account};
use crate::source::folder;
use crate::translate::translate;

/// Prints who serves a request, and why the others do not; 1 when nobody does.
pub(super) fn explain(arguments: &Explain) -> anyhow::Result<ExitCode> {
    let request = request(arguments)?;
    let config = arguments.config.as_deref().map(Config::load).transpose()?.unwrap_or_default();
    let loaded = folder::load(&arguments.manifests)?;
    let snapshot = check::snapshot(&loaded.changes);
    let ir = translate(&snapshot).ir;
    let explanation = account(&ir, &snapshot, &request, &config.path)?;
    let text = match arguments.output {
        Output::Text => explanation.to_string(),
        Output::Json => serde_json::to_string_pretty(&explanation)? + "\n",
    };
    super::print(&text)?;
    let served = explanation.gateways.iter().any(|gateway| gateway.winner.is_some());
    Ok(if served { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn request(arguments: &Explain) -> anyhow::Result<Request> {
    let method = Method::from_bytes(arguments.method.as_bytes()).context("-X: no method of HTTP")?;
    let mut headers = HeaderMap::new();
    for header in &arguments.headers {
        let parts = header.split_once(':').with_context(|| format!("-H '{header}': write 'name: value'"))?;
        let name: HeaderName = parts.0.trim().parse().with_context(|| format!("-H '{header}': no name of a header"))?;
        let value: HeaderValue =
            parts.1.trim().parse().with_context(|| format!("-H '{header}': no value of a header"))?;
        headers.append(name, value);
    }
    Ok(Request { method, url: arguments.url.clone(), headers })
}
