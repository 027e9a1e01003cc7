#!/usr/bin/env python3
"""How soon a new route serves.

Routes are created one after another, each with a hostname of its own and a backend that is ready. The time counts from the
API server's answer to the create until the first 200, asked for every millisecond over one kept connection: without a pause the
questions alone keep a core busy, and the API server waits for it. Before the 200 there must be nothing but 404: a route that is half
there answers with something else.
"""
import time

from common import options, settings

from lib import world
from lib.client import Connection
from lib.scene import Scene, is_accepted, together
from lib.table import Report
from lib.wait import attempt

PER_NAMESPACE = 500
PAUSE = 0.001


def crowd(scene, count):
    """Routes that are there already, in namespaces of their own, with a Service in each."""
    names = [f"{scene.name}-{n}" for n in range(-(-count // PER_NAMESPACE))]
    addresses = scene.echo_addresses()
    for name in names:
        scene.namespace(name)
        scene.kube.create(world.service(name, "echo"))
        scene.kube.create(world.endpoint_slice(name, "echo", addresses))
    place = lambda n: world.route(names[n // PER_NAMESPACE], f"r{n}", scene.gateway, f"old{n}.example.test", "echo")
    together(lambda n: scene.kube.create(place(n)), range(count))
    if count:
        scene.attached(count, seconds=180)
        told = lambda: all(is_accepted(each) for name in names for each in scene.kube.list("HTTPRoute", name)["items"])
        attempt(300, told, pause=1, what="a status of every route")


def first_answers(scene, count, limit):
    """Milliseconds until each route's first 200, and every other answer that came after its create."""
    connection, times, others = Connection(scene.address), [], {}
    for n in range(count):
        host = f"new{n}.example.test"
        before = connection.status(host)
        scene.route(f"new{n}", host)
        created = time.monotonic()
        moment, seen = connection.until(host, lambda code, _: code == 200, limit, pause=PAUSE)
        times.append((moment - created) * 1e3)
        for code in [before, *seen]:
            if code != 404:
                others[code] = others.get(code, 0) + 1
    return times, others


def main():
    parser = options(__doc__)
    parser.add_argument("--routes", type=int, default=1000, help="routes to create (default: %(default)s)")
    parser.add_argument("--existing", type=int, default=10, help="routes there before (default: %(default)s)")
    parser.add_argument("--limit", type=float, default=10, help="seconds that one route may take (default: %(default)s)")
    chosen = parser.parse_args()
    report = Report("propagation", settings(chosen))
    with Scene("propagation", chosen.gateway_class, keep=chosen.keep) as scene:
        scene.echo()
        scene.front()
        crowd(scene, chosen.existing)
        times, others = first_answers(scene, chosen.routes, chosen.limit)
    report.note("routes measured", len(times))
    report.times("created → first 200", times, p50=10, p99=50)
    report.note("answers other than 404 before it", ", ".join(f"{n} × {code}" for code, n in others.items()) or "none",
                goal="none", must=True)
    return report.finish(chosen.out)


if __name__ == "__main__":
    raise SystemExit(main())
