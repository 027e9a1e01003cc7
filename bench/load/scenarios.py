"""What is measured: route tables and the loads driven over them."""
from dataclasses import dataclass
from typing import Optional

UPSTREAMS = 10  # upstream names; all lead to the same backend
BODY = "x" * 100  # the small response
LARGE = 65536  # bytes of the large one, at /large


@dataclass(frozen=True)
class Table:
    """`hosts` hosts with `paths` path prefixes each; without hosts, one catch-all route."""

    hosts: int = 0
    paths: int = 0

    @property
    def name(self):
        return f"r{self.hosts}x{self.paths}" if self.hosts else "catch-all"

    def host(self, i):
        return f"h{i}.example.test"

    def prefix(self, j):
        return "/" if self.paths == 1 else f"/svc{j}"

    def upstream(self, i, j):
        return f"u{(i * 7 + j) % UPSTREAMS}"

    def target(self, i, j):
        """A host and a path that rule (i, j) matches."""
        return self.host(i), "/" if self.paths == 1 else f"/svc{j}/item"

    @property
    def last_target(self):
        return self.target(self.hosts - 1, self.paths - 1) if self.hosts else ("localhost", "/")


@dataclass(frozen=True)
class Scenario:
    """One load. `kind` names a function of loads.py; `start` measures the start itself."""

    title: str
    kind: str = "wrk"
    table: Table = Table()
    connections: int = 50
    streams: int = 1
    tls: bool = False
    path: str = "/"
    rate: Optional[int] = None


R1000X10, R10000X1, R10X200 = Table(1000, 10), Table(10000, 1), Table(10, 200)

# In this order within a round: the tables stand beside h1, which their price is the difference to.
SCENARIOS = {
    "h1": Scenario("HTTP/1.1 keep-alive, 100 B, 50 connections"),
    "r1000x10": Scenario("1,000 hosts of 10 path prefixes, one at random", table=R1000X10),
    "r10000x1": Scenario("10,000 hosts, one at random", table=R10000X1),
    "r10x200": Scenario("10 hosts of 200 path prefixes, one at random", table=R10X200),
    "h1-64k": Scenario("HTTP/1.1 keep-alive, 64 KiB, 50 connections", path="/large"),
    "conn": Scenario("HTTP/1.1, a new connection for every request", "connect", connections=16),
    "tls-h1": Scenario("TLS 1.3 + HTTP/1.1 keep-alive, 50 connections", tls=True),
    "tls-h2": Scenario("TLS 1.3 + HTTP/2, 4 connections of 25 streams", "h2load", connections=4, streams=25, tls=True),
    "tls-conn": Scenario("a new TLS 1.3 connection for every request, never resumed", "connect", connections=16, tls=True),
    "rate": Scenario("HTTP/1.1 at a fixed 4,000 requests/s, 50 connections", "steady", rate=4000),
    "start": Scenario("start-up and memory, one catch-all route", "start"),
    "start-r10000x1": Scenario("start-up and memory, 10,000 routes", "start", table=R10000X1),
}
