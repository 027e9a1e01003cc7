"""The noisy tenant at 20 times its share: neighbour.py KIND HTTP_PORT HTTPS_PORT SECONDS

Says "ready" when it is under way, ends by itself, and then prints what it got. What it is denied it asks for again, as
often as it asks for anything; it never waits because it was told to.
"""
import json
import os
import select
import socket
import struct
import sys
import time
from collections import deque

from common import NEIGHBOUR, request

from measure import client_tls

TIMES = 20
# Its share, which run.py writes into its Tenant.
REQUESTS, CONCURRENCY, CONNECTIONS, BANDWIDTH = 200, 32, 64, 5 << 20
HANDSHAKES = 20
# What the kernel copies at a time: the victim on this core has to wait for it.
BUFFER = memoryview(bytearray(1 << 14))
PAUSE = 0.05  # before a place is taken again that was lost


def connect(port):
    stream = socket.create_connection(("127.0.0.1", port), 5)
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return stream


class Slot:
    """One connection that is kept busy for as long as it is let in, and opened again when it is closed."""

    def __init__(self, port, begin):
        self.port, self.begin, self.stream, self.again = port, begin, None, 0.0

    def fileno(self):
        return self.stream.fileno()

    def open(self, now):
        if self.stream is None and now >= self.again:
            try:
                self.stream = connect(self.port)
                self.stream.sendall(self.begin)
            except OSError:
                self.close(now)

    def send(self, data, now):
        """Whether it could be sent."""
        try:
            if self.stream:
                self.stream.sendall(data)
        except OSError:
            self.close(now)
        return self.stream is not None

    def close(self, now):
        if self.stream:
            self.stream.close()
        self.stream, self.again = None, now + PAUSE

    def read(self, now):
        """What has come; nothing when the connection ended with it."""
        try:
            count = self.stream.recv_into(BUFFER)
        except OSError:
            count = 0
        if not count:
            self.close(now)
        return bytes(BUFFER[:count])


def ready(slots, wait):
    """Connections on which something came, after a wait at most."""
    live = [slot for slot in slots if slot.stream]
    if live:
        return select.select(live, [], [], wait)[0]
    time.sleep(wait)
    return []


def denied(data):
    """Whether it is a denial, or the connection was closed."""
    return not data or data.startswith((b"HTTP/1.1 429", b"HTTP/1.1 503"))


def hold(slots, until, got, beat=None):
    """Keeps all connections busy; `beat` is sent on each, twice a second."""
    beaten = time.monotonic()
    while (now := time.monotonic()) < until:
        for slot in slots:
            slot.open(now)
        for slot in ready(slots, 0.02):
            data = slot.read(now)
            got["bytes"] += len(data)
            got["denied"] += denied(data)
        if beat and now > beaten + 0.5:
            beaten = now
            for slot in slots:
                slot.send(beat, now)


def requests(ports, until, got):
    """20 times the rate, over kept connections."""
    rate, start, sent = REQUESTS * TIMES, time.monotonic(), 0
    slots = [Slot(ports[0], b"") for _ in range(CONNECTIONS)]
    free, text = deque(slots), request(NEIGHBOUR)
    while (now := time.monotonic()) < until:
        while free and sent < (now - start) * rate:
            slot = free.popleft()
            slot.open(now)
            sent += 1
            if not slot.send(text, now):
                free.append(slot)
                break
        for slot in ready([slot for slot in slots if slot not in free], 0.001):
            data = slot.read(now)
            got["answered"] += data.startswith(b"HTTP/1.1 200")
            got["denied"] += denied(data)
            free.append(slot)


def calls(ports, until, got):
    """20 times the rate, as streams of HTTP/2 connections, some at a time on each."""
    together, start, sent = 8, time.monotonic(), 0
    head = bytes([0x82, 0x86, 0x84]) + literal(1, NEIGHBOUR)
    room = frame(8, 0, 0, struct.pack("!I", (1 << 31) - (1 << 16)))  # no answer shall wait for it
    slots = [Calls(ports[0], PREFACE + room) for _ in range(CONNECTIONS // 4)]
    while (now := time.monotonic()) < until:
        for slot in slots:
            slot.open(now)
            if slot.stream and not slot.waiting and sent < (now - start) * REQUESTS * TIMES:
                sent += together
                slot.call(head, together, now)
        for slot in ready(slots, 0.001):
            slot.take(slot.read(now), got)


class Calls(Slot):
    """A connection of HTTP/2, and how many of its streams are not answered yet."""

    waiting, last, unread = 0, -1, b""

    def open(self, now):
        if self.stream is None:
            self.waiting, self.last, self.unread = 0, -1, b""
        super().open(now)

    def call(self, head, count, now):
        ids = range(self.last + 2, self.last + 2 + 2 * count, 2)
        self.waiting, self.last = count, ids[-1]
        self.send(b"".join(frame(1, 0x5, stream, head) for stream in ids), now)

    def take(self, data, got):
        """Counts answers in what was read, and streams that end."""
        data = self.unread + data
        while len(data) >= 9 and len(data) >= (end := 9 + int.from_bytes(data[:3], "big")):
            kind, flags, head = data[3], data[4], data[9:10]
            if kind == 1:
                got["answered" if head == b"\x88" else "denied"] += 1  # :status 200 has a number of its own
            self.waiting -= kind in (0, 1) and flags & 1
            data = data[end:]
        self.unread = data


def bodies(ports, until, got):
    """Request bodies of which a byte comes every half second."""
    begin = request(NEIGHBOUR, method="POST", fields="Content-Length: 100000\r\n")
    hold([Slot(ports[0], begin) for _ in range(CONCURRENCY * TIMES)], until, got, beat=b"x")


def downloads(ports, until, got):
    """Answers of a gigabyte, read as fast as they come."""
    begin = request(NEIGHBOUR, "/?size=1Gi")
    hold([Slot(ports[0], begin) for _ in range(2 * TIMES)], until, got)


def handshakes(ports, until, got):
    """New TLS connections by some processes, each given up as soon as it is made."""
    workers, context = 4, client_tls()
    pipes = []
    for worker in range(workers):
        read, write = os.pipe()
        if os.fork() == 0:
            done = failed = 0
            start = time.monotonic()
            while (now := time.monotonic()) < until:
                due = start + (done + failed) * workers / (HANDSHAKES * TIMES)
                time.sleep(max(0.0, min(due, until) - now))
                try:
                    with socket.create_connection(("127.0.0.1", ports[1]), 5, (f"127.0.2.{worker + 1}", 0)) as raw:
                        context.wrap_socket(raw, server_hostname=NEIGHBOUR).close()
                    done += 1
                except OSError:
                    failed += 1
            os.write(write, struct.pack("!II", done, failed))
            os._exit(0)
        os.close(write)
        pipes.append(read)
    for pipe in pipes:
        done, failed = struct.unpack("!II", os.read(pipe, 8))
        got["answered"] += done
        got["denied"] += failed
        os.wait()


def streams(ports, until, got):
    """HTTP/2 connections with as many requests as they may have, which the backend does not answer."""
    each = 128
    head = bytes([0x82, 0x86]) + literal(1, NEIGHBOUR) + literal(4, "/?delay=300s")
    frames = b"".join(frame(1, 0x5, 2 * n + 1, head) for n in range(each))
    begin = PREFACE + frames
    hold([Slot(ports[0], begin) for _ in range(CONCURRENCY * TIMES // each)], until, got)


def frame(kind, flags, stream, payload):
    return struct.pack("!I", len(payload))[1:] + bytes([kind, flags]) + struct.pack("!I", stream) + payload


def literal(name, value):
    """A field of HPACK with a name of the static table; short and not to be remembered."""
    return bytes([name, len(value)]) + value.encode()


# With the settings that every client begins with: none.
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b"")
KINDS = {"requests": requests, "calls": calls, "bodies": bodies, "handshakes": handshakes, "downloads": downloads, "streams": streams}


def main():
    kind, ports, seconds = sys.argv[1], (int(sys.argv[2]), int(sys.argv[3])), float(sys.argv[4])
    until, got = time.monotonic() + seconds, {"answered": 0, "denied": 0, "bytes": 0}
    print("ready", flush=True)
    KINDS[kind](ports, until, got)
    print(json.dumps(got))


if __name__ == "__main__":
    main()
