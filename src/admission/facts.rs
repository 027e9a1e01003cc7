//! What policies know of a cluster: fixed when they are made.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use crate::api::ObjectKey;
use crate::api::gateway::{CONTROLLER_NAME, GatewayClass};
use crate::api::policy::gateway_parameters::Claims;
use crate::api::policy::{Mode, Tenant};
use crate::ir::Claim;
use crate::snapshot::{Object, Snapshot};
use crate::translate::translate;

/// The Tenants, and which Gateways ask for them.
pub(super) struct Facts {
    /// Names and selectors, oldest first: the first that selects a namespace has it.
    pub(super) tenants: Vec<(Arc<str>, LabelSelector)>,
    /// What is claimed, in the order of hostnames.
    pub(super) claims: Vec<Claim>,
    /// What holds for the Gateways of each class.
    pub(super) classes: BTreeMap<String, Standing>,
    /// The same for Gateways by `namespace/name`, where it is not `others`.
    pub(super) gateways: BTreeMap<String, Standing>,
    /// What holds for classes and Gateways that nobody knew when the policies were made.
    pub(super) others: Standing,
}

/// What claims mean at a Gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nothing: another controller serves it.
    Foreign,
    /// What nobody claims is open.
    Optional,
    /// What nobody claims is nobody's.
    Required,
}

impl Standing {
    /// As expressions write it.
    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::Foreign => "foreign",
            Self::Optional => "optional",
            Self::Required => "required",
        }
    }
}

impl Facts {
    /// What is denied.
    pub(super) fn enforced(snapshot: &Snapshot) -> Self {
        let classes = classes(snapshot);
        let others = others(&classes);
        let standing = |class: &str| classes.get(class).copied().unwrap_or(others);
        let gateways =
            snapshot.gateways.iter().map(|(key, it)| (key.to_string(), standing(&it.spec.gateway_class_name)));
        Self {
            tenants: tenants(snapshot),
            claims: translate(snapshot).ir.claims.iter().filter(|claim| claim.enforced).cloned().collect(),
            gateways: gateways.filter(|(_, standing)| *standing != others).collect(),
            classes,
            others,
        }
    }

    /// What would be denied if no Tenant was in Shadow mode; nothing if none is.
    pub(super) fn in_shadow(snapshot: &Snapshot) -> Self {
        let shadows: Vec<_> = snapshot.tenants.iter().filter(|(_, tenant)| tenant.spec.mode == Mode::Shadow).collect();
        let mut world = snapshot.clone();
        for (_, tenant) in &shadows {
            let mut tenant = Tenant::clone(tenant);
            tenant.spec.mode = Mode::Enforce;
            world.put(Object::Tenant(Arc::new(tenant)));
        }
        let mut facts = Self::enforced(&world);
        if shadows.is_empty() {
            facts.claims.clear();
            facts.gateways.clear();
            facts.others = Standing::Foreign;
        }
        facts
    }
}

/// The order of [`crate::translate`], without those it refuses.
fn tenants(snapshot: &Snapshot) -> Vec<(Arc<str>, LabelSelector)> {
    let asks = |selector: &LabelSelector| {
        selector.match_labels.iter().flatten().next().is_some()
            || selector.match_expressions.iter().flatten().next().is_some()
    };
    let mut tenants: Vec<_> = snapshot.tenants.iter().filter(|(_, tenant)| asks(&tenant.spec.namespaces)).collect();
    let created = |tenant: &Tenant| tenant.metadata.creation_timestamp.as_ref().map_or(0, |time| time.0.as_second());
    tenants.sort_by_key(|(key, tenant)| (created(tenant), *key));
    tenants.into_iter().map(|(key, tenant)| (Arc::clone(&key.name), tenant.spec.namespaces.clone())).collect()
}

fn classes(snapshot: &Snapshot) -> BTreeMap<String, Standing> {
    let classes = snapshot.gateway_classes.iter();
    classes.map(|(key, class)| (key.name.to_string(), standing(snapshot, class))).collect()
}

fn standing(snapshot: &Snapshot, class: &GatewayClass) -> Standing {
    if class.spec.controller_name != CONTROLLER_NAME {
        return Standing::Foreign;
    }
    let parameters = class.spec.parameters_ref.as_ref().and_then(|reference| {
        snapshot.gateway_parameters.get(&ObjectKey::new(reference.namespace.as_deref()?, reference.name.as_str()))
    });
    match parameters.map(|parameters| &parameters.spec.claims) {
        Some(Claims::Required) => Standing::Required,
        _ => Standing::Optional,
    }
}

/// A Gateway that nobody knew is judged by what holds wherever it may belong.
fn others(classes: &BTreeMap<String, Standing>) -> Standing {
    let all = |standing| !classes.is_empty() && classes.values().all(|it| *it == standing);
    match classes.values().any(|it| *it == Standing::Foreign) {
        true => Standing::Foreign,
        false if all(Standing::Required) => Standing::Required,
        false => Standing::Optional,
    }
}
