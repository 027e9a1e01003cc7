"""One HTTP/1.1 connection, blocking and thin, for probes whose own cost must not blur the figure."""
import json
import socket
import ssl
import time


class Connection:
    """Sends one GET after another; what goes wrong is an OSError, and the next GET begins a new connection."""

    def __init__(self, address, port=80, timeout=5, tls=None, server_name=None):
        self.target, self.timeout, self.tls, self.server_name = (address, port), timeout, tls, server_name
        self.stream = None

    def open(self):
        stream = socket.create_connection(self.target, self.timeout)
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.stream = self.tls.wrap_socket(stream, server_hostname=self.server_name) if self.tls else stream

    def close(self):
        if self.stream:
            self.stream.close()
            self.stream = None

    def get(self, host, path="/"):
        """Status and body."""
        fresh = self.stream is None
        if fresh:
            self.open()
        try:
            self.stream.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            head, body = self.receive()
        except OSError as error:
            self.close()
            if fresh or not isinstance(error, (ConnectionResetError, BrokenPipeError)):
                raise
            return self.get(host, path)  # a kept connection may have been closed while it rested
        if b"\r\nconnection: close" in head.lower():
            self.close()
        return int(head.split(b" ", 2)[1]), body

    def receive(self):
        data = b""
        while b"\r\n\r\n" not in data:
            data += self.more()
        head, _, body = data.partition(b"\r\n\r\n")
        lower = head.lower()
        if b"\r\ncontent-length:" in lower:
            length = int(lower.split(b"\r\ncontent-length:", 1)[1].split(b"\r\n", 1)[0])
            while len(body) < length:
                body += self.more()
        elif b"\r\ntransfer-encoding: chunked" in lower:
            while not body.endswith(b"0\r\n\r\n"):
                body += self.more()
        return head, body

    def more(self):
        chunk = self.stream.recv(65536)
        if not chunk:
            raise ConnectionResetError("closed before the whole response")
        return chunk

    def status(self, host, path="/"):
        return self.get(host, path)[0]

    def until(self, host, accept, seconds, path="/", pause=0.0):
        """Polls until `accept(status, body)`; returns (moment of that answer, every status seen before it)."""
        end, before = time.monotonic() + seconds, []
        while True:
            try:
                code, body = self.get(host, path)
            except OSError as error:
                code, body = type(error).__name__, b""
            moment = time.monotonic()
            if accept(code, body):
                return moment, before
            before.append(code)
            if moment > end:
                raise TimeoutError(f"{host}{path}: not within {seconds:.0f} s; answers {sorted(set(map(str, before)))}")
            if pause:
                time.sleep(pause)


def pod_of(body):
    """The pod that an echo server's answer names, or an empty string."""
    try:
        return json.loads(body).get("pod", "")
    except ValueError:
        return ""


def served_certificate(address, server_name, port=443, timeout=5):
    """What a new connection is shown, as DER; whether it can be trusted is not asked."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection((address, port), timeout) as raw:
        with context.wrap_socket(raw, server_hostname=server_name) as stream:
            return stream.getpeercert(True)
