"""The quiet tenant, an open loop whose latencies count from when a request was due:

victim.py plain PORT SECONDS    500 requests a second over 8 kept connections
victim.py tls PORT SECONDS      50 new connections a second, each a TLS handshake and a request
"""
import json
import socket
import sys
import time

from common import VICTIM, request

import steady
from measure import client_tls

PLAIN_RATE, CONNECTIONS, TLS_RATE = 500, 8, 50


def plain(port, seconds):
    steady.REQUEST = request(VICTIM)
    return steady.drive(port, CONNECTIONS, PLAIN_RATE, seconds)[:2]


def tls(port, seconds):
    context, times, errors = client_tls(), [], 0
    start = time.monotonic()
    for number in range(int(TLS_RATE * seconds)):
        due = start + number / TLS_RATE
        time.sleep(max(0.0, due - time.monotonic()))
        errors += not once(port, context)
        times.append(round((time.monotonic() - due) * 1e6))
    return sorted(times), errors


def once(port, context):
    """Whether a request on a new connection is answered with 200."""
    try:
        with socket.create_connection(("127.0.0.1", port), 5) as raw:
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with context.wrap_socket(raw, server_hostname=VICTIM) as stream:
                stream.sendall(request(VICTIM, fields="Connection: close\r\n"))
                return stream.recv(4096).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


def main():
    kind, port, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    times, errors = {"plain": plain, "tls": tls}[kind](port, seconds)
    at = lambda share: times[int((len(times) - 1) * share)] if times else 0
    print(json.dumps({"requests": len(times), "errors": errors, "p50": at(0.5), "p99": at(0.99)}))


if __name__ == "__main__":
    main()
