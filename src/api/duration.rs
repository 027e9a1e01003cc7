//! Durations as the Gateway API writes them (GEP-2257): `1h30m`, `500ms`, `0s`.

use std::time::Duration;

/// Why a duration could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' is not a duration: write one to four of h, m, s, ms with up to 5 digits each, for example 1h30m or 500ms"
)]
pub struct InvalidDuration(String);

/// Reads a GEP-2257 duration: `([0-9]{1,5}(h|m|s|ms)){1,4}`.
///
/// # Errors
/// When the text does not have that form.
pub fn parse(text: &str) -> Result<Duration, InvalidDuration> {
    let invalid = || InvalidDuration(text.to_owned());
    let mut rest = text;
    let mut total = Duration::ZERO;
    for _ in 0..4 {
        if rest.is_empty() {
            break;
        }
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        if !(1..=5).contains(&digits) {
            return Err(invalid());
        }
        let (number, tail) = rest.split_at(digits);
        let units = tail.bytes().take_while(u8::is_ascii_lowercase).count();
        let (unit, tail) = tail.split_at(units);
        let number: u64 = number.parse().map_err(|_| invalid())?;
        total += match unit {
            "h" => Duration::from_secs(number * 3600),
            "m" => Duration::from_secs(number * 60),
            "s" => Duration::from_secs(number),
            "ms" => Duration::from_millis(number),
            _ => return Err(invalid()),
        };
        rest = tail;
    }
    if rest.is_empty() && !text.is_empty() { Ok(total) } else { Err(invalid()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_of_gep_2257_are_read() {
        for (text, millis) in
            [("0s", 0), ("500ms", 500), ("1h", 3_600_000), ("1m30s", 90_000), ("1h2m3s4ms", 3_723_004)]
        {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for text in ["", "1", "s", "1.5s", "-1s", "1d", "123456s", "1s1s1s1s1s", "1 s", "1S", "ä"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
