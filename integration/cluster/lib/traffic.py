"""Steady traffic beside a test, and what became of every request of it.

A request's fate is its status code or, when there is none, why: `refused`, `connect timeout`, `not connected: …` and `tls: …`
before it was sent; `cut` when the connection died after it was sent; `timeout` when no answer came. `client late` is either
timeout when the client itself did not run for so long that it cannot know: the test is void then, whatever the server did.
"""
import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass

from .table import percentile

LATE = "client late"
BEFORE_SENDING = ("refused", "connect timeout", "not connected")


@dataclass(frozen=True)
class Record:
    stream: str
    due: float  # on the machine's monotonic clock, as time.monotonic() in any process
    fate: str
    ms: float  # from when the request was due
    detail: str = ""  # what the kernel said of a connection that did not open

    @property
    def unsent(self):
        return self.fate.startswith(BEFORE_SENDING)


def kept(host, rate=100, connections=4, port=80, path="/", ca=None, name="kept"):
    """Requests over connections that are kept; over TLS when there is a file of trusted certificates."""
    return {"name": name, "host": host, "rate": rate, "connections": connections, "port": port, "path": path, "ca": ca,
            "kept": True}


def fresh(host, rate=50, workers=4, port=80, path="/", ca=None, name="fresh"):
    """A new connection for every request."""
    return {**kept(host, rate, workers, port, path, ca, name), "kept": False}


class Traffic:
    """Runs while the block does; afterwards `records` has every request."""

    def __init__(self, address, streams, bound=600, timeout=10):
        self.plan = {"address": address, "streams": streams, "bound": bound, "timeout": timeout}
        self.bound, self.records, self.late = bound, [], None

    def __enter__(self):
        load = os.path.join(os.path.dirname(os.path.abspath(__file__)), "load.py")
        self.process = subprocess.Popen([sys.executable, load], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.process.stdin.write(json.dumps(self.plan) + "\n")
        self.process.stdin.flush()
        return self

    def __exit__(self, *_):
        try:
            output, _ = self.process.communicate(timeout=self.plan["timeout"] + 30)  # closes its input, which ends it
        except subprocess.TimeoutExpired:
            self.process.kill()
            output, _ = self.process.communicate()
        told = json.loads(output) if output else {"late": None, "records": []}
        self.late, self.records = told["late"], [Record(*row) for row in told["records"]]

    def running(self):
        """Whether the traffic has not ended before its time."""
        return self.process.poll() is None

    def fates(self, stream=None):
        """How often each fate other than 200 occurred."""
        return dict(Counter(record.fate for record in self.records
                            if record.fate != "200" and stream in (None, record.stream)))

    def failed(self):
        return [record for record in self.records if record.fate != "200"]

    def latency(self, share, begin=float("-inf"), end=float("inf")):
        """A percentile in ms of the requests answered with 200 that were due in an interval."""
        return percentile([record.ms for record in self.records if record.fate == "200" and begin <= record.due < end], share)

    def note(self, report, must=True):
        """The rows that every program with traffic has."""
        report.note("requests", len(self.records))
        for stream in dict.fromkeys(stream["name"] for stream in self.plan["streams"]):
            count = sum(record.stream == stream for record in self.records)
            fates = ", ".join(f"{number} × {fate}" for fate, number in sorted(self.fates(stream).items()))
            report.note(f"  {stream}: {count:,}, other than 200", fates or "none", goal="none", must=must)
        report.note("latency p50", self.latency(0.5), "ms")
        report.note("latency p99", self.latency(0.99), "ms")
