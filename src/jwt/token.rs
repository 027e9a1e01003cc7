//! From a token to its claims (RFC 7515 §5.2, RFC 7519 §7.2).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::algorithm::Algorithm;
use super::claims::{self, Claims};
use super::{Expected, Rejected};

/// Keys that are tried for one token: so many may have its `kid`, or fit a token without one. More would cost more than a
/// request may.
const MOST_TRIED: usize = 4;

/// What is read of a header. Keys that a token brings itself (`jwk`, `jku`, `x5c`) are not.
#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    /// What has to be understood, and is not (RFC 7515 §4.1.11).
    crit: Option<IgnoredAny>,
}

/// The claims of a token that counts at this time, in seconds since 1970.
///
/// # Errors
/// It does not count.
pub fn verify(token: &[u8], expected: &Expected, now: u64) -> Result<Claims, Rejected> {
    let (signed, signature) = split_last(token).ok_or(Rejected::Malformed)?;
    let (header, payload) = split_last(signed).ok_or(Rejected::Malformed)?;
    let header: Header = serde_json::from_slice(&decode(header)?).map_err(|_| Rejected::Malformed)?;
    let algorithm = Algorithm::parse(&header.alg).filter(|_| header.crit.is_none()).ok_or(Rejected::Unsupported)?;
    let signature = decode(signature)?;
    let fitting = expected.keys.keys.iter().filter(|key| key.fits(header.kid.as_deref(), algorithm));
    let mut fitting = fitting.take(MOST_TRIED).peekable();
    fitting.peek().ok_or(Rejected::UnknownKey)?;
    if !fitting.any(|key| key.has_signed(algorithm, signed, &signature)) {
        return Err(Rejected::BadSignature);
    }
    let claims = claims::read(&decode(payload)?, expected)?;
    claims.check(now)?;
    Ok(claims)
}

/// What is before and behind the last dot. What is wrong with more than two dots is found when the rest is decoded.
fn split_last(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let dot = text.iter().rposition(|byte| *byte == b'.')?;
    let (before, behind) = text.split_at_checked(dot)?;
    Some((before, behind.get(1..)?))
}

fn decode(part: &[u8]) -> Result<Vec<u8>, Rejected> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| Rejected::Malformed)
}
