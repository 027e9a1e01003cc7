"""Killing one replica's process, and what is to be seen of it."""
import os
import signal
import time

from .paifang import condition
from .stage import NotHere, Window
from .wait import attempt

RULES = "iptables-save", "--table", "nat"


def kill(stage, pod):
    """Kills it under traffic; the kubelet starts it again. Then one leads and new routes serve."""
    pids = stage.paifang.processes(pod)
    if not pids:
        raise NotHere("no process of Paifang can be seen: run this inside the bed")
    address, lease = pod["status"]["podIP"], stage.paifang.lease()["spec"]["leaseDurationSeconds"]
    window = Window()
    attempt(10, lambda: is_published(stage, address) and is_led_to(stage, address), what=f"traffic to {address}")
    with stage.traffic(forgive=[window]):
        window.begin = time.monotonic()
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        window.end = out_of_the_way(stage, pod, window.begin)
        attempt(60, lambda: is_back(stage, pod), what="the pod to be ready again")
        attempt(lease + 5, lambda: len(stage.paifang.leaders()) == 1, what="one leader")
        stage.say(f"one leads {time.monotonic() - window.begin:.1f} s after the kill")
        stage.alive(lease + 15)


def out_of_the_way(stage, pod, killed):
    """The moment when no new connection is led to the pod any more, or when its process is back before anyone noticed."""
    address, since = pod["status"]["podIP"], lambda: f"{time.monotonic() - killed:.2f} s"
    by_whom = lambda: not is_published(stage, address) and "withdrawn" or is_back(stage, pod) and "ready again"
    first = attempt(60, by_whom, pause=0.02, what=f"{address} to be withdrawn")
    stage.say(f"its endpoint is {first} {since()} after the kill")
    if first == "withdrawn":
        attempt(10, lambda: not is_led_to(stage, address), pause=0.02, what=f"kube-proxy to forget {address}")
        stage.say(f"kube-proxy leads nobody there {since()} after the kill")
    return time.monotonic()


def is_published(stage, address):
    """Whether the Gateway's EndpointSlices lead to a pod."""
    services = [service["metadata"]["name"] for service in stage.kube.list("Service", stage.scene.name)["items"]
                if not service["spec"].get("selector")]
    label = f"kubernetes.io/service-name in ({','.join(services)})"
    pieces = stage.kube.list("EndpointSlice", stage.scene.name, labelSelector=label)["items"]
    return any(address in endpoint["addresses"] and endpoint["conditions"].get("ready") is not False
               for piece in pieces for endpoint in piece["endpoints"] or [])


def is_led_to(stage, address):
    """Whether a rule of kube-proxy leads from the Gateway's Service to a pod."""
    from_service, to_pod = f'--comment "{stage.scene.name}/front', f" -> {address}:"
    return any(from_service in rule and to_pod in rule for rule in stage.bed(*RULES).splitlines())


def is_back(stage, pod):
    """Whether the process was started again and is ready."""
    now = stage.kube.get("Pod", stage.paifang.namespace, pod["metadata"]["name"])
    return restarted(now) > restarted(pod) and condition(now, "Ready") == "True"


def restarted(pod):
    return sum(each["restartCount"] for each in pod.get("status", {}).get("containerStatuses", []))
