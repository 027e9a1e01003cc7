//! The token that a request brings (RFC 6750 §2.1).

use http::HeaderMap;
use http::header::AUTHORIZATION;

use super::Rejected;

/// The longest token, in bytes.
pub const LONGEST: usize = 8 << 10;

/// The token of `Authorization: Bearer`.
///
/// # Errors
/// There is none, or more than one could be meant: of two fields the backend may read the other.
pub fn bearer(headers: &HeaderMap) -> Result<&[u8], Rejected> {
    let mut fields = headers.get_all(AUTHORIZATION).iter();
    let field = fields.next().ok_or(Rejected::Absent)?.as_bytes();
    if fields.next().is_some() {
        return Err(Rejected::Malformed);
    }
    let space = field.iter().position(|byte| *byte == b' ').ok_or(Rejected::Absent)?;
    let (scheme, token) = field.split_at_checked(space).ok_or(Rejected::Absent)?;
    if !scheme.eq_ignore_ascii_case(b"bearer") {
        return Err(Rejected::Absent);
    }
    let token = token.trim_ascii();
    if token.len() > LONGEST { Err(Rejected::TooLong) } else { Ok(token) }
}
