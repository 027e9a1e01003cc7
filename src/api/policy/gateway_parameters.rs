//! GatewayParameters: how the Gateways of a class work.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::api::lenient::lenient_enum;

/// How Gateways work that refer to it.
#[derive(kube::CustomResource, KubeSchema, Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[kube(
    group = "paifang.dev",
    version = "v1alpha1",
    kind = "GatewayParameters",
    plural = "gatewayparameters",
    doc = "How Gateways work. A GatewayClass refers to it in `spec.parametersRef`.",
    namespaced,
    derive = "PartialEq",
    shortname = "gwparams",
    category = "paifang",
    printcolumn = r#"{"name": "Claims", "type": "string", "jsonPath": ".spec.claims"}"#,
    printcolumn = r#"{"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct GatewayParametersSpec {
    /// Whether a route needs a claim: `Optional`, where hostnames that no Tenant claims are open to every route; or
    /// `Required`, where a route is served only for hostnames and paths that its own tenant claims.
    #[serde(default)]
    pub claims: Claims,
}

lenient_enum!(
    /// Whether hostnames that nobody claims are served.
    #[derive(Default)]
    Claims { #[default] Optional = "Optional", Required = "Required" }
);
