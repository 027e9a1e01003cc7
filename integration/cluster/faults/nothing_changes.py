"""Nothing happens for a while: requests are answered, and nothing is written but the lease."""
from datetime import datetime, timedelta, timezone

from lib.audit import length, requests
from lib.wait import attempt

CALM = timedelta(seconds=6)  # without a write, then what the scene made has settled: a write waits five of them to be seen
SETTLE = 60  # seconds at most until then
QUIET = 15  # seconds; three times as long as a write waits to be seen


def run(stage):
    pods, _ = stage.two()
    written = Writes([pod["status"]["podIP"] for pod in pods.values()])
    with stage.traffic():
        began = now()
        calm = lambda: now() - began >= CALM and not written.since(now() - CALM)
        attempt(SETTLE, calm, what=f"{CALM.seconds} s without a write")
        since = now()
        stage.say(f"all was written after {(since - began).total_seconds():.0f} s")
        stage.rest(QUIET)
        late = written.since(since)
        stage.expect(not late, f"nothing had changed: {late[:3]}")


class Writes:
    """What these addresses write from now on, but for the lease."""

    def __init__(self, addresses):
        self.addresses, self.position = addresses, length()

    def since(self, moment):
        written = [write for address in self.addresses for write in requests(address, moment, self.position)[1]]
        return [write for write in written if "/leases/" not in write[3]]


def now():
    return datetime.now(timezone.utc)
