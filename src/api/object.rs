//! How objects are named inside Paifang: kind, namespace, name.

use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};

/// Namespace and name of an object; the namespace of a cluster-scoped object is empty.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey {
    /// Namespace, empty for cluster-scoped kinds.
    pub namespace: Arc<str>,
    /// Name.
    pub name: Arc<str>,
}

impl ObjectKey {
    /// A key from its two parts.
    pub fn new(namespace: impl Into<Arc<str>>, name: impl Into<Arc<str>>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }

    /// The key of an object, from its metadata; a missing name reads as empty.
    #[must_use]
    pub fn of(meta: &k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta) -> Self {
        Self::new(meta.namespace.as_deref().unwrap_or_default(), meta.name.as_deref().unwrap_or_default())
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() { f.write_str(&self.name) } else { write!(f, "{}/{}", self.namespace, self.name) }
    }
}

impl fmt::Debug for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for ObjectKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Every kind that a source may deliver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// `gateway.networking.k8s.io` GatewayClass
    GatewayClass,
    /// `gateway.networking.k8s.io` Gateway
    Gateway,
    /// `gateway.networking.k8s.io` ListenerSet
    ListenerSet,
    /// `gateway.networking.k8s.io` HTTPRoute
    HttpRoute,
    /// `gateway.networking.k8s.io` GRPCRoute
    GrpcRoute,
    /// `gateway.networking.k8s.io` TLSRoute
    TlsRoute,
    /// `gateway.networking.k8s.io` TCPRoute
    TcpRoute,
    /// `gateway.networking.k8s.io` UDPRoute
    UdpRoute,
    /// `gateway.networking.k8s.io` ReferenceGrant
    ReferenceGrant,
    /// `gateway.networking.k8s.io` BackendTLSPolicy
    BackendTlsPolicy,
    /// `paifang.dev` Tenant
    Tenant,
    /// `paifang.dev` ShareGrant
    ShareGrant,
    /// `paifang.dev` RateLimitPolicy
    RateLimitPolicy,
    /// `paifang.dev` GatewayParameters
    GatewayParameters,
    /// core Namespace
    Namespace,
    /// core Service
    Service,
    /// core Secret
    Secret,
    /// core ConfigMap
    ConfigMap,
    /// `discovery.k8s.io` EndpointSlice
    EndpointSlice,
}

impl Kind {
    /// Every kind, in declaration order.
    pub const ALL: [Self; 19] = [
        Self::GatewayClass,
        Self::Gateway,
        Self::ListenerSet,
        Self::HttpRoute,
        Self::GrpcRoute,
        Self::TlsRoute,
        Self::TcpRoute,
        Self::UdpRoute,
        Self::ReferenceGrant,
        Self::BackendTlsPolicy,
        Self::Tenant,
        Self::ShareGrant,
        Self::RateLimitPolicy,
        Self::GatewayParameters,
        Self::Namespace,
        Self::Service,
        Self::Secret,
        Self::ConfigMap,
        Self::EndpointSlice,
    ];

    /// The kind as it is written in a manifest.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::GatewayClass => "GatewayClass",
            Self::Gateway => "Gateway",
            Self::ListenerSet => "ListenerSet",
            Self::HttpRoute => "HTTPRoute",
            Self::GrpcRoute => "GRPCRoute",
            Self::TlsRoute => "TLSRoute",
            Self::TcpRoute => "TCPRoute",
            Self::UdpRoute => "UDPRoute",
            Self::ReferenceGrant => "ReferenceGrant",
            Self::BackendTlsPolicy => "BackendTLSPolicy",
            Self::Tenant => "Tenant",
            Self::ShareGrant => "ShareGrant",
            Self::RateLimitPolicy => "RateLimitPolicy",
            Self::GatewayParameters => "GatewayParameters",
            Self::Namespace => "Namespace",
            Self::Service => "Service",
            Self::Secret => "Secret",
            Self::ConfigMap => "ConfigMap",
            Self::EndpointSlice => "EndpointSlice",
        }
    }

    /// The API group as it is written in a reference; the core group is empty.
    #[must_use]
    pub const fn group(self) -> &'static str {
        match self {
            Self::Namespace | Self::Service | Self::Secret | Self::ConfigMap => "",
            Self::EndpointSlice => "discovery.k8s.io",
            Self::Tenant | Self::ShareGrant | Self::RateLimitPolicy | Self::GatewayParameters => {
                crate::api::policy::GROUP
            }
            _ => crate::api::gateway::GROUP,
        }
    }

    /// The resource as it stands in the paths of the API server.
    #[must_use]
    pub const fn plural(self) -> &'static str {
        match self {
            Self::GatewayClass => "gatewayclasses",
            Self::Gateway => "gateways",
            Self::ListenerSet => "listenersets",
            Self::HttpRoute => "httproutes",
            Self::GrpcRoute => "grpcroutes",
            Self::TlsRoute => "tlsroutes",
            Self::TcpRoute => "tcproutes",
            Self::UdpRoute => "udproutes",
            Self::ReferenceGrant => "referencegrants",
            Self::BackendTlsPolicy => "backendtlspolicies",
            Self::Tenant => "tenants",
            Self::ShareGrant => "sharegrants",
            Self::RateLimitPolicy => "ratelimitpolicies",
            Self::GatewayParameters => "gatewayparameters",
            Self::Namespace => "namespaces",
            Self::Service => "services",
            Self::Secret => "secrets",
            Self::ConfigMap => "configmaps",
            Self::EndpointSlice => "endpointslices",
        }
    }

    /// The version in which objects of this kind are read.
    #[must_use]
    pub const fn version(self) -> &'static str {
        match self {
            Self::Tenant | Self::ShareGrant | Self::RateLimitPolicy | Self::GatewayParameters => {
                crate::api::policy::VERSION
            }
            _ => "v1",
        }
    }

    /// How the API server is asked for objects of this kind.
    #[must_use]
    pub fn resource(self) -> kube::core::ApiResource {
        let kind = kube::core::GroupVersionKind::gvk(self.group(), self.version(), self.as_str());
        kube::core::ApiResource::from_gvk_with_plural(&kind, self.plural())
    }

    /// Whether objects of this kind live outside namespaces.
    #[must_use]
    pub const fn is_cluster_scoped(self) -> bool {
        matches!(self, Self::GatewayClass | Self::Tenant | Self::Namespace)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// One object, named completely.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectRef {
    /// Its kind.
    pub kind: Kind,
    /// Its namespace and name.
    pub key: ObjectKey,
}

impl ObjectRef {
    /// A reference from kind and key.
    #[must_use]
    pub const fn new(kind: Kind, key: ObjectKey) -> Self {
        Self { kind, key }
    }
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.key)
    }
}

impl Serialize for ObjectRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
