"""Paifang as it is installed: its pods, their metrics, who leads."""
import http.client

from . import process
from .kube import ApiError, Unreachable
from .metrics import Samples

ADMIN_PORT = 8081
COMMAND = "paifang"


class Paifang:
    """An installation by the chart: a Deployment, a Service and a Lease of one name in one namespace."""

    def __init__(self, kube, namespace="paifang-system", name="paifang"):
        self.kube, self.namespace, self.name = kube, namespace, name

    def pods(self):
        """Pods that the Service selects and that are not on their way out, by name."""
        selector = self.kube.get("Service", self.namespace, self.name)["spec"]["selector"]
        listed = self.kube.list("Pod", self.namespace, labelSelector=",".join(f"{k}={v}" for k, v in selector.items()))
        return {pod["metadata"]["name"]: pod for pod in listed["items"] if "deletionTimestamp" not in pod["metadata"]}

    def ready_pods(self):
        return {name: pod for name, pod in self.pods().items() if condition(pod, "Ready") == "True"}

    def admin(self, pod, target):
        """An answer of a pod's admin port: from its address, which works without API server, else through the API server."""
        connection = http.client.HTTPConnection(pod["status"]["podIP"], ADMIN_PORT, timeout=2)
        try:
            connection.request("GET", target)
            response = connection.getresponse()
            return response.status, response.read()
        except OSError:
            meta = pod["metadata"]
            proxied = f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}:{ADMIN_PORT}/proxy"
            return self.kube.raw("GET", proxied + target)
        finally:
            connection.close()

    def metrics(self, pods=None):
        """A scrape of every pod, by its name; pods that do not answer are left out."""
        scrapes = {}
        for name, pod in (pods or self.pods()).items():
            try:
                code, body = self.admin(pod, "/metrics")
            except (OSError, KeyError, Unreachable, ApiError, http.client.HTTPException):
                continue
            if code == 200:
                scrapes[name] = Samples(body.decode())
        return scrapes

    def leaders(self, pods=None):
        """Names of the pods that say they lead."""
        return [name for name, samples in self.metrics(pods).items() if samples.total("paifang_leader") == 1]

    def lease(self):
        return self.kube.get("Lease", self.namespace, self.name)

    def processes(self, pod):
        """Process ids of a pod's Paifang, seen from inside the bed only."""
        return process.processes(pod["metadata"]["uid"], COMMAND)

    def usage(self):
        """(CPU seconds so far, PSS in MiB) of each pod's process by pod name; empty outside the bed."""
        found = {}
        for name, pod in self.pods().items():
            if pids := self.processes(pod):
                found[name] = sum(map(process.cpu_seconds, pids)), sum(map(process.pss_mib, pids))
        return found


def condition(value, kind):
    """The status of one condition of an object, None when it has none."""
    return next((each["status"] for each in value.get("status", {}).get("conditions", []) if each["type"] == kind), None)
