//! Tenant and ShareGrant; the rules stand in their CRDs as CEL.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::Violations;
use crate::api::policy::limit::Rate;
use crate::api::policy::share_grant::{ShareGrantSpec, ShareGrantTo};
use crate::api::policy::tenant::{Quotas, TenantSpec};

/// Checks the rules between the fields of a Tenant.
pub(super) fn check(spec: &TenantSpec, out: &mut Violations) {
    warn_without_effect(spec, out);
    check_selector(&spec.namespaces, "spec.namespaces", out);
    if is_empty(&spec.namespaces) {
        let remedy = "write matchLabels; every namespace is matchExpressions: \
                      [{key: kubernetes.io/metadata.name, operator: Exists}]";
        out.refuse("spec.namespaces", "must select by at least one label", remedy);
    }
    if let Some(requests) = &spec.limits.requests {
        check_rate(&requests.to_rate(), "spec.limits.requests", out);
    }
    if let (Some(guaranteed), Some(most)) = (spec.share.guaranteed, spec.limits.concurrency)
        && guaranteed.concurrency > most
    {
        let remedy = "lower it, or raise limits.concurrency";
        out.refuse("spec.share.guaranteed.concurrency", format!("is more than limits.concurrency, {most}"), remedy);
    }
}

/// Claims, limits and shares are enforced. Quotas are read and checked.
fn warn_without_effect(spec: &TenantSpec, out: &mut Violations) {
    if spec.quotas != Quotas::default() {
        out.warn("spec.quotas", "is checked but has no effect yet", "nothing is denied by it");
    }
}

/// Checks the rules between the fields of a ShareGrant.
pub(super) fn check_grant(spec: &ShareGrantSpec, out: &mut Violations) {
    for (index, from) in spec.from.iter().enumerate() {
        let (namespaces, field) = (&from.namespaces, format!("spec.from[{index}].namespaces"));
        if namespaces.names.is_empty() && namespaces.tenants.is_empty() && namespaces.selector.is_none() {
            let remedy = "say which namespaces; every one is selector: {}";
            out.refuse(field.as_str(), "needs names, selector or tenants", remedy);
        }
        if let Some(selector) = &namespaces.selector {
            check_selector(selector, &format!("{field}.selector"), out);
        }
    }
    for (index, to) in spec.to.iter().enumerate() {
        check_target(to, &format!("spec.to[{index}]"), out);
    }
}

fn check_target(to: &ShareGrantTo, field: &str, out: &mut Violations) {
    if let Some(selector) = &to.selector {
        check_selector(selector, &format!("{field}.selector"), out);
        if !to.names.is_empty() {
            out.refuse(field, "has names and selector", "give each an entry of its own: any entry is enough");
        }
    }
    let is_service = to.group.is_empty() && to.kind == "Service";
    if !is_service && !to.ports.is_empty() {
        out.refuse(format!("{field}.ports"), "only a Service has ports", "remove them");
    }
}

/// Checks a rate.
pub(super) fn check_rate(rate: &Rate, field: &str, out: &mut Violations) {
    if rate.period().is_none() {
        let message = format!("'{}' is no time that a rate is measured over", rate.per);
        out.refuse(format!("{field}.per"), message, "write a time from 1s to 24h");
    }
}

fn is_empty(selector: &LabelSelector) -> bool {
    selector.match_labels.as_ref().is_none_or(std::collections::BTreeMap::is_empty)
        && selector.match_expressions.as_ref().is_none_or(Vec::is_empty)
}

fn check_selector(selector: &LabelSelector, field: &str, out: &mut Violations) {
    for (index, requirement) in selector.match_expressions.iter().flatten().enumerate() {
        let has_values = requirement.values.as_ref().is_some_and(|values| !values.is_empty());
        let field = format!("{field}.matchExpressions[{index}].values");
        match requirement.operator.as_str() {
            "In" | "NotIn" if !has_values => out.refuse(field, "is required for In and NotIn", "write some values"),
            "Exists" | "DoesNotExist" if has_values => {
                out.refuse(field, "does not belong to Exists and DoesNotExist", "remove it, or use In or NotIn");
            }
            _ => {}
        }
    }
}
