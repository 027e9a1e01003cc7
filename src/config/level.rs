//! Log levels, checked where they are written: a misspelt one would otherwise read as the name of
//! a module, and switch everything else off.

use super::Problems;
use super::read::{refuse, scalar};
use super::yaml::Node;

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// The first directive of a comma-separated list that names no level.
pub(crate) fn without_level(directives: &str) -> Option<&str> {
    let is_level = |text: &str| LEVELS.iter().any(|level| level.eq_ignore_ascii_case(text));
    let level = |directive: &str| is_level(directive.rsplit('=').next().unwrap_or_default().trim());
    directives.split(',').find(|directive| !level(directive))
}

/// Reads a level or directives.
pub(super) fn level(node: &Node, problems: &mut Problems) -> Option<String> {
    let text = scalar(node, problems)?;
    match without_level(text) {
        Some(directive) => refuse(node, message(directive), problems),
        None => Some(text.to_owned()),
    }
}

/// What is wrong with a directive that names no level.
pub(crate) fn message(directive: &str) -> String {
    format!("'{directive}' is no log level: write error, warn, info, debug or trace, or info,paifang::source=debug")
}
