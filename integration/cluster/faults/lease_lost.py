"""Somebody else takes the lease: Paifang stops writing, serves on, and takes it back when it has expired."""
import time
from datetime import datetime, timezone

from lib.scene import parent_status
from lib.wait import attempt, wait_for
from lib.watch import Recorder

THIEF = "somebody-else"


def run(stage):
    with stage.traffic():
        lease = stage.paifang.lease()
        duration = lease["spec"]["leaseDurationSeconds"]
        taken = time.monotonic()
        steal(stage, lease)
        attempt(duration, lambda: stage.paifang.metrics() and not stage.paifang.leaders(), what="nobody leads")
        stage.say(f"nobody leads after {time.monotonic() - taken:.1f} s")
        stage.scene.route("meanwhile", "meanwhile.example.test")
        recorder = Recorder(stage.kube, "HTTPRoute", stage.scene.name, "meanwhile")
        stage.serves("meanwhile.example.test", 10)
        wait_for(stage.kube, "Lease", stage.paifang.namespace, stage.paifang.name,
                 lambda lease: lease["spec"]["holderIdentity"] != THIEF, 3 * duration, "a new holder")
        stage.say(f"taken back after {time.monotonic() - taken:.1f} s")
        written = recorder.until(lambda route: parent_status(route) is not None, duration)
        recorder.stop()
        stage.expect(written - taken > duration - 1, f"a status was written {written - taken:.1f} s after the lease was lost")
        attempt(10, lambda: len(stage.paifang.leaders()) == 1, what="one leader")
        stage.alive()


def steal(stage, lease):
    """As a client that follows the protocol of leases would, had it waited long enough."""
    now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    spec = {"holderIdentity": THIEF, "renewTime": now, "acquireTime": now,
            "leaseTransitions": lease["spec"].get("leaseTransitions", 0) + 1}
    stage.kube.patch("Lease", stage.paifang.namespace, stage.paifang.name, {"spec": spec})
