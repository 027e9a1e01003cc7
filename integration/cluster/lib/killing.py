"""Killing one replica's process, and what is to be seen of it."""
import os
import signal
import time

from .paifang import condition
from .stage import NotHere, Window
from .wait import attempt, wait_for


def kill(stage, pod):
    """Kills it under traffic; the kubelet starts it again. Then one leads and new routes serve."""
    pids = stage.paifang.processes(pod)
    if not pids:
        raise NotHere("no process of Paifang can be seen: run this inside the bed")
    name, restarts, window = pod["metadata"]["name"], restarted(pod), Window()
    lease = stage.paifang.lease()["spec"]["leaseDurationSeconds"]
    with stage.traffic(forgive=[window]):
        window.begin = time.monotonic()
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        wait_for(stage.kube, "Pod", stage.paifang.namespace, name,
                 lambda pod: restarted(pod) > restarts and condition(pod, "Ready") == "True", 60, "restart")
        window.end = time.monotonic()
        attempt(lease + 5, lambda: len(stage.paifang.leaders()) == 1, what="one leader")
        stage.say(f"one leads {time.monotonic() - window.begin:.1f} s after the kill")
        stage.alive(lease + 15)


def restarted(pod):
    return sum(each["restartCount"] for each in (pod or {}).get("status", {}).get("containerStatuses", []))
