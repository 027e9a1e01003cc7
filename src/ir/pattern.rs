//! Regular expressions of matches: anchored, with limits.

use std::fmt;

use regex::{Regex, RegexBuilder};

/// Largest compiled program, in bytes; a longer one is refused.
const PROGRAM_LIMIT: usize = 1 << 20;

/// Largest cache of the lazy automaton per thread, in bytes; beyond it matching gets slower.
const CACHE_LIMIT: usize = 256 << 10;

const OPEN: &str = "^(?:";
const CLOSE: &str = "\n)$";

/// A regular expression that matches whole values. Matching takes time linear in the value.
#[derive(Clone)]
pub struct Pattern(Regex);

impl Pattern {
    /// Reads a regular expression (RE2 syntax as the `regex` crate reads it).
    ///
    /// # Errors
    /// When the syntax is wrong or the program would grow beyond its limit.
    pub fn parse(text: &str) -> Result<Self, regex::Error> {
        // a text like `a)(b` is refused although it would fit between our own parentheses
        if text.contains(')') {
            build(text)?;
        }
        // in verbose mode a comment at the end would swallow the closing parenthesis
        build(&format!("{OPEN}{text})$")).or_else(|_| build(&format!("{OPEN}{text}{CLOSE}"))).map(Self)
    }

    /// Whether the whole value matches.
    #[must_use]
    pub fn matches(&self, value: &str) -> bool {
        self.0.is_match(value)
    }

    /// The text it was read from.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let text = self.0.as_str().strip_prefix(OPEN).unwrap_or_default();
        text.strip_suffix(CLOSE).or_else(|| text.strip_suffix(")$")).unwrap_or_default()
    }
}

fn build(text: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(text).size_limit(PROGRAM_LIMIT).dfa_size_limit(CACHE_LIMIT).build()
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pattern").field(&self.as_str()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, value: &str) -> bool {
        Pattern::parse(pattern).unwrap().matches(value)
    }

    #[test]
    fn the_whole_value_must_match() {
        assert!(matches("a|ab", "ab") && matches("/v[0-9]+", "/v12"));
        assert!(!matches("a|b", "ab") && !matches("/v[0-9]+", "/v12/") && !matches("(?m)a", "a\nb"));
        assert!(!matches("a", "a\n"));
    }

    #[test]
    fn a_comment_does_not_swallow_the_anchor() {
        assert!(matches("(?x) a b # end", "ab") && !matches("(?x) a b # end", "abc"));
        assert_eq!(Pattern::parse("(?x) a # end").unwrap().as_str(), "(?x) a # end");
        assert_eq!(Pattern::parse("a|b").unwrap().as_str(), "a|b");
    }

    #[test]
    fn what_is_no_expression_or_too_large_is_refused() {
        for text in ["(", "a)(b", "[", r"(\w{1000}){1000}"] {
            assert!(Pattern::parse(text).is_err(), "{text}");
        }
    }
}
