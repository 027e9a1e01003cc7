#!/usr/bin/env python3
"""What a scrape of /metrics costs with many rules of many tenants, and when they have more series than they may.

Each rule has served one request before, and is under limits by rule, by client and of its tenant, which has a share. Only 127.0.0.1
is contacted, and every process ends by itself.
"""
import argparse
import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True  # no __pycache__ folders in a checkout
import world  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "load"))
from local import free_ports  # noqa: E402
from measure import cpu_seconds  # noqa: E402

TARGET = os.environ.get("CARGO_TARGET_DIR") or os.path.join(HERE, "..", "..", "target")
PATIENCE = 120  # seconds until the last route answers
# Series that a tenant's rules may have: as set by default, and less than they need.
BUDGETS = [50_000, 1_000]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tenants", type=int, default=50, help="default: %(default)s")
    parser.add_argument("--routes", type=int, default=20, help="of each tenant (default: %(default)s)")
    parser.add_argument("--rules", type=int, default=10, help="of each route (default: %(default)s)")
    parser.add_argument("--scrapes", type=int, default=20, help="for each figure (default: %(default)s)")
    parser.add_argument("--paifang", default=os.path.join(TARGET, "release", "paifang"), help="default: %(default)s")
    chosen = parser.parse_args()
    if not os.access(chosen.paifang, os.X_OK):
        parser.error(f"{chosen.paifang} is not there: run cargo build --release")
    return chosen


class Served:
    """A Paifang that serves the world."""

    def __init__(self, chosen, series, folder):
        self.port, self.admin = free_ports(2)
        self.size = (chosen.tenants, chosen.routes, chosen.rules)
        manifests, settings = world.write(folder, self.port, *self.size, series)
        self.process = subprocess.Popen(
            [chosen.paifang, "run", "--manifests", manifests, "--config", settings, "--threads", "1",
             "--admin", f"127.0.0.1:{self.admin}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def ask(self):
        """Lets every rule serve a request."""
        connection = None
        for host, path in world.requests(*self.size):
            connection = connection or self.connect(host, path)
            connection.request("GET", path, headers={"host": host})
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:
                sys.exit(f"{host}{path}: {answer.status}")

    def connect(self, host, path):
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            try:
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
                connection.request("GET", path, headers={"host": host})
                if connection.getresponse().read() and self.process.poll() is None:
                    return connection
            except OSError:
                time.sleep(0.05)
        sys.exit("it does not serve")

    def scrape(self):
        """Bytes, lines, and seconds."""
        begin = time.monotonic()
        connection = http.client.HTTPConnection("127.0.0.1", self.admin, timeout=30)
        connection.request("GET", "/metrics")
        text = connection.getresponse().read()
        return len(text), text.count(b"\n"), time.monotonic() - begin

    def end(self):
        self.process.terminate()
        self.process.wait(60)


def measure(chosen, series):
    with tempfile.TemporaryDirectory() as folder:
        served = Served(chosen, series, folder)
        try:
            served.ask()
            served.scrape()
            before = cpu_seconds(served.process.pid)
            scrapes = [served.scrape() for _ in range(chosen.scrapes)]
            cpu = (cpu_seconds(served.process.pid) - before) / chosen.scrapes
        finally:
            served.end()
    size, lines, _ = scrapes[-1]
    times = [took for _, _, took in scrapes]
    return {"seriesPerTenant": series, "bytes": size, "lines": lines, "cpu": cpu,
            "fastest": min(times), "median": statistics.median(times), "slowest": max(times)}


def main():
    chosen = arguments()
    print(f"{chosen.tenants * chosen.routes * chosen.rules} rules of {chosen.tenants} tenants, {chosen.scrapes} scrapes", flush=True)
    for series in BUDGETS:
        print(json.dumps(measure(chosen, series)), flush=True)


if __name__ == "__main__":
    main()
