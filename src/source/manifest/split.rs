//! Documents of a YAML or JSON file.

use std::path::Path;

use serde::de::IgnoredAny;
use serde_json::{Deserializer, Value};

pub(super) use crate::source::yaml::Document;
use crate::source::yaml::position::Position;
use crate::source::yaml::{self, YamlError};

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::source) enum Format {
    /// `.yaml` and `.yml`.
    Yaml,
    /// `.json`.
    Json,
}

impl Format {
    /// The format a file's name says; `None` for files that are no manifests.
    pub(in crate::source) fn of(file: &Path) -> Option<Self> {
        match file.extension()?.to_str()? {
            "yaml" | "yml" => Some(Self::Yaml),
            "json" => Some(Self::Json),
            _ => None,
        }
    }
}

/// Cuts a file into documents.
pub(super) fn documents(text: &str, format: Format) -> Vec<Document<'_>> {
    match format {
        Format::Yaml => yaml::documents(text),
        Format::Json => json_documents(text),
    }
}

/// The values of one document.
pub(super) fn values(document: Document<'_>, format: Format) -> Result<Vec<Value>, YamlError> {
    match format {
        Format::Yaml => yaml::parse(document.text),
        Format::Json => serde_json::from_str(document.text).map(|value| vec![value]).map_err(|error| YamlError {
            position: Position { line: error.line().max(1), column: error.column().max(1) },
            message: format!("not valid JSON: {error}"),
        }),
    }
}

/// JSON values one after the other; what cannot be read is the last document.
fn json_documents(text: &str) -> Vec<Document<'_>> {
    let mut stream = Deserializer::from_str(text).into_iter::<IgnoredAny>();
    let mut documents = Vec::new();
    let (mut start, mut line) = (0, 1);
    loop {
        let read = stream.next();
        let end = if matches!(read, Some(Ok(_))) { stream.byte_offset() } else { text.len() };
        let piece = text.get(start..end).unwrap_or_default();
        if !piece.trim().is_empty() {
            documents.push(Document { text: piece, line });
        }
        line += piece.bytes().filter(|byte| *byte == b'\n').count();
        start = end;
        if !matches!(read, Some(Ok(_))) {
            return documents;
        }
    }
}
