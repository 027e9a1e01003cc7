"""What a fault is played on: a scene with steady traffic, and the checks that come after every fault."""
import os
import shutil
import subprocess
import tempfile
import time
from contextlib import contextmanager

from . import world
from .certificate import self_signed
from .client import Connection
from .paifang import Paifang
from .scene import Scene
from .traffic import LATE, Traffic, fresh, kept

STEADY, SECURE = "steady.example.test", "secure.example.test"
HERE = os.path.dirname(os.path.abspath(__file__))


class Failed(Exception):
    """A fault's expectation that does not hold."""


class NotHere(Exception):
    """A fault that cannot be caused in this cluster, and why."""


class Stage:
    """One fault's set: two echo pods, HTTP and HTTPS, a route on each. `made` certificates are all trusted by the traffic."""

    def __init__(self, name, settings, certificates=2):
        self.name, self.settings = name, settings
        self.scene = Scene("fault-" + name.replace("_", "-"), settings.gateway_class)
        self.kube = self.scene.kube
        self.paifang = Paifang(self.kube, settings.namespace, settings.release)
        self.made = [self_signed(SECURE) for _ in range(certificates)]
        self.folder = tempfile.TemporaryDirectory(prefix="paifang-fault-")
        self.count = 0

    def __enter__(self):
        scene = self.scene.__enter__()
        try:
            scene.echo(replicas=2)
            scene.kube.create(world.tls_secret(scene.name, "cert", self.made[0]))
            scene.front(world.http_listener(), world.https_listener("cert"))
            for name, host in (("steady", STEADY), ("secure", SECURE)):
                scene.route(name, host)
                self.serves(host, 30)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.scene.__exit__()
        self.folder.cleanup()

    def say(self, text):
        print(f"    {text}", flush=True)

    def expect(self, holds, text):
        if not holds:
            raise Failed(text)

    @contextmanager
    def traffic(self, forgive=()):
        """Traffic while the block runs, then a verdict: everything is 200, but for what happened in `forgive`'s windows."""
        trust = os.path.join(self.folder.name, "trusted.pem")
        with open(trust, "wb") as out:
            out.write(b"".join(certificate for certificate, _ in self.made))
        streams = [kept(STEADY, 100), fresh(STEADY, 50), kept(SECURE, 50, port=443, ca=trust, name="kept, TLS"),
                   fresh(SECURE, 25, port=443, ca=trust, name="fresh, TLS")]
        with Traffic(self.scene.address, streams, bound=self.settings.bound) as traffic:
            self.rest(2)
            yield traffic
            self.rest(2)  # failures that come a little later are failures too
            running = traffic.running()
        self.judge(traffic, forgive)
        self.expect(running, "the traffic ended before the test did")

    def judge(self, traffic, windows):
        self.say(f"{len(traffic.records):,} requests, p99 {traffic.latency(0.99)} ms, the client late by {traffic.late} s at most")
        self.say(f"other than 200: {traffic.fates() or 'none'}")
        inside = [record for record in traffic.failed() if any(window.forgives(record) for window in windows)]
        for window in windows:
            self.say(window.tell([record for record in inside if window.forgives(record)]))
        late = [record for record in traffic.failed() if record.fate == LATE]
        self.expect(not late, f"void: the client did not run, so it cannot tell; is the machine too busy? first {late[:1]}")
        rest = [record for record in traffic.failed() if record not in inside]
        self.expect(not rest, f"{len(rest)} requests failed, first {rest[:3]}")

    def rest(self, seconds):
        """Lets the traffic go on. This is a duration of the test, not a wait for something."""
        time.sleep(seconds)

    def serves(self, host, seconds):
        """Polls through the Gateway until a host answers 200."""
        connection = Connection(self.scene.address)
        try:
            connection.until(host, lambda code, _: code == 200, seconds, pause=0.02)
        finally:
            connection.close()

    def alive(self, seconds=30):
        """A new route is accepted and serves, and so does a change of it: nothing is stuck after the fault."""
        self.count += 1
        name = f"after-{self.count}"
        began = time.monotonic()
        self.scene.route(name, f"{name}.example.test")
        self.serves(f"{name}.example.test", seconds)
        served = time.monotonic()
        self.scene.accepted(name, seconds)
        accepted = time.monotonic()
        self.kube.patch("HTTPRoute", self.scene.name, name, {"spec": {"hostnames": [f"{name}-changed.example.test"]}})
        self.serves(f"{name}-changed.example.test", seconds)
        self.scene.accepted(name, seconds)
        self.say(f"a new route serves after {served - began:.2f} s, is accepted after {accepted - began:.2f} s")

    def two(self):
        """The pods of Paifang, of which a fault wants at least two, with exactly one leader."""
        pods = self.paifang.ready_pods()
        if len(pods) < 2:
            raise NotHere(f"{len(pods)} ready pods of Paifang; it takes two")
        leaders = self.paifang.leaders(pods)
        self.expect(len(leaders) == 1, f"leaders: {leaders}")
        return pods, leaders[0]

    def bed(self, *words, seconds=120):
        """Runs a tool of the test bed; its output is shown when it fails."""
        if not shutil.which(words[0]):
            raise NotHere(f"{words[0]} is a tool of the test bed")
        done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=seconds)
        self.expect(done.returncode == 0, f"{' '.join(words)}: {done.stdout[-400:]}")
        return done.stdout


class Window:
    """From a kill until nothing is led to what was killed: what may fail then is what Kubernetes cannot spare anyone."""

    def __init__(self):
        self.begin = self.end = float("inf")

    def forgives(self, record):
        """Sent to the killed process and cut, or refused there. An answer other than 200 is never forgiven, and neither is
        silence: the pod's address is there all the time, so its kernel answers for the process."""
        ended = record.due + record.ms / 1e3
        broken = record.fate in ("cut", "refused") or record.fate.startswith(("tls", "not connected"))
        return broken and ended >= self.begin and record.due <= self.end

    def tell(self, records):
        unsent = [record.due - self.begin for record in records if record.unsent]
        return (f"of these {len(records) - len(unsent)} in flight on the killed process, {len(unsent)} not connected, the last "
                f"{max(unsent, default=0):.1f} s after the kill")
