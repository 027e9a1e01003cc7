"""Objects as the tests want them; every function returns plain dictionaries."""
import base64

from .kinds import KINDS

ECHO_IMAGE = "registry.k8s.io/gateway-api/conformance/echo-basic:v0.1.0"
ECHO_PORT = 3000


def thing(kind, namespace, name, spec=None, labels=None, **more):
    meta = {"name": name, **({"namespace": namespace} if namespace else {}), **({"labels": labels} if labels else {})}
    return {"apiVersion": KINDS[kind][0], "kind": kind, "metadata": meta, **({"spec": spec} if spec else {}), **more}


def namespace(name, labels=None):
    return thing("Namespace", None, name, labels=labels)


def echo(namespace, name, replicas=1):
    """A Deployment of the echo server and its Service on port 80.

    As users make it who want no failed requests: ready only when it listens, and still serving while the news of its end
    travels, because this server closes at once on SIGTERM.
    """
    field = lambda path: {"valueFrom": {"fieldRef": {"fieldPath": path}}}
    container = {
        "name": "echo", "image": ECHO_IMAGE, "ports": [{"containerPort": ECHO_PORT}],
        "env": [{"name": "POD_NAME", **field("metadata.name")}, {"name": "NAMESPACE", **field("metadata.namespace")},
                {"name": "SERVICE_NAME", "value": name}],
        "readinessProbe": {"httpGet": {"path": "/", "port": ECHO_PORT}, "periodSeconds": 1},
        "lifecycle": {"preStop": {"sleep": {"seconds": 3}}},
    }
    pod = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container], "terminationGracePeriodSeconds": 5}}
    deployment = {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": pod}
    return [thing("Deployment", namespace, name, deployment), service(namespace, name, {"app": name})]


def service(namespace, name, selector=None):
    """Port 80 of the echo server; without selector for endpoints written by hand."""
    spec = {"ports": [{"name": "http", "port": 80, "targetPort": ECHO_PORT}]}
    return thing("Service", namespace, name, {**spec, **({"selector": selector} if selector else {})})


def endpoint_slice(namespace, service, addresses):
    """Ready endpoints of a Service without selector."""
    return thing("EndpointSlice", namespace, f"{service}-1", labels={"kubernetes.io/service-name": service},
                 addressType="IPv4", ports=[{"name": "http", "port": ECHO_PORT, "protocol": "TCP"}],
                 endpoints=endpoints(addresses))


def endpoints(addresses):
    return [{"addresses": [address], "conditions": {"ready": True}} for address in addresses]


def gateway(namespace, name, gateway_class, listeners):
    return thing("Gateway", namespace, name, {"gatewayClassName": gateway_class, "listeners": listeners})


def http_listener(port=80):
    return {"name": "http", "port": port, "protocol": "HTTP", "allowedRoutes": {"namespaces": {"from": "All"}}}


def https_listener(secret, port=443):
    return {**http_listener(port), "name": "https", "protocol": "HTTPS",
            "tls": {"mode": "Terminate", "certificateRefs": [{"name": secret}]}}


def route(namespace, name, gateway, hostname, backend):
    """An HTTPRoute of one hostname to one Service; `gateway` is (namespace, name)."""
    parent = {"namespace": gateway[0], "name": gateway[1]}
    return thing("HTTPRoute", namespace, name, {"parentRefs": [parent], "hostnames": [hostname],
                                                "rules": [{"backendRefs": [{"name": backend, "port": 80}]}]})


def tls_secret(namespace, name, certificate):
    return thing("Secret", namespace, name, type="kubernetes.io/tls", data=tls_data(certificate))


def tls_data(certificate):
    """Data of a TLS Secret from a pair (certificate, key) of PEM bytes."""
    chain, key = certificate
    return {"tls.crt": base64.b64encode(chain).decode(), "tls.key": base64.b64encode(key).decode()}
