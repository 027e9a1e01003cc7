//! A folder of manifests as what is served.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::{Feed, Process};
use crate::admin::State as Life;
use crate::cli::demo::Demo;
use crate::cli::report::Reporter;
use crate::source::Store;
use crate::source::folder::{self, Watching};

/// The folder's followers.
struct Folder {
    reporter: JoinHandle<()>,
    demo: JoinHandle<()>,
}

impl Feed for Folder {
    async fn leave(&mut self) {}

    async fn end(self) {
        self.reporter.abort();
        self.demo.abort();
    }
}

/// Serves a folder until a signal comes; says whether every request was answered.
pub(super) async fn serve(mut process: Process, manifests: PathBuf) -> anyhow::Result<bool> {
    let folder = tokio::select! {
        folder = first_reading(manifests, Arc::clone(&process.inputs.store)) => folder?,
        () = process.signals.next() => {
            tracing::info!("asked to stop before anything was served");
            return Ok(true);
        }
    };
    process.readiness.set(Life::NotPublished);
    let mut demo = Demo::default();
    let first = process.inputs.store.subscribe().borrow().clone();
    demo.follow(&first, &process.inputs.store).await;

    let edge = process.edge()?;
    let reporter = Reporter::new(folder, Arc::clone(&process.metrics));
    let reporter = tokio::spawn(reporter.follow(edge.view(), process.readiness.clone()));
    let demo = tokio::spawn(follow(demo, Arc::clone(&process.inputs.store)));
    Ok(process.until_stopped(edge, Folder { reporter, demo }).await)
}

/// Reads the folder for the first time, and watches it from then on. On a thread that ends, because
/// then the allocator gives back what the reading needed; the admin server answers meanwhile.
async fn first_reading(manifests: PathBuf, store: Arc<Store>) -> anyhow::Result<Watching> {
    let (done, read) = oneshot::channel();
    std::thread::Builder::new().name("first reading".to_owned()).spawn(move || {
        // who waited for it may be gone: the process ends
        let _ = done.send(folder::watch(&manifests, store));
    })?;
    Ok(read.await.map_err(|_| anyhow::anyhow!("reading the folder failed: this is a bug"))??)
}

/// Keeps the demonstration backends in step with the Services that ask for them.
async fn follow(mut demo: Demo, store: Arc<Store>) {
    let mut state = store.subscribe();
    while state.changed().await.is_ok() {
        let current = state.borrow_and_update().clone();
        demo.follow(&current, &store).await;
    }
}
