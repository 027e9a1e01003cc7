#!/usr/bin/env python3
"""Many routes at once: how soon the Gateway counts them rightly, and with how many writes.

Routes are created in parallel, then deleted in parallel. The Gateway is watched meanwhile: each version of it is a write.
"""
import time

from common import options, settings

from lib import world
from lib.scene import Scene, attached, together
from lib.table import Report
from lib.watch import Recorder


def settle(report, scene, recorder, what, work, names, count, limit):
    """Does something to every route, then waits until the Gateway counts what is left."""
    began = time.monotonic()
    together(work, names)
    done = time.monotonic()
    moment = recorder.until(lambda gateway: attached(gateway) == count, limit)
    recorder.quiet(2, limit)
    report.note(f"{what}: calls per second", round(len(names) / (done - began)))
    report.note(f"{what}: attachedRoutes {count} after the last call", max(0.0, moment - done), "s", goal=2)
    report.note(f"{what}: writes on the Gateway", len(recorder.versions(since=began)), goal=20)
    final = attached(scene.kube.get("Gateway", *scene.gateway))
    report.note(f"{what}: attachedRoutes in the end", str(final), goal=str(count), must=True)


def main():
    parser = options(__doc__)
    parser.add_argument("--routes", type=int, default=1000, help="default: %(default)s")
    parser.add_argument("--limit", type=float, default=60, help="seconds to wait at most (default: %(default)s)")
    chosen = parser.parse_args()
    report = Report("attached", settings(chosen))
    with Scene("attached", chosen.gateway_class, keep=chosen.keep) as scene:
        scene.echo()
        scene.front()
        recorder = Recorder(scene.kube, "Gateway", *scene.gateway)
        recorder.quiet(2, chosen.limit)  # what belongs to the Gateway's own beginning is not counted
        names = [f"r{n}" for n in range(chosen.routes)]
        create = lambda name: scene.kube.create(world.route(scene.name, name, scene.gateway, f"{name}.example.test", "echo"))
        delete = lambda name: scene.kube.delete("HTTPRoute", scene.name, name)
        settle(report, scene, recorder, "created", create, names, chosen.routes, chosen.limit)
        settle(report, scene, recorder, "deleted", delete, names, 0, chosen.limit)
        recorder.stop()
    return report.finish(chosen.out)


if __name__ == "__main__":
    raise SystemExit(main())
