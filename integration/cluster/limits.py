#!/usr/bin/env python3
"""Replicas count Global limits together in a Redis server, and do without it for as long as it is gone.

    in.sh limits.py [--help]

Three replicas get the server's password and certificate from a Secret, through the chart. Each is asked at its own address,
and one gets most of the requests: limits that are divided among the replicas, or counted by each, would let other numbers
through. Then the server is killed under this load, and each limit must do what its `onStoreFailure` says, and started again,
and all must be as before. No request may get another answer than 200 and 429. The server runs beside this program, so it
takes the bed, or a node of the cluster.
"""
import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from base64 import b64encode
from collections import namedtuple
from contextlib import ExitStack, contextmanager

sys.dont_write_bytecode = True

from lib import world
from lib.client import Connection
from lib.paifang import Paifang
from lib.redis import Elsewhere, Redis
from lib.scene import Scene
from lib.table import Report
from lib.traffic import Traffic, kept
from lib.wait import attempt

CHART = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "deploy", "chart")
SECRET, MOUNT = "limit-store", "/etc/paifang-limit-store"
WITHIN = 0.1  # of the limit
ENOUGH = 1.3  # times the limit that has to be asked for
SETTLE = 2  # seconds until debts of the time before are paid

# Requests in a second that all replicas shall let through together, and how many each of the replicas gets.
Limit = namedtuple("Limit", "on_store_failure rate asked")
LIMITS = {"local": Limit("Local", 50, (80, 10, 5)), "allow": Limit("Allow", 10, (10, 10, 10)),
          "deny": Limit("Deny", 10, (10, 10, 10))}
REPLICAS = 3

# A time, and which of the requests to each replica shall be let through in it.
Window = namedtuple("Window", "title begin end wanted")


def burst(rate):
    return rate // 2


def together(limit, moments):
    return passed(limit.rate, [moment for each in moments for moment in each])


def alone(limit, moments):
    """Replicas without a store."""
    if limit.on_store_failure == "Local":  # counts as Divide does
        return [moment for each in moments for moment in passed(limit.rate / REPLICAS, each)]
    return [moment for each in moments for moment in each if limit.on_store_failure == "Allow"]


def passed(rate, moments):
    """Those that a limit lets through. Were requests always on time, it would be the rate; on a busy machine they are not."""
    kept, debt, last = [], 0.0, 0.0
    for moment in sorted(moments):
        debt, last = max(0.0, debt - (moment - last) * rate), moment
        if debt + 1 <= burst(rate):
            debt += 1
            kept.append(moment)
    return kept


def node(kube):
    """An address of the node that pods can reach."""
    addresses = kube.list("Node")["items"][0]["status"]["addresses"]
    return next(each["address"] for each in addresses if each["type"] == "InternalIP")


def publish(scene, name, redis):
    """A Service that leads to the server; what its clients call it."""
    port = {"name": "redis", "protocol": "TCP", "port": 6379}
    scene.kube.create(world.thing("Service", scene.name, name, {"ports": [{**port, "targetPort": redis.port}]}))
    piece = world.endpoint_slice(scene.name, name, [redis.address])
    scene.kube.create({**piece, "ports": [{**port, "port": redis.port}]})
    return f"{name}.{scene.name}:6379"


def helm(chosen, *words):
    command = ["helm", "--namespace", chosen.namespace, *words, "--wait", "--timeout", "3m"]
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    done = subprocess.run(command, **quiet, text=True, timeout=200)
    if done.returncode:
        raise RuntimeError(f"helm {words[0]}: {done.stdout[-400:]}")


@contextmanager
def installed(chosen, kube, redis, address):
    """Paifang with the store, as the deployment's README says; afterwards it is as it was."""
    data = {"password": redis.password.encode(), "ca.crt": redis.certificate}
    # A machine with other work may be late. Here the store shall be asked all the same.
    store = {"address": address, "passwordFile": f"{MOUNT}/password", "caFile": f"{MOUNT}/ca.crt", "deadline": "1s"}
    kube.delete("Secret", chosen.namespace, SECRET)
    secret = {name: b64encode(value).decode() for name, value in data.items()}
    kube.create(world.thing("Secret", chosen.namespace, SECRET, data=secret))
    try:
        helm(chosen, "upgrade", chosen.release, chosen.chart, "--reuse-values",
             "--set-json", f"config.limits.store={json.dumps(store)}",
             "--set", f"limitStoreSecret={SECRET},replicas={REPLICAS},minReadySeconds=0")
        try:
            yield Paifang(kube, chosen.namespace, chosen.release)
        finally:
            helm(chosen, "rollback", chosen.release)
    finally:
        kube.delete("Secret", chosen.namespace, SECRET)


def limited(scene, name, limit):
    """A route with one limit."""
    scene.route(name, f"{name}.example.test")
    target = {"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": name}
    rate = {"requests": limit.rate, "per": "1s", "burst": burst(limit.rate)}
    one = {"rate": rate, "scope": "Route", "counting": "Global", "onStoreFailure": limit.on_store_failure}
    scene.kube.create(world.thing("RateLimitPolicy", scene.name, name, {"targetRefs": [target], "limits": {"all": one}}))


def connections(paifang, state):
    return sum(samples.total("paifang_limit_store_connections", state=state) for samples in paifang.metrics().values())


def failures(paifang):
    return sum(samples.total("paifang_limit_store_failures_total") for samples in paifang.metrics().values())


def watch(title, seconds, wanted):
    """Lets that much time go by."""
    begin = time.monotonic() + SETTLE
    time.sleep(SETTLE + seconds)
    return Window(title, begin, begin + seconds, wanted)


def windows(paifang, redis, report):
    """With the server, without, and with it again."""
    gone = lambda state: lambda: connections(paifang, state) == 0
    attempt(20, lambda: connections(paifang, "up") and gone("down")(), what="connections to the store from all threads")
    yield watch("counted together", 10, together)
    asked_in_vain = failures(paifang)
    redis.kill()
    attempt(10, gone("up"), what="every thread to notice that the store is gone")
    yield watch("without the store", 5, alone)
    told = "yes" if failures(paifang) > asked_in_vain else "no"
    redis.start()
    began = time.monotonic()
    attempt(20, gone("down"), what="new connections from all threads")
    report.note("connected again after", (time.monotonic() - began) * 1e3, "ms")
    yield watch("together again", 5, together)
    report.note("requests that asked the store in vain, before it was killed", asked_in_vain)
    report.note("requests without the store are counted", told, goal="yes", must=True)


def traffic(stack, scene, paifang):
    """Steady requests to each replica, at its own address."""
    addresses = {pod["status"]["podIP"] for pod in paifang.ready_pods().values()}
    attempt(20, lambda: set(scene.pod_ports()) == addresses, what=f"endpoints of the Gateway at {sorted(addresses)}")
    for number, (address, port) in enumerate(scene.pod_ports().items()):
        connection = Connection(address, port)
        for name in LIMITS:
            connection.until(f"{name}.example.test", lambda code, _: code in (200, 429), 20, pause=0.02)
        connection.close()
        streams = [kept(f"{name}.example.test", limit.asked[number], 2, port, name=f"{name}-{number}")
                   for name, limit in LIMITS.items()]
        yield stack.enter_context(Traffic(address, streams))


def judge(report, records, window):
    """What came of one window: as often as the limit allows, asked at the moments at which the answers came."""
    answered = lambda record: record.due + record.ms / 1e3
    seen = [record for record in records if window.begin - SETTLE <= answered(record) < window.end]
    per_second = lambda moments: sum(moment >= window.begin for moment in moments) / (window.end - window.begin)
    for name, limit in LIMITS.items():
        of = [[record for record in seen if record.stream == f"{name}-{number}"] for number in range(REPLICAS)]
        wanted = per_second(window.wanted(limit, [list(map(answered, records)) for records in of]))
        asked = per_second([answered(record) for records in of for record in records])
        got = per_second([answered(record) for records in of for record in records if record.fate == "200"])
        report.note(f"{window.title}: {limit.on_store_failure} lets through in a second", got, f"of {wanted:.1f}")
        report.note("  off by", abs(got - wanted) / limit.rate, goal=WITHIN, must=True)
        if asked < ENOUGH * limit.rate:
            report.note("  void: the machine is too busy to ask for more", asked, goal="", must=True)


def measure(chosen, redis, report, scene):
    """All requests, and the windows to look at them through."""
    address = publish(scene, "store", redis)
    with installed(chosen, scene.kube, redis, address) as paifang:
        scene.echo()
        scene.front()
        for name, limit in LIMITS.items():
            limited(scene, name, limit)
        with ExitStack() as stack:
            streams = list(traffic(stack, scene, paifang))
            seen = list(windows(paifang, redis, report))
    return [record for each in streams for record in each.records], seen


def play(chosen, report):
    """Makes all that it takes, and judges what came of it."""
    with Scene("limits", chosen.gateway_class) as scene:
        with Redis(node(scene.kube), f"store.{scene.name}") as redis:
            records, seen = measure(chosen, redis, report, scene)
    for window in seen:
        judge(report, records, window)
    other = sorted({record.fate for record in records} - {"200", "429"})
    report.note("requests", len(records))
    report.note("answers besides 200 and 429", ", ".join(other) or "none", goal="none", must=True)


def main():
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that it still cleans up
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gateway-class", default=os.environ.get("PAIFANG_GATEWAY_CLASS", "paifang"))
    parser.add_argument("--namespace", default="paifang-system", help="of Paifang (default: %(default)s)")
    parser.add_argument("--release", default="paifang", help="of the chart (default: %(default)s)")
    parser.add_argument("--chart", default=CHART, help="default: the repository's")
    chosen = parser.parse_args()
    if not shutil.which("redis-server"):
        sys.exit("limits: there is no redis-server: apt-get install redis-server")
    report = Report("limits", {name: limit.rate for name, limit in LIMITS.items()})
    try:
        play(chosen, report)
    except Elsewhere as reason:
        print(f"limits: left out: {reason}")
        return 0
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
