//! Helpers for tests: who signs, and what is expected.

#[path = "../../integration/support/signer.rs"]
mod signer;

use std::sync::Arc;

pub(crate) use signer::{Signer, encode, set};

use super::{Expected, KeySet, set as sets};
use crate::api::{Kind, ObjectKey, ObjectRef};

/// Tokens of these signers.
pub(crate) fn expected(signers: &[&Signer]) -> Expected {
    let keys = sets::parse(set(signers).to_string().as_bytes()).unwrap();
    let object = ObjectRef::new(Kind::ConfigMap, ObjectKey::new("shop", "tokens"));
    Expected { keys: Arc::new(KeySet { object, entry: "jwks.json".into(), keys }), issuer: None, audiences: vec![] }
}
