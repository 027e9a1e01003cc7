//! Where a field is written: found by reading the document again.

use std::collections::HashMap;
use std::fmt::Write;

/// A line and a column, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    /// Line.
    pub(crate) line: usize,
    /// Column, in characters.
    pub(crate) column: usize,
}

/// The position of every field and item of a document, by path.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    path: String,
    seen: HashMap<String, Position>,
}

impl Marks {
    /// Notes a field or item and makes it the current one; returns what [`Marks::leave`] needs.
    pub(super) fn enter(&mut self, position: Position, push: impl FnOnce(&mut String)) -> usize {
        let length = self.path.len();
        push(&mut self.path);
        self.seen.entry(self.path.clone()).or_insert(position);
        length
    }

    /// Goes back to the parent.
    pub(super) fn leave(&mut self, length: usize) {
        self.path.truncate(length);
    }

    /// Where a field is written, or the nearest field around it that is.
    pub(crate) fn find(&self, field: &str) -> Option<Position> {
        let mut field = field;
        loop {
            if let Some(position) = self.seen.get(field) {
                return Some(*position);
            }
            field = field.get(..field.rfind(['.', '['])?)?;
        }
    }
}

/// Reads the document and returns where its fields are; nothing when it cannot be read.
pub(crate) fn marks(text: &str) -> Marks {
    super::parse_with_marks(text).map(|(_, marks)| marks).unwrap_or_default()
}

/// Adds a key to a path.
pub(crate) fn push_key(path: &mut String, key: &str) {
    if !path.is_empty() {
        path.push('.');
    }
    path.push_str(key);
}

/// Adds an index to a path.
pub(crate) fn push_index(path: &mut String, index: usize) {
    // Writing to a String cannot fail.
    let _ = write!(path, "[{index}]");
}
