//! What Paifang says in `status`: conditions without times (the writer sets those).

use std::borrow::Cow;

use serde::Serialize;

use super::gateway::listener::{GatewayAddress, RouteGroupKind};
use super::gateway::shared::ParentReference;
use super::policy::status::{AncestorReference, ClaimsStatus};

/// One condition. `lastTransitionTime` is added by whoever writes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// Condition type, such as `Accepted`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// True, False or Unknown.
    pub status: ConditionStatus,
    /// CamelCase reason, from the Gateway API where it has one.
    pub reason: &'static str,
    /// For people: what is wrong and how it is mended.
    pub message: Cow<'static, str>,
    /// `metadata.generation` of the object that carries the condition.
    pub observed_generation: i64,
}

/// Status of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum ConditionStatus {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// Not known yet.
    Unknown,
}

/// `status` of a GatewayClass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GatewayClassStatus {
    /// Accepted, SupportedVersion.
    pub conditions: Vec<Condition>,
    /// What the conformance suite may expect, sorted.
    pub supported_features: Vec<SupportedFeature>,
}

/// One feature name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SupportedFeature {
    /// Its name in the conformance suite.
    pub name: &'static str,
}

/// `status` of a Gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GatewayStatus {
    /// Where it can be reached.
    pub addresses: Vec<GatewayAddress>,
    /// Accepted, Programmed, and ResolvedRefs where something is wrong.
    pub conditions: Vec<Condition>,
    /// One entry for each listener of the specification.
    pub listeners: Vec<ListenerStatus>,
}

/// Status of one listener.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListenerStatus {
    /// The listener's name.
    pub name: String,
    /// Kinds that may attach.
    pub supported_kinds: Vec<RouteGroupKind>,
    /// Routes that are Accepted and attached to it.
    pub attached_routes: i32,
    /// Accepted, Programmed, ResolvedRefs, and Conflicted or OverlappingTLSConfig where they hold.
    pub conditions: Vec<Condition>,
}

/// `status` of a route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RouteStatus {
    /// One entry for each parentRef that names a Gateway of ours.
    pub parents: Vec<RouteParentStatus>,
}

/// Status of a route at one parent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RouteParentStatus {
    /// The parentRef as written.
    pub parent_ref: ParentReference,
    /// Always ours.
    pub controller_name: &'static str,
    /// Accepted, ResolvedRefs, and PartiallyInvalid where it holds.
    pub conditions: Vec<Condition>,
}

/// `status` of a Tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TenantStatus {
    /// Accepted, Programmed, and Conflicted where an older Tenant has what this one asks for.
    pub conditions: Vec<Condition>,
    /// Namespaces that belong to it.
    pub namespaces: u32,
    /// Routes in them that are attached.
    pub routes: u32,
    /// How it stands with its claims.
    pub claims: ClaimsStatus,
}

/// `status` of a policy, as GEP-713 has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyStatus {
    /// One entry for each target.
    pub ancestors: Vec<PolicyAncestorStatus>,
}

/// Status of a policy at one target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyAncestorStatus {
    /// The target.
    pub ancestor_ref: AncestorReference,
    /// Always ours.
    pub controller_name: &'static str,
    /// Accepted, Programmed.
    pub conditions: Vec<Condition>,
}

/// The status of any object we report on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Status {
    /// GatewayClass
    GatewayClass(GatewayClassStatus),
    /// Gateway
    Gateway(GatewayStatus),
    /// Any route kind
    Route(RouteStatus),
    /// Tenant
    Tenant(TenantStatus),
    /// RateLimitPolicy
    Policy(PolicyStatus),
}
