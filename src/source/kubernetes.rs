//! The source that is an API server: one watch per kind, Secrets and ConfigMaps as far as somebody
//! refers to them, and the last good configuration on disk.
//!
//! Watches and fetches run on their own and send what they learn to one task, which alone writes to
//! the store. Whatever the API server does, objects that were served go on being served until the
//! API server itself says that they are gone.

mod assemble;
mod backoff;
mod client;
mod defects;
mod event;
mod fetch;
mod health;
mod keep;
mod keeper;
mod pending;
mod progress;
mod raw;
mod referenced;
mod slim;
mod watch;

pub use client::{ClientError, client};
pub use health::{Health, Malformed, Standing};

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use tokio::sync::{oneshot, watch as channel};
use tokio::task::JoinHandle;

use super::Store;
use super::live::Live;
use crate::telemetry::metrics::Metrics;
use assemble::Assembly;
use backoff::Backoff;

/// How the source works.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Folder in which the last good configuration is kept, if it shall be.
    pub state_dir: Option<PathBuf>,
    /// Time for the API server to deliver everything before the kept configuration is served.
    pub start_timeout: Duration,
    /// Time between two tries to read a kind that is missing or forbidden.
    pub probe_every: Duration,
    /// Time between two writes of the configuration to disk.
    pub keep_every: Duration,
    /// The first pause after an error; each is twice as long as the one before.
    pub retry_first: Duration,
    /// The longest pause after an error.
    pub retry_most: Duration,
    /// A number from 0 to 1, by which pauses differ.
    pub random: fn() -> f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            state_dir: None,
            start_timeout: Duration::from_secs(5),
            probe_every: Duration::from_secs(5),
            keep_every: Duration::from_secs(10),
            retry_first: Duration::from_millis(200),
            retry_most: Duration::from_secs(10),
            random: backoff::random,
        }
    }
}

impl Settings {
    fn backoff(&self) -> Backoff {
        Backoff::new(self.retry_first, self.retry_most, self.random)
    }
}

/// The source at work. It ends when this is dropped.
#[derive(Debug)]
pub struct Kubernetes {
    health: channel::Receiver<Health>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Kubernetes {
    /// Starts to feed the store. Must be called within a tokio runtime.
    #[must_use]
    pub fn start(
        client: Client,
        settings: Settings,
        store: Arc<Store>,
        live: Arc<Live>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let (stop, stopped) = oneshot::channel();
        let (assembly, health) = Assembly::new(client, settings, store, live, metrics);
        Self { health, stop: Some(stop), task: tokio::spawn(assembly.run(stopped)) }
    }

    /// Follows how it stands with the API server.
    #[must_use]
    pub fn health(&self) -> channel::Receiver<Health> {
        self.health.clone()
    }

    /// Ends the source. What is not kept on disk yet is kept before this returns.
    pub async fn shutdown(mut self) {
        if let Some(stop) = self.stop.take() {
            // The task has ended already when nobody listens.
            let _ = stop.send(());
        }
        if let Err(error) = (&mut self.task).await {
            tracing::error!(%error, "the Kubernetes source ended before it was asked to");
        }
    }
}

impl Drop for Kubernetes {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The status code of an answer that is an error.
fn code(error: &kube::Error) -> Option<u16> {
    match error {
        kube::Error::Api(status) => Some(status.code),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
