//! What claims say when an object is created or updated: ValidatingAdmissionPolicies for an API server.
//!
//! The third place where claims are enforced, and the only one that a cluster can do without: whoever asks for
//! what belongs to others hears it from `kubectl apply`, not from a status. Denied is only what is certain
//! to be refused by [`crate::translate`]; what is refused in part is not.

mod cel;
mod facts;
mod gateway;
mod route;

use k8s_openapi::api::admissionregistration::v1::{
    MatchCondition, MatchResources, NamedRuleWithOperations, ValidatingAdmissionPolicy,
    ValidatingAdmissionPolicyBinding, ValidatingAdmissionPolicyBindingSpec, ValidatingAdmissionPolicySpec, Validation,
    Variable,
};
use kube::api::ObjectMeta;

use crate::snapshot::Snapshot;
use facts::Facts;

/// How much an API server stores of one object, less some room for what it adds.
const MOST_BYTES: usize = 1 << 20;

/// Why there are no policies.
#[derive(Debug, thiserror::Error)]
pub enum Impossible {
    /// There are more claims than fit.
    #[error(
        "the policy '{0}' would have {1} bytes, more than an API server stores: claim wildcards in place of single hostnames"
    )]
    TooLarge(String, usize),
    /// It is no JSON.
    #[error("a policy cannot be written: {0}")]
    Unwritable(#[from] serde_json::Error),
}

/// A policy and the binding that puts it into effect.
pub type Bound = (ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding);

/// The policies for the Tenants of a snapshot. Their names are always the same, so that applying them replaces
/// those of before.
///
/// # Errors
/// When a policy is too large for an API server.
pub fn policies(snapshot: &Snapshot) -> Result<Vec<Bound>, Impossible> {
    let mut all = Vec::new();
    for (action, facts) in [(Action::Deny, Facts::enforced(snapshot)), (Action::Warn, Facts::in_shadow(snapshot))] {
        for subject in [route::http(&facts), route::grpc(&facts), gateway::gateway(&facts)] {
            let bound = bound(subject, action);
            let size = serde_json::to_vec(&bound.0)?.len();
            if size > MOST_BYTES {
                return Err(Impossible::TooLarge(bound.0.metadata.name.unwrap_or_default(), size));
            }
            all.push(bound);
        }
    }
    Ok(all)
}

/// What happens to an object that asks for what belongs to others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    /// It is denied.
    Deny,
    /// Its author and the audit log are told what would be denied if every Tenant enforced its claims.
    Warn,
}

/// What is asked about objects of one kind.
struct Subject {
    /// The resource, such as `httproutes`.
    resource: &'static str,
    /// Named parts, each of which may use those before it.
    variables: Vec<Variable>,
    /// Whether the object may stay.
    permitted: &'static str,
    /// What its author is told if not.
    message: String,
}

fn variable(name: impl Into<String>, expression: impl Into<String>) -> Variable {
    Variable { name: name.into(), expression: expression.into() }
}

fn bound(subject: Subject, action: Action) -> Bound {
    let (prefix, actions, more) = match action {
        Action::Deny => ("paifang-claims", &["Deny"][..], ""),
        Action::Warn => {
            ("paifang-shadow", &["Warn", "Audit"][..], " + ' (a Tenant is in Shadow mode: nothing is denied yet)'")
        }
    };
    let name = format!("{prefix}-{}", subject.resource);
    let spec = ValidatingAdmissionPolicySpec {
        // The status and the table say the same. An API server that cannot evaluate this must not stand still.
        failure_policy: Some("Ignore".to_owned()),
        match_constraints: Some(constraints(subject.resource)),
        match_conditions: Some(vec![changes()]),
        variables: Some(subject.variables),
        validations: Some(vec![Validation {
            expression: subject.permitted.to_owned(),
            message: Some("what it asks for is claimed by another Tenant".to_owned()),
            message_expression: Some(subject.message + more),
            reason: Some("Forbidden".to_owned()),
        }]),
        ..ValidatingAdmissionPolicySpec::default()
    };
    let binding = ValidatingAdmissionPolicyBindingSpec {
        policy_name: name.clone(),
        validation_actions: actions.iter().map(|&action| action.to_owned()).collect(),
        ..ValidatingAdmissionPolicyBindingSpec::default()
    };
    (
        ValidatingAdmissionPolicy {
            metadata: metadata(&name),
            spec: Some(spec),
            ..ValidatingAdmissionPolicy::default()
        },
        ValidatingAdmissionPolicyBinding { metadata: metadata(&name), spec: binding },
    )
}

fn metadata(name: &str) -> ObjectMeta {
    let labels = [("app.kubernetes.io/name", "paifang"), ("app.kubernetes.io/component", "admission")];
    ObjectMeta {
        name: Some(name.to_owned()),
        labels: Some(labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into()),
        ..ObjectMeta::default()
    }
}

fn constraints(resource: &str) -> MatchResources {
    let texts = |texts: &[&str]| Some(texts.iter().map(|&text| text.to_owned()).collect());
    let rule = NamedRuleWithOperations {
        api_groups: texts(&["gateway.networking.k8s.io"]),
        api_versions: texts(&["v1"]),
        operations: texts(&["CREATE", "UPDATE"]),
        resources: texts(&[resource]),
        ..NamedRuleWithOperations::default()
    };
    MatchResources { resource_rules: Some(vec![rule]), ..MatchResources::default() }
}

/// An object that was there before the claim can still be labelled, and loses its finalizers.
fn changes() -> MatchCondition {
    let expression = "oldObject == null || object.spec != oldObject.spec".to_owned();
    MatchCondition { name: "what-is-asked-for-changes".to_owned(), expression }
}

#[cfg(test)]
mod tests;
