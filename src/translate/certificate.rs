//! Certificate references of listeners, followed.

mod load;

use std::collections::HashMap;
use std::sync::Arc;

use super::Env;
use super::field::Field;
use super::finding::Findings;
use super::grant::{self, Referent, Referrer};
use super::reason::Reason;
use crate::api::ObjectKey;
use crate::api::gateway::shared::ObjectReference;
use crate::ir::Certificate;

/// Secrets already read in this translation: many listeners share one.
pub(crate) type Certificates = HashMap<ObjectKey, Result<Arc<Certificate>, String>>;

/// Follows the references of one listener; what leads nowhere is found against `ResolvedRefs`.
pub(crate) fn follow(
    env: &Env<'_>,
    loaded: &mut Certificates,
    gateway_namespace: &str,
    references: &[ObjectReference],
    (at, findings): (&Field<'_>, &mut Findings),
) -> Vec<Arc<Certificate>> {
    let mut certificates = Vec::new();
    for (index, reference) in references.iter().enumerate() {
        let at = at.item("certificateRefs", index);
        match follow_one(env, loaded, gateway_namespace, reference) {
            Ok(certificate) => certificates.push(certificate),
            Err(Broken { reason, message, remedy }) => findings.unresolved(reason, &at, message, &remedy),
        }
    }
    certificates
}

struct Broken {
    reason: Reason,
    message: String,
    remedy: String,
}

fn follow_one(
    env: &Env<'_>,
    loaded: &mut Certificates,
    gateway_namespace: &str,
    reference: &ObjectReference,
) -> Result<Arc<Certificate>, Broken> {
    let group = reference.group.as_deref().unwrap_or_default();
    let kind = reference.kind.as_deref().unwrap_or("Secret");
    if !group.is_empty() || kind != "Secret" {
        return Err(Broken {
            reason: Reason::InvalidCertificateRef,
            message: format!("certificates come from core Secrets, not from '{group}/{kind}'"),
            remedy: "refer to a Secret of type kubernetes.io/tls".to_owned(),
        });
    }
    let namespace = reference.namespace.as_deref().unwrap_or(gateway_namespace);
    let (from, to) = (Referrer::gateway(gateway_namespace), Referent::secret(namespace, &reference.name));
    // Before the Secret is looked up: without permission nobody learns whether it exists.
    if !env.grants.permits(&from, &to) {
        return Err(Broken {
            reason: Reason::RefNotPermitted,
            message: format!(
                "Secret '{namespace}/{}' may not be used from namespace '{gateway_namespace}'",
                reference.name
            ),
            remedy: grant::remedy(&from, &to),
        });
    }
    let key = ObjectKey::new(namespace, reference.name.as_str());
    let certificate = loaded.entry(key).or_insert_with_key(|key| read(env, key)).clone();
    certificate.map_err(|message| Broken {
        reason: Reason::InvalidCertificateRef,
        message,
        remedy: "create it with: kubectl create secret tls NAME --cert=FILE --key=FILE".to_owned(),
    })
}

fn read(env: &Env<'_>, key: &ObjectKey) -> Result<Arc<Certificate>, String> {
    let secret = env.snapshot.secrets.get(key).ok_or_else(|| format!("Secret '{key}' does not exist"))?;
    load::load(key, secret)
        .map(Arc::new)
        .map_err(|error| format!("Secret '{key}' holds no usable certificate: {error}"))
}
