"""The route table as Kubernetes objects in a folder, as a team would keep them: Gateway, routes, Services, endpoints."""
import base64

from scenarios import UPSTREAMS

RULES_PER_ROUTE = 16  # what the Gateway API allows
ROUTES_PER_FILE = 100

GATEWAY = """\
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {{ name: paifang }}
spec: {{ controllerName: paifang.dev/gateway-controller }}
---
apiVersion: v1
kind: Secret
type: kubernetes.io/tls
metadata: {{ name: cert, namespace: bench }}
data:
  tls.crt: {cert}
  tls.key: {key}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{ name: front, namespace: bench }}
spec:
  gatewayClassName: paifang
  listeners:
    - {{ name: http, port: {http}, protocol: HTTP }}
    - name: https
      port: {https}
      protocol: HTTPS
      tls: {{ mode: Terminate, certificateRefs: [{{ name: cert }}] }}
"""

SERVICE = """\
---
apiVersion: v1
kind: Service
metadata: {{ name: u{u}, namespace: bench }}
spec:
  ports: [{{ name: http, port: 80, targetPort: {port} }}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{ name: u{u}-1, namespace: bench, labels: {{ kubernetes.io/service-name: u{u} }} }}
addressType: IPv4
ports: [{{ name: http, port: {port}, protocol: TCP }}]
endpoints:
  - addresses: [127.0.0.1]
    conditions: {{ ready: true }}
"""

ROUTE = """\
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{ name: {name}, namespace: bench }}
spec:
  parentRefs: [{{ name: front }}]
{hostnames}  rules:
{rules}"""

RULE = """\
    - matches: [{{ path: {{ type: PathPrefix, value: {prefix} }} }}]
      backendRefs: [{{ name: {upstream}, port: 80 }}]
"""


def write(setup):
    """Writes the folder `manifests` below the setup's own."""
    encoded = {}
    for name, path in (("cert", setup.cert), ("key", setup.key)):
        with open(path, "rb") as pem:
            encoded[name] = base64.b64encode(pem.read()).decode()
    setup.file("manifests/00-gateway.yaml", GATEWAY.format(http=setup.http, https=setup.https, **encoded))
    setup.file("manifests/10-services.yaml",
               "".join(SERVICE.format(u=u, port=setup.backend) for u in range(UPSTREAMS)))
    routes = list(route_objects(setup.table))
    for n in range(0, len(routes), ROUTES_PER_FILE):
        setup.file(f"manifests/routes/{n // ROUTES_PER_FILE:04}.yaml", "".join(routes[n:n + ROUTES_PER_FILE]))


def route_objects(table):
    if not table.hosts:
        yield ROUTE.format(name="all", hostnames="", rules=RULE.format(prefix="/", upstream="u0"))
    for i in range(table.hosts):
        rules = [RULE.format(prefix=table.prefix(j), upstream=table.upstream(i, j)) for j in range(table.paths)]
        for k in range(0, len(rules), RULES_PER_ROUTE):
            yield ROUTE.format(name=f"h{i}-{k // RULES_PER_ROUTE}", hostnames=f"  hostnames: [{table.host(i)}]\n",
                               rules="".join(rules[k:k + RULES_PER_ROUTE]))
