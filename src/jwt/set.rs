//! From a JSON Web Key Set (RFC 7517) to the keys in it that check signatures.
//!
//! No message quotes what is written: a set may lie in a Secret.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::Value;

use super::algorithm::Algorithm;
use super::key::{Material, PublicKey};

/// The largest set, in bytes.
pub const LARGEST: usize = 64 << 10;
/// The most keys of a set, those that are passed over included.
pub const MOST_KEYS: usize = 32;

/// Why a text is no set of public keys.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSet {
    /// Too many bytes.
    #[error("more than {LARGEST} bytes")]
    TooLarge,
    /// Not the form of a set.
    #[error("no JSON Web Key Set, which is written as {{\"keys\": [...]}}")]
    Form,
    /// Too many keys.
    #[error("more than {MOST_KEYS} keys")]
    TooMany,
    /// No key for signatures.
    #[error("no key for signatures by RSA, ECDSA with P-256 or Ed25519")]
    NoKey,
    /// One key, by its place, is not as it has to be.
    #[error("keys[{0}] {1}")]
    Key(usize, InvalidKey),
}

/// Why a key cannot be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    /// Not the form of a key.
    #[error("is no JSON Web Key, whose 'kty' and other members are texts")]
    Form,
    /// A key of HMAC.
    #[error("is a shared secret ('oct'): whoever can check its signatures can make them, so none is taken")]
    Secret,
    /// More than the public part.
    #[error("has a private part ('d'): take it out, and this key out of use")]
    Private,
    /// A number that is missing or not written as it has to be.
    #[error("needs '{0}' in base64url without padding")]
    Number(&'static str),
    /// An RSA key of another size.
    #[error("is of RSA and needs 2048 to 8192 bits, and an odd exponent of 2 to 33 bits")]
    Rsa,
    /// A point of another size.
    #[error("has coordinates of another length than its curve")]
    Point,
}

#[derive(Deserialize)]
struct Set {
    keys: Vec<Value>,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    #[serde(rename = "use")]
    purpose: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    kid: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
    d: Option<serde::de::IgnoredAny>,
}

/// Reads a set. Keys of other kinds, curves and algorithms and for other purposes are passed over (RFC 7517 §5).
///
/// # Errors
/// It is no set, or a key of it must not or cannot be used.
pub fn parse(text: &[u8]) -> Result<Vec<PublicKey>, InvalidSet> {
    if text.len() > LARGEST {
        return Err(InvalidSet::TooLarge);
    }
    let Set { keys } = serde_json::from_slice(text).map_err(|_| InvalidSet::Form)?;
    if keys.len() > MOST_KEYS {
        return Err(InvalidSet::TooMany);
    }
    let read = |(index, value)| key(value).map_err(|error| InvalidSet::Key(index, error)).transpose();
    let keys: Vec<_> = keys.into_iter().enumerate().filter_map(read).collect::<Result<_, _>>()?;
    if keys.is_empty() { Err(InvalidSet::NoKey) } else { Ok(keys) }
}

fn key(value: Value) -> Result<Option<PublicKey>, InvalidKey> {
    let jwk: Jwk = serde_json::from_value(value).map_err(|_| InvalidKey::Form)?;
    if jwk.kty == "oct" {
        return Err(InvalidKey::Secret);
    }
    if jwk.d.is_some() {
        return Err(InvalidKey::Private);
    }
    let signs = jwk.purpose.as_deref().is_none_or(|purpose| purpose == "sig")
        && jwk.key_ops.as_ref().is_none_or(|operations| operations.iter().any(|it| it == "verify"));
    let only = jwk.alg.as_deref().map(Algorithm::parse);
    if !signs || only == Some(None) {
        return Ok(None);
    }
    let material = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
        ("RSA", _) => rsa(&jwk)?,
        ("EC", Some("P-256")) => Material::P256(point(&jwk, 32)?),
        ("OKP", Some("Ed25519")) => Material::Ed25519(coordinate("x", jwk.x.as_deref(), 32)?.into()),
        _ => return Ok(None),
    };
    Ok(Some(PublicKey { kid: jwk.kid.map(Into::into), only: only.flatten(), material }))
}

fn rsa(jwk: &Jwk) -> Result<Material, InvalidKey> {
    let (n, e) = (number("n", jwk.n.as_deref())?, number("e", jwk.e.as_deref())?);
    let exponent = e.iter().fold(0_u64, |value, byte| value << 8 | u64::from(*byte));
    let is_sound = e.len() <= 5 && (3..1 << 33).contains(&exponent) && exponent % 2 == 1;
    if !is_sound || !(2048..=8192).contains(&bits(&n)) {
        return Err(InvalidKey::Rsa);
    }
    Ok(Material::Rsa { n: n.into(), e: e.into() })
}

fn bits(number: &[u8]) -> usize {
    number.first().map_or(0, |first| number.len() * 8 - first.leading_zeros() as usize)
}

fn point(jwk: &Jwk, length: usize) -> Result<Box<[u8]>, InvalidKey> {
    let (x, y) = (coordinate("x", jwk.x.as_deref(), length)?, coordinate("y", jwk.y.as_deref(), length)?);
    // uncompressed
    Ok([&[4], x.as_slice(), y.as_slice()].concat().into())
}

fn coordinate(name: &'static str, text: Option<&str>, length: usize) -> Result<Vec<u8>, InvalidKey> {
    let coordinate = decode(name, text)?;
    if coordinate.len() == length { Ok(coordinate) } else { Err(InvalidKey::Point) }
}

/// A number without leading zeros, which some write and `ring` refuses.
fn number(name: &'static str, text: Option<&str>) -> Result<Vec<u8>, InvalidKey> {
    let bytes = decode(name, text)?;
    Ok(bytes.into_iter().skip_while(|byte| *byte == 0).collect())
}

fn decode(name: &'static str, text: Option<&str>) -> Result<Vec<u8>, InvalidKey> {
    text.and_then(|text| URL_SAFE_NO_PAD.decode(text).ok()).ok_or(InvalidKey::Number(name))
}
