"""What a process costs: CPU time, memory, time until it answers. Linux only: reads /proc."""
import os
import resource
import signal
import socket
import ssl
import subprocess
import time

TICK = os.sysconf("SC_CLK_TCK")


def tree(pid):
    """The process and all its descendants."""
    found, waiting = [], [pid]
    while waiting:
        process = waiting.pop()
        found.append(process)
        try:
            for thread in os.listdir(f"/proc/{process}/task"):
                with open(f"/proc/{process}/task/{thread}/children") as children:
                    waiting += map(int, children.read().split())
        except OSError:
            pass  # gone meanwhile
    return found


def cpu_seconds(pid):
    """User and system time of a process tree, reaped children included."""
    ticks = 0
    for process in tree(pid):
        try:
            with open(f"/proc/{process}/stat") as stat:
                # The second field may contain spaces; it ends at the last parenthesis.
                fields = stat.read().rsplit(")", 1)[1].split()
            ticks += sum(int(fields[i]) for i in range(11, 15))
        except OSError:
            pass
    return ticks / TICK


def pss_mib(pid):
    """Proportional set size of a process tree: shared pages count once."""
    total = 0
    for process in tree(pid):
        try:
            with open(f"/proc/{process}/smaps_rollup") as rollup:
                total += sum(int(line.split()[1]) for line in rollup if line.startswith("Pss:"))
        except OSError:
            pass
    return total / 1024


def machine_busy():
    """CPU seconds the whole machine has spent, waiting for input and output left out."""
    with open("/proc/stat") as stat:
        fields = list(map(int, stat.readline().split()[1:9]))
    return (sum(fields) - fields[3] - fields[4]) / TICK


def pin(core):
    """For a child before it starts: one core, and descriptors enough."""
    def prepare():
        os.sched_setaffinity(0, {core})
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(20000, hard), hard))
    return prepare


def get(port, host, path, tls=False):
    """One request on a connection of its own; returns status and the whole response."""
    with socket.create_connection(("127.0.0.1", port), 5) as raw:
        stream = client_tls().wrap_socket(raw, server_hostname=host) if tls else raw
        stream.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        data = b""
        try:
            while chunk := stream.recv(65536):
                data += chunk
        except (ssl.SSLError, ConnectionResetError):
            pass  # closed without close_notify
    return (int(data.split(b" ", 2)[1]), data) if data.startswith(b"HTTP/1.") else (0, data)


def client_tls(alpn=("http/1.1",)):
    """A client context that trusts anyone: the certificate is ours and of no interest."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(list(alpn))
    return context


def tls_facts(port):
    """What a client is given: version, cipher, ALPN. Unequal TLS makes unequal figures."""
    with socket.create_connection(("127.0.0.1", port), 5) as raw:
        with client_tls(("h2", "http/1.1")).wrap_socket(raw, server_hostname="localhost") as stream:
            return [stream.version(), stream.cipher()[0], stream.selected_alpn_protocol()]


class Server:
    """A running server: pinned (or prepared otherwise), silent, and stopped by its own process group only."""

    def __init__(self, name, argv, core, log, env=None, prepare=None):
        self.name, self.log = name, log
        self.started = time.monotonic()
        with open(log, "w") as out:
            self.process = subprocess.Popen(argv, preexec_fn=prepare or pin(core), env={**os.environ, **(env or {})}, stdout=out,
                                            stderr=out, stdin=subprocess.DEVNULL, start_new_session=True)
        self.pid = self.process.pid

    def wait_ready(self, port, target, body, limit=120):
        """Seconds from the start until the target first answers 200 with the backend's body."""
        while time.monotonic() - self.started < limit:
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.name} exited with {self.process.returncode}: {self.log_tail()}")
            try:
                code, data = get(port, *target)
                if code == 200 and body.encode() in data:
                    return time.monotonic() - self.started
            except OSError:
                pass
            time.sleep(0.01)
        raise RuntimeError(f"{self.name} did not answer 200 within {limit} s: {self.log_tail()}")

    def log_tail(self):
        with open(self.log, errors="replace") as log:
            return log.read()[-800:].strip() or "nothing in its log"

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                os.killpg(self.pid, signal.SIGKILL)
                self.process.wait()
