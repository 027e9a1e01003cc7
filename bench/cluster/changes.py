#!/usr/bin/env python3
"""Changes under steady traffic: every request must be answered with 200.

Three parts, each with traffic of its own: a route's backend is flipped between two Services, a backend's pods are scaled up
and down, a listener's certificate is replaced. Every change is seen to take effect before the next one.
"""
import os
import tempfile
import time

from common import options, settings

from lib import world
from lib.certificate import der, self_signed
from lib.client import Connection, pod_of, served_certificate
from lib.scene import Scene, together
from lib.table import Report
from lib.traffic import Traffic, fresh, kept
from lib.wait import attempt

HOST, SECURE = "steady.example.test", "secure.example.test"
TRUST = "trusted.pem"


def flips(scene, count):
    """Milliseconds until a flip to the other Service shows in an answer."""
    connection, times = Connection(scene.address), []
    for n in range(count):
        name = ("b", "a")[n % 2]
        change = [{"op": "replace", "path": "/spec/rules/0/backendRefs/0/name", "value": name}]
        scene.kube.patch("HTTPRoute", scene.name, "steady", change)
        began = time.monotonic()
        moment, _ = connection.until(HOST, lambda code, body: code == 200 and pod_of(body).startswith(name + "-"), 10)
        times.append((moment - began) * 1e3)
    return times


def scalings(scene, count):
    """Milliseconds until the Deployment has as many pods as asked for, up and down."""
    times = []
    for n in range(2 * count):
        replicas = (5, 1)[n % 2]
        began = time.monotonic()
        scene.kube.patch("Deployment", scene.name, "a", {"spec": {"replicas": replicas}})
        scene.scaled("a", replicas)
        times.append((time.monotonic() - began) * 1e3)
    return times


def certificates(scene, made):
    """Milliseconds until a new connection is shown the certificate that was put into the Secret."""
    times = []
    for certificate in made:
        scene.kube.patch("Secret", scene.name, "cert", {"data": world.tls_data(certificate)})
        began = time.monotonic()
        attempt(10, lambda: served_certificate(scene.address, SECURE) == der(certificate), pause=0.002,
                what="the new certificate")
        times.append((time.monotonic() - began) * 1e3)
    return times


def part(report, scene, title, streams, work, *arguments):
    """One kind of change with traffic beside it, and a moment of rest before, to compare latencies with."""
    print(f"{title} …", flush=True)
    with Traffic(scene.address, streams) as traffic:
        began = time.monotonic()
        attempt(5, lambda: time.monotonic() - began > 3)  # the rest
        middle = time.monotonic()
        times = work(scene, *arguments)
        end = time.monotonic()
    report.note(f"{title}: changes", len(times))
    report.times(f"{title}: until it shows", times)
    traffic.note(report)
    report.note("latency p99 at rest", traffic.latency(0.99, began, middle), "ms")
    report.note("latency p99 while changing", traffic.latency(0.99, middle, end), "ms")


def main():
    parser = options(__doc__)
    parser.add_argument("--flips", type=int, default=200, help="default: %(default)s")
    parser.add_argument("--scalings", type=int, default=5, help="times up and down again (default: %(default)s)")
    parser.add_argument("--certificates", type=int, default=100, help="default: %(default)s")
    parser.add_argument("--rate", type=int, default=400, help="requests per second (default: %(default)s)")
    chosen = parser.parse_args()
    report = Report("changes", settings(chosen))
    # All are made beforehand, so that the client can trust every one of them from the start.
    made = together(lambda _: self_signed(SECURE), range(chosen.certificates + 1), threads=2)
    streams = lambda host, **more: [kept(host, chosen.rate * 3 // 4, **more), fresh(host, chosen.rate // 4, **more)]
    with tempfile.TemporaryDirectory(prefix="paifang-changes-") as folder, \
            Scene("changes", chosen.gateway_class, keep=chosen.keep) as scene:
        trust = os.path.join(folder, TRUST)
        with open(trust, "wb") as out:
            out.write(b"".join(certificate for certificate, _ in made))
        for name in ("a", "b"):
            scene.echo(name)
        scene.kube.create(world.tls_secret(scene.name, "cert", made[0]))
        scene.front(world.http_listener(), world.https_listener("cert"))
        for name, host in (("steady", HOST), ("secure", SECURE)):
            scene.route(name, host, "a")
            Connection(scene.address).until(host, lambda code, _: code == 200, 30, pause=0.01)
        part(report, scene, "backend flips", streams(HOST), flips, chosen.flips)
        scene.kube.patch("HTTPRoute", scene.name, "steady",
                         [{"op": "replace", "path": "/spec/rules/0/backendRefs/0/name", "value": "a"}])
        part(report, scene, "pods 1 → 5 → 1", streams(HOST), scalings, chosen.scalings)
        part(report, scene, "certificates", streams(SECURE, port=443, ca=trust), certificates, made[1:])
    return report.finish(chosen.out)


if __name__ == "__main__":
    raise SystemExit(main())
