//! What is kept of a token: values that can tell requests apart, and when it counts.

use serde_json::{Map, Value};

use super::{Expected, Rejected};

/// What clocks may differ by, in seconds.
pub const LEEWAY: u64 = 60;

/// The claims of a token that somebody signed who may.
#[derive(Debug, PartialEq)]
pub struct Claims {
    values: Box<[Claim]>,
    not_before: Option<f64>,
    expires: Option<f64>,
}

#[derive(Debug, PartialEq)]
struct Claim {
    name: Box<str>,
    /// Its type, then its text.
    value: Box<[u8]>,
}

impl Claims {
    /// The value of a claim that is a text, a number or a boolean; each of another type is another value.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&[u8]> {
        self.values.iter().find(|claim| *claim.name == *name).map(|claim| &*claim.value)
    }

    /// Whether they count at this time, in seconds since 1970. What does not expire counts until its key is taken away.
    ///
    /// # Errors
    /// They do not.
    pub fn check(&self, now: u64) -> Result<(), Rejected> {
        let [earliest, latest] = [now.saturating_sub(LEEWAY), now.saturating_add(LEEWAY)].map(seconds);
        if self.expires.is_some_and(|expires| expires <= earliest) {
            return Err(Rejected::Expired);
        }
        if self.not_before.is_some_and(|not_before| not_before > latest) {
            return Err(Rejected::Early);
        }
        Ok(())
    }
}

/// Seconds are exact up to the year 285 million.
#[allow(clippy::cast_precision_loss, reason = "see above")]
const fn seconds(whole: u64) -> f64 {
    whole as f64
}

/// Reads the payload of a token whose signature is good.
pub(super) fn read(payload: &[u8], expected: &Expected) -> Result<Claims, Rejected> {
    let claims: Map<String, Value> = serde_json::from_slice(payload).map_err(|_| Rejected::Malformed)?;
    if let Some(issuer) = &expected.issuer
        && claims.get("iss").and_then(Value::as_str) != Some(&**issuer)
    {
        return Err(Rejected::Issuer);
    }
    if !expected.audiences.is_empty() && !names_one(claims.get("aud"), &expected.audiences) {
        return Err(Rejected::Audience);
    }
    let (not_before, expires) = (time(&claims, "nbf")?, time(&claims, "exp")?);
    let values =
        claims.into_iter().filter_map(|(name, value)| Some(Claim { name: name.into(), value: bytes(&value)? }));
    Ok(Claims { values: values.collect(), not_before, expires })
}

/// `aud` is one, or several (RFC 7519 §4.1.3).
fn names_one(audience: Option<&Value>, expected: &[Box<str>]) -> bool {
    let is_expected = |one: &Value| one.as_str().is_some_and(|one| expected.iter().any(|it| **it == *one));
    match audience {
        Some(Value::Array(several)) => several.iter().any(is_expected),
        Some(one) => is_expected(one),
        None => false,
    }
}

/// A time, which may have a fraction (RFC 7519 §2).
fn time(claims: &Map<String, Value>, name: &str) -> Result<Option<f64>, Rejected> {
    claims.get(name).map(|time| time.as_f64().ok_or(Rejected::Malformed)).transpose()
}

/// The first byte says the type.
fn bytes(value: &Value) -> Option<Box<[u8]>> {
    let of = |sort: u8, text: &str| [&[sort], text.as_bytes()].concat().into();
    match value {
        Value::String(text) => Some(of(b'"', text)),
        Value::Number(number) => Some(of(b'0', &number.to_string())),
        Value::Bool(truth) => Some(of(b'?', if *truth { "1" } else { "0" })),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}
