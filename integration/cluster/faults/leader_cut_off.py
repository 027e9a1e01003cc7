"""The leader loses the API server, lives on, and must write nothing; the other takes over within the lease time.

Unlike a leader that was stopped it goes on to try. What its kernel could not send before its time was over arrives when the
way is free again: the API server must refuse that, as it is from a version that is gone, or because nobody waits for the
answer any more. So the audit log is asked who wrote what until well after that.
"""
import json
import os
import time
from datetime import datetime, timezone

from lib.stage import NotHere
from lib.wait import attempt
from lib.watch import Recorder

LATE = 2  # seconds beyond the lease time: the tick at which the other looks, and its write
AFTER = 5  # seconds beyond the last retransmission in which the process itself would write, if it believed that it leads
WRITES = "create", "update", "patch", "delete"


def run(stage):
    pods, leader = stage.two()
    if not os.path.exists(audit_log()):
        raise NotHere("needs the audit log of the API server")
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


def audit_log():
    return os.path.join(os.environ.get("PAIFANG_CLUSTER_STATE", ""), "log", "audit.json")


def requests(address, since):
    """How many requests the API server has had from an address, and its writes as (seconds, code, verb, path), also what was
    refused."""
    asked, written = 0, []
    with open(audit_log()) as log:
        for line in log:
            event = json.loads(line)
            at = datetime.fromisoformat(event["requestReceivedTimestamp"].replace("Z", "+00:00"))
            if address not in event["sourceIPs"] or at < since or event["stage"] != "ResponseComplete":
                continue
            if event["verb"] in WRITES:
                path = event["requestURI"].split("?")[0]
                written.append((round((at - since).total_seconds(), 1), event["responseStatus"]["code"], event["verb"], path))
            asked += 1
    return asked, written
