//! Kinds of `gateway.networking.x-k8s.io`: experimental, read but not yet served.

use serde::{Deserialize, Serialize};

use super::backend_tls_policy::BackendTlsValidation;
use super::shared::{Fraction, LocalObjectReference, ObjectReference, SessionPersistence};

/// Specification of an XBackend (GEP-4894).
#[derive(kube::CustomResource, Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[kube(
    group = "gateway.networking.x-k8s.io",
    version = "v1alpha1",
    kind = "XBackend",
    namespaced,
    schema = "disabled",
    derive = "PartialEq"
)]
#[serde(rename_all = "camelCase", default)]
pub struct XBackendSpec {
    /// ExternalHostname or EndpointSelector.
    #[serde(rename = "type")]
    pub kind: String,
    /// For ExternalHostname.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_hostname: Option<serde_json::Value>,
    /// For EndpointSelector.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint_selector: Option<serde_json::Value>,
    /// Where it listens.
    pub port: XBackendPort,
    /// What it speaks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    /// TLS towards it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<XBackendTls>,
    /// Session persistence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_persistence: Option<SessionPersistence>,
}

/// `port` of an XBackend.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct XBackendPort {
    /// Port number.
    pub number: u16,
}

/// `tls` of an XBackend.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct XBackendTls {
    /// None, ServerOnly or ClientAndServer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// How the server is verified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation: Option<BackendTlsValidation>,
    /// Client certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_certificate_ref: Option<ObjectReference>,
}

/// Specification of an XBackendTrafficPolicy (GEP-3388).
#[derive(kube::CustomResource, Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[kube(
    group = "gateway.networking.x-k8s.io",
    version = "v1alpha1",
    kind = "XBackendTrafficPolicy",
    namespaced,
    schema = "disabled",
    derive = "PartialEq"
)]
#[serde(rename_all = "camelCase", default)]
pub struct XBackendTrafficPolicySpec {
    /// Services in the policy's namespace.
    pub target_refs: Vec<LocalObjectReference>,
    /// Retry budget.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_constraint: Option<serde_json::Value>,
    /// Session persistence (deprecated here).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_persistence: Option<SessionPersistence>,
}

/// Specification of an XTelemetryPolicy (GEP-4768).
#[derive(kube::CustomResource, Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[kube(
    group = "gateway.networking.x-k8s.io",
    version = "v1alpha1",
    kind = "XTelemetryPolicy",
    namespaced,
    schema = "disabled",
    derive = "PartialEq"
)]
#[serde(rename_all = "camelCase", default)]
pub struct XTelemetryPolicySpec {
    /// Gateways in the policy's namespace.
    pub target_refs: Vec<LocalObjectReference>,
    /// Tracing.
    pub tracing: XTracing,
}

/// `tracing` of an XTelemetryPolicy.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct XTracing {
    /// Enabled, Disabled or ImplementationDefault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// Where spans go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<serde_json::Value>,
    /// How many requests are traced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sampling_rate: Option<Fraction>,
    /// Sampling of requests that are already traced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_based_sampling: Option<serde_json::Value>,
    /// `service.name` of spans.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_name: Option<String>,
    /// Name of spans.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub span_name: Option<String>,
    /// More attributes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attributes: Vec<serde_json::Value>,
}

/// Specification of an XMesh (GEP-3949).
#[derive(kube::CustomResource, Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[kube(
    group = "gateway.networking.x-k8s.io",
    version = "v1alpha1",
    kind = "XMesh",
    schema = "disabled",
    derive = "PartialEq"
)]
#[serde(rename_all = "camelCase", default)]
pub struct XMeshSpec {
    /// The controller of the mesh.
    pub controller_name: String,
    /// Parameters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameters_ref: Option<super::gateway_class::ParametersReference>,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}
