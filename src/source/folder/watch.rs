//! Watching a folder: a thread that waits for quiet, rescans, and tells the store.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use notify::{Config, EventKind, PollWatcher, RecursiveMode, Watcher};
use parking_lot::Mutex;
use tokio::sync::watch as channel;

use super::{Diff, Folder, FolderError};
use crate::api::ObjectRef;
use crate::source::finding::{Finding, Level};
use crate::source::{Location, Store};

/// Nothing happened for so long: a burst of changes is over.
const QUIET: Duration = Duration::from_millis(20);
/// A burst that does not end is read anyway.
const PATIENCE: Duration = Duration::from_millis(500);
/// The folder is looked at this often without any event: links may lead out of what is watched.
const ROUND: Duration = Duration::from_secs(5);
/// While the folder is gone, this often.
const MISSING_ROUND: Duration = Duration::from_millis(200);
/// How often the fallback looks for changes.
const POLL: Duration = Duration::from_secs(1);

/// A watched folder. Watching ends when this is dropped.
#[derive(Debug)]
pub struct Watching {
    folder: Arc<Mutex<Folder>>,
    findings: channel::Receiver<Arc<[Finding]>>,
    signals: Sender<Signal>,
    thread: Option<JoinHandle<()>>,
}

impl Watching {
    /// Follows the findings: the receiver has the current ones and sees every change.
    #[must_use]
    pub fn findings(&self) -> channel::Receiver<Arc<[Finding]>> {
        self.findings.clone()
    }

    /// Where a field of an object is written; see [`Folder::locate`].
    #[must_use]
    pub fn locate(&self, object: &ObjectRef, field: &str) -> Option<Location> {
        self.folder.lock().locate(object, field)
    }

    /// Where many fields are written; see [`Folder::locate_all`].
    #[must_use]
    pub fn locate_all(&self, fields: &[(&ObjectRef, &str)]) -> Vec<Option<Location>> {
        self.folder.lock().locate_all(fields)
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        // The thread may have ended already.
        let _ = self.signals.send(Signal::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Reads a folder into the store, marks the store as synced, and keeps it up to date.
///
/// # Errors
/// As [`super::load`]; later troubles are findings.
pub fn watch(dir: &Path, store: Arc<Store>) -> Result<Watching, FolderError> {
    let folder = Folder::open(dir)?;
    let root = folder.root().to_path_buf();
    let (signals, events) = mpsc::channel();
    // The watch stands before the first look, so that no change falls between the two.
    let mut eyes = Eyes::new(&root, signals.clone());
    let folder = Arc::new(Mutex::new(folder));
    let (publish, findings) = channel::channel(Arc::from([]));
    let mut worker = Worker { folder: Arc::clone(&folder), store, publish };
    let again = worker.look(true, eyes.open());
    let run = move || worker.run(&events, &mut eyes, again);
    let thread = std::thread::Builder::new()
        .name("folder".to_owned())
        .spawn(run)
        .map_err(|source| FolderError::Unreadable { path: root, source })?;
    Ok(Watching { folder, findings, signals, thread: Some(thread) })
}

enum Signal {
    Changed,
    Stop,
}

struct Worker {
    folder: Arc<Mutex<Folder>>,
    store: Arc<Store>,
    publish: channel::Sender<Arc<[Finding]>>,
}

impl Worker {
    fn run(&mut self, events: &Receiver<Signal>, eyes: &mut Eyes, mut again: Option<Duration>) {
        loop {
            let round = if eyes.is_open() { ROUND } else { MISSING_ROUND };
            match events.recv_timeout(again.unwrap_or(round).min(round)) {
                Ok(Signal::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {}
                Ok(Signal::Changed) => {
                    if !wait_for_quiet(events) {
                        return;
                    }
                }
            }
            let trouble = eyes.open();
            again = self.look(false, trouble);
        }
    }

    /// Rescans; returns when to look again.
    fn look(&mut self, first: bool, trouble: Option<String>) -> Option<Duration> {
        let mut folder = self.folder.lock();
        match trouble {
            Some(message) => folder.notify(Level::Warning, message, "changes are seen within some seconds"),
            None => folder.notice = None,
        }
        let Diff { changes, findings_changed, again } = folder.rescan(Instant::now());
        if findings_changed {
            let findings: Arc<[Finding]> = folder.findings().into();
            self.publish.send_replace(findings);
        }
        drop(folder);
        if first || !changes.is_empty() {
            self.store.apply(changes, first);
        }
        again
    }
}

/// Swallows a burst of changes; says whether to go on.
fn wait_for_quiet(events: &Receiver<Signal>) -> bool {
    let end = Instant::now() + PATIENCE;
    loop {
        let left = end.saturating_duration_since(Instant::now()).min(QUIET);
        match events.recv_timeout(left) {
            Ok(Signal::Changed) if !left.is_zero() => {}
            Ok(Signal::Changed) | Err(RecvTimeoutError::Timeout) => return true,
            Ok(Signal::Stop) | Err(RecvTimeoutError::Disconnected) => return false,
        }
    }
}

/// The watch on the folder, set again when the folder is another one.
struct Eyes {
    root: PathBuf,
    signals: Sender<Signal>,
    watcher: Option<Box<dyn Watcher + Send>>,
    /// Which folder it is; a new one may get the number of the old one, but not its birth.
    identity: Option<(u64, u64, Option<SystemTime>)>,
    trouble: Option<String>,
}

impl Eyes {
    fn new(root: &Path, signals: Sender<Signal>) -> Self {
        Self { root: root.to_path_buf(), signals, watcher: None, identity: None, trouble: None }
    }

    fn is_open(&self) -> bool {
        self.identity.is_some()
    }

    /// Makes sure that the folder that is there now is watched; returns what hinders that.
    fn open(&mut self) -> Option<String> {
        let identity = std::fs::metadata(&self.root).ok();
        let identity = identity.map(|metadata| (metadata.dev(), metadata.ino(), metadata.created().ok()));
        if identity == self.identity && (identity.is_none() || self.watcher.is_some()) {
            return self.trouble.clone();
        }
        self.identity = identity;
        self.watcher = None;
        self.trouble = None;
        if identity.is_some() {
            match self.start::<notify::RecommendedWatcher>() {
                Ok(watcher) => self.watcher = Some(watcher),
                Err(error) => {
                    self.trouble = Some(format!("the system cannot watch this folder ({error}), it is polled instead"));
                    self.watcher = self.start::<PollWatcher>().ok();
                }
            }
        }
        self.trouble.clone()
    }

    fn start<W: Watcher + Send + 'static>(&self) -> notify::Result<Box<dyn Watcher + Send>> {
        let signals = self.signals.clone();
        let handler = move |event: notify::Result<notify::Event>| {
            // Reading the folder must not count as a change of it.
            if !matches!(event, Ok(notify::Event { kind: EventKind::Access(_), .. })) {
                // The thread may have ended already.
                let _ = signals.send(Signal::Changed);
            }
        };
        let mut watcher = W::new(handler, Config::default().with_poll_interval(POLL))?;
        watcher.watch(&self.root, RecursiveMode::Recursive)?;
        Ok(Box::new(watcher))
    }
}

#[cfg(test)]
mod tests;
