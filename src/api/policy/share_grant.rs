//! ShareGrant: who may refer to what in the grant's namespace.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, Time};
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::status::ShareGrantStatus;
use super::{crd, pattern};
use crate::api::gateway;

/// Any `from` may refer to any `to` in the grant's namespace.
#[derive(kube::CustomResource, KubeSchema, Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[kube(
    group = "paifang.dev",
    version = "v1alpha1",
    kind = "ShareGrant",
    doc = "A grant: who may refer to objects of its namespace, as a ReferenceGrant of the Gateway API says, but by labels of \
           namespaces and objects, by tenant, for a time, and with a status that says who uses it. ReferenceGrants go on \
           counting: either may permit.",
    namespaced,
    status = "ShareGrantStatus",
    derive = "PartialEq",
    shortname = "sgrant",
    category = "paifang",
    printcolumn = r#"{"name": "Users", "type": "integer", "jsonPath": ".status.users"}"#,
    printcolumn = r#"{"name": "Expires", "type": "string", "jsonPath": ".spec.expires"}"#,
    printcolumn = r#"{"name": "Accepted", "type": "string", "jsonPath": ".status.conditions[?(@.type=='Accepted')].status"}"#,
    printcolumn = r#"{"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct ShareGrantSpec {
    /// Who may refer; any entry is enough. 1 to 16.
    #[schemars(length(min = 1, max = 16))]
    pub from: Vec<ShareGrantFrom>,
    /// To what in this namespace; any entry is enough. 1 to 16.
    #[schemars(length(min = 1, max = 16))]
    pub to: Vec<ShareGrantTo>,
    /// When the grant ends, as `2027-01-31T18:00:00Z` (RFC 3339). It then permits nothing, and its status says so. Without it
    /// the grant ends when it is deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crd::time")]
    pub expires: Option<Time>,
}

/// Who may refer.
#[derive(KubeSchema, Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ShareGrantFrom {
    /// API group of what refers.
    #[serde(default = "gateway_api")]
    #[schemars(length(max = 253), regex(pattern = pattern::GROUP))]
    pub group: String,
    /// Kind of what refers, such as `HTTPRoute` or `Gateway`.
    #[schemars(length(min = 1, max = 63), regex(pattern = pattern::KIND))]
    pub kind: String,
    /// Namespaces it may lie in.
    pub namespaces: GrantedNamespaces,
}

/// Namespaces; any of the three is enough.
#[derive(KubeSchema, Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.names) || has(self.selector) || has(self.tenants)")
    .message("needs names, selector or tenants"))]
pub struct GrantedNamespaces {
    /// By name. At most 64, each once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(min = 1, max = 64),
        inner(length(min = 1, max = 63), regex(pattern = pattern::LABEL)),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub names: Vec<String>,
    /// By labels. An empty selector stands for every namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crd::label_selector")]
    pub selector: Option<LabelSelector>,
    /// By the tenant that they belong to. At most 64, each once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(min = 1, max = 64),
        inner(length(min = 1, max = 253), regex(pattern = pattern::SUBDOMAIN)),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub tenants: Vec<String>,
}

/// What may be referred to.
#[derive(KubeSchema, Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.names) || !has(self.selector)")
        .message("has names and selector; give each an entry of its own"),
    validation = Rule::new("!has(self.ports) || (self.group == '' && self.kind == 'Service')")
        .message("only a Service has ports")
)]
pub struct ShareGrantTo {
    /// API group; empty for Services, Secrets and ConfigMaps.
    #[schemars(length(max = 253), regex(pattern = pattern::GROUP))]
    pub group: String,
    /// Kind, such as `Service` or `Secret`.
    #[schemars(length(min = 1, max = 63), regex(pattern = pattern::KIND))]
    pub kind: String,
    /// By name; every object of the kind when neither names nor selector is written. At most 64, each once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(min = 1, max = 64),
        inner(length(min = 1, max = 253)),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub names: Vec<String>,
    /// By labels of the objects. An empty selector stands for every object of the kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crd::label_selector")]
    pub selector: Option<LabelSelector>,
    /// Ports of the Services, 1 to 65535; every port when absent. At most 16, each once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(min = 1, max = 16),
        inner(range(min = 1, max = 65_535)),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub ports: Vec<u16>,
}

fn gateway_api() -> String {
    gateway::GROUP.to_owned()
}
