"""Requests at a fixed rate over kept connections: steady.py PORT CONNECTIONS RATE SECONDS

Open loop: request k is due at k / RATE whether or not earlier ones were answered, and its latency counts from then. A slow
answer therefore makes the requests behind it late, as it would for users.
"""
import json
import select
import socket
import sys
import time
from collections import deque

REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
END_OF_HEAD = b"\r\n\r\n"


class Connection:
    """A kept connection with at most one request under way."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), 5)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.data, self.due = b"", 0.0

    def fileno(self):
        return self.socket.fileno()

    def send(self, due):
        self.data, self.due = b"", due
        self.socket.sendall(REQUEST)

    def status(self):
        """The status once the whole response is there, else None; OSError when the connection is closed."""
        chunk = self.socket.recv(65536)
        if not chunk:
            raise ConnectionResetError
        self.data += chunk
        head, end, body = self.data.partition(END_OF_HEAD)
        if not end:
            return None
        length = int(head.lower().split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
        return int(head.split(b" ", 2)[1]) if len(body) >= length else None


def drive(port, connections, rate, seconds):
    free = deque(Connection(port) for _ in range(connections))
    busy, times, errors, sent = [], [], 0, 0
    start = time.monotonic()
    while sent < rate * seconds or busy:
        now = time.monotonic() - start
        while free and sent < rate * seconds and sent / rate <= now:
            connection = free.popleft()
            connection.send(sent / rate)
            busy.append(connection)
            sent += 1
        wait = sent / rate - now if free and sent < rate * seconds else 5
        for connection in select.select(busy, [], [], max(0, wait))[0]:
            try:
                status = connection.status()
            except (OSError, ValueError, IndexError):
                status, connection = 0, replaced(connection, busy, port)
            if status is None:
                continue
            errors += status != 200
            times.append(round((time.monotonic() - start - connection.due) * 1e6))
            busy.remove(connection)
            free.append(connection)
        if now > seconds + 10:
            errors += len(busy)
            break
    return sorted(times), errors, time.monotonic() - start


def replaced(connection, busy, port):
    """A new connection in place of a broken one."""
    fresh = Connection(port)
    fresh.due = connection.due
    busy[busy.index(connection)] = fresh
    return fresh


def main():
    port, connections, rate = map(int, sys.argv[1:4])
    times, errors, elapsed = drive(port, connections, rate, float(sys.argv[4]))
    at = lambda share: times[int((len(times) - 1) * share)] if times else 0
    print(json.dumps({"requests": len(times) - errors, "errors": errors, "seconds": elapsed,
                      "p50": at(0.5), "p99": at(0.99), "p999": at(0.999)}))


if __name__ == "__main__":
    main()
