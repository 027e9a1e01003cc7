//! What is wrong with a settings file.

use std::fmt;
use std::path::{Path, PathBuf};

/// One thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConfigProblem {
    /// Line, from 1; 0 for the whole file.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
    /// What is wrong and what to do about it.
    pub message: String,
}

impl ConfigProblem {
    /// A problem of the whole file.
    pub(super) const fn whole(message: String) -> Self {
        Self { line: 0, column: 0, message }
    }
}

/// Everything that is wrong with one file; one line each when displayed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ConfigErrors {
    /// The file, as the user named it.
    pub file: PathBuf,
    /// What is wrong, by line; never empty.
    pub problems: Vec<ConfigProblem>,
}

impl ConfigErrors {
    pub(super) fn new(file: &Path, problems: Vec<ConfigProblem>) -> Self {
        Self { file: file.to_owned(), problems }
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.display();
        for (n, ConfigProblem { line, column, message }) in self.problems.iter().enumerate() {
            if n > 0 {
                f.write_str("\n")?;
            }
            match line {
                0 => write!(f, "{file}: {message}")?,
                _ => write!(f, "{file}:{line}:{column}: {message}")?,
            }
        }
        Ok(())
    }
}
