//! Conditions that HTTPRoute and GRPCRoute write alike: named values and regular expressions.

use http::HeaderName;

use crate::api::gateway::shared::ValueMatchType;
use crate::ir::{ValueMatch, ValuePattern};
use crate::translate::field::Field;
use crate::translate::finding::Findings;
use crate::translate::pattern;
use crate::translate::reason::Reason;

/// A condition as some kind writes it.
pub(super) struct Condition<'a> {
    pub(super) kind: Option<&'a ValueMatchType>,
    pub(super) name: &'a str,
    pub(super) value: &'a str,
}

/// Which values are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Values {
    /// Names are case-insensitive field names.
    Headers,
    /// Names are as written.
    Query,
}

/// Lowers conditions; of equal names only the first counts, as the API asks. `None` when one of
/// them cannot be honoured: a match with a condition left out would match too much.
pub(super) fn conditions<'a>(
    values: Values,
    written: impl Iterator<Item = Condition<'a>>,
    at: &Field<'_>,
    findings: &mut Findings,
) -> Option<Vec<ValueMatch>> {
    let list = match values {
        Values::Headers => "headers",
        Values::Query => "queryParams",
    };
    let (mut conditions, mut sound) = (Vec::new(), true);
    for (index, condition) in written.enumerate() {
        match lower(values, &condition, &at.item(list, index), findings) {
            Some(new) if conditions.iter().any(|known: &ValueMatch| known.name == new.name) => {}
            Some(new) => conditions.push(new),
            None => sound = false,
        }
    }
    sound.then_some(conditions)
}

fn lower(values: Values, written: &Condition<'_>, at: &Field<'_>, findings: &mut Findings) -> Option<ValueMatch> {
    let name = match values {
        Values::Query => written.name.to_owned(),
        Values::Headers => match HeaderName::from_bytes(written.name.as_bytes()) {
            Ok(name) => name.as_str().to_owned(),
            Err(_) => {
                let message = format!("'{}' is not a header name", written.name);
                findings.reject(Reason::UnsupportedValue, &at.name("name"), message, "write a field name");
                return None;
            }
        },
    };
    let value = match written.kind.unwrap_or(&ValueMatchType::Exact) {
        ValueMatchType::Exact => ValuePattern::Exact(written.value.to_owned()),
        ValueMatchType::RegularExpression => ValuePattern::Regex(regex(written.value, &at.name("value"), findings)?),
        ValueMatchType::Other(kind) => {
            unknown_type(kind, ValueMatchType::KNOWN, at, findings);
            return None;
        }
    };
    Some(ValueMatch { name, value })
}

/// A pattern, if it compiles.
pub(super) fn regex(text: &str, at: &Field<'_>, findings: &mut Findings) -> Option<String> {
    match pattern::validate(text) {
        Ok(()) => Some(text.to_owned()),
        Err(error) => {
            let remedy = "write a regular expression in the syntax of the regex crate (RE2-like, no look-around)";
            findings.reject(Reason::UnsupportedValue, at, format!("not a usable regular expression: {error}"), remedy);
            None
        }
    }
}

/// Says that `type` holds what this version does not know.
pub(super) fn unknown_type(kind: &str, known: &[&str], at: &Field<'_>, findings: &mut Findings) {
    let remedy = format!("use one of: {}", known.join(", "));
    findings.reject(Reason::UnsupportedValue, &at.name("type"), format!("unknown type '{kind}'"), &remedy);
}
