//! What a limit is put on, and what has a counter of its own.

use std::fmt;
use std::sync::Arc;

use crate::api::ObjectKey;
use crate::ir::limit::Scope;
use crate::ir::{LimitTarget, RouteId};
use crate::table::action::RuleId;

/// Something that has a counter of its own.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Place {
    /// A Gateway.
    Gateway(ObjectKey),
    /// A listener.
    Listener(ObjectKey, Arc<str>),
    /// A tenant; all routes of none together.
    Tenant(Option<Arc<str>>),
    /// A namespace.
    Namespace(Arc<str>),
    /// A route.
    Route(RouteId),
    /// A rule.
    Rule(RouteId, Arc<str>),
}

impl Place {
    /// That which a rule is part of.
    pub(super) fn of(rule: &RuleId, scope: Scope) -> Self {
        match scope {
            Scope::Gateway => Self::Gateway(rule.gateway.clone()),
            Scope::Listener => Self::Listener(rule.gateway.clone(), Arc::clone(&rule.listener)),
            Scope::Tenant => Self::Tenant(rule.tenant.clone()),
            Scope::Namespace => Self::Namespace(Arc::clone(&rule.route.key.namespace)),
            Scope::Route => Self::Route(rule.route.clone()),
            Scope::Rule => Self::Rule(rule.route.clone(), Arc::clone(&rule.rule)),
        }
    }

    /// Whether all its rules are of one tenant.
    pub(super) const fn has_one_tenant(&self) -> bool {
        !matches!(self, Self::Gateway(_) | Self::Listener(..))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gateway(gateway) => write!(f, "Gateway {gateway}"),
            Self::Listener(gateway, listener) => write!(f, "Gateway {gateway} {listener}"),
            Self::Tenant(tenant) => write!(f, "Tenant {}", tenant.as_deref().unwrap_or_default()),
            Self::Namespace(namespace) => write!(f, "Namespace {namespace}"),
            Self::Route(route) => write!(f, "{route}"),
            Self::Rule(route, rule) => write!(f, "{route} {rule}"),
        }
    }
}

/// Everything a limit could be put on to hold for a rule, the widest first.
pub(super) fn targets(rule: &RuleId, name: Option<&Arc<str>>) -> impl Iterator<Item = LimitTarget> {
    let gateway = |listener| LimitTarget::Gateway { gateway: rule.gateway.clone(), listener };
    let route = |rule_name| LimitTarget::Route { route: rule.route.clone(), rule: rule_name };
    [
        Some(gateway(None)),
        Some(gateway(Some(Arc::clone(&rule.listener)))),
        rule.tenant.clone().map(LimitTarget::Tenant),
        Some(LimitTarget::Namespace(Arc::clone(&rule.route.key.namespace))),
        Some(route(None)),
        name.map(|name| route(Some(Arc::clone(name)))),
    ]
    .into_iter()
    .flatten()
}
