//! The whole edge in the test's own process: the one place that knows the product's API.

use std::net::SocketAddr;
use std::path::Path;

use paifang::snapshot::Snapshot;

use super::backends::Backends;
use super::echo::Log;

/// What a manifest file holds, read as `paifang run` reads it.
pub(crate) struct Loaded {
    /// The objects.
    pub(crate) snapshot: Snapshot,
    /// What is wrong with the file, as it is shown to people.
    pub(crate) findings: Vec<String>,
}

/// Reads a manifest file.
pub(crate) fn load(_file: &Path) -> anyhow::Result<Loaded> {
    anyhow::bail!("the source is not merged")
}

/// A listener of the manifests and where it is really bound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// `namespace/name`.
    pub(crate) gateway: String,
    /// Name of the listener.
    pub(crate) listener: String,
    /// Port as the manifest says it.
    pub(crate) port: u16,
    /// Whether TLS is spoken.
    pub(crate) tls: bool,
    /// Where to connect.
    pub(crate) address: SocketAddr,
}

/// An edge that serves a manifest file with backends that answer.
pub(crate) struct EdgeUnderTest {
    backends: Backends,
    places: Vec<Place>,
}

impl EdgeUnderTest {
    /// Starts an edge and waits until it serves.
    pub(crate) async fn start(file: &Path) -> anyhow::Result<Self> {
        let mut loaded = load(file)?;
        let backends = Backends::start(&mut loaded.snapshot).await?;
        Ok(Self { backends, places: Vec::new() })
    }

    /// Listeners that serve.
    pub(crate) fn places(&self) -> &[Place] {
        &self.places
    }

    /// What the backends received.
    pub(crate) const fn log(&self) -> &Log {
        &self.backends.log
    }

    /// Removes an object, named `Kind namespace/name`, and waits until that is served.
    pub(crate) async fn remove(&mut self, _object: &str) -> anyhow::Result<()> {
        anyhow::bail!("the source is not merged")
    }

    /// Stops it.
    pub(crate) async fn shutdown(self) {}
}
