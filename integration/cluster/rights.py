#!/usr/bin/env python3
"""Makes Paifang use every right that its roles give it, by what happens in clusters; rbac.py judges what came of it.

    in.sh rights.py

Each situation ends when the API server's audit log shows what it is for, and fails when that takes too long. The last one starts
the API server again with other flags, so this is for the test bed.
"""
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

sys.dont_write_bytecode = True

import rbac
from lib import world
from lib.certificate import self_signed
from lib.kinds import KINDS
from lib.kube import ApiError, Unreachable
from lib.paifang import Paifang, condition
from lib.scene import Scene
from lib.wait import attempt

CLASS = os.environ.get("PAIFANG_GATEWAY_CLASS", "paifang")
# Changes in a row, so that some come between Paifang's look at an object and its write: as many as take a tenth of a second.
BURST = 30


class Rights:
    """The set, and the audit log beside it."""

    def __init__(self, scene):
        self.scene, self.kube, self.log = scene, scene.kube, rbac.Log(rbac.logs())
        self.paifang = Paifang(self.kube, rbac.NAMESPACE, rbac.RELEASE)

    @contextmanager
    def uses(self, *rights, seconds=60):
        """Waits until what happens in the block has made Paifang use these rights, as "get secrets". Yields whether it has."""
        before = {right: self.log.read().times(right) for right in rights}

        def unused():
            self.log.read()
            return [right for right in rights if self.log.times(right) == before[right]]

        yield lambda: not unused()
        try:
            attempt(seconds, lambda: not unused())
        except TimeoutError:
            raise TimeoutError(f"not used within {seconds} s: {', '.join(unused())}") from None

    def route(self, kind, name, **more):
        """A route to the Service of the set."""
        rule = {"backendRefs": [{"name": "backend", "port": 80}]}
        spec = {"parentRefs": [{"name": "front"}], "hostnames": [f"{name}.example.test"], "rules": [rule], **more}
        return self.kube.create(world.thing(kind, self.scene.name, name, spec))


def references(rights):
    """A Gateway with a certificate appears, and a policy with an authority."""
    scene, certificate = rights.scene, self_signed("secure.example.test")
    made = ("create services", "create endpointslices", "patch gateways/status")
    with rights.uses("get secrets", *made):
        rights.kube.create(world.tls_secret(scene.name, "cert", certificate))
        scene.front(world.http_listener(), world.https_listener("cert"))
    rights.kube.create(world.service(scene.name, "backend"))
    with rights.uses("get configmaps"):
        rights.kube.create(world.thing("ConfigMap", scene.name, "ca", data={"ca.crt": certificate[0].decode()}))
        validation = {"hostname": "secure.example.test", "caCertificateRefs": [{"group": "", "kind": "ConfigMap", "name": "ca"}]}
        target = {"group": "", "kind": "Service", "name": "backend"}
        rights.kube.create(world.thing("BackendTLSPolicy", scene.name, "tls", {"targetRefs": [target], "validation": validation}))
    for kind in ("HTTPRoute", "GRPCRoute"):
        with rights.uses(f"patch {kind.lower()}s/status"):
            rights.route(kind, kind.lower())
    scene.accepted("httproute")


def another_port(rights):
    """A Gateway gets one more listener: its Service is read and changed, and its endpoints."""
    with rights.uses("get services", "patch services", "patch endpointslices"):
        listener = {**world.http_listener(8080), "name": "more"}
        rights.kube.patch("Gateway", *rights.scene.gateway, [{"op": "add", "path": "/spec/listeners/-", "value": listener}])


def left(rights):
    """A Gateway goes over to another class: what was made for it is deleted, and no owner's end does that."""
    name = rights.scene.name, "leaving"
    rights.kube.create(world.gateway(*name, CLASS, [world.http_listener()]))
    rights.scene.wait("Gateway", "leaving", lambda gateway: condition(gateway, "Programmed") == "True")
    with rights.uses("delete services", "delete endpointslices"):
        rights.kube.patch("Gateway", *name, {"spec": {"gatewayClassName": "somebody-elses"}})


def bad_reference(rights):
    """A route refers to a Service that does not exist, which is told in an Event."""
    with rights.uses("create events"):
        rights.route("HTTPRoute", "bad", rules=[{"backendRefs": [{"name": "missing", "port": 80}]}])


def conflicts(rights):
    """Somebody else writes in the same moment: the object is read again."""
    space = rights.scene.name
    hostnames = lambda number: {"hostnames": [f"change-{number}.example.test"]}
    infrastructure = lambda number: {"infrastructure": {"annotations": {"example.com/change": str(number)}}}
    conflict(rights, "HTTPRoute", space, "httproute", hostnames)
    conflict(rights, "GRPCRoute", space, "grpcroute", hostnames)
    conflict(rights, "Gateway", space, "front", infrastructure)
    before = rights.kube.get("GatewayClass", None, CLASS)["spec"].get("description")
    try:
        conflict(rights, "GatewayClass", None, CLASS, lambda number: {"description": f"change {number}"})
    finally:
        calm = {"metadata": {"annotations": {"example.com/look": None}}, "spec": {"description": before}}
        rights.kube.patch("GatewayClass", None, CLASS, calm)
    rights.scene.accepted("httproute")


def conflict(rights, kind, namespace, name, change, seconds=60):
    """Changes the spec, so that a status has to be written, and then something else, again and again until one was too late."""
    patch = lambda value: rights.kube.patch(kind, namespace, name, value)
    resource = KINDS[kind][1]
    began, number = time.monotonic(), 0
    with rights.uses(f"get {resource}", seconds=5) as used:
        while not used() and time.monotonic() < began + seconds:
            number += 1
            patch({"spec": change(number)})
            for look in range(BURST):
                patch({"metadata": {"annotations": {"example.com/look": f"{number}.{look}"}}})
    print(f"  {kind}: after {number} changes", flush=True)


def tenant(rights):
    """A Tenant is told what it has, also when somebody else changes it in the same moment."""
    space = rights.scene.name
    try:
        with rights.uses("patch tenants/status"):
            mine = {"matchLabels": {"kubernetes.io/metadata.name": space}}
            rights.kube.create(world.thing("Tenant", None, space, {"namespaces": mine}))
        claims = lambda number: {"claims": [{"hostnames": [f"claim-{number}.example.test"]}]}
        conflict(rights, "Tenant", None, space, claims)
    finally:
        rights.kube.delete("Tenant", None, space)


def policy(rights):
    """A RateLimitPolicy is told what became of it, also when somebody else changes it in the same moment."""
    space = rights.scene.name
    limits = lambda number: {"limits": {"all": {"concurrency": number, "scope": "Namespace", "counting": "Divide"}}}
    with rights.uses("patch ratelimitpolicies/status"):
        target = {"group": "", "kind": "Namespace", "name": space}
        rights.kube.create(world.thing("RateLimitPolicy", space, "all", {"targetRefs": [target], **limits(1000)}))
    conflict(rights, "RateLimitPolicy", space, "all", limits)


def lease_lost(rights):
    """The Lease is deleted, then its holder."""
    paifang = rights.paifang
    with rights.uses("create leases"):
        rights.kube.delete("Lease", paifang.namespace, paifang.name)
    holder = attempt(60, lambda: paifang.lease()["spec"].get("holderIdentity"), what="a holder of the new Lease")
    with rights.uses("update leases", "get leases", "list leases", "watch leases"):
        rights.kube.delete("Pod", paifang.namespace, holder)
        attempt(60, lambda: paifang.lease()["spec"].get("holderIdentity") not in ("", None, holder), what="another holder")
        recovered(rights, "another-leader")


def without_streaming(rights):
    """The API server is one that streams no lists, so that they are asked for in pages; then it is as before."""
    lists = sorted({f"list {each.resource}" for each in rbac.permissions(rbac.installed()) if each.verb == "list"})
    with rights.uses(*lists):
        try:
            api_server("--feature-gates=WatchList=false")
            attempt(60, lambda: restarted(rights), what="an API server that takes a deletion")
            recovered(rights, "without-streaming")
        finally:
            api_server()
    recovered(rights, "with-streaming")


def restarted(rights):
    """Deletes the pods of Paifang."""
    for name in rights.paifang.pods():
        rights.kube.delete("Pod", rights.paifang.namespace, name)
    return True


def api_server(*flags):
    for words in (("stop",), ("start", *flags)):
        subprocess.run(["apiserver.sh", *words], stdin=subprocess.DEVNULL, check=True, timeout=180)


def recovered(rights, name):
    """Waits until Paifang has its pods, and one of them says what it thinks of a new route."""
    paifang = rights.paifang
    wanted = attempt(60, lambda: paifang.kube.get("Deployment", paifang.namespace, paifang.name))["spec"]["replicas"]
    attempt(120, lambda: len(paifang.ready_pods()) == wanted, what=f"{wanted} ready pods of Paifang")
    attempt(60, lambda: rights.route("HTTPRoute", name), what="an API server that takes a route")
    rights.scene.accepted(name, 60)


SITUATIONS = (references, another_port, left, bad_reference, conflicts, tenant, policy, lease_lost, without_streaming)


def play(situation, rights):
    """Whether it went as it should."""
    print(f"rights: {situation.__doc__}", flush=True)
    began = time.monotonic()
    try:
        situation(rights)
        print(f"  {time.monotonic() - began:.1f} s", flush=True)
        return True
    except (TimeoutError, ApiError, Unreachable, subprocess.SubprocessError, OSError) as error:
        print(f"  FAILED: {type(error).__name__}: {error}", flush=True)
        return False


def main():
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that it still cleans up
    if not shutil.which("apiserver.sh") or not rbac.logs():
        sys.exit("rights: works in the test bed only: in.sh rights.py")
    with Scene("rights", CLASS) as scene:
        rights = Rights(scene)
        failed = [situation.__name__ for situation in SITUATIONS if not play(situation, rights)]
    if failed:
        sys.exit(f"rights: failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
