"""The process behind traffic.py: requests at a fixed rate, each one's fate noted. Reads a plan as one line of JSON.

It ends when its standard input is closed, so with its parent too, and in any case after the plan's `bound`. A process of its
own, because whoever tests or measures must not slow the traffic down. A machine that is too busy slows it down all the same:
how late this process was is noted, and a request that ran out of time meanwhile says nothing about the server.
"""
import asyncio
import json
import socket
import ssl
import struct
import sys
import time

CONNECT_TIMEOUT = 3
TICK = 0.05
LATE = 1.0  # seconds of a request's time that passed while this process did not run
TIMED_OUT = "connect timeout", "timeout"
STATES = ["", "established", "SYN sent", "SYN received", "FIN wait 1", "FIN wait 2", "time wait", "closed", "close wait"]


class Cut(Exception):
    """The connection ended after the request was sent and before the response was complete."""


class Unopened(Exception):
    """No connection: the fate of its request, and what more is known."""


class Clock:
    """How late the loop was, in ticks; what it cannot tell is kept for a minute only."""

    def __init__(self):
        self.stalls, self.worst = [], 0.0  # (end, seconds)

    async def run(self):
        while True:
            due = time.monotonic() + TICK
            await asyncio.sleep(TICK)
            now = time.monotonic()
            if (late := now - due) > TICK:
                self.worst = max(self.worst, late)
                self.stalls = [stall for stall in self.stalls if stall[0] > now - 60] + [(now, late)]

    def late(self, since):
        """Seconds since a moment in which nothing ran, the present tick included."""
        return sum(min(late, end - since) for end, late in self.stalls if end > since)


class Stream:
    """One stream of the plan, its own share of the rate for each connection."""

    def __init__(self, plan, stream, stop, clock, records):
        self.plan, self.stop, self.clock, self.records = plan, stop, clock, records
        self.name, self.host, self.port = stream["name"], stream["host"], stream["port"]
        self.kept, self.connections, self.rate = stream["kept"], stream["connections"], stream["rate"]
        self.tls = ssl.create_default_context(cafile=stream["ca"]) if stream.get("ca") else None
        # A fresh connection is closed by this side: else the server's side lingers, and behind address translation a new
        # connection can meet what is left of an old one and be refused by the kernel.
        self.request = f"GET {stream['path']} HTTP/1.1\r\nHost: {self.host}\r\n\r\n".encode()

    async def run(self):
        await asyncio.gather(*(self.drive(number) for number in range(self.connections)))

    async def drive(self, number):
        """Requests of one connection: request k is due at its time whether or not the ones before it were quick."""
        gap = self.connections / self.rate
        due, connection = time.monotonic() + gap * number / self.connections, None
        while not self.stop.is_set():
            try:
                await asyncio.wait_for(self.stop.wait(), max(0.0, due - time.monotonic()))
                break
            except asyncio.TimeoutError:
                pass
            began, (fate, detail, connection) = time.monotonic(), await self.once(connection)
            now = time.monotonic()
            if fate in TIMED_OUT and (late := self.clock.late(began)) >= LATE:
                fate, detail = "client late", f"{late:.2f} s, so: {fate} {detail}"
            self.records.append((self.name, round(due, 4), fate, round((now - due) * 1e3, 2), detail))
            due = max(due + gap, now - 1)  # after an outage only the last second is made up for
        if connection:
            connection[1].close()

    async def once(self, connection):
        """The fate of one request, what more is known of it, and the connection if it can take another."""
        if connection and (connection[0].at_eof() or connection[1].is_closing()):
            connection[1].close()  # closed while it rested: nothing was lost
            connection = None
        try:
            connection = connection or await self.connect()
        except Unopened as reason:
            return *reason.args, None
        try:
            code, again = await asyncio.wait_for(self.exchange(*connection), self.plan["timeout"])
        except asyncio.TimeoutError:
            code, again = "timeout", False
        except (Cut, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError, IndexError):
            code, again = "cut", False
        if not again:
            connection[1].close()
        return code, "", connection if again else None

    async def connect(self):
        """A new connection, over a socket of ours, so that the kernel can be asked how far it got."""
        sock, connection = socket.socket(), None
        try:
            connection = await asyncio.wait_for(self.open(sock), CONNECT_TIMEOUT)
            return connection
        except asyncio.TimeoutError:
            raise Unopened("connect timeout", told(sock)) from None
        except ConnectionRefusedError:
            raise Unopened("refused", "") from None
        except ssl.SSLError as error:
            raise Unopened(f"tls: {error.reason}", "") from None
        except OSError as error:
            raise Unopened(f"not connected: {type(error).__name__}", str(error)) from None
        finally:
            if not connection:
                sock.close()

    async def open(self, sock):
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(sock, (self.plan["address"], self.port))
        return await asyncio.open_connection(sock=sock, ssl=self.tls, server_hostname=self.host if self.tls else None)

    async def exchange(self, reader, writer):
        writer.write(self.request)
        await writer.drain()
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        if b"\r\ncontent-length:" in head:
            await reader.readexactly(int(head.split(b"\r\ncontent-length:", 1)[1].split(b"\r\n", 1)[0]))
        elif b"\r\ntransfer-encoding: chunked" in head:
            while size := int(await reader.readuntil(b"\r\n"), 16):
                await reader.readexactly(size + 2)
            await reader.readuntil(b"\r\n")
        return head.split(b" ", 2)[1].decode(), self.kept and b"\r\nconnection: close" not in head


def told(sock):
    """What the kernel says of a socket (struct tcp_info) that did not connect in time."""
    try:
        state, retransmits = struct.unpack_from("BxB", sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 8))
        return f"port {sock.getsockname()[1]}, {STATES[state]}, {retransmits} retransmits"
    except (OSError, IndexError):
        return "connected, in the TLS handshake"  # asyncio has closed it


async def main():
    plan = json.loads(sys.stdin.readline())
    stop, clock, records, loop = asyncio.Event(), Clock(), [], asyncio.get_running_loop()
    loop.add_reader(sys.stdin, lambda: sys.stdin.buffer.raw.read(1) or stop.set())
    loop.call_later(plan["bound"], stop.set)
    ticking = asyncio.create_task(clock.run())
    await asyncio.gather(*(Stream(plan, stream, stop, clock, records).run() for stream in plan["streams"]))
    ticking.cancel()
    json.dump({"late": round(clock.worst, 3), "records": records}, sys.stdout)


if __name__ == "__main__":
    asyncio.run(main())
