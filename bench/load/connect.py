"""One request per connection, for some seconds: connect.py PORT WORKERS SECONDS [tls]

Other load generators may resume TLS sessions unasked; here every connection makes a full handshake, because each begins
without a session. Workers are processes, and each has a source address of its own so that ports do not run out.
"""
import json
import os
import socket
import sys
import time

from measure import client_tls

REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


def once(port, source, context):
    """Whether one request on a new connection is answered with 200."""
    try:
        with socket.create_connection(("127.0.0.1", port), 5, (source, 0)) as raw:
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            stream = context.wrap_socket(raw, server_hostname="localhost") if context else raw
            stream.sendall(REQUEST)
            head = stream.recv(4096)
            while stream.recv(4096):
                pass
            return head.startswith(b"HTTP/1.1 200")
    except OSError:
        return False


def work(port, worker, seconds, tls, out):
    context = client_tls() if tls else None
    answered, failed, times = 0, 0, []
    start = time.monotonic()
    while (began := time.monotonic()) < start + seconds:
        if once(port, f"127.0.1.{worker + 1}", context):
            answered += 1
            times.append(round((time.monotonic() - began) * 1e6))
        else:
            failed += 1
    with os.fdopen(out, "w") as pipe:
        json.dump([answered, failed, times, time.monotonic() - start], pipe)


def main():
    port, workers, seconds, tls = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), "tls" in sys.argv[4:]
    pipes = []
    for worker in range(workers):
        read, write = os.pipe()
        if os.fork() == 0:
            os.close(read)
            work(port, worker, seconds, tls, write)
            os._exit(0)
        os.close(write)
        pipes.append(read)
    results = []
    for pipe in pipes:
        with os.fdopen(pipe) as data:
            results.append(json.load(data))
        os.wait()  # so that the workers' CPU time is counted as ours
    times = sorted(t for result in results for t in result[2])
    at = lambda share: times[int((len(times) - 1) * share)] if times else 0
    print(json.dumps({"requests": sum(r[0] for r in results), "errors": sum(r[1] for r in results),
                      "seconds": max(r[3] for r in results), "p50": at(0.5), "p99": at(0.99)}))


if __name__ == "__main__":
    main()
