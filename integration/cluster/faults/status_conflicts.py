"""Others write into the same statuses as fast as they can while specs change.

A controller that writes a status whole destroys what others wrote there; one that repeats itself at every conflict never ends.
"""
import threading
import time

from lib import world
from lib.kube import ApiError
from lib.metrics import difference
from lib.scene import is_accepted, parent_status

SECONDS, CHANGES = 15, 30
STRANGER = "example.com/stranger"


def run(stage):
    before = stage.paifang.metrics()
    storm = Storm(stage)
    with stage.traffic():
        with storm:
            for number in range(CHANGES):
                hostnames = {"spec": {"hostnames": ["steady.example.test", f"change-{number}.example.test"]}}
                stage.kube.patch("HTTPRoute", stage.scene.name, "steady", hostnames)
                stage.rest(SECONDS / CHANGES)  # a pace of changes
        stage.serves(f"change-{CHANGES - 1}.example.test", 10)
        route = stage.scene.wait("HTTPRoute", "steady", lambda route: is_accepted(route), 15)
        stage.alive()
    writes = difference(before, stage.paifang.metrics(), "paifang_status_writes_total")
    stage.say(f"{storm.writes} foreign writes, {CHANGES} changes of a spec, {writes:.0f} writes of ours")
    stage.expect(not storm.lost, f"entries of others were lost: {storm.lost[:3]}")
    stage.expect(parent_status(route, STRANGER), "the stranger's entry is gone from the route")
    # One for each change and each conflict on the way; what grows with the foreign writes has no bound.
    stage.expect(writes <= 10 * CHANGES, f"{writes:.0f} writes for {CHANGES} changes")


class Storm:
    """Two threads that write and see whether what they wrote before is still there."""

    def __init__(self, stage):
        self.stage, self.stop, self.writes, self.lost = stage, threading.Event(), 0, []
        self.threads = [threading.Thread(target=self.drive, args=(work,)) for work in (self.gateway, self.route)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for thread in self.threads:
            thread.join(30)

    def drive(self, work):
        number, end = 0, time.monotonic() + 4 * SECONDS
        while not self.stop.is_set() and time.monotonic() < end:
            try:
                work(number)
                number += 1
                self.writes += 1
            except ApiError as error:
                if error.code != 409:
                    self.lost.append(str(error))
                    return

    def gateway(self, number):
        """A condition of its own, by server-side apply: the list is a map of types there."""
        condition = {"type": STRANGER, "status": "True", "reason": "Looked", "message": f"look {number}",
                     "lastTransitionTime": now(), "observedGeneration": 1}
        gateway = world.thing("Gateway", self.stage.scene.name, "front", status={"conditions": [condition]})
        if number and not self.found(self.stage.kube.get("Gateway", self.stage.scene.name, "front"), number - 1):
            self.lost.append(f"condition {number - 1} of the Gateway")
        self.stage.kube.apply(gateway, "status")

    def found(self, gateway, number):
        return any(each["type"] == STRANGER and each["message"] == f"look {number}" for each in gateway["status"]["conditions"])

    def route(self, number):
        """An entry of its own among the parents: that list is one value, so it is read, changed, and written if unchanged."""
        route = self.stage.kube.get("HTTPRoute", self.stage.scene.name, "steady")
        parents = route["status"]["parents"]
        mine = parent_status(route, STRANGER)
        if number and (not mine or mine["conditions"][0]["message"] != f"look {number - 1}"):
            self.lost.append(f"entry {number - 1} of the route")
        condition = {"type": "Accepted", "status": "True", "reason": "Looked", "message": f"look {number}",
                     "lastTransitionTime": now()}
        entry = {"controllerName": STRANGER, "parentRef": route["spec"]["parentRefs"][0], "conditions": [condition]}
        others = [parent for parent in parents if parent["controllerName"] != STRANGER]
        change = [{"op": "test", "path": "/metadata/resourceVersion", "value": route["metadata"]["resourceVersion"]},
                  {"op": "replace", "path": "/status/parents", "value": others + [entry]}]
        self.write_if_unchanged(change)

    def write_if_unchanged(self, change):
        try:
            self.stage.kube.patch("HTTPRoute", self.stage.scene.name, "steady", change, "status", manager="stranger")
        except ApiError as error:
            if error.code != 422:
                raise
            raise ApiError(409, "changed meanwhile") from error  # a test of a JSON patch that does not hold


def now():
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
