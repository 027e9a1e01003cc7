//! Tenant: a team, its namespaces, and what they may have.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::limit::Rate;
use super::quantity::Quantity;
use super::status::TenantStatus;
use super::{Mode, crd, is_default, pattern};

/// Which namespaces are a tenant's, and what they may have together.
#[derive(kube::CustomResource, KubeSchema, Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[kube(
    group = "paifang.dev",
    version = "v1alpha1",
    kind = "Tenant",
    doc = "A tenant: the namespaces of one team, the hostnames and paths that are theirs on shared Gateways, and how much \
           they may use together. It is written by whoever runs the platform.",
    status = "TenantStatus",
    derive = "PartialEq",
    shortname = "ten",
    category = "paifang",
    printcolumn = r#"{"name": "Namespaces", "type": "integer", "jsonPath": ".status.namespaces"}"#,
    printcolumn = r#"{"name": "Routes", "type": "integer", "jsonPath": ".status.routes"}"#,
    printcolumn = r#"{"name": "Mode", "type": "string", "jsonPath": ".spec.mode"}"#,
    printcolumn = r#"{"name": "Accepted", "type": "string", "jsonPath": ".status.conditions[?(@.type=='Accepted')].status"}"#,
    printcolumn = r#"{"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new(
        "!has(self.share) || !has(self.share.guaranteed) || !has(self.limits) || !has(self.limits.concurrency) \
         || self.share.guaranteed.concurrency <= self.limits.concurrency",
    ).message("share.guaranteed.concurrency cannot be more than limits.concurrency"))]
pub struct TenantSpec {
    /// Labels of the namespaces that belong to this tenant. An empty selector is refused: it would take every namespace.
    /// A namespace that two tenants select belongs to the older one, and the other says so in its status.
    #[schemars(schema_with = "crd::label_selector")]
    #[x_kube(validation = Rule::new(
            "(has(self.matchLabels) && size(self.matchLabels) > 0) \
             || (has(self.matchExpressions) && size(self.matchExpressions) > 0)",
        ).message("must select by at least one label"))]
    pub namespaces: LabelSelector,
    /// Hostnames and paths that are this tenant's on shared Gateways: requests for them reach no other tenant's route. The
    /// most specific claim wins: the exact hostname, then the longest wildcard, then the longest path. What nobody
    /// claims is open to all, unless the GatewayClass's parameters say `claims: Required`. At most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub claims: Vec<Claim>,
    /// How many objects the tenant may have. What comes later than that is not served and says so in its status.
    #[serde(default, skip_serializing_if = "is_default")]
    pub quotas: Quotas,
    /// Ceilings for all traffic of the tenant together. A limit below, on a Namespace or a route, may lower them and never
    /// raise them.
    #[serde(default, skip_serializing_if = "is_default")]
    pub limits: TenantLimits,
    /// The tenant's part of a saturated gateway.
    #[serde(default, skip_serializing_if = "is_default")]
    pub share: Share,
    /// `Enforce`; or `Shadow`, which reports what claims, quotas, limits and share would deny, in metrics and statuses, and
    /// denies nothing.
    #[serde(default)]
    pub mode: Mode,
}

/// Hostnames, and paths on them.
#[derive(JsonSchema, Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Claim {
    /// Hostnames: exact as `shop.example.com`, or with a wildcard as `*.shop.example.com`, which stands for one label or more.
    /// 1 to 64, each once.
    #[schemars(
        length(min = 1, max = 64),
        inner(length(min = 1, max = 253), regex(pattern = pattern::HOSTNAME)),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub hostnames: Vec<String>,
    /// Paths on these hostnames; `/checkout` stands for itself and all below it. The whole hostname when absent. At most 64,
    /// each once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 64),
        inner(length(min = 1, max = 1024), regex(pattern = pattern::PATH)),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub path_prefixes: Vec<String>,
}

/// How many objects a tenant may have; what is absent is not counted.
#[derive(JsonSchema, Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Quotas {
    /// Routes of all kinds. 0 to 1,000,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 1_000_000))]
    pub routes: Option<u32>,
    /// Rules of all routes together. 0 to 1,000,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 1_000_000))]
    pub rules: Option<u32>,
    /// Different hostnames of routes and listeners. 0 to 1,000,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 1_000_000))]
    pub hostnames: Option<u32>,
    /// Different certificates of listeners. 0 to 1,000,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 1_000_000))]
    pub certificates: Option<u32>,
}

/// Ceilings; what is absent is not limited.
#[derive(JsonSchema, Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TenantLimits {
    /// Requests in a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<RequestCeiling>,
    /// Requests that are being answered at one moment. 1 to 1,000,000,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub concurrency: Option<u32>,
    /// Connections of clients that are open at one moment. 1 to 1,000,000,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub connections: Option<u32>,
    /// Bytes of responses per second, as a Kubernetes quantity of at least 1, such as `200Mi`. What is more is slowed down,
    /// not denied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bandwidth: Option<Quantity>,
}

/// Requests in a time, with a burst.
#[derive(KubeSchema, Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestCeiling {
    /// Requests that are let through in the time that `per` says, evenly spread. 1 to 1,000,000,000.
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub rate: u32,
    /// The time, in whole seconds, minutes and hours: `1s`, `1m`, `1h`, `1h30m`. From `1s` to `24h`.
    #[schemars(length(max = 18), regex(pattern = pattern::PERIOD))]
    #[x_kube(validation = Rule::new("duration(self) >= duration('1s') && duration(self) <= duration('24h')")
        .message("must be from 1s to 24h"))]
    pub per: String,
    /// Requests that may come at once after a pause. 1 to 1,000,000,000; as many as `rate` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub burst: Option<u32>,
}

impl RequestCeiling {
    /// The same as policies write it.
    #[must_use]
    pub fn to_rate(&self) -> Rate {
        Rate { requests: self.rate, per: self.per.clone(), burst: self.burst }
    }
}

/// Part of a saturated gateway.
#[derive(JsonSchema, Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Share {
    /// What others leave is shared by weight: twice the weight is twice the share. 1 to 1000.
    #[serde(default = "weight")]
    #[schemars(range(min = 1, max = 1000))]
    pub weight: u32,
    /// What is kept for the tenant. While it is idle others may use it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guaranteed: Option<Guaranteed>,
}

impl Default for Share {
    fn default() -> Self {
        Self { weight: weight(), guaranteed: None }
    }
}

/// What is kept for a tenant.
#[derive(JsonSchema, Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Guaranteed {
    /// Requests that are being answered at one moment. 1 to 1,000,000,000, and no more than `limits.concurrency`.
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub concurrency: u32,
}

const fn weight() -> u32 {
    1
}
