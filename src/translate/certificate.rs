//! Certificate references of listeners, followed.

mod load;

use std::collections::HashMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::Secret;

use super::Env;
use super::field::Field;
use super::finding::{Findings, qualified};
use super::grant::{Referent, Referrer};
use super::quota::{self, Over};
use super::reason::Reason;
use crate::api::ObjectKey;
use crate::api::gateway::shared::ObjectReference;
use crate::ir::Certificate;

/// Secrets already read: many listeners share one, and most are as they were in the translation before.
#[derive(Debug, Default)]
pub(crate) struct Certificates {
    read: HashMap<ObjectKey, Read>,
    /// Counts translations, to find what the last one did not ask for.
    pass: u64,
}

#[derive(Debug)]
struct Read {
    secret: Arc<Secret>,
    certificate: Result<Arc<Certificate>, String>,
    pass: u64,
}

impl Certificates {
    /// Begins a translation.
    pub(crate) const fn begin(&mut self) {
        self.pass += 1;
    }

    /// Forgets what this translation did not ask for.
    pub(crate) fn end(&mut self) {
        let pass = self.pass;
        self.read.retain(|_, read| read.pass == pass);
    }

    fn get(&mut self, env: &Env<'_>, key: ObjectKey) -> Result<Arc<Certificate>, String> {
        let Some(secret) = env.snapshot.secrets.get(&key) else { return Err(format!("Secret '{key}' does not exist")) };
        let pass = self.pass;
        if let Some(known) = self.read.get_mut(&key).filter(|known| Arc::ptr_eq(&known.secret, secret)) {
            known.pass = pass;
            return known.certificate.clone();
        }
        let certificate = read(&key, secret);
        self.read.insert(key, Read { secret: Arc::clone(secret), certificate: certificate.clone(), pass });
        certificate
    }
}

/// Where the references of a listener lead.
#[derive(Debug, Default)]
pub(crate) struct Followed {
    pub(crate) certificates: Vec<Arc<Certificate>>,
    /// The ShareGrants that permitted some of them.
    pub(crate) grants: Vec<ObjectKey>,
    /// What a quota in Shadow mode would deny.
    pub(crate) shadowed: Option<Over>,
}

/// Follows the references of one listener; what leads nowhere is found against `ResolvedRefs`.
pub(crate) fn follow(
    env: &Env<'_>,
    loaded: &mut Certificates,
    gateway_namespace: &str,
    references: &[ObjectReference],
    (at, findings): (&Field<'_>, &mut Findings),
) -> Followed {
    let mut followed = Followed::default();
    for (index, reference) in references.iter().enumerate() {
        let at = at.item("certificateRefs", index);
        match follow_one(env, loaded, (gateway_namespace, reference), &mut followed) {
            Ok(certificate) => followed.certificates.push(certificate),
            Err(Broken { reason, message, remedy }) => findings.unresolved(reason, &at, message, &remedy),
        }
    }
    followed
}

struct Broken {
    reason: Reason,
    message: String,
    remedy: String,
}

fn follow_one(
    env: &Env<'_>,
    loaded: &mut Certificates,
    (gateway_namespace, reference): (&str, &ObjectReference),
    followed: &mut Followed,
) -> Result<Arc<Certificate>, Broken> {
    let group = reference.group.as_deref().unwrap_or_default();
    let kind = reference.kind.as_deref().unwrap_or("Secret");
    if !group.is_empty() || kind != "Secret" {
        return Err(Broken {
            reason: Reason::InvalidCertificateRef,
            message: format!("certificates come from core Secrets, not from '{}'", qualified(group, kind)),
            remedy: "refer to a Secret of type kubernetes.io/tls".to_owned(),
        });
    }
    let namespace = reference.namespace.as_deref().unwrap_or(gateway_namespace);
    let key = ObjectKey::new(namespace, reference.name.as_str());
    // Before the Secret is looked up: without permission nobody learns whether it exists.
    let permitted = env.grants.judge(&Referrer::gateway(gateway_namespace), &Referent::secret(&key));
    let permitted = permitted.map_err(|denied| Broken {
        reason: Reason::RefNotPermitted,
        message: denied.message,
        remedy: denied.remedy,
    })?;
    followed.grants.extend(permitted.into_iter().cloned());
    match env.quotas.of_namespace(env, gateway_namespace).and_then(|quota| quota.certificate(&key)) {
        Some(over) if over.enforced => {
            let (message, remedy) = (over.to_string(), quota::REMEDY.to_owned());
            return Err(Broken { reason: Reason::QuotaExceeded, message, remedy });
        }
        over => followed.shadowed = followed.shadowed.take().or(over),
    }
    loaded.get(env, key).map_err(|message| Broken {
        reason: Reason::InvalidCertificateRef,
        message,
        remedy: "create it with: kubectl create secret tls NAME --cert=FILE --key=FILE".to_owned(),
    })
}

fn read(key: &ObjectKey, secret: &Secret) -> Result<Arc<Certificate>, String> {
    load::load(key, secret)
        .map(Arc::new)
        .map_err(|error| format!("Secret '{key}' holds no usable certificate: {error}"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::translate::testing::{class, condition, gateway, grant, snapshot, status_of};
    use crate::translate::translate;

    fn https(references: Value) -> Value {
        gateway(json!([{"name": "a", "port": 443, "protocol": "HTTPS", "tls": {"certificateRefs": references}}]))
    }

    fn secret(namespace: &str, name: &str) -> Value {
        let made = rcgen::generate_simple_self_signed(["www.example.com".to_owned()]).unwrap();
        json!({"kind": "Secret", "metadata": {"namespace": namespace, "name": name}, "type": "kubernetes.io/tls",
            "stringData": {"tls.crt": made.cert.pem(), "tls.key": made.signing_key.serialize_pem()}})
    }

    fn check(manifests: impl IntoIterator<Item = Value>, resolved: (&str, &str), programmed: &str) {
        let translation = translate(&snapshot(manifests));
        let status = status_of(&translation, "Gateway default/gw");
        let conditions = &status["listeners"][0]["conditions"];
        assert_eq!(condition(conditions, "ResolvedRefs"), (resolved.0, resolved.1, 3), "{conditions}");
        assert_eq!(condition(conditions, "Programmed").0, programmed, "{conditions}");
        assert_eq!(
            condition(&status["conditions"], "Accepted"),
            ("True", "Accepted", 3),
            "certificates never spoil that"
        );
        assert_eq!(translation.ir.listeners.len(), usize::from(programmed == "True"));
    }

    #[test]
    fn a_certificate_of_the_own_namespace_serves() {
        check([class(), https(json!([{"name": "cert"}])), secret("default", "cert")], ("True", "ResolvedRefs"), "True");
    }

    /// Conformance: GatewayInvalidTLSConfiguration.
    #[test]
    fn a_reference_that_leads_to_no_certificate_is_invalid() {
        let malformed =
            json!({"kind": "Secret", "metadata": {"name": "cert"}, "stringData": {"tls.crt": "x", "tls.key": "y"}});
        for reference in [
            json!({"name": "missing"}),
            json!({"group": "wrong.group.company.io", "name": "cert"}),
            json!({"kind": "WrongKind", "name": "cert"}),
            json!({"name": "cert"}),
        ] {
            let world = [class(), https(json!([reference])), malformed.clone()];
            check(world, ("False", "InvalidCertificateRef"), "False");
        }
        check([class(), https(json!([]))], ("False", "InvalidCertificateRef"), "False");
    }

    /// Conformance: GatewaySecretMissingReferenceGrant, with a Secret that exists and one that does not.
    #[test]
    fn without_a_grant_nobody_learns_whether_the_secret_exists() {
        let reference = json!([{"namespace": "other", "name": "cert"}]);
        check([class(), https(reference.clone()), secret("other", "cert")], ("False", "RefNotPermitted"), "False");
        check([class(), https(reference)], ("False", "RefNotPermitted"), "False");
    }

    /// Conformance: GatewaySecretReferenceGrantSpecific, GatewaySecretInvalidReferenceGrant.
    #[test]
    fn a_grant_for_gateways_permits_the_secret() {
        let world = |from: &str| {
            let reference = https(json!([{"namespace": "other", "name": "cert"}]));
            [class(), reference, secret("other", "cert"), grant("other", (from, "default"), ("Secret", Some("cert")))]
        };
        check(world("Gateway"), ("True", "ResolvedRefs"), "True");
        check(world("HTTPRoute"), ("False", "RefNotPermitted"), "False");
    }

    #[test]
    fn one_good_certificate_of_two_serves() {
        let references = json!([{"name": "missing"}, {"name": "cert"}]);
        check([class(), https(references), secret("default", "cert")], ("False", "InvalidCertificateRef"), "True");
    }
}
