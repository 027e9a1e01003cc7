//! The product's code, without its tests.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use crate::files::{below, read};

/// A file of `src` without its tests.
pub struct Source {
    pub path: PathBuf,
    /// The top module it belongs to, as `proxy` for `src/proxy/tls.rs`.
    pub module: String,
    /// Its lines up to its test module.
    pub lines: Vec<String>,
}

impl Source {
    /// Its lines with their numbers, without comments.
    pub fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.lines.iter().enumerate();
        lines.map(|(n, line)| (n + 1, without_comment(line)))
    }
}

/// Cuts a comment off; `//` in a text, as in `https://`, begins none.
fn without_comment(line: &str) -> &str {
    let trimmed = line.trim_start();
    if trimmed.starts_with("//") { "" } else { line.split(" // ").next().unwrap_or_default() }
}

/// Every file of `src` that is compiled into the product.
pub fn sources() -> Vec<Source> {
    let files: Vec<_> =
        below("src").into_iter().filter(|path| path.extension().is_some_and(|ending| ending == "rs")).collect();
    let tests: HashSet<_> = files.iter().flat_map(|path| test_modules(path, &read(path))).collect();
    let is_test = |path: &Path| path.ancestors().any(|folder| tests.contains(&folder.with_extension("")));
    files.iter().filter(|path| !is_test(path)).map(|path| source(path)).collect()
}

/// The modules that a file declares for tests only, as paths without extension.
fn test_modules(path: &Path, text: &str) -> Vec<PathBuf> {
    let folder = if path.ends_with("lib.rs") { path.parent().unwrap().to_owned() } else { path.with_extension("") };
    let lines: Vec<_> = text.lines().collect();
    let declared = lines.windows(2).filter(|pair| pair[0].trim() == "#[cfg(test)]");
    let names = declared.filter_map(|pair| pair[1].strip_suffix(';')?.split_once("mod ")).map(|(_, name)| name);
    names.map(|name| folder.join(name)).collect()
}

fn source(path: &Path) -> Source {
    let text = read(path);
    let lines: Vec<_> = text.lines().collect();
    let is_end = |pair: &[&str]| pair[0] == "#[cfg(test)]" && pair[1].starts_with("mod tests {");
    let end = lines.windows(2).position(is_end).unwrap_or(lines.len());
    let module = path.iter().nth(1).unwrap().to_str().unwrap().trim_end_matches(".rs").to_owned();
    Source { path: path.to_owned(), module, lines: lines[..end].iter().map(ToString::to_string).collect() }
}

#[test]
fn test_code_is_recognised() {
    let sources = sources();
    let has = |path: &str| sources.iter().any(|source| source.path == Path::new(path));
    assert!(has("src/translate.rs") && has("src/cli/run.rs"));
    assert!(!has("src/translate/testing.rs") && !has("src/source/folder/tests.rs") && !has("src/config/tests.rs"));
    assert!(sources.iter().all(|source| !source.lines.iter().any(|line| line.trim() == "#[test]")));
}

#[test]
fn files_are_small() {
    let mut sizes: Vec<_> = sources().into_iter().map(|source| (source.lines.len(), source.path)).collect();
    sizes.sort();
    let share = |percent: usize| sizes[(sizes.len() - 1) * percent / 100].0;
    let (largest, path) = sizes.last().unwrap();
    assert!(*largest <= 600, "{} has {largest} lines: give its ideas a file each", path.display());
    assert!(share(50) <= 150, "half of the files have {} lines and more", share(50));
    assert!(share(90) <= 350, "a tenth of the files has {} lines and more", share(90));
}
