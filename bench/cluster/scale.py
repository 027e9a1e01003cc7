#!/usr/bin/env python3
"""Many routes and moving endpoints: what Paifang costs. Run it inside the bed, because it reads /proc of Paifang's processes.

Routes with a Service each, in many namespaces; the Services have no selector and their EndpointSlices are written here, so
that no pods are needed to make endpoints move. Moving endpoints must not make new tables, and CPU must follow what changed.
"""
import itertools
import time
from concurrent.futures import ThreadPoolExecutor

from common import options, settings

from lib import world
from lib.client import Connection
from lib.metrics import difference
from lib.paifang import Paifang
from lib.scene import Scene, together
from lib.table import Report
from lib.wait import attempt


def grow(scene, namespaces, routes):
    """The objects of every route, and where each route's EndpointSlice is."""
    addresses = scene.echo_addresses()
    names = [f"{scene.name}-{n}" for n in range(namespaces)]
    for name in names:
        scene.namespace(name)

    def one(n):
        namespace, service = names[n % namespaces], f"s{n}"
        scene.kube.create(world.service(namespace, service))
        scene.kube.create(world.endpoint_slice(namespace, service, addresses[:1]))
        scene.kube.create(world.route(namespace, f"r{n}", scene.gateway, f"h{n}.example.test", service))
        return namespace, f"{service}-1"

    return together(one, range(routes))


def churn(scene, slices, rate, seconds):
    """Changes endpoints at a rate; returns how many changes were made and the seconds they took."""
    addresses, count = scene.echo_addresses(), round(rate * seconds)
    choices = itertools.cycle([addresses[1:], addresses[:1], addresses])
    pick = itertools.cycle(range(0, len(slices), 7))
    began = time.monotonic()

    def one(n):
        time.sleep(max(0.0, began + n / rate - time.monotonic()))  # a pace, not a wait for something
        namespace, name = slices[next(pick)]
        change = [{"op": "replace", "path": "/endpoints", "value": world.endpoints(next(choices))}]
        scene.kube.patch("EndpointSlice", namespace, name, change)

    with ThreadPoolExecutor(8) as pool:
        for _ in pool.map(one, range(count)):
            pass
    return count, time.monotonic() - began


def cpu(paifang):
    return sum(seconds for seconds, _ in paifang.usage().values())


def rest(paifang, seconds=10):
    """CPU per second of a Paifang that nobody gives anything to do."""
    before, began = cpu(paifang), time.monotonic()
    attempt(seconds + 5, lambda: time.monotonic() - began > seconds)
    return (cpu(paifang) - before) / (time.monotonic() - began)


def measure(report, scene, paifang, slices, rate, seconds, idle):
    scrapes, spent = paifang.metrics(), cpu(paifang)
    if not scrapes:
        raise SystemExit("no pod of Paifang answers on its admin port, so published tables cannot be counted")
    count, took = churn(scene, slices, rate, seconds)
    attempt(10, lambda: all(scrape.total("paifang_changes_pending") == 0 for scrape in paifang.metrics().values()))
    spent = cpu(paifang) - spent - idle * took
    published = difference(scrapes, paifang.metrics(), "paifang_config_publishes_total")
    report.note(f"{rate}/s: changes of endpoints per second", count / took)
    report.note(f"{rate}/s: CPU of all replicas over rest", spent / took * 100, "% of a core")
    report.note(f"{rate}/s: CPU per change and replica", spent / count / len(scrapes) * 1e3, "ms")
    report.note(f"{rate}/s: tables published", str(round(published)), goal="0", must=True)


def memory(report, paifang, when):
    for name, (_, pss) in sorted(paifang.usage().items()):
        report.note(f"PSS {when}, {name}", pss, "MiB", goal=100)


def main():
    parser = options(__doc__)
    parser.add_argument("--routes", type=int, default=5000, help="default: %(default)s")
    parser.add_argument("--namespaces", type=int, default=50, help="default: %(default)s")
    parser.add_argument("--rates", default="10,50", help="changes of endpoints per second (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=30, help="of churn at each rate (default: %(default)s)")
    chosen = parser.parse_args()
    report = Report("scale", settings(chosen))
    with Scene("scale", chosen.gateway_class, keep=chosen.keep) as scene:
        paifang = Paifang(scene.kube)
        if not paifang.usage():
            raise SystemExit("no process of Paifang can be seen: run this inside the bed (in.sh)")
        scene.echo(replicas=3)
        scene.front()
        memory(report, paifang, "before")
        spent, began = cpu(paifang), time.monotonic()
        slices = grow(scene, chosen.namespaces, chosen.routes)
        made = time.monotonic()
        scene.attached(chosen.routes, seconds=180)
        Connection(scene.address).until(f"h{chosen.routes - 1}.example.test", lambda code, _: code == 200, 30, pause=0.01)
        report.note("objects created per second", 3 * chosen.routes / (made - began))
        report.note("attachedRoutes exact after the last", time.monotonic() - made, "s")
        report.note("CPU of all replicas to grow", cpu(paifang) - spent, "s")
        idle = rest(paifang)
        report.note("CPU of all replicas at rest", idle * 100, "% of a core")
        memory(report, paifang, f"at {chosen.routes} routes")
        for rate in map(int, chosen.rates.split(",")):
            measure(report, scene, paifang, slices, rate, chosen.seconds, idle)
        memory(report, paifang, "after churn")
    return report.finish(chosen.out)


if __name__ == "__main__":
    raise SystemExit(main())
