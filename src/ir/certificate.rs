//! Certificates: the chain, the key, and what both say about themselves.

use std::fmt;
use std::sync::Arc;

use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde::Serialize;
use serde::ser::SerializeStruct;

use super::Hostname;
use crate::api::ObjectKey;

/// A certificate chain with its key. The key never shows: not in `Debug`, not in a dump.
pub struct Certificate {
    /// The Secret it came from.
    pub secret: ObjectKey,
    /// SHA-256 over chain and key, in hexadecimal: equal means nothing changed.
    pub fingerprint: String,
    /// DNS names of the leaf, wildcards included.
    pub names: Vec<Hostname>,
    /// First and last second of validity, since 1970.
    pub validity: (i64, i64),
    /// Leaf first.
    pub chain: Vec<CertificateDer<'static>>,
    /// The leaf's key.
    pub key: Arc<PrivateKeyDer<'static>>,
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.secret == other.secret && self.fingerprint == other.fingerprint
    }
}

impl Eq for Certificate {}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").field("secret", &self.secret).field("names", &self.names).finish_non_exhaustive()
    }
}

impl Serialize for Certificate {
    /// The fingerprint covers the key, so it stays out of dumps too.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("Certificate", 2)?;
        out.serialize_field("secret", &self.secret)?;
        out.serialize_field("names", &self.names)?;
        out.end()
    }
}
