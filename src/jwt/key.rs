//! A public key: which tokens it may have signed, and whether it has.

use ring::signature::{RsaPublicKeyComponents, UnparsedPublicKey};
use serde::Serialize;

use super::algorithm::{Algorithm, Check};

/// A key that signatures are checked with.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct PublicKey {
    /// Its name in the set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kid: Option<Box<str>>,
    /// The only algorithm it is used with, if its set says so.
    #[serde(skip)]
    pub(super) only: Option<Algorithm>,
    #[serde(rename = "kind", serialize_with = "kind")]
    pub(super) material: Material,
}

/// Numbers, big-endian; points uncompressed (SEC 1 §2.3.3).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Material {
    Rsa { n: Box<[u8]>, e: Box<[u8]> },
    P256(Box<[u8]>),
    Ed25519(Box<[u8]>),
}

impl PublicKey {
    /// Whether it may have signed a token with this `kid` and algorithm. A token without a `kid` may be anybody's.
    pub(super) fn fits(&self, kid: Option<&str>, algorithm: Algorithm) -> bool {
        let named = kid.is_none_or(|kid| self.kid.as_deref() == Some(kid));
        named && self.only.is_none_or(|only| only == algorithm) && self.material.belongs_to(algorithm)
    }

    /// Whether it has signed this. The algorithm has to fit the key, whatever a token says.
    pub(super) fn has_signed(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        let verified = match (&self.material, algorithm.check()) {
            (Material::Rsa { n, e }, Check::Rsa(check)) => {
                RsaPublicKeyComponents { n, e }.verify(check, message, signature)
            }
            (Material::P256(point), Check::P256(check)) => {
                UnparsedPublicKey::new(check, point).verify(message, signature)
            }
            (Material::Ed25519(point), Check::Ed25519(check)) => {
                UnparsedPublicKey::new(check, point).verify(message, signature)
            }
            _ => return false,
        };
        verified.is_ok()
    }
}

impl Material {
    const fn belongs_to(&self, algorithm: Algorithm) -> bool {
        matches!(
            (self, algorithm.check()),
            (Self::Rsa { .. }, Check::Rsa(_)) | (Self::P256(_), Check::P256(_)) | (Self::Ed25519(_), Check::Ed25519(_))
        )
    }
}

fn kind<S: serde::Serializer>(material: &Material, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(match material {
        Material::Rsa { .. } => "RSA",
        Material::P256(_) => "P-256",
        Material::Ed25519(_) => "Ed25519",
    })
}
