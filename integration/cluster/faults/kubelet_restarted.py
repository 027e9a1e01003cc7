"""The node's kubelet is killed and started again; containers run on meanwhile.

A kubelet that starts calls a pod with a readiness probe unready until it has probed it once. Where it comes to all pods of a
Service in the same moment, its EndpointSlice has no ready endpoint and a gateway has nobody to ask: 503 is right then, and
only then.
"""
import os
import shutil
import signal
import subprocess
import time

from lib.process import read
from lib.stage import NotHere
from lib.wait import attempt
from lib.watch import Recorder

NAME = "kubelet"


def run(stage):
    label = "kubernetes.io/service-name=echo"
    name = stage.kube.list("EndpointSlice", stage.scene.name, labelSelector=label)["items"][0]["metadata"]["name"]
    empty = Empty(Recorder(stage.kube, "EndpointSlice", stage.scene.name, name))
    with stage.traffic(forgive=[empty]):
        restart(stage)
        stage.kube.patch("Deployment", stage.scene.name, "echo", {"spec": {"replicas": 3}})
        stage.scene.scaled("echo", 3)  # only a kubelet that works makes a pod ready
        stage.alive()
    empty.slices.stop()


class Empty:
    """The times at which an EndpointSlice had no ready endpoint."""

    NEWS = 0.3  # seconds until the gateway, and this recorder, have heard of a change

    def __init__(self, slices):
        self.slices = slices

    def spans(self):
        begin = None
        for moment, _, value in [*self.slices.events, (float("inf"), "END", {"endpoints": [{"conditions": {"ready": True}}]})]:
            ready = any(endpoint["conditions"].get("ready") for endpoint in value["endpoints"] or [])
            if not ready and begin is None:
                begin = moment
            elif ready and begin is not None:
                yield begin - self.NEWS, moment + self.NEWS
                begin = None

    def forgives(self, record):
        ended = record.due + record.ms / 1e3
        return record.fate == "503" and any(begin <= ended and record.due <= end for begin, end in self.spans())

    def tell(self, records):
        empty = sum(end - begin - 2 * self.NEWS for begin, end in self.spans())
        return f"no endpoint was ready for {empty:.2f} s; {len(records)} requests met that"


def restart(stage):
    """Kills the bed's kubelet and starts it again with its own words; it shall outlive this test."""
    if "node.sh" not in read(1, "cmdline"):  # process 1 of the bed; then the kubelet that can be seen is the bed's too
        raise NotHere("only the bed's own kubelet is restarted")
    pids = [pid for pid in filter(str.isdigit, os.listdir("/proc")) if read(pid, "comm").strip() == NAME]
    stage.expect(len(pids) == 1, f"{len(pids)} kubelets are to be seen")
    pid = pids[0]
    words = read(pid, "cmdline").rstrip("\0").split("\0")
    environment = dict(pair.split("=", 1) for pair in read(pid, "environ").rstrip("\0").split("\0"))
    log = os.readlink(f"/proc/{pid}/fd/1")
    if not shutil.which(words[0], path=environment.get("PATH")):
        raise NotHere(f"{words[0]} could not be started again")
    os.kill(int(pid), signal.SIGKILL)
    attempt(10, lambda: not read(pid, "cmdline"), what="the end of the kubelet")
    began = time.monotonic()
    with open(log, "a") as out:
        subprocess.Popen(words, env=environment, stdout=out, stderr=out, stdin=subprocess.DEVNULL,
                         start_new_session=True)
    stage.say(f"started again after {time.monotonic() - began:.2f} s")
