"""The set that a test plays on: namespaces, a Gateway with an address, echo backends; gone when the block ends."""
import os
import socket
import sys
from concurrent.futures import ThreadPoolExecutor

from . import world
from .kube import Kube
from .paifang import condition
from .wait import attempt, delete_namespaces, wait_for

CONTROLLER = "paifang.dev/gateway-controller"
GATEWAY_NAME = "gateway.networking.k8s.io/gateway-name"  # the label of what a Gateway was given


class Scene:
    """Everything is made in namespaces of its own, so that cleaning up is deleting them."""

    def __init__(self, name, gateway_class="paifang", kube=None, keep=False):
        self.kube, self.gateway_class, self.keep = kube or Kube(), gateway_class, keep
        self.name = f"{name}-{os.getpid()}"  # a run that was killed does not stand in the way of the next
        self.namespaces, self.address = [], None
        self.gateway = self.name, "front"

    def __enter__(self):
        try:
            self.namespace(self.name)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.keep:
            print(f"kept: namespaces {', '.join(self.namespaces)}", file=sys.stderr)
        else:
            delete_namespaces(self.kube, self.namespaces, 120 + 15 * len(self.namespaces))

    def namespace(self, name):
        self.namespaces.append(name)
        self.kube.create(world.namespace(name))

    def front(self, *listeners, seconds=60):
        """The Gateway, HTTP on port 80 unless told otherwise; waits until it is programmed, has an address, and
        kube-proxy leads there."""
        self.kube.create(world.gateway(*self.gateway, self.gateway_class, list(listeners) or [world.http_listener()]))
        ready = lambda gateway: condition(gateway, "Programmed") == "True" and gateway["status"].get("addresses")
        self.address = self.wait("Gateway", "front", ready, seconds)["status"]["addresses"][0]["value"]
        port = listeners[0]["port"] if listeners else 80
        attempt(seconds, lambda: answers(self.address, port), what=f"a connection to {self.address}:{port}")
        return self.address

    def echo(self, name="echo", replicas=1, seconds=60):
        """Echo pods and their Service; waits until all are ready, and Kubernetes says so in the Service's endpoints."""
        for value in world.echo(self.name, name, replicas):
            self.kube.create(value)
        self.scaled(name, replicas, seconds)
        attempt(seconds, lambda: self.ready_endpoints(name) == replicas, what=f"endpoints of Service {name}")

    def scaled(self, name, replicas, seconds=60):
        """Waits until a Deployment has exactly that many pods, all of them ready."""
        same = lambda deployment: all(deployment.get("status", {}).get(field, 0) == replicas
                                      for field in ("replicas", "readyReplicas"))
        self.wait("Deployment", name, same, seconds)

    def ready_endpoints(self, service):
        label = f"kubernetes.io/service-name={service}"
        pieces = self.kube.list("EndpointSlice", self.name, labelSelector=label)["items"]
        endpoints = [endpoint for piece in pieces for endpoint in piece["endpoints"] or []]
        return sum(endpoint["conditions"].get("ready") is not False for endpoint in endpoints)

    def pod_ports(self):
        """The port of Paifang's pod that port 80 of the Gateway's Service leads to, by the address of each ready endpoint."""
        return {address: port for service in self.services() for address, port in self.service_ports(service, 80).items()}

    def services(self):
        """What the Gateway was given to be reached by; none where it takes ports of nodes."""
        return self.kube.list("Service", self.name, labelSelector=f"{GATEWAY_NAME}={self.gateway[1]}")["items"]

    def service_ports(self, service, port):
        """What a port of a Service leads to, by the address of each ready endpoint."""
        name = next(each.get("name") for each in service["spec"]["ports"] if each["port"] == port)
        label = f"kubernetes.io/service-name={service['metadata']['name']}"
        found = {}
        for piece in self.kube.list("EndpointSlice", self.name, labelSelector=label)["items"]:
            number = next((each["port"] for each in piece["ports"] or [] if each.get("name") == name), None)
            ready = [each for each in piece["endpoints"] or [] if number and each["conditions"].get("ready")]
            found.update({address: number for endpoint in ready for address in endpoint["addresses"]})
        return found

    def echo_addresses(self, name="echo"):
        pods = self.kube.list("Pod", self.name, labelSelector=f"app={name}")["items"]
        return sorted(pod["status"]["podIP"] for pod in pods if "deletionTimestamp" not in pod["metadata"])

    def route(self, name, hostname, backend="echo"):
        return self.kube.create(world.route(self.name, name, self.gateway, hostname, backend))

    def wait(self, kind, name, condition, seconds=60):
        return wait_for(self.kube, kind, self.name, name, condition, seconds)

    def accepted(self, name, seconds=30):
        """Waits until our status of a route is good and of its present generation."""
        return self.wait("HTTPRoute", name, lambda route: is_accepted(route), seconds)

    def attached(self, count, seconds):
        """Waits until the Gateway counts that many routes on its first listener."""
        return self.wait("Gateway", "front", lambda gateway: attached(gateway) == count, seconds)


def answers(address, port):
    """Whether a connection can be made."""
    try:
        socket.create_connection((address, port), 1).close()
        return True
    except OSError:
        return False


def parent_status(route, controller=CONTROLLER):
    """One controller's entry of a route's status, None if there is none."""
    parents = (route or {}).get("status", {}).get("parents", [])
    return next((parent for parent in parents if parent["controllerName"] == controller), None)


def is_accepted(route):
    """Whether our entry says Accepted and ResolvedRefs about the generation that the object has now."""
    conditions = {each["type"]: each for each in (parent_status(route) or {}).get("conditions", [])}
    good = [each for kind in ("Accepted", "ResolvedRefs") if (each := conditions.get(kind)) and each["status"] == "True"]
    return len(good) == 2 and all(each.get("observedGeneration") == route["metadata"]["generation"] for each in good)


def attached(gateway):
    """attachedRoutes of the first listener; 0 while there is no status."""
    listeners = gateway.get("status", {}).get("listeners", [])
    return listeners[0]["attachedRoutes"] if listeners else 0


def together(work, items, threads=8):
    """Calls in parallel; the first failure is raised. The API server takes about ten times as many as one after another."""
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, items))
