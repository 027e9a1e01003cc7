"""Nothing happens for a while: requests are answered, and nothing is written but the lease."""
from datetime import datetime, timezone

from lib.audit import requests

SETTLE = 3  # seconds until the last echo of what the scene made has been written
QUIET = 15  # seconds; three times as long as a write waits to be seen


def run(stage):
    pods, _ = stage.two()
    with stage.traffic():
        stage.rest(SETTLE)
        since = datetime.now(timezone.utc)
        stage.rest(QUIET)
        written = [write for pod in pods.values() for write in requests(pod["status"]["podIP"], since)[1]]
        rest = [write for write in written if "/leases/" not in write[3]]
        stage.say(f"{len(written)} writes in {QUIET} s, {len(rest)} of them not of the lease")
        stage.expect(not rest, f"nothing had changed: {rest[:3]}")
