//! Which manifest files are below a folder, and whether they may have changed.

use std::collections::{BTreeMap, HashSet};
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::source::Location;
use crate::source::finding::{Finding, Level};
use crate::source::manifest::Format;

/// How deeply folders may nest.
const MAX_DEPTH: usize = 32;
/// How many files are read.
const MAX_FILES: usize = 100_000;
/// A file this young may change again without its times showing it.
const RACY: Duration = Duration::from_secs(1);

/// What a scan found.
#[derive(Debug, Default)]
pub(super) struct Scanned {
    /// Manifest files in the order of their paths.
    pub(super) files: BTreeMap<Arc<Path>, Stamp>,
    /// Folders and files that could not be looked into; what is below them is not known to be gone.
    pub(super) closed: Vec<PathBuf>,
    /// What could not be read.
    pub(super) findings: Vec<Finding>,
}

/// What tells whether a file changed without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
    inode: (u64, u64),
    /// Whether it was taken so soon after a change that the times prove nothing.
    racy: bool,
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        let age = metadata.modified().ok().and_then(|at| SystemTime::now().duration_since(at).ok());
        Self {
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
            inode: (metadata.dev(), metadata.ino()),
            racy: age.is_none_or(|age| age < RACY),
        }
    }

    /// Whether the file is surely the same as when this stamp was taken.
    pub(super) fn is_surely(&self, now: &Self) -> bool {
        let same = |stamp: &Self| (stamp.size, stamp.modified, stamp.changed, stamp.inode);
        !self.racy && same(self) == same(now)
    }
}

/// Finds the manifest files below a folder. Names that start with a dot are skipped, but a visible
/// link into a hidden folder is followed: that is how ConfigMap volumes are made.
pub(super) fn scan(root: &Path) -> io::Result<Scanned> {
    let mut scanned = Scanned::default();
    let mut seen = HashSet::new();
    let metadata = std::fs::metadata(root)?;
    seen.insert((metadata.dev(), metadata.ino()));
    let entries = std::fs::read_dir(root)?;
    walk(entries, 1, &mut seen, &mut scanned);
    Ok(scanned)
}

fn walk(entries: std::fs::ReadDir, depth: usize, seen: &mut HashSet<(u64, u64)>, scanned: &mut Scanned) {
    let mut paths: Vec<_> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
    // The order decides which of two links to one folder is read.
    paths.sort();
    for path in paths.into_iter().filter(|path| !is_hidden(path)) {
        match std::fs::metadata(&path) {
            // A link may lead back up, or to a folder that is read already.
            Ok(metadata) if metadata.is_dir() && !seen.insert((metadata.dev(), metadata.ino())) => {}
            Ok(metadata) if metadata.is_dir() && depth < MAX_DEPTH => match std::fs::read_dir(&path) {
                Ok(entries) => walk(entries, depth + 1, seen, scanned),
                Err(error) => scanned.close(path, &error.to_string()),
            },
            Ok(metadata) if metadata.is_dir() => scanned.close(path, "the folder is too deep"),
            Ok(metadata) if metadata.is_file() && Format::of(&path).is_some() => {
                if scanned.files.len() < MAX_FILES {
                    scanned.files.insert(path.into(), Stamp::of(&metadata));
                } else {
                    return scanned.close(path, "there are too many files before it");
                }
            }
            // A file that went away between the two looks, or a link to nothing, is gone.
            Err(error) if error.kind() != io::ErrorKind::NotFound && Format::of(&path).is_some() => {
                scanned.close(path, &error.to_string());
            }
            _ => {}
        }
    }
}

impl Scanned {
    fn close(&mut self, path: PathBuf, why: &str) {
        self.findings.push(Finding {
            level: Level::Error,
            location: Location { file: path.clone(), line: 1, column: 1 },
            object: None,
            field: String::new(),
            message: format!("cannot be read: {why}"),
            remedy: "check its permissions, or serve fewer and flatter folders".to_owned(),
        });
        self.closed.push(path);
    }
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}
