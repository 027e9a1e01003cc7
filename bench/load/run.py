#!/usr/bin/env python3
"""Compares reverse proxies side by side in one interleaved run.

One proxy at a time is loaded. It has a core of its own and one worker thread; the load generator and the backend share
another core. Rounds are interleaved (A B C, A B C, ...), so that drift and neighbours meet all proxies alike. What
counts is CPU time per request and its ratios within a round; requests per second depend on the machine's mood.

Only 127.0.0.1 is contacted, and every load ends after its sample time.
"""
import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager

import loads
import proxies
from local import certificate, free_ports
from measure import Server, cpu_seconds, machine_busy, pss_mib, tls_facts
from report import markdown
from scenarios import BODY, SCENARIOS, Table

HERE = os.path.dirname(os.path.abspath(__file__))
CACHE = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "paifang", "bench")


def arguments():
    target = os.environ.get("CARGO_TARGET_DIR") or os.path.join(HERE, "..", "..", "target")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--proxies", default="nginx,haproxy,envoy,bare,paifang", help="default: %(default)s")
    parser.add_argument("--scenarios", default=",".join(SCENARIOS), help="default: all: %(default)s")
    parser.add_argument("--rounds", type=int, default=7, help="measured rounds; one more warms up (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=4, help="length of one sample (default: %(default)s)")
    parser.add_argument("--quick", action="store_true",
                        help="bare and paifang, h1 only, 3 rounds of 2 s: under a minute, to see that it works")
    parser.add_argument("--out", help="write every sample as JSON to this file")
    parser.add_argument("--paifang", default=os.path.join(target, "release", "paifang"), help="default: %(default)s")
    parser.add_argument("--bare", default=os.path.join(CACHE, "bare"), help="default: %(default)s")
    parser.add_argument("--envoy", default=shutil.which("envoy") or os.path.join(CACHE, "venv", "bin", "envoy"),
                        help="default: %(default)s")
    chosen = parser.parse_args()
    if chosen.quick:
        chosen.proxies, chosen.scenarios, chosen.rounds, chosen.seconds = "bare,paifang", "h1", 3, 2
    chosen.proxies, chosen.scenarios = chosen.proxies.split(","), chosen.scenarios.split(",")
    for kind, names, known in (("proxy", chosen.proxies, proxies.PROXIES), ("scenario", chosen.scenarios, SCENARIOS)):
        for name in names:
            if name not in known:
                parser.error(f"no {kind} {name}; there are {', '.join(known)}")
    chosen.binaries = {name: os.path.abspath(getattr(chosen, name)) for name in ("envoy", "bare", "paifang")}
    for name, path in chosen.binaries.items():
        if name in chosen.proxies and not os.access(path, os.X_OK):
            advice = "cargo build --release" if name == "paifang" else "bench/load/setup.sh"
            parser.error(f"{path} is not there: run {advice}")
    return chosen


class Run:
    """One run: its servers, and the samples as they come."""

    def __init__(self, chosen, folder):
        self.chosen, self.folder, self.servers = chosen, folder, []
        cores = sorted(os.sched_getaffinity(0))
        self.proxy_core, self.load_core = cores[0], cores[-1]
        self.cert = certificate(folder)
        self.samples, self.failures, self.tls = [], [], {}
        self.backend_port, = free_ports(1)
        setup = self.setup("backend", Table(), http=self.backend_port)
        self.backend = self.launch("backend", proxies.backend(setup), self.load_core, setup)
        self.backend.wait_ready(setup.http, ("localhost", "/"), BODY)

    def setup(self, name, table, http=None):
        folder = tempfile.mkdtemp(prefix=f"{name}-{table.name}-", dir=self.folder)
        os.chmod(folder, 0o777)
        ports = free_ports(3)
        return proxies.Setup(folder, http or ports[0], ports[1], ports[2], self.backend_port, *self.cert, table,
                             self.chosen.binaries)

    def launch(self, name, argv, core, setup):
        server = Server(name, argv, core, os.path.join(setup.folder, "log"))
        self.servers.append(server)
        return server

    def start(self, name, table):
        """Starts a proxy; returns it, its setup and the seconds until it served the table's last route."""
        setup = self.setup(name, table)
        server = self.launch(name, proxies.PROXIES[name](setup), self.proxy_core, setup)
        return server, setup, server.wait_ready(setup.http, table.last_target, BODY)

    def measure(self):
        starts = [name for name in self.chosen.scenarios if SCENARIOS[name].kind == "start"]
        self.measure_loads([name for name in self.chosen.scenarios if name not in starts])
        for name in starts:
            self.measure_starts(name)

    def able(self, scenario):
        """The chosen proxies that can take part in a scenario."""
        return [name for name in self.chosen.proxies if not SCENARIOS[scenario].table.hosts or proxies.routes(name)]

    def measure_loads(self, scenarios):
        """Rounds are outermost, so that a proxy's figures with and without a route table are of the same minute."""
        live, failed = {}, set()
        for table in dict.fromkeys(SCENARIOS[name].table for name in scenarios):
            for name in self.able(next(s for s in scenarios if SCENARIOS[s].table == table)):
                with self.failure_noted(table.name, name):
                    live[name, table] = self.start(name, table)[:2]
                    if not table.hosts:
                        self.tls[name] = tls_facts(live[name, table][1].https)
        for number in range(-1, self.chosen.rounds):  # round -1 warms up
            for scenario in scenarios:
                for name in self.able(scenario):
                    pair = name, SCENARIOS[scenario].table
                    if pair in live and (scenario, name) not in failed:
                        with self.failure_noted(scenario, name, failed):
                            self.sample(scenario, number, name, *live[pair])
        for server, _ in live.values():
            server.stop()

    def measure_starts(self, scenario):
        for number in range(self.chosen.rounds):
            for name in self.able(scenario):
                with self.failure_noted(scenario, name):
                    server, _, ready = self.start(name, SCENARIOS[scenario].table)
                    time.sleep(5)  # idle: what start-up leaves running and lying about shall be gone when memory is read
                    self.note(scenario, number, name, ready=ready, cpu=cpu_seconds(server.pid), pss=pss_mib(server.pid))
                    server.stop()

    def sample(self, scenario, number, name, server, setup):
        seconds = self.chosen.seconds if number >= 0 else 1
        before, began = self.readings(server), time.monotonic()
        result = loads.KINDS[SCENARIOS[scenario].kind](SCENARIOS[scenario], setup, self.load_core, seconds, self.folder)
        wall = time.monotonic() - began
        proxy, backend, load, machine = (b - a for a, b in zip(before, self.readings(server)))
        if not result["requests"]:
            raise RuntimeError("no request was answered with 200")
        if number < 0:
            return
        self.note(scenario, number, name, cpu=proxy / result["requests"] * 1e6, rate=result["requests"] / result["seconds"],
                  core=proxy / wall, load_core=(backend + load) / wall, pss=pss_mib(server.pid),
                  foreign=max(0.0, machine - proxy - backend - load) / wall,
                  **{key: result[key] for key in result if key in ("requests", "errors", "p50", "p99", "p999")})

    def readings(self, server):
        children = os.times()
        return (cpu_seconds(server.pid), cpu_seconds(self.backend.pid),
                children.children_user + children.children_system, machine_busy())

    def note(self, scenario, number, name, **figures):
        self.samples.append({"scenario": scenario, "round": number, "proxy": name, **figures})
        shown = "  ".join(f"{key} {value:.4g}" for key, value in figures.items())
        print(f"{scenario:14} {number} {name:8} {shown}", file=sys.stderr, flush=True)

    @contextmanager
    def failure_noted(self, scenario, name, failed=None):
        """Notes a proxy's failure and goes on without it, so that a long run is not lost."""
        try:
            yield
        except (RuntimeError, OSError, subprocess.SubprocessError) as error:
            self.failures.append({"scenario": scenario, "proxy": name, "error": str(error)[:800]})
            print(f"FAILED {scenario} {name}: {error}", file=sys.stderr, flush=True)
            if failed is not None:
                failed.add((scenario, name))

    def document(self, began):
        with open("/proc/cpuinfo") as info:
            model = next((line.split(":", 1)[1].strip() for line in info if line.startswith("model name")), "unknown")
        machine = {"cpu": model, "cores": os.cpu_count(), "kernel": platform.release()}
        return {"command": " ".join(["bench/load/run.py", *sys.argv[1:]]), "began": began, "machine": machine,
                "rounds": self.chosen.rounds, "seconds": self.chosen.seconds, "tls": self.tls,
                "samples": self.samples, "failures": self.failures}


def main():
    chosen = arguments()
    began = time.strftime("%Y-%m-%d %H:%M:%S")
    folder = tempfile.mkdtemp(prefix="paifang-bench-")
    os.chmod(folder, 0o755)
    run = None
    try:
        run = Run(chosen, folder)
        run.measure()
    finally:
        for server in (run.servers if run else []):
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)
    document = run.document(began)
    if chosen.out:
        with open(chosen.out, "w") as out:
            json.dump(document, out, indent=1)
            out.write("\n")
    print(markdown(document))
    errors = sum(sample.get("errors", 0) for sample in run.samples if sample["proxy"] == "paifang")
    if run.failures or errors:
        sys.exit(f"{len(run.failures)} proxies failed, paifang answered {errors} requests with errors")


if __name__ == "__main__":
    main()
