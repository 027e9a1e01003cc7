//! When the configuration is written to disk.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::Instant;

use super::keep::{self, Kept};
use crate::snapshot::Snapshot;
use crate::telemetry::metrics::Metrics;

/// Keeps configurations, not too often, and never in the way of the watches.
pub(super) struct Keeper {
    folder: Option<PathBuf>,
    every: Duration,
    metrics: Arc<Metrics>,
    dirty: bool,
    next: Instant,
    writing: Option<JoinHandle<io::Result<SystemTime>>>,
}

impl Keeper {
    /// A keeper that writes to a folder, if there is one.
    pub(super) fn new(folder: Option<PathBuf>, every: Duration, metrics: Arc<Metrics>) -> Self {
        Self { folder, every, metrics, dirty: false, next: Instant::now(), writing: None }
    }

    /// Notes that the configuration differs from the kept one.
    pub(super) const fn touch(&mut self) {
        self.dirty = true;
    }

    /// Waits until something is to be done: see [`Keeper::work`].
    pub(super) async fn due(&mut self) -> Option<io::Result<SystemTime>> {
        match &mut self.writing {
            Some(writing) => Some(writing.await.unwrap_or_else(|error| Err(io::Error::other(error)))),
            None if self.dirty && self.folder.is_some() => {
                tokio::time::sleep_until(self.next).await;
                None
            }
            None => std::future::pending().await,
        }
    }

    /// Does what was due: begins to write, or notes how it ended.
    pub(super) fn work(&mut self, due: Option<io::Result<SystemTime>>, snapshot: impl FnOnce() -> Snapshot) {
        match due {
            Some(ended) => self.ended(ended),
            None => self.begin(snapshot()),
        }
    }

    /// Writes what is not kept yet.
    pub(super) async fn finish(&mut self, snapshot: impl FnOnce() -> Snapshot) {
        if self.writing.is_some()
            && let Some(ended) = self.due().await
        {
            self.ended(ended);
        }
        if self.dirty {
            self.begin(snapshot());
        }
        if self.writing.is_some()
            && let Some(ended) = self.due().await
        {
            self.ended(ended);
        }
    }

    /// Reads what was kept. Trouble is logged: it is no reason not to start.
    pub(super) async fn restore(&self) -> Option<Kept> {
        let folder = self.folder.clone()?;
        let place = folder.clone();
        let read = spawn_blocking(move || keep::read(&folder)).await;
        match read.unwrap_or_else(|error| Err(io::Error::other(error))) {
            Ok(kept) => kept,
            Err(error) => {
                tracing::error!(folder = %place.display(), %error, "the kept configuration cannot be read");
                None
            }
        }
    }

    fn begin(&mut self, snapshot: Snapshot) {
        let Some(folder) = self.folder.clone() else { return };
        self.dirty = false;
        self.next = Instant::now() + self.every;
        self.writing = Some(spawn_blocking(move || {
            let now = SystemTime::now();
            keep::write(&folder, &snapshot, now).map(|()| now)
        }));
    }

    fn ended(&mut self, ended: io::Result<SystemTime>) {
        self.writing = None;
        match ended {
            Ok(at) => {
                let since_1970 = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
                self.metrics.control.kept_at.set(since_1970.as_secs_f64());
            }
            Err(error) => {
                // It is tried again when it is due, changes or not.
                self.dirty = true;
                self.metrics.control.keep_failures.inc();
                let folder = self.folder.as_deref().unwrap_or_else(|| "".as_ref());
                tracing::error!(folder = %folder.display(), %error, "the configuration cannot be kept");
            }
        }
    }
}
