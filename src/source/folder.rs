//! A folder of manifests as a source: files in, changes of the [`Store`](super::Store) out.
//!
//! ```text
//! scan ─► read what changed ─► resolve names, namespaces, generations ─► difference ─► Store
//! ```
//!
//! A file that cannot be read keeps its last good objects, and so does an object that an API server
//! would refuse: a mistake never takes down what was right before.

mod resolve;
mod scan;
mod watch;

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::finding::{Finding, Level};
use super::manifest::{self, Entry, Format, Manifest, Origin};
use super::{Change, Location};
use crate::api::ObjectRef;
use resolve::Resolved;
use scan::{Scanned, Stamp};
pub use watch::{Watching, watch};

/// Larger files are not read.
const MAX_FILE_SIZE: u64 = 32 << 20;
/// How long an empty file, or a folder that lost all its files, counts as being written.
const GRACE: Duration = Duration::from_millis(500);

/// Why a folder cannot be a source.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Nothing is there.
    #[error("there is no folder '{}': check the path", .0.display())]
    Missing(PathBuf),
    /// It is a file or something else.
    #[error("'{}' is not a folder: give the folder that holds the manifests", .0.display())]
    NotAFolder(PathBuf),
    /// The system refused.
    #[error("cannot read the folder '{}': {source}: check its permissions", .path.display())]
    Unreadable {
        /// The folder.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// No file in it could hold manifests.
    #[error("no manifests in '{}': looked for *.yaml, *.yml and *.json files, also in the folders below it", .0.display())]
    Empty(PathBuf),
}

/// What a folder holds when it is read once.
#[derive(Debug)]
pub struct Loaded {
    /// Every object, as changes to an empty store.
    pub changes: Vec<Change>,
    /// What its author should know, in the order of files and lines.
    pub findings: Vec<Finding>,
    /// The folder, to find fields in and to read again.
    pub folder: Folder,
}

/// Reads a folder once.
///
/// # Errors
/// When there is no such folder, it cannot be read, or it has no manifest files. What is wrong
/// inside a file is a finding, never an error.
pub fn load(dir: &Path) -> Result<Loaded, FolderError> {
    let mut folder = Folder::open(dir)?;
    let Diff { changes, .. } = folder.rescan(Instant::now());
    Ok(Loaded { changes, findings: folder.findings().to_vec(), folder })
}

/// Reads one text as the only file of a folder; `name` is what findings call it.
#[must_use]
pub fn parse(name: &Path, text: &str) -> (Vec<Change>, Vec<Finding>) {
    let name = Arc::from(name);
    let Manifest { mut entries, mut findings, .. } = manifest::read(&name, text, Format::Yaml);
    let mut resolved = Resolved::default();
    let changes = resolved.update(std::iter::once((&name, entries.as_mut_slice())));
    findings.extend(resolved.findings().iter().cloned());
    (changes, findings)
}

/// What a rescan found.
#[derive(Debug, Default)]
pub struct Diff {
    /// What the store must learn, as one batch.
    pub changes: Vec<Change>,
    /// Whether the findings are others than before.
    pub findings_changed: bool,
    /// When to look again though nothing may happen until then: a file may be half-written.
    pub again: Option<Duration>,
}

/// A folder and what was last read from it.
#[derive(Debug)]
pub struct Folder {
    root: PathBuf,
    files: BTreeMap<Arc<Path>, File>,
    resolved: Resolved,
    findings: Vec<Finding>,
    vanished: Option<Instant>,
    notice: Option<Finding>,
}

/// What was last read from a file.
#[derive(Debug, Default)]
struct File {
    stamp: Option<Stamp>,
    hash: u64,
    entries: Vec<Entry>,
    findings: Vec<Finding>,
    emptied: Option<Instant>,
}

/// A field that is looked for, and for which of the questions.
struct Wanted<'a> {
    index: usize,
    origin: Origin,
    field: &'a str,
}

impl Folder {
    /// A folder that can be read and has manifest files; nothing is read from them yet.
    ///
    /// # Errors
    /// As [`load`].
    pub fn open(dir: &Path) -> Result<Self, FolderError> {
        let path = dir.to_path_buf();
        match std::fs::metadata(dir) {
            Ok(metadata) if metadata.is_dir() => {}
            Ok(_) => return Err(FolderError::NotAFolder(path)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(FolderError::Missing(path)),
            Err(source) => return Err(FolderError::Unreadable { path, source }),
        }
        let Scanned { files, .. } =
            scan::scan(dir).map_err(|source| FolderError::Unreadable { path: path.clone(), source })?;
        if files.is_empty() {
            return Err(FolderError::Empty(path));
        }
        Ok(Self {
            root: path,
            files: BTreeMap::new(),
            resolved: Resolved::default(),
            findings: Vec::new(),
            vanished: None,
            notice: None,
        })
    }

    /// What the author should know about what is there now.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// The folder as the user gave it.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where a field of an object is written, as `spec.rules[0].name`; its nearest parent when the
    /// field itself is not. Reads the file again: for messages, not for hot paths.
    #[must_use]
    pub fn locate(&self, object: &ObjectRef, field: &str) -> Option<Location> {
        self.locate_all(&[(object, field)]).pop().flatten()
    }

    /// [`Folder::locate`] for many fields, in their order. Reads every file once.
    #[must_use]
    pub fn locate_all(&self, fields: &[(&ObjectRef, &str)]) -> Vec<Option<Location>> {
        let mut files: BTreeMap<&Path, Vec<Wanted<'_>>> = BTreeMap::new();
        for (index, (object, field)) in fields.iter().enumerate() {
            if let Some((file, origin)) = self.resolved.place(object) {
                files.entry(file).or_default().push(Wanted { index, origin, field });
            }
        }
        let mut found = vec![None; fields.len()];
        for (file, mut wanted) in files {
            let Some(format) = Format::of(file) else { continue };
            let text = std::fs::read_to_string(file).unwrap_or_default();
            wanted.sort_by_key(|wanted| wanted.origin.document);
            let fields = wanted.iter().map(|wanted| (wanted.origin, wanted.field));
            let locations = manifest::locate((file, &text, format), fields);
            for (Wanted { index, .. }, location) in wanted.into_iter().zip(locations) {
                if let Some(slot) = found.get_mut(index) {
                    *slot = Some(location);
                }
            }
        }
        found
    }

    /// Adds a message about the folder itself to its findings.
    fn notify(&mut self, level: Level, message: String, remedy: &str) {
        let location = Location { file: self.root.clone(), line: 1, column: 1 };
        let remedy = remedy.to_owned();
        self.notice = Some(Finding { level, location, object: None, field: String::new(), message, remedy });
    }

    /// Reads what changed and says what that means for the store. `now` decides only how long an
    /// empty file counts as half-written.
    pub fn rescan(&mut self, now: Instant) -> Diff {
        let mut again = None;
        let scanned = match scan::scan(&self.root) {
            Ok(scanned) => scanned,
            Err(error) => return self.unreadable(&error),
        };
        if scanned.files.is_empty() && !self.files.is_empty() {
            let since = *self.vanished.get_or_insert(now);
            if let Some(left) = grace_left(since, now) {
                return Diff { again: Some(left), ..Diff::default() };
            }
        }
        self.vanished = None;
        let mut changed = self.drop_missing(&scanned);
        for (path, stamp) in scanned.files {
            let file = self.files.entry(Arc::clone(&path)).or_default();
            let (differs, look_again) = file.refresh(&path, stamp, now);
            changed |= differs;
            again = [again, look_again].into_iter().flatten().min();
        }
        let mut diff = if changed { self.resolve() } else { Diff::default() };
        diff.findings_changed |= self.collect_findings(scanned.findings);
        diff.again = again;
        diff
    }

    /// Files that are gone take their objects with them, unless their folder could not be looked into.
    fn drop_missing(&mut self, scanned: &Scanned) -> bool {
        let before = self.files.len();
        self.files.retain(|path, _| {
            scanned.files.contains_key(path) || scanned.closed.iter().any(|folder| path.starts_with(folder))
        });
        self.files.len() != before
    }

    /// The folder cannot be looked into: everything stays as it was.
    fn unreadable(&mut self, error: &std::io::Error) -> Diff {
        let location = Location { file: self.root.clone(), line: 1, column: 1 };
        let finding = Finding {
            level: Level::Error,
            location,
            object: None,
            field: String::new(),
            message: format!("the folder cannot be read: {error}"),
            remedy: "what was read last stays served; bring the folder back".to_owned(),
        };
        Diff { findings_changed: self.collect_findings(vec![finding]), ..Diff::default() }
    }

    fn resolve(&mut self) -> Diff {
        let files = self.files.iter_mut().map(|(path, file)| (path, file.entries.as_mut_slice()));
        Diff { changes: self.resolved.update(files), ..Diff::default() }
    }

    fn collect_findings(&mut self, scan: Vec<Finding>) -> bool {
        let mut findings = scan;
        findings.extend(self.notice.clone());
        findings.extend(self.files.values().flat_map(|file| file.findings.iter().cloned()));
        findings.extend(self.resolved.findings().iter().cloned());
        findings.sort_by(|a, b| (&a.location, a.level).cmp(&(&b.location, b.level)));
        let changed = findings != self.findings;
        self.findings = findings;
        changed
    }
}

impl File {
    /// Reads the file if it may differ; says whether its objects may differ, and when to look again.
    fn refresh(&mut self, path: &Arc<Path>, stamp: Stamp, now: Instant) -> (bool, Option<Duration>) {
        if self.emptied.is_none() && self.stamp.as_ref().is_some_and(|last| last.is_surely(&stamp)) {
            return (false, None);
        }
        if stamp.size == 0 && !self.entries.is_empty() {
            // Editors truncate before they write.
            let since = *self.emptied.get_or_insert(now);
            if let Some(left) = grace_left(since, now) {
                return (false, Some(left));
            }
        }
        self.emptied = None;
        let size = stamp.size;
        self.stamp = Some(stamp);
        let text = match read_text(path, size) {
            Ok(text) => text,
            Err(finding) => {
                self.hash = 0;
                self.findings = vec![*finding];
                return (false, None);
            }
        };
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        let hash = hasher.finish();
        if hash == self.hash {
            return (false, None);
        }
        self.hash = hash;
        let Some(format) = Format::of(path) else { return (false, None) };
        (self.replace(manifest::read(path, &text, format)), None)
    }

    /// A file that was read before keeps its objects while a part of it cannot be read.
    fn replace(&mut self, manifest: Manifest) -> bool {
        self.findings = manifest.findings;
        if manifest.broken && !self.entries.is_empty() {
            return false;
        }
        self.entries = manifest.entries;
        true
    }
}

fn grace_left(since: Instant, now: Instant) -> Option<Duration> {
    GRACE.checked_sub(now.saturating_duration_since(since)).filter(|left| !left.is_zero())
}

fn read_text(path: &Path, size: u64) -> Result<String, Box<Finding>> {
    let finding = |line: usize, message: String, remedy: &str| {
        let location = Location { file: path.to_owned(), line, column: 1 };
        let remedy = remedy.to_owned();
        Box::new(Finding { level: Level::Error, location, object: None, field: String::new(), message, remedy })
    };
    if size > MAX_FILE_SIZE {
        let message = format!("the file has {size} bytes, at most {MAX_FILE_SIZE} are read");
        return Err(finding(1, message, "split it"));
    }
    let bytes = std::fs::read(path)
        .map_err(|error| finding(1, format!("cannot read the file: {error}"), "check its permissions"))?;
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
        let line = 1 + valid.iter().filter(|byte| **byte == b'\n').count();
        finding(line, "the file is not UTF-8 text".to_owned(), "save it as UTF-8")
    })
}

#[cfg(test)]
mod tests;
