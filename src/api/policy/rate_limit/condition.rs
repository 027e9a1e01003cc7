//! Conditions: which requests are counted.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::gateway::shared::ValueMatchType;
use crate::api::lenient::lenient_enum;
use crate::api::policy::pattern;

/// Requests for which all that is written holds.
#[derive(KubeSchema, Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.methods) || has(self.paths) || has(self.headers)")
    .message("needs methods, paths or headers"))]
pub struct Condition {
    /// The method is one of these. At most 9, each once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 9), extend("x-kubernetes-list-type" = "set"))]
    pub methods: Vec<Method>,
    /// The path is one of these. At most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 16))]
    pub paths: Vec<PathCondition>,
    /// The header fields are all like this. At most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 16))]
    pub headers: Vec<HeaderCondition>,
}

lenient_enum!(
    /// A method of HTTP.
    Method {
        Get = "GET",
        Head = "HEAD",
        Post = "POST",
        Put = "PUT",
        Delete = "DELETE",
        Connect = "CONNECT",
        Options = "OPTIONS",
        Trace = "TRACE",
        Patch = "PATCH",
    }
);

/// A path, or all paths below one.
#[derive(JsonSchema, Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PathCondition {
    /// `Exact`, or `Prefix`: the path itself and all below it, by whole segments.
    #[serde(rename = "type", default)]
    pub kind: PathType,
    /// The path, as it is after normalisation. At most 1024 characters.
    #[schemars(length(min = 1, max = 1024), regex(pattern = pattern::PATH))]
    pub value: String,
}

lenient_enum!(
    /// How a path is compared.
    #[derive(Default)]
    PathType { Exact = "Exact", #[default] Prefix = "Prefix" }
);

/// A header field with a value.
#[derive(JsonSchema, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HeaderCondition {
    /// Name of the field, in any case.
    #[schemars(length(min = 1, max = 256), regex(pattern = pattern::FIELD_NAME))]
    pub name: String,
    /// `Exact`, or `RegularExpression`, which is read as in an HTTPRoute.
    #[serde(rename = "type", default = "exact")]
    pub kind: ValueMatchType,
    /// The value. At most 4096 characters.
    #[schemars(length(min = 1, max = 4096))]
    pub value: String,
}

const fn exact() -> ValueMatchType {
    ValueMatchType::Exact
}
