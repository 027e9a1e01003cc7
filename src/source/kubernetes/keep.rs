//! The last good configuration on disk, for a start without API server.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::api::Kind;
use crate::snapshot::{Object, Snapshot};

/// Name of the file.
const FILE: &str = "snapshot.jsonl";
/// Rises when older programs could not read the file any more.
const FORMAT: u32 = 1;

/// The first line. Every other line is `["HTTPRoute",{…}]`.
#[derive(Serialize, Deserialize)]
struct Head {
    format: u32,
    /// Who wrote it.
    paifang: String,
    /// In seconds since 1970.
    kept: u64,
    /// How many lines follow.
    objects: usize,
}

/// What was kept.
#[derive(Debug)]
pub(super) struct Kept {
    /// When.
    pub(super) at: SystemTime,
    /// What.
    pub(super) objects: Vec<Object>,
}

/// Writes a snapshot, so that the file is at any moment the old one or the new one.
pub(super) fn write(folder: &Path, snapshot: &Snapshot, now: SystemTime) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let (path, draft) = (folder.join(FILE), folder.join(format!("{FILE}.new")));
    let written = write_draft(&draft, snapshot, now).and_then(|()| fs::rename(&draft, &path));
    if written.is_err() {
        // On a full disk the draft would take the room that the next one needs.
        let _ = fs::remove_file(&draft);
    }
    written?;
    File::open(folder)?.sync_all()
}

fn write_draft(draft: &Path, snapshot: &Snapshot, now: SystemTime) -> io::Result<()> {
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(draft)?;
    // An older draft may have had other rights.
    file.set_permissions(fs::Permissions::from_mode(0o600))?;
    let mut writer = BufWriter::new(file);
    let head = Head {
        format: FORMAT,
        paifang: env!("CARGO_PKG_VERSION").to_owned(),
        kept: now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs(),
        objects: Kind::ALL.iter().map(|kind| snapshot.count(*kind)).sum(),
    };
    serde_json::to_writer(&mut writer, &head)?;
    for kind in Kind::ALL {
        for object in snapshot.all(kind) {
            write!(writer, "\n[\"{kind}\",")?;
            object.to_json(&mut writer)?;
            writer.write_all(b"]")?;
        }
    }
    writer.write_all(b"\n")?;
    writer.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
}

/// Reads what was kept, if anything was. What is no file of ours is put aside as `*.corrupt`.
pub(super) fn read(folder: &Path) -> io::Result<Option<Kept>> {
    let path = folder.join(FILE);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    match parse(BufReader::new(file)) {
        Ok(kept) => Ok(Some(kept)),
        Err(error) => {
            if error.kind() == io::ErrorKind::InvalidData {
                put_aside(&path)?;
            }
            Err(error)
        }
    }
}

fn put_aside(path: &Path) -> io::Result<()> {
    let mut aside = path.as_os_str().to_owned();
    aside.push(".corrupt");
    fs::rename(path, PathBuf::from(aside))
}

fn parse(file: impl BufRead) -> io::Result<Kept> {
    let mut lines = file.split(b'\n');
    let head = lines.next().unwrap_or_else(|| Ok(Vec::new()))?;
    let head: Head = serde_json::from_slice(&head).map_err(|_| invalid("the first line cannot be read"))?;
    if head.format != FORMAT {
        return Err(invalid("it has another format"));
    }
    let objects = lines.map(|line| object(&line?)).collect::<io::Result<Vec<_>>>()?;
    if objects.len() != head.objects {
        return Err(invalid("lines are missing"));
    }
    Ok(Kept { at: SystemTime::UNIX_EPOCH + Duration::from_secs(head.kept), objects })
}

fn object(line: &[u8]) -> io::Result<Object> {
    // The error would show what stands in a Secret.
    let unreadable = || invalid("a line cannot be read");
    let (kind, value): (String, Value) = serde_json::from_slice(line).map_err(|_| unreadable())?;
    let kind = Kind::ALL.into_iter().find(|known| known.as_str() == kind).ok_or_else(unreadable)?;
    Object::from_json(kind, &value).map_err(|_| unreadable())
}

fn invalid(message: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

#[cfg(test)]
mod tests;
