//! Query parameters, read from the raw query only when a rule asks for one.

use std::cell::Cell;

use smallvec::SmallVec;

use super::matcher::Value;

/// The parameters of one request. Names and values are decoded as the URL standard does for
/// `application/x-www-form-urlencoded`; what does not decode to UTF-8 equals nothing.
///
/// Each condition costs at most one scan of the query, usually none: see `last`.
#[derive(Debug)]
pub(crate) struct Params<'a> {
    raw: &'a str,
    /// Neighbouring rules usually ask for the same name: one scan of the query serves them all.
    last: Cell<Option<(&'a str, Option<&'a str>)>>,
}

impl<'a> Params<'a> {
    /// Parameters of a raw query.
    pub(crate) const fn new(raw: Option<&'a str>) -> Self {
        let raw = match raw {
            Some(raw) => raw,
            None => "",
        };
        Self { raw, last: Cell::new(None) }
    }

    /// Whether the first parameter of this name has such a value.
    pub(crate) fn matches(&self, name: &'a str, value: &Value) -> bool {
        self.value(name).is_some_and(|raw| has_value(raw, value))
    }

    fn value(&self, name: &'a str) -> Option<&'a str> {
        if let Some((last, value)) = self.last.get()
            && last == name
        {
            return value;
        }
        let value = find(self.raw, name);
        self.last.set(Some((name, value)));
        value
    }
}

/// The raw value of the first parameter of a name.
pub(super) fn find<'a>(raw: &'a str, name: &str) -> Option<&'a str> {
    let pairs = raw.split('&').filter(|pair| !pair.is_empty());
    let mut named = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    named.find(|(key, _)| Decoded(key.as_bytes()).eq(name.bytes())).map(|(_, value)| value)
}

fn has_value(raw: &str, value: &Value) -> bool {
    match value {
        Value::Exact(expected) => Decoded(raw.as_bytes()).eq(expected.bytes()),
        Value::Pattern(pattern) if !raw.contains(['%', '+']) => pattern.matches(raw),
        Value::Pattern(pattern) => {
            let decoded: SmallVec<[u8; 256]> = Decoded(raw.as_bytes()).collect();
            std::str::from_utf8(&decoded).is_ok_and(|text| pattern.matches(text))
        }
    }
}

/// Percent-decoding, byte by byte; a `%` without two digits stays as it is.
pub(super) struct Decoded<'a>(pub(super) &'a [u8]);

impl Iterator for Decoded<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        let (byte, rest) = match self.0 {
            [b'%', high, low, rest @ ..] => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => (high << 4 | low, rest),
                _ => (b'%', self.0.get(1..).unwrap_or_default()),
            },
            [b'+', rest @ ..] => (b' ', rest),
            [byte, rest @ ..] => (*byte, rest),
            [] => return None,
        };
        self.0 = rest;
        Some(byte)
    }
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::ir::Pattern;

    fn is(raw: &str, name: &str, value: &str) -> bool {
        Params::new(Some(raw)).matches(name, &Value::Exact(value.into()))
    }

    #[test]
    fn names_and_values_are_decoded() {
        assert!(is("a=1&b%20c=%c3%A4+x", "b c", "ä x"));
        assert!(is("a=%zz%4", "a", "%zz%4") && is("a=b=c", "a", "b=c"));
        assert!(is("&&a", "a", "") && is("=x", "", "x"));
        assert!(!is("A=1", "a", "1") && !is("", "a", ""));
    }

    #[test]
    fn the_first_of_several_counts() {
        assert!(is("a=1&a=2", "a", "1") && !is("a=1&a=2", "a", "2"));
    }

    #[test]
    fn a_pattern_sees_the_decoded_value() {
        let value = Value::Pattern(Arc::new(Pattern::parse("[a-z] [a-z]").unwrap()));
        let matches = |raw| Params::new(Some(raw)).matches("q", &value);
        assert!(matches("q=a+b") && matches("q=a%20b") && !matches("q=a%20%ff") && !matches("q=ab"));
    }

    #[test]
    fn a_remembered_name_is_not_mistaken_for_another() {
        let params = Params::new(Some("a=1&b=2"));
        let is = |name, value: &str| params.matches(name, &Value::Exact(value.into()));
        assert!(is("a", "1") && is("b", "2") && !is("b", "1") && is("a", "1") && !is("c", "1"));
    }
}
