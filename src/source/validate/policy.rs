//! BackendTLSPolicy.

use super::Violations;
use crate::api::gateway::backend_tls_policy::{BackendTlsPolicySpec, PolicyTargetReference, SubjectAltName};

/// Checks the rules between the fields of a BackendTLSPolicy.
pub(super) fn check(spec: &BackendTlsPolicySpec, out: &mut Violations) {
    for (index, this) in spec.target_refs.iter().enumerate() {
        let clash = spec.target_refs.iter().take(index).any(|other| clashes(this, other));
        if clash {
            let remedy = "give every entry for this target its own sectionName, or keep one entry";
            out.refuse(format!("spec.targetRefs[{index}]"), "names the same target as an entry before it", remedy);
        }
    }
    let validation = &spec.validation;
    if validation.ca_certificate_refs.is_empty() == validation.well_known_ca_certificates.is_none() {
        let remedy = "write caCertificateRefs or wellKnownCACertificates, and only one of them";
        out.refuse("spec.validation", "needs exactly one source of trust", remedy);
    }
    for (index, name) in validation.subject_alt_names.iter().enumerate() {
        check_alt_name(name, &format!("spec.validation.subjectAltNames[{index}]"), out);
    }
}

fn clashes(a: &PolicyTargetReference, b: &PolicyTargetReference) -> bool {
    let same = a.group == b.group && a.kind == b.kind && a.name == b.name;
    same && (a.section_name == b.section_name || a.section_name.is_none() || b.section_name.is_none())
}

fn check_alt_name(name: &SubjectAltName, field: &str, out: &mut Violations) {
    let members = [("Hostname", "hostname", name.hostname.is_some()), ("URI", "uri", name.uri.is_some())];
    super::filter::check_members(&name.kind, &members, field, out);
}
