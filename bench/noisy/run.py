#!/usr/bin/env python3
"""What a noisy tenant at 20 times its share does to a quiet one, with tenancy and without.

The victim is measured alone and then beside the neighbour, for each kind of noise and for all kinds together. Paifang has
the first core, one thread; everything else shares the last core, where the neighbour and its backend give way to the victim,
and at once where the system permits real-time priorities. No core ever sleeps, so that no latency is that of a wake-up.
Only 127.0.0.1 is contacted, every process ends by itself, and so does the run.
"""
import argparse
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import common
import neighbour
import rounds
import world

from local import certificate, free_ports
from measure import Server, cpu_seconds, machine_busy, pin

HERE = os.path.dirname(os.path.abspath(__file__))
TARGET = os.environ.get("CARGO_TARGET_DIR") or os.path.join(HERE, "..", "..", "target")
SETTLE = 2  # seconds of noise before the victim is measured
KINDS = [*neighbour.KINDS, "all"]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kinds", default=",".join(KINDS), help="default: all: %(default)s")
    parser.add_argument("--modes", default="tenancy,none", help="default: %(default)s")
    parser.add_argument("--seconds", type=float, default=4, help="length of one measurement (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=7, help="measurements alone and beside, by turns (default: %(default)s)")
    parser.add_argument("--out", help="write the figures as JSON to this file")
    parser.add_argument("--paifang", default=os.path.join(TARGET, "release", "paifang"), help="default: %(default)s")
    chosen = parser.parse_args()
    chosen.kinds, chosen.modes = chosen.kinds.split(","), chosen.modes.split(",")
    for name, known in [(kind, KINDS) for kind in chosen.kinds] + [(mode, ["tenancy", "none"]) for mode in chosen.modes]:
        if name not in known:
            parser.error(f"no {name}; there are {', '.join(known)}")
    if not os.access(chosen.paifang, os.X_OK):
        parser.error(f"{chosen.paifang} is not there: run cargo build --release")
    chosen.paifang = os.path.abspath(chosen.paifang)
    return chosen


def yielding(core):
    """For a child that gives way to the others on its core."""
    pinned = pin(core)

    def prepare():
        pinned()
        os.nice(19)
    return prepare


def first(core, priority=20):
    """For a child to which all on its core give way, at once if the system permits that, but those of a higher priority."""
    pinned = pin(core)

    def prepare():
        pinned()
        try:
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority))
        except PermissionError:
            pass  # the others are niced
    return prepare


def awake(core):
    """Keeps a core from sleeping while nothing else runs there; gives way to everything, and ends with this program."""
    mother = os.getpid()
    if pid := os.fork():
        return pid
    os.sched_setaffinity(0, {core})
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    while os.getppid() == mother:
        for _ in range(1_000_000):
            pass
    os._exit(0)


class Bed:
    """Paifang and two backends."""

    def __init__(self, chosen, tenancy, folder):
        self.chosen = chosen
        cores = sorted(os.sched_getaffinity(0))
        self.core, self.load_core = cores[0], cores[-1]
        self.spinning = [awake(core) for core in (self.core, self.load_core)]
        self.http, self.https, admin, *backends = free_ports(5)
        places = zip(("victim", "neighbour"), backends, (first, yielding))
        self.servers = [self.backend(name, port, folder, place(self.load_core)) for name, port, place in places]
        manifests, settings = world.write(folder, tenancy, (self.http, self.https), backends, certificate(folder))
        argv = [chosen.paifang, "run", "--manifests", manifests, "--config", settings, "--threads", "1",
                "--bind", "127.0.0.1", "--admin", f"127.0.0.1:{admin}"]
        log = os.path.join(folder, "paifang.log")
        self.paifang = Server("paifang", argv, self.core, log, prepare=first(self.core))
        self.servers.append(self.paifang)
        self.paifang.wait_ready(self.http, (common.VICTIM, "/"), "", limit=30)

    def backend(self, name, port, folder, prepare):
        argv = [self.chosen.paifang, "echo", "--name", name, "--listen", f"127.0.0.1:{port}"]
        return Server(name, argv, self.load_core, os.path.join(folder, f"{name}.log"), prepare=prepare)

    def victim(self):
        """Both loads of the victim at the same time, and how busy the machine was meanwhile."""
        before, began = self.busy(), time.monotonic()
        # a handshake takes Python a millisecond, for which the other load shall not wait
        loads = {"plain": (self.http, 20), "tls": (self.https, 10)}
        running = {kind: self.child("victim.py", [kind, port, self.chosen.seconds], first(self.load_core, priority))
                   for kind, (port, priority) in loads.items()}
        found = {kind: outcome(process, self.chosen.seconds) for kind, process in running.items()}
        wall = time.monotonic() - began
        found["core"], found["machine"] = ((now - then) / wall for now, then in zip(self.busy(), before))
        return found

    def busy(self):
        """CPU seconds of Paifang, and of everything but what keeps the cores awake."""
        return cpu_seconds(self.paifang.pid), machine_busy() - sum(map(cpu_seconds, self.spinning))

    def beside(self, kind):
        """The victim beside the neighbour, and what that got."""
        kinds = list(neighbour.KINDS) if kind == "all" else [kind]
        seconds = self.chosen.seconds + SETTLE + 2
        running = [self.child("neighbour.py", [kind, self.http, self.https, seconds], yielding(self.load_core))
                   for kind in kinds]
        for process in running:
            process.stdout.readline()
        time.sleep(SETTLE)
        found = self.victim()
        return found, {kind: outcome(process, seconds) for kind, process in zip(kinds, running)}

    def round(self, kind):
        alone = self.victim()
        beside, noise = self.beside(kind)
        time.sleep(1)  # what the neighbour left ends
        return {"alone": alone, "beside": beside, "noise": noise}

    def child(self, program, words, prepare):
        return subprocess.Popen([sys.executable, os.path.join(HERE, program), *map(str, words)], preexec_fn=prepare,
                                stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)

    def stop(self):
        for server in self.servers:
            server.stop()
        for pid in self.spinning:
            os.kill(pid, signal.SIGTERM)
            os.waitpid(pid, 0)


def outcome(process, seconds):
    """What a child says in its last line."""
    try:
        return json.loads(process.communicate(timeout=seconds + 30)[0].splitlines()[-1])
    except (subprocess.TimeoutExpired, IndexError, ValueError) as error:
        process.kill()
        process.wait()
        raise RuntimeError(f"{process.args[1:]} said nothing: {error}") from error


def measure(chosen, mode, folder):
    """A row for each kind of noise. A baseline stands before each measurement, since the machine's mood changes."""
    os.makedirs(folder)
    bed = Bed(chosen, mode == "tenancy", folder)
    try:
        bed.victim()  # warms up
        for kind in chosen.kinds:
            row = {"mode": mode, "kind": kind, "rounds": [bed.round(kind) for _ in range(chosen.rounds)]}
            print(json.dumps(row), file=sys.stderr, flush=True)
            yield row
    finally:
        bed.stop()


def main():
    chosen, rows = arguments(), []
    folder, began = tempfile.mkdtemp(prefix="paifang-noisy-"), time.strftime("%Y-%m-%d %H:%M:%S")
    try:
        for mode in chosen.modes:
            rows += measure(chosen, mode, os.path.join(folder, mode))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if chosen.out:
        with open(chosen.out, "w") as out:
            json.dump({"command": " ".join(["bench/noisy/run.py", *sys.argv[1:]]), "began": began,
                       "cores": os.cpu_count(), "kernel": platform.release(), "rows": rows}, out, indent=1)
            out.write("\n")
    print(rounds.markdown(rows))
    failed = sum(rounds.errors(row, load) for row in rows if row["mode"] == "tenancy" for load in rounds.LOADS)
    if failed:
        sys.exit(f"{failed} requests of the victim failed")


if __name__ == "__main__":
    main()
