"""Two replicas serve the same; one leads, and when it hangs the other does.

The leader is stopped, not killed: its container does not restart, and when it wakes up it still believes that it leads. It
must not write then.
"""
import json
import os
import signal
import time

from lib.client import Connection
from lib.stage import NotHere
from lib.wait import attempt

ROUTES = 20


def run(stage):
    pods, leader = stage.two()
    hosts = [f"same-{n}.example.test" for n in range(ROUTES)]
    for n, host in enumerate(hosts):
        stage.scene.route(f"same-{n}", host)
    stage.serves(hosts[-1], 10)
    same(stage, pods, hosts)
    pids = stage.paifang.processes(pods[leader])
    if not pids:
        raise NotHere("no process of Paifang can be seen: run this inside the bed")
    hang(stage, pods, leader, pids)
    stage.alive()


def same(stage, pods, hosts):
    """Asks each pod itself, at the ports that the Gateway's Service leads to."""
    if not stage.scene.services():
        raise NotHere("the Gateway has no Service")
    addresses = {pod["status"]["podIP"] for pod in pods.values()}
    attempt(10, lambda: set(stage.scene.pod_ports()) == addresses, what=f"endpoints of the Gateway at {sorted(addresses)}")
    for address, port in stage.scene.pod_ports().items():
        connection = Connection(address, port)
        for host in hosts:
            connection.until(host, lambda code, _: code == 200, 5, pause=0.02)
        stage.expect(connection.status("nobody.example.test") == 404, f"{address} serves a host that no route has")
    attempt(5, lambda: len({table(stage, pod) for pod in pods.values()}) == 1, what="equal route tables in /config_dump")


def table(stage, pod):
    """What a pod says that it serves. Each counts its own generations and binds its own sockets."""
    listeners = json.loads(stage.paifang.admin(pod, "/config_dump")[1])["table"]["listeners"]
    return json.dumps([{**listener, "sockets": None} for listener in listeners], sort_keys=True)


def hang(stage, pods, leader, pids):
    """Stops the leader for longer than its lease; the other takes over, and they do not both lead afterwards."""
    lease = stage.paifang.lease()["spec"]["leaseDurationSeconds"]
    others = {name: pod for name, pod in pods.items() if name != leader}
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        stage.scene.route("hanging", "hanging.example.test")
        attempt(lease + 10, lambda: stage.paifang.leaders(others), what="another leader")
        stage.scene.accepted("hanging", 10)
        stage.say(f"the other writes {time.monotonic() - began:.1f} s after the leader hung")
    finally:
        for pid in pids:
            if pid in stage.paifang.processes(pods[leader]):
                os.kill(pid, signal.SIGCONT)
    attempt(15, lambda: len(stage.paifang.metrics()) >= 2 and len(stage.paifang.leaders()) == 1, what="one leader of two")
