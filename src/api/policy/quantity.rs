//! Quantities as Kubernetes writes them: `500k`, `200Mi`, `1000000`.

use std::borrow::Cow;

use serde::de::{Deserializer, Error as _};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::pattern;

/// Decimal and binary suffixes, with what they multiply by.
const SUFFIXES: [(&str, u128); 9] = [
    ("Ki", 1 << 10),
    ("Mi", 1 << 20),
    ("Gi", 1 << 30),
    ("Ti", 1 << 40),
    ("k", 1000),
    ("M", 1_000_000),
    ("G", 1_000_000_000),
    ("T", 1_000_000_000_000),
    ("", 1),
];

/// A quantity of at least one, kept as it is written. In a manifest it may be a number or text.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(transparent)]
pub struct Quantity(Box<str>);

impl Quantity {
    /// A quantity as it would be written.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// As it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The number, rounded down; `None` when it is not written as a quantity, or is zero. What is more
    /// than the type holds counts as the most it holds.
    #[must_use]
    pub fn value(&self) -> Option<u64> {
        let (number, factor) =
            SUFFIXES.iter().find_map(|(suffix, factor)| Some((self.0.strip_suffix(suffix)?, *factor)))?;
        let (whole, decimals) = number.split_once('.').map_or((number, None), |(whole, rest)| (whole, Some(rest)));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || whole.len() > 15 || decimals.is_some_and(|rest| !digits(rest) || rest.len() > 3) {
            return None;
        }
        let thousandths: u128 = format!("{:0<3}", decimals.unwrap_or_default()).parse().ok()?;
        let value = (whole.parse::<u128>().ok()? * 1000 + thousandths) * factor / 1000;
        (value > 0).then(|| u64::try_from(value).unwrap_or(u64::MAX))
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) => Ok(Self(text.into())),
            Value::Number(number) => Ok(Self(number.to_string().into())),
            _ => Err(D::Error::custom("a quantity is a number or text, such as 200Mi")),
        }
    }
}

impl schemars::JsonSchema for Quantity {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Quantity".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        // The pattern is for text, the limits are for numbers.
        schemars::json_schema!({
            "x-kubernetes-int-or-string": true,
            "pattern": pattern::QUANTITY,
            "minimum": 1,
            "maximum": 999_999_999_999_999_u64,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_as_kubernetes_reads_them() {
        for (text, value) in [
            ("1", 1),
            ("1000000", 1_000_000),
            ("500k", 500_000),
            ("200Mi", 200 << 20),
            ("1.5Gi", 3 << 29),
            ("2.5k", 2500),
            ("1.2345", 0),
            ("999999999999999Ti", u64::MAX),
        ] {
            assert_eq!(Quantity::new(text).value(), (value > 0).then_some(value), "{text}");
        }
        for text in ["", "0", "Mi", "-1", "1e3", "1m", "1 Mi", "1mi", "1.Mi", "1234567890123456", "ä"] {
            assert_eq!(Quantity::new(text).value(), None, "{text}");
        }
    }

    #[test]
    fn a_quantity_is_a_number_or_text() {
        let read = |text: &str| serde_json::from_str::<Quantity>(text);
        assert_eq!(read("1000").unwrap(), Quantity::new("1000"));
        assert_eq!(read("\"200Mi\"").unwrap(), Quantity::new("200Mi"));
        assert!(read("true").is_err());
    }

    #[test]
    fn what_the_pattern_takes_has_a_value() {
        let pattern = regex::Regex::new(pattern::QUANTITY).unwrap();
        for text in ["1", "200Mi", "1.5Gi", "999999999999999Ti", "0", "0.5k", "01", "1.2345", "1m", "k"] {
            let value = Quantity::new(text).value();
            assert!(!pattern.is_match(text) || value.is_some(), "{text}: {value:?}");
        }
    }
}
