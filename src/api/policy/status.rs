//! What the statuses of our kinds hold: the schema of the CRDs, small whatever a cluster holds.
//!
//! Objects are kept without their status; these types say what may be written there.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{crd, pattern};

/// Status of a Tenant.
#[derive(JsonSchema, Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TenantStatus {
    /// `Accepted`: the Tenant can be used as it is written. `Programmed`: it holds in all that is served. At most 8.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "crd::conditions")]
    pub conditions: Vec<StatusCondition>,
    /// Namespaces that belong to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespaces: Option<u32>,
    /// Routes of all kinds in these namespaces that are attached to a Gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub routes: Option<u32>,
    /// How it stands with its claims.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claims: Option<ClaimsStatus>,
    /// How much there is of what has a quota. At most 4.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4))]
    pub quotas: Vec<QuotaStatus>,
}

/// How much there is of what has a quota.
#[derive(JsonSchema, Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QuotaStatus {
    /// What is counted: `routes`, `rules`, `hostnames` or `certificates`.
    #[schemars(length(max = 63))]
    pub name: String,
    /// How many there are, with those that there is no room for.
    pub used: u32,
    /// How many there may be.
    pub limit: u32,
}

/// How it stands with the claims of a Tenant.
#[derive(JsonSchema, Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClaimsStatus {
    /// Pairs of hostname and path that hold.
    pub held: u32,
    /// Pairs that an older Tenant has.
    pub contested: u32,
    /// The first of the contested ones, on both sides. At most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub contests: Vec<Contest>,
}

/// A claim that two Tenants make.
#[derive(JsonSchema, Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Contest {
    /// The hostname.
    #[schemars(length(max = 253))]
    pub hostname: String,
    /// The path on it; the whole hostname when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub path_prefix: Option<String>,
    /// The other Tenant.
    #[schemars(length(max = 253))]
    pub tenant: String,
}

/// Status of a ShareGrant.
#[derive(JsonSchema, Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ShareGrantStatus {
    /// `Accepted`: the grant can be used as it is written and has not expired. At most 8.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "crd::conditions")]
    pub conditions: Vec<StatusCondition>,
    /// Objects that refer to something by this grant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub users: Option<u32>,
    /// The first of them. At most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub used_by: Vec<User>,
}

/// An object that refers to something by a grant.
#[derive(JsonSchema, Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// API group, empty for core.
    #[schemars(length(max = 253))]
    pub group: String,
    /// Kind.
    #[schemars(length(max = 63))]
    pub kind: String,
    /// Namespace.
    #[schemars(length(max = 63))]
    pub namespace: String,
    /// Name.
    #[schemars(length(max = 253))]
    pub name: String,
}

/// Status of a policy, as GEP-713 has it.
#[derive(JsonSchema, Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyStatus {
    /// How the policy stands towards each target. At most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub ancestors: Vec<PolicyAncestorStatus>,
}

/// How a policy stands towards one target.
#[derive(JsonSchema, Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyAncestorStatus {
    /// The target.
    pub ancestor_ref: AncestorReference,
    /// Who wrote this entry: `paifang.dev/gateway-controller`.
    #[schemars(length(min = 1, max = 253))]
    pub controller_name: String,
    /// `Accepted`: the policy can be put on the target. `Programmed`: it holds in what is served. `Overridden`: another one
    /// leaves nothing for it to limit. At most 8.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "crd::conditions")]
    pub conditions: Vec<StatusCondition>,
}

/// The target of a policy, or a section of it.
#[derive(JsonSchema, Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AncestorReference {
    /// API group, empty for core.
    #[schemars(length(max = 253))]
    pub group: String,
    /// Kind.
    #[schemars(length(min = 1, max = 63))]
    pub kind: String,
    /// Namespace; absent for what has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub namespace: Option<String>,
    /// Name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Listener or rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub section_name: Option<String>,
}

/// A condition, as Kubernetes has them.
#[derive(JsonSchema, Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusCondition {
    /// Type of the condition.
    #[serde(rename = "type")]
    #[schemars(length(max = 316), regex(pattern = pattern::LABEL_KEY))]
    pub kind: String,
    /// `True`, `False` or `Unknown`.
    #[schemars(extend("enum" = ["True", "False", "Unknown"]))]
    pub status: String,
    /// The generation of the object that this was said about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub observed_generation: Option<i64>,
    /// When `status` changed last.
    #[schemars(schema_with = "crd::time")]
    pub last_transition_time: String,
    /// Why, in one word.
    #[schemars(length(min = 1, max = 1024), regex(pattern = "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$"))]
    pub reason: String,
    /// Why, in a sentence; what to do about it.
    #[schemars(length(max = 32_768))]
    pub message: String,
}
