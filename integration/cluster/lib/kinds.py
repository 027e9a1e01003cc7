"""Kinds that the tests touch: API group with version, plural, and whether they live in a namespace."""
GATEWAY_API = "gateway.networking.k8s.io/v1"
PAIFANG = "paifang.dev/v1alpha1"

KINDS = {
    "Namespace": ("v1", "namespaces", False),
    "Node": ("v1", "nodes", False),
    "Pod": ("v1", "pods", True),
    "Secret": ("v1", "secrets", True),
    "Service": ("v1", "services", True),
    "ConfigMap": ("v1", "configmaps", True),
    "Deployment": ("apps/v1", "deployments", True),
    "EndpointSlice": ("discovery.k8s.io/v1", "endpointslices", True),
    "Lease": ("coordination.k8s.io/v1", "leases", True),
    "ClusterRole": ("rbac.authorization.k8s.io/v1", "clusterroles", False),
    "GatewayClass": (GATEWAY_API, "gatewayclasses", False),
    "Gateway": (GATEWAY_API, "gateways", True),
    "HTTPRoute": (GATEWAY_API, "httproutes", True),
    "GRPCRoute": (GATEWAY_API, "grpcroutes", True),
    "BackendTLSPolicy": (GATEWAY_API, "backendtlspolicies", True),
    "Tenant": (PAIFANG, "tenants", False),
    "ShareGrant": (PAIFANG, "sharegrants", True),
    "RateLimitPolicy": (PAIFANG, "ratelimitpolicies", True),
    "GatewayParameters": (PAIFANG, "gatewayparameters", True),
}


def path(kind, namespace=None, name=None, subresource=None):
    """The path of a collection or of one object below the API server."""
    version, plural, namespaced = KINDS[kind]
    parts = ["/api" if "/" not in version else "/apis", version]
    if namespaced and namespace:
        parts += ["namespaces", namespace]
    return "/".join(parts + [plural] + [part for part in (name, subresource) if part])


def path_of(value, subresource=None):
    """The path of a given object."""
    meta = value["metadata"]
    return path(value["kind"], meta.get("namespace"), meta["name"], subresource)
