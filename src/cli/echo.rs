//! `paifang echo`: a backend for demos and tests.

use std::io::Write as _;
use std::process::ExitCode;

use super::Echo;
use crate::echo::{self, Identity};

/// Serves until it is told to stop.
pub(super) fn echo(arguments: &Echo) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut signals = super::run::Signals::new()?;
        let mut backends = Vec::new();
        for address in &arguments.listen {
            let backend = echo::Echo::listen(*address, Identity::named(&arguments.name)).await?;
            writeln!(std::io::stdout(), "{} listens on {}", arguments.name, backend.address())?;
            backends.push(backend);
        }
        signals.next().await;
        Ok(ExitCode::SUCCESS)
    })
}
