//! RateLimitPolicy: named limits on a Gateway, a listener, a route, a rule, a Namespace or a Tenant.

pub mod condition;
pub mod jwt;
pub mod key;

use std::collections::BTreeMap;

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::limit::Rate;
use super::quantity::Quantity;
use super::status::PolicyStatus;
use super::{Mode, is_default, pattern};
use crate::api::lenient::lenient_enum;
use condition::Condition;
use jwt::KeySetReference;
use key::KeyPart;

/// Limits, and what they are put on.
#[derive(kube::CustomResource, KubeSchema, Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[kube(
    group = "paifang.dev",
    version = "v1alpha1",
    kind = "RateLimitPolicy",
    plural = "ratelimitpolicies",
    doc = "Limits of requests, concurrency, connections or bandwidth. Every limit on the way of a request holds, from the \
           Gateway to the rule: one further down can only lower what those above let through.",
    namespaced,
    status = "PolicyStatus",
    derive = "PartialEq",
    shortname = "rlp",
    category = "paifang",
    label("gateway.networking.k8s.io/policy", "Inherited"),
    printcolumn = r#"{"name": "Target kind", "type": "string", "jsonPath": ".spec.targetRefs[0].kind"}"#,
    printcolumn = r#"{"name": "Target", "type": "string", "jsonPath": ".spec.targetRefs[0].name"}"#,
    printcolumn = r#"{"name": "Accepted", "type": "string", "jsonPath": ".status.ancestors[*].conditions[?(@.type=='Accepted')].status"}"#,
    printcolumn = r#"{"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct RateLimitPolicySpec {
    /// What is limited, all in the policy's own namespace. 1 to 16, each once.
    #[schemars(length(min = 1, max = 16))]
    #[x_kube(validation = Rule::new(
            "self.all(a, self.exists_one(b, a.group == b.group && a.kind == b.kind && a.name == b.name \
             && (has(a.sectionName) ? a.sectionName : '') == (has(b.sectionName) ? b.sectionName : '')))",
        ).message("names one target twice"))]
    pub target_refs: Vec<TargetReference>,
    /// The limits by name, 1 to 16. A name is a DNS label of at most 63 characters; clients see it in the fields
    /// `RateLimit-Policy` and `RateLimit`, operators in metrics.
    #[schemars(extend("minProperties" = 1, "maxProperties" = 16))]
    #[x_kube(validation = Rule::new(
            "self.all(name, size(name) <= 63 && name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$'))",
        ).message("names of limits are DNS labels: lower-case letters, digits and '-', at most 63 characters"))]
    pub limits: BTreeMap<String, Limit>,
}

impl RateLimitPolicySpec {
    /// Where the keys of tokens are that its limits verify.
    pub fn key_sets(&self) -> impl Iterator<Item = &KeySetReference> {
        let parts = self.limits.values().flat_map(|limit| &limit.key);
        parts.filter_map(|part| part.jwt.as_ref()).map(|jwt| &jwt.keys)
    }
}

/// A target, or a section of it.
#[derive(KubeSchema, Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new(
        "(self.group == 'gateway.networking.k8s.io' && self.kind in ['Gateway', 'HTTPRoute', 'GRPCRoute']) \
         || (self.group == '' && self.kind == 'Namespace') || (self.group == 'paifang.dev' && self.kind == 'Tenant')",
    ).message("the target must be a Gateway, HTTPRoute or GRPCRoute (group gateway.networking.k8s.io), a Namespace \
        (group '') or a Tenant (group paifang.dev)"),
    validation = Rule::new("!has(self.sectionName) || self.group == 'gateway.networking.k8s.io'")
        .message("only Gateways and routes have sections")
)]
pub struct TargetReference {
    /// API group: `gateway.networking.k8s.io`, `paifang.dev` for a Tenant, empty for a Namespace.
    #[schemars(length(max = 253), regex(pattern = pattern::GROUP))]
    pub group: String,
    /// `Gateway`, `HTTPRoute`, `GRPCRoute`, `Namespace` or `Tenant`.
    #[schemars(length(min = 1, max = 63), regex(pattern = pattern::KIND))]
    pub kind: String,
    /// Name. A Namespace must be the policy's own, and a Tenant the one that the policy's namespace belongs to.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// One listener of the Gateway, or one rule of the route, by its name. The whole target when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = pattern::SUBDOMAIN))]
    pub section_name: Option<String>,
}

/// One limit: exactly one of `rate`, `concurrency`, `connections` and `bandwidth`.
#[derive(KubeSchema, Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new(
        "[has(self.rate), has(self.concurrency), has(self.connections), has(self.bandwidth)].filter(x, x).size() == 1",
    ).message("needs exactly one of rate, concurrency, connections and bandwidth"),
    validation = Rule::new("self.counting != 'Global' || has(self.rate)").message("only a rate is counted Global"),
    validation = Rule::new("!has(self.connections) || self.scope in ['Gateway', 'Listener', 'Tenant']")
        .message("connections are counted by Gateway, Listener or Tenant: a connection has no route"),
    validation = Rule::new("!has(self.connections) || !has(self.key) || self.key.all(part, part.type == 'ClientIP')")
        .message("the key of connections is ClientIP: a connection has nothing else"),
    validation = Rule::new("!has(self.connections) || !has(self.when)")
        .message("connections have no 'when': it is about requests")
)]
pub struct Limit {
    /// Requests in a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
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
    /// What each counter is for: requests that differ in one of these are counted apart. One counter for all when absent. At
    /// most 8.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub key: Vec<KeyPart>,
    /// Where the counter lives: what has one of its own. `Gateway`, `Listener`, `Tenant`, `Namespace`, `Route` or `Rule`. With
    /// `Gateway`, everything the policy covers on a Gateway is counted together; with `Rule`, each rule for itself.
    pub scope: Scope,
    /// Who counts. `PerReplica`: each replica for itself, so that three let three times the limit through. `Divide`: each
    /// replica its part of the limit, by the number of replicas that are alive. `Global`: all replicas together, in a store;
    /// for `rate` only.
    pub counting: Counting,
    /// What happens to requests while the store of `Global` counters cannot be asked: `Local` counts them as `Divide` does,
    /// `Allow` lets them through, `Deny` denies them.
    #[serde(default)]
    pub on_store_failure: StoreFailure,
    /// Requests that are counted; any entry is enough. All when absent. At most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 16))]
    pub when: Vec<Condition>,
    /// Networks whose clients are neither counted nor limited, as `10.0.0.0/8` or `2001:db8::/32`. At most 64, each once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 64),
        inner(length(min = 1, max = 49), regex(pattern = pattern::CIDR)),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub except: Vec<String>,
    /// `Enforce`; or `Shadow`, which counts and reports what would be denied, and denies nothing.
    #[serde(default)]
    pub mode: Mode,
    /// What a denied request is answered.
    #[serde(default, skip_serializing_if = "is_default")]
    pub response: Denial,
}

lenient_enum!(
    /// What has a counter of its own.
    Scope {
        Gateway = "Gateway",
        Listener = "Listener",
        Tenant = "Tenant",
        Namespace = "Namespace",
        Route = "Route",
        Rule = "Rule",
    }
);

lenient_enum!(
    /// Who counts.
    Counting { PerReplica = "PerReplica", Divide = "Divide", Global = "Global" }
);

lenient_enum!(
    /// What happens while the store cannot be asked.
    #[derive(Default)]
    StoreFailure { #[default] Local = "Local", Allow = "Allow", Deny = "Deny" }
);

/// The answer to a denied request.
#[derive(KubeSchema, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.contentType) || has(self.body)").message("contentType needs a body"))]
pub struct Denial {
    /// Status code, 400 to 599.
    #[serde(default = "too_many_requests")]
    #[schemars(range(min = 400, max = 599))]
    pub status: u16,
    /// Body, at most 4096 characters. An RFC 9457 problem in JSON when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096))]
    pub body: Option<String>,
    /// Media type of the body; `text/plain; charset=utf-8` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 3, max = 256), regex(pattern = pattern::MEDIA_TYPE))]
    pub content_type: Option<String>,
}

impl Default for Denial {
    fn default() -> Self {
        Self { status: too_many_requests(), body: None, content_type: None }
    }
}

const fn too_many_requests() -> u16 {
    429
}
