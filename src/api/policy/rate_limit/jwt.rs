//! Tokens that a key may be a claim of.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::api::lenient::lenient_enum;
use crate::api::policy::pattern;
use crate::api::{Kind, ObjectKey, ObjectRef};

/// Tokens that count.
#[derive(KubeSchema, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Jwt {
    /// The public keys of those who sign tokens, as a JSON Web Key Set (RFC 7517) in the policy's own namespace.
    pub keys: KeySetReference,
    /// What the claim `iss` has to be, to the letter. Any when absent. At most 1024 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub issuer: Option<String>,
    /// The claim `aud` has to name one of these. Any when absent. At most 16, each once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(min = 1, max = 16),
        inner(length(min = 1, max = 1024)),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub audiences: Vec<String>,
}

/// Where a JSON Web Key Set is.
#[derive(KubeSchema, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeySetReference {
    /// `ConfigMap` or `Secret`.
    #[serde(default)]
    pub kind: KeySetKind,
    /// Name of the ConfigMap or Secret.
    #[schemars(length(min = 1, max = 253), regex(pattern = pattern::SUBDOMAIN))]
    pub name: String,
    /// The entry that holds the set: at most 64 KiB and 32 keys, of RSA, ECDSA with P-256 or Ed25519.
    #[serde(default = "usual_entry")]
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

impl KeySetReference {
    /// The object, of a policy in this namespace; `None` for a kind that this version does not know.
    #[must_use]
    pub fn object(&self, namespace: &str) -> Option<ObjectRef> {
        let kind = match self.kind {
            KeySetKind::ConfigMap => Kind::ConfigMap,
            KeySetKind::Secret => Kind::Secret,
            KeySetKind::Other(_) => return None,
        };
        Some(ObjectRef::new(kind, ObjectKey::new(namespace, self.name.as_str())))
    }
}

lenient_enum!(
    /// What holds a JSON Web Key Set.
    #[derive(Default)]
    KeySetKind { #[default] ConfigMap = "ConfigMap", Secret = "Secret" }
);

fn usual_entry() -> String {
    "jwks.json".to_owned()
}
