"""The manifests: many rules of many tenants behind one Gateway, all under limits and with shares."""
import json
import os


def write(folder, port, tenants, routes, rules, series):
    """Writes manifests and settings; returns the folder of the one and the file of the other."""
    manifests = os.path.join(folder, "manifests")
    os.makedirs(manifests)
    objects = front(port)
    for n in range(tenants):
        objects += tenant(f"team-{n}", routes, rules)
    with open(os.path.join(manifests, "all.yaml"), "w") as out:
        out.write("\n---\n".join(map(json.dumps, objects)))
    settings = os.path.join(folder, "paifang.yaml")
    with open(settings, "w") as out:
        out.write(f"accessLog: {{ enabled: false }}\nmetrics: {{ seriesPerTenant: {series} }}\n")
    return manifests, settings


def requests(tenants, routes, rules):
    """One request for each rule: host and path."""
    return [(f"app-{m}.team-{n}.example.com", f"/part-{k}")
            for n in range(tenants) for m in range(routes) for k in range(rules)]


def front(port):
    listener = {"name": "http", "protocol": "HTTP", "port": port, "allowedRoutes": {"namespaces": {"from": "All"}}}
    return [gateway_api("GatewayClass", "paifang", None, {"controllerName": "paifang.dev/gateway-controller"}),
            gateway_api("Gateway", "edge", "infra", {"gatewayClassName": "paifang", "listeners": [listener]})]


def tenant(name, routes, rules):
    labels = {"team": name}
    service = {"apiVersion": "v1", "kind": "Service", "spec": {"ports": [{"port": 80}]},
               "metadata": {"name": "app", "namespace": name, "annotations": {"paifang.dev/echo": "1"}}}
    ceilings = {"requests": {"rate": 1_000_000, "per": "1s"}, "concurrency": 1_000}
    return [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}},
            paifang("Tenant", name, None, {"namespaces": {"matchLabels": labels}, "limits": ceilings,
                                           "share": {"weight": 2, "guaranteed": {"concurrency": 50}}}),
            paifang("RateLimitPolicy", "all", name, policy(name)),
            service] + [route(name, f"app-{n}", rules) for n in range(routes)]


def policy(namespace):
    """One counter for each rule, and one for each client of a route."""
    rate = {"requests": 1_000_000, "per": "1s"}
    return {"targetRefs": [{"group": "", "kind": "Namespace", "name": namespace}],
            "limits": {"per-rule": {"rate": rate, "scope": "Rule", "counting": "PerReplica"},
                       "per-client": {"rate": rate, "scope": "Route", "counting": "Divide", "key": [{"type": "ClientIP"}]}}}


def route(namespace, name, rules):
    def rule(n):
        return {"matches": [{"path": {"type": "PathPrefix", "value": f"/part-{n}"}}],
                "backendRefs": [{"name": "app", "port": 80}]}
    return gateway_api("HTTPRoute", name, namespace, {
        "parentRefs": [{"name": "edge", "namespace": "infra"}], "hostnames": [f"{name}.{namespace}.example.com"],
        "rules": [rule(n) for n in range(rules)]})


def gateway_api(kind, name, namespace, spec):
    return resource("gateway.networking.k8s.io/v1", kind, name, namespace, spec)


def paifang(kind, name, namespace, spec):
    return resource("paifang.dev/v1alpha1", kind, name, namespace, spec)


def resource(version, kind, name, namespace, spec):
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec}
