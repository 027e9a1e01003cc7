#!/usr/bin/env python3
"""A limit with counting Divide while the replicas of Paifang go from one to three, to five, and back to one.

Four times as many requests come as the limit lets through, each over a new connection, so that kube-proxy spreads them. What
all replicas admit together must be the limit, from two seconds after a change on: after a replica has become ready, or has
gone.
"""
import time

from common import options, settings

from lib import world
from lib.client import Connection
from lib.paifang import Paifang
from lib.scene import Scene
from lib.table import Report
from lib.traffic import Traffic, fresh
from lib.wait import attempt

HOST = "limited.example.test"
WITHIN = 0.1  # of the limit
AFTER = 2  # seconds that replicas have to agree
STEPS = 1, 3, 5, 1


def limit(scene, rate):
    """A policy on the route. The burst is small, so that a window does not see it."""
    target = {"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": "limited"}
    one = {"rate": {"requests": rate, "per": "1s", "burst": rate // 5}, "scope": "Route", "counting": "Divide"}
    scene.kube.create(world.thing("RateLimitPolicy", scene.name, "limited", {"targetRefs": [target], "limits": {"all": one}}))


def scale(paifang, replicas):
    """Brings the Deployment to that many pods, and returns the moment when all of them count."""
    paifang.kube.patch("Deployment", paifang.namespace, paifang.name, {"spec": {"replicas": replicas}})
    there = lambda: len(paifang.pods()) == len(paifang.ready_pods()) == replicas
    attempt(120, there, pause=0.05, what=f"{replicas} ready pods of Paifang")
    return time.monotonic()


def told(paifang):
    """How many replicas each pod believes that there are."""
    return sorted({samples.total("paifang_limit_replicas") for samples in paifang.metrics(paifang.ready_pods()).values()})


def answered(paifang):
    """Requests that each pod has answered."""
    return {pod: samples.total("paifang_requests_total", route="limited") for pod, samples in paifang.metrics().items()}


def measure(traffic, paifang, seconds):
    """A window for each step: replicas, begin, end, what the pods believe, and the requests that each got meanwhile."""
    until = lambda moment: attempt(AFTER + seconds + 5, lambda: time.monotonic() >= moment, pause=0.05, what="the window's end")
    for replicas in STEPS:
        begin = scale(paifang, replicas) + AFTER
        until(begin)
        before = answered(paifang)
        until(begin + seconds)
        got = [count - before.get(pod, 0) for pod, count in answered(paifang).items()]
        yield replicas, begin, begin + seconds, told(paifang), sorted(got)


def main():
    parser = options(__doc__)
    parser.add_argument("--limit", type=int, default=100, help="requests per second (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=10, help="length of a window (default: %(default)s)")
    parser.add_argument("--namespace", default="paifang-system", help="of Paifang (default: %(default)s)")
    parser.add_argument("--release", default="paifang", help="of the chart (default: %(default)s)")
    chosen = parser.parse_args()
    report = Report("divide", settings(chosen))
    with Scene("divide", chosen.gateway_class, keep=chosen.keep) as scene:
        paifang = Paifang(scene.kube, chosen.namespace, chosen.release)
        before = len(paifang.pods())
        scene.echo()
        scene.front()
        scene.route("limited", HOST)
        Connection(scene.address).until(HOST, lambda code, _: code == 200, 30, pause=0.01)
        limit(scene, chosen.limit)
        try:
            with Traffic(scene.address, [fresh(HOST, 4 * chosen.limit, workers=16)]) as traffic:
                windows = list(measure(traffic, paifang, chosen.seconds))
        finally:
            scale(paifang, before)
    for replicas, begin, end, believed, got in windows:
        # by when they were answered: a client that is behind asks later than is due
        fates = [record.fate for record in traffic.records if begin <= record.due + record.ms / 1e3 < end]
        admitted = fates.count("200") / (end - begin)
        report.note(f"{replicas} replicas: requests", len(fates))
        if len(fates) < 2 * chosen.limit * (end - begin):
            report.note("  void: the machine is too busy to ask for twice the limit", len(fates), goal="", must=True)
        report.note("  admitted per second", admitted, f"of {chosen.limit}")
        report.note("  off by", abs(admitted / chosen.limit - 1), goal=WITHIN, must=True)
        report.note("  neither 200 nor 429", len(fates) - fates.count("200") - fates.count("429"), goal=0, must=True)
        report.note("  of all requests, each replica got", ", ".join(f"{count / max(1, sum(got)):.0%}" for count in got))
        report.note("  replicas that each counts", ", ".join(f"{number:g}" for number in believed), goal=str(replicas), must=True)
    return report.finish(chosen.out)


if __name__ == "__main__":
    raise SystemExit(main())
