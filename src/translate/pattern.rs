//! Regular expressions that tenants write.

use regex::RegexBuilder;

/// How long a pattern may be, in bytes; the CRDs allow no longer one either.
const MAX_LENGTH: usize = 4096;
/// How much memory a compiled pattern may take, in bytes.
const MAX_SIZE: usize = 1 << 20;

/// Whether a pattern compiles, alone and anchored (`^(?:…)$`), within the limits.
///
/// Alone too, so that `a)|(b` cannot slip out of the group the anchors put around it.
pub(crate) fn validate(pattern: &str) -> Result<(), String> {
    if pattern.len() > MAX_LENGTH {
        return Err(format!("the pattern is longer than {MAX_LENGTH} bytes"));
    }
    for text in [pattern, &format!("^(?:{pattern})$")] {
        RegexBuilder::new(text).size_limit(MAX_SIZE).build().map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => "the pattern needs too much memory".to_owned(),
            error => last_line(&error.to_string()).to_owned(),
        })?;
    }
    Ok(())
}

/// The library draws the pattern over several lines; its last one says what is wrong.
fn last_line(text: &str) -> &str {
    text.lines().last().unwrap_or(text).trim_start_matches("error: ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_checked_alone_and_anchored() {
        assert_eq!(validate("/v[0-9]+/.*"), Ok(()));
        assert!(validate("a)|(b").is_err(), "would escape the anchors");
        assert!(validate("(?x) a # comment").is_err(), "would swallow the closing anchor");
        assert!(validate("(").unwrap_err().contains("unclosed"));
        assert!(validate(&"a".repeat(MAX_LENGTH + 1)).is_err());
        assert!(validate(r"(\w{100}){100}").unwrap_err().contains("memory"));
    }
}
