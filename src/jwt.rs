//! JSON Web Tokens (RFC 7519), as far as somebody wants to know who signed one: keys and tokens in, claims out.
//!
//! A token counts when one of the keys that are expected has signed it, with an algorithm that belongs to this key, and when
//! its time, issuer and audience are right. No part of it is looked at before. Only signatures with public keys are known:
//! `none` is no signature, and whoever can check one of HMAC can make one.
//!
//! | part | does |
//! |---|---|
//! | [`set`] | a JSON Web Key Set (RFC 7517) to keys |
//! | [`key`] | a public key, and what it has signed |
//! | [`bearer`] | the token of a request |
//! | [`token`] | a token to its claims |
//! | [`claims`] | what is kept of a token, and for how long |
//! | [`cache`] | tokens that were verified already |

pub mod algorithm;
pub mod bearer;
pub mod cache;
pub mod claims;
pub mod key;
pub mod set;
pub mod token;

use std::sync::Arc;

use serde::Serialize;

pub use algorithm::Algorithm;
pub use cache::Cache;
pub use claims::Claims;
pub use key::PublicKey;

use crate::api::ObjectRef;

/// Tokens that count.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Expected {
    /// One of these signed it.
    pub keys: Arc<KeySet>,
    /// `iss` is this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer: Option<Box<str>>,
    /// `aud` names one of these; sorted. Anything will do when empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub audiences: Vec<Box<str>>,
}

/// Public keys, and where they were read.
#[derive(Debug, PartialEq, Eq, Hash, Serialize)]
pub struct KeySet {
    /// The ConfigMap or Secret.
    pub object: ObjectRef,
    /// Its entry.
    pub entry: Box<str>,
    /// 1 to [`set::MOST_KEYS`].
    pub keys: Vec<PublicKey>,
}

/// Why a request has no token that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// There is none.
    #[error("there is no bearer token")]
    Absent,
    /// It is not written as a token is, or there are several.
    #[error("it is no token that can be read")]
    Malformed,
    /// It is longer than [`bearer::LONGEST`].
    #[error("it is too long")]
    TooLong,
    /// It asks for an algorithm or an extension that is not known here.
    #[error("its algorithm is none of those that are taken")]
    Unsupported,
    /// No key of the set has its `kid` and algorithm.
    #[error("it is signed by a key that is not in the set")]
    UnknownKey,
    /// No key has signed it.
    #[error("its signature is wrong")]
    BadSignature,
    /// Its time is over.
    #[error("it has expired")]
    Expired,
    /// Its time has not come.
    #[error("it is not valid yet")]
    Early,
    /// It is somebody else's.
    #[error("it is of another issuer")]
    Issuer,
    /// It is for somebody else.
    #[error("it is for another audience")]
    Audience,
}

impl Rejected {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Absent,
        Self::Malformed,
        Self::TooLong,
        Self::Unsupported,
        Self::UnknownKey,
        Self::BadSignature,
        Self::Expired,
        Self::Early,
        Self::Issuer,
        Self::Audience,
    ];

    /// As metrics say it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Malformed => "malformed",
            Self::TooLong => "too_long",
            Self::Unsupported => "unsupported",
            Self::UnknownKey => "unknown_key",
            Self::BadSignature => "bad_signature",
            Self::Expired => "expired",
            Self::Early => "early",
            Self::Issuer => "issuer",
            Self::Audience => "audience",
        }
    }
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
