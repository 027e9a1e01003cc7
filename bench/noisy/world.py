"""The manifests: a victim and a neighbour behind one Gateway, as tenants or without."""
import base64
import json
import os

from common import NEIGHBOUR, VICTIM

import neighbour as share

CAPACITY = 256  # requests at one moment
# The victim's own load has a few; the rest is what it may need on a bad day.
GUARANTEED = 64


def write(folder, tenancy, ports, backends, certificate):
    """Writes manifests and settings; returns the folder of the one and the file of the other."""
    manifests = os.path.join(folder, "manifests")
    os.makedirs(manifests)
    objects = front(ports, certificate) + app("victim", VICTIM, backends[0]) + app("neighbour", NEIGHBOUR, backends[1])
    if tenancy:
        objects += [tenant("victim", VICTIM, {}, {"weight": 1, "guaranteed": {"concurrency": GUARANTEED}}),
                    tenant("neighbour", NEIGHBOUR, ceilings(), {"weight": 1})]
    with open(os.path.join(manifests, "all.yaml"), "w") as out:
        out.write("\n---\n".join(map(json.dumps, objects)))
    settings = os.path.join(folder, "paifang.yaml")
    with open(settings, "w") as out:
        out.write("accessLog: { enabled: false }\n")
        if tenancy:
            out.write(f"limits: {{ capacity: {CAPACITY} }}\n")
    return manifests, settings


def ceilings():
    return {"requests": {"rate": share.REQUESTS, "per": "1s"}, "concurrency": share.CONCURRENCY,
            "connections": share.CONNECTIONS, "bandwidth": str(share.BANDWIDTH)}


def front(ports, certificate):
    everybody = {"namespaces": {"from": "All"}}
    tls = {"certificateRefs": [{"name": "all"}]}
    listeners = [{"name": "http", "protocol": "HTTP", "port": ports[0], "allowedRoutes": everybody},
                 {"name": "https", "protocol": "HTTPS", "port": ports[1], "tls": tls, "allowedRoutes": everybody}]
    encoded = []
    for path in certificate:
        with open(path, "rb") as part:
            encoded.append(base64.b64encode(part.read()).decode())
    return [gateway_api("GatewayClass", "paifang", None, {"controllerName": "paifang.dev/gateway-controller"}),
            gateway_api("Gateway", "edge", "infra", {"gatewayClassName": "paifang", "listeners": listeners}),
            {"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
             "metadata": {"name": "all", "namespace": "infra"},
             "data": {"tls.crt": encoded[0], "tls.key": encoded[1]}}]


def gateway_api(kind, name, namespace, spec):
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": "gateway.networking.k8s.io/v1", "kind": kind, "metadata": metadata, "spec": spec}


def app(name, host, port):
    service = {"apiVersion": "v1", "kind": "Service", "spec": {"ports": [{"port": 80}]},
               "metadata": {"name": name, "namespace": name,
                            "annotations": {"paifang.dev/endpoints": f"127.0.0.1:{port}"}}}
    rule = {"backendRefs": [{"name": name, "port": 80}]}
    parent = {"name": "edge", "namespace": "infra"}
    return [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {"team": name}}}, service,
            gateway_api("HTTPRoute", name, name, {"parentRefs": [parent], "hostnames": [host], "rules": [rule]})]


def tenant(name, host, limits, share_of_it):
    spec = {"namespaces": {"matchLabels": {"team": name}}, "claims": [{"hostnames": [host]}], "share": share_of_it}
    if limits:
        spec["limits"] = limits
    return {"apiVersion": "paifang.dev/v1alpha1", "kind": "Tenant", "metadata": {"name": name}, "spec": spec}
