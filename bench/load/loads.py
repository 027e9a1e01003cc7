"""Load generators. Each returns requests answered with 200, errors, seconds, and latencies in µs if it knows them."""
import json
import os
import random
import re
import shutil
import subprocess
import sys

from measure import pin

HERE = os.path.dirname(os.path.abspath(__file__))

# wrk calls request() only if it exists when the script is loaded, so the two scripts differ in it.
WRK_DONE = """
function done(summary, latency)
  local e = summary.errors
  io.write(string.format('RESULT{"requests":%d,"errors":%d,"seconds":%.4f,"p50":%d,"p99":%d}\\n',
    summary.requests - e.status, e.connect + e.read + e.write + e.status + e.timeout, summary.duration / 1e6,
    latency:percentile(50), latency:percentile(99)))
end
"""
WRK_TARGETS = """
local requests, position = {}, 0
function init(arguments)
  for line in io.lines(arguments[1]) do
    local host, path = line:match("^(%S+) (%S+)$")
    requests[#requests + 1] = "GET " .. path .. " HTTP/1.1\\r\\nHost: " .. host .. "\\r\\n\\r\\n"
  end
end
function request() position = position % #requests + 1; return requests[position] end
"""


def tool(name):
    """The path of a program, or an error that says how to get it."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    if not found:
        raise RuntimeError(f"{name} is not installed: run bench/load/setup.sh")
    return found


def execute(argv, core, seconds):
    done = subprocess.run(argv, preexec_fn=pin(core), capture_output=True, text=True, timeout=seconds + 30,
                          stdin=subprocess.DEVNULL)
    if done.returncode:
        raise RuntimeError(f"{os.path.basename(argv[0])} failed: {(done.stdout + done.stderr)[-400:]}")
    return done.stdout


def url(scenario, ports):
    scheme, port = ("https", ports.https) if scenario.tls else ("http", ports.http)
    return f"{scheme}://localhost:{port}{scenario.path}"


def targets(table, folder):
    """A file of 20,000 hosts and paths of the table, the same in every run."""
    path = os.path.join(folder, f"targets-{table.name}")
    if not os.path.exists(path):
        pick = random.Random(1)
        with open(path, "w") as out:
            for _ in range(20000):
                print(*table.target(pick.randrange(table.hosts), pick.randrange(table.paths)), file=out)
    return path


def wrk(scenario, ports, core, seconds, folder):
    """Closed loop over kept connections."""
    table = scenario.table
    script = os.path.join(folder, "targets.lua" if table.hosts else "fixed.lua")
    with open(script, "w") as out:
        out.write((WRK_TARGETS if table.hosts else "") + WRK_DONE)
    argv = [tool("wrk"), "-t1", f"-c{scenario.connections}", f"-d{max(1, round(seconds))}s", "--timeout", "10s",
            "-s", script, url(scenario, ports)]
    output = execute(argv + (["--", targets(table, folder)] if table.hosts else []), core, seconds)
    return json.loads(re.search(r"^RESULT(.*)$", output, re.M).group(1))


def h2load(scenario, ports, core, seconds, _folder):
    """HTTP/2 over TLS, closed loop."""
    duration = max(1, round(seconds))
    output = execute([tool("h2load"), "-t1", f"-c{scenario.connections}", f"-m{scenario.streams}", "-D", str(duration),
                      url(scenario, ports)], core, seconds)
    codes = list(map(int, re.search(r"status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", output).groups()))
    failed = int(re.search(r"(\d+) failed", output).group(1))
    return {"requests": codes[0], "errors": failed + sum(codes[1:]), "seconds": duration}


def steady(scenario, ports, core, seconds, _folder):
    """Open loop at a fixed rate, by steady.py in a process of its own."""
    return script("steady.py", [ports.http, scenario.connections, scenario.rate, seconds], core, seconds)


def connect(scenario, ports, core, seconds, _folder):
    """A new connection for every request, by connect.py in a process of its own."""
    port = ports.https if scenario.tls else ports.http
    words = [port, scenario.connections, seconds] + (["tls"] if scenario.tls else [])
    return script("connect.py", words, core, seconds)


def script(name, words, core, seconds):
    return json.loads(execute([sys.executable, os.path.join(HERE, name), *map(str, words)], core, seconds))


KINDS = {"wrk": wrk, "h2load": h2load, "connect": connect, "steady": steady}
