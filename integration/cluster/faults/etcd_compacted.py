"""The history that watches would continue from is compacted away, so that they get 410 and must list again.

Paifang is kept away from the new API server until that is ready: one that has just started refuses everybody for a moment,
and a watch that was refused lists again without ever asking for what is gone.
"""
import json

from lib.metrics import difference
from lib.wait import attempt

KEY = "/paifang-test"
RESTARTS = "paifang_watch_restarts_total"


def run(stage):
    stage.bed("etcdctl", "version")
    pods = stage.paifang.ready_pods()
    before = stage.paifang.metrics(pods)
    watches = sum(samples.total("paifang_watch_synced") for samples in before.values())
    expired = lambda: difference(before, stage.paifang.metrics(pods), RESTARTS, reason="expired")
    with stage.traffic():
        forget(stage, [pod["status"]["podIP"] for pod in pods.values()])
        attempt(30, lambda: expired() >= watches, what=f"all {watches:.0f} watches to expire")
        stage.alive(60)
    stage.say(f"{expired():.0f} of {watches:.0f} watches began anew because they had expired")
    stage.expect(expired() == watches, "a watch expired twice: it did not take the present from its list")


def forget(stage, addresses):
    """A new API server has no memory of what came before its start, and etcd none of what was compacted."""
    stage.bed("apiserver.sh", "kill")
    try:
        stage.bed("stall.sh", "on", "--from", *addresses)
        compact(stage)
    finally:
        stage.bed("apiserver.sh", "start")  # returns when it is ready
        stage.bed("stall.sh", "off")


def compact(stage):
    """Moves the present beyond what any watch has seen, then forgets all before it."""
    for value in "abc":
        stage.bed("etcdctl", "put", KEY, value)
    stage.bed("etcdctl", "del", KEY)
    status = json.loads(stage.bed("etcdctl", "endpoint", "status", "--write-out", "json"))
    stage.bed("etcdctl", "compact", str(status[0]["Status"]["header"]["revision"]), "--physical")
