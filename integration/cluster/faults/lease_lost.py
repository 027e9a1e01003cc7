"""Somebody else takes the lease: Paifang stops writing, serves on, and takes it back.

A holder that is none of the ready replicas loses the lease early, and else when it expires; in either case no status may be
written before the lease is Paifang's again. The order of writes is read from their resourceVersions.
"""
import time
from datetime import datetime, timezone

from lib.scene import parent_status
from lib.wait import attempt
from lib.watch import Recorder

THIEF = "somebody-else"


def run(stage):
    with stage.traffic():
        lease = stage.paifang.lease()
        duration = lease["spec"]["leaseDurationSeconds"]
        holders = Recorder(stage.kube, "Lease", stage.paifang.namespace, stage.paifang.name)
        taken = time.monotonic()
        steal(stage, lease)
        holders.until(lambda lease: lease["spec"]["holderIdentity"] == THIEF, 5)
        stage.scene.route("meanwhile", "meanwhile.example.test")
        recorder = Recorder(stage.kube, "HTTPRoute", stage.scene.name, "meanwhile")
        stage.serves("meanwhile.example.test", 10)
        back = holders.until(lambda lease: lease["spec"]["holderIdentity"] != THIEF, 3 * duration)
        stage.say(f"taken back after {back - taken:.1f} s")
        recorder.until(lambda route: parent_status(route) is not None, duration)
        holders.stop()
        recorder.stop()
        stage.expect(first_version(recorder, lambda route: parent_status(route) is not None) > regained(holders),
                     "a status was written while the lease was somebody else's")
        attempt(10, lambda: len(stage.paifang.leaders()) == 1, what="one leader")
        stage.alive()


def first_version(recorder, condition):
    return min(int(value["metadata"]["resourceVersion"]) for _, _, value in recorder.events if condition(value))


def regained(holders):
    """The version of the Lease that took it back from the thief."""
    versions = [(int(lease["metadata"]["resourceVersion"]), lease["spec"]["holderIdentity"]) for _, _, lease in holders.events]
    stolen = min(version for version, holder in versions if holder == THIEF)
    return min(version for version, holder in versions if version > stolen and holder != THIEF)


def steal(stage, lease):
    """As a client that follows the protocol of leases would, had it waited long enough."""
    now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    spec = {"holderIdentity": THIEF, "renewTime": now, "acquireTime": now,
            "leaseTransitions": lease["spec"].get("leaseTransitions", 0) + 1}
    stage.kube.patch("Lease", stage.paifang.namespace, stage.paifang.name, {"spec": spec})
