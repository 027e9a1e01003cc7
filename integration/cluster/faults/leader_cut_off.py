"""The leader loses the API server, lives on, and must write nothing; the other takes over within the lease time.

Unlike a leader that was stopped it goes on to try. What its kernel could not send before its time was over arrives when the
way is free again: the API server must refuse that, as it is from a version that is gone, or because nobody waits for the
answer any more. So the audit log is asked who wrote what until well after that.
"""
import time
from datetime import datetime, timezone

from lib.audit import requests
from lib.wait import attempt
from lib.watch import Recorder

LATE = 2  # seconds beyond the lease time: the tick at which the other looks, and its write
AFTER = 5  # seconds beyond the last retransmission in which the process itself would write, if it believed that it leads


def run(stage):
    pods, leader = stage.two()
    address = pods[leader]["status"]["podIP"]
    others = {name: pod for name, pod in pods.items() if name != leader}
    lease = stage.paifang.lease()["spec"]["leaseDurationSeconds"]
    with stage.traffic():
        holders = Recorder(stage.kube, "Lease", stage.paifang.namespace, stage.paifang.name)
        stage.scene.route("last", "last.example.test")  # so that writes are under way
        stage.bed("stall.sh", "on", "--from", address)
        began = time.monotonic()
        try:
            taken = holders.until(lambda lease: lease["spec"]["holderIdentity"] != leader, lease + 30)
            since = datetime.now(timezone.utc)
            stage.expect(not stage.paifang.leaders({leader: pods[leader]}), "two lead at the same time")
            stage.say(f"the other took over {taken - began:.1f} s after the cut, of {lease} s")
            stage.expect(taken - began <= lease + LATE, f"the lease is {lease} s")
            attempt(5, lambda: stage.paifang.leaders(others), what="another leader")
            stage.scene.route("meanwhile", "meanwhile.example.test")  # the old leader serves on, but does not hear of it
            for name in ("last", "meanwhile"):
                stage.scene.accepted(name, 10)
        finally:
            stage.bed("stall.sh", "off")
        free = datetime.now(timezone.utc)
        holders.stop()
        attempt(60, lambda: requests(address, since)[0], what="a request of the old leader")
        stage.rest(lease + AFTER)  # a retransmission comes after at most as long as the way was closed
        stage.alive()
    asked, written = requests(address, since)
    stage.say(f"since then the API server has had {asked} requests of the old leader; writes: {written or 'none'}")
    late = (free - since).total_seconds() + lease
    done = [write for write in written if write[1] < 300 or write[0] > late and "/leases/" not in write[3]]
    stage.expect(not done, f"it wrote after another had taken over: {done[:3]}")
    stage.expect(len(stage.paifang.leaders()) == 1, "one leader of two")
