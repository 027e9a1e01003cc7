"""The process behind traffic.py: requests at a fixed rate, each one's fate noted. Reads a plan as one line of JSON.

It ends when its standard input is closed, so with its parent too, and in any case after the plan's `bound`. A process of its
own, because whoever tests or measures must not slow the traffic down.
"""
import asyncio
import json
import ssl
import sys
import time

CONNECT_TIMEOUT = 3


class Cut(Exception):
    """The connection ended after the request was sent and before the response was complete."""


class Stream:
    """One stream of the plan, its own share of the rate for each connection."""

    def __init__(self, plan, stream, stop, records):
        self.plan, self.stop, self.records = plan, stop, records
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
            outcome, connection = await self.once(connection)
            now = time.monotonic()
            self.records.append((self.name, round(due, 4), outcome, round((now - due) * 1e3, 2)))
            due = max(due + gap, now - 1)  # after an outage only the last second is made up for
        if connection:
            connection[1].close()

    async def once(self, connection):
        """The fate of one request, and the connection if it can take another."""
        if connection and (connection[0].at_eof() or connection[1].is_closing()):
            connection[1].close()  # closed while it rested: nothing was lost
            connection = None
        if not connection:
            try:
                opened = asyncio.open_connection(self.plan["address"], self.port, ssl=self.tls,
                                                 server_hostname=self.host if self.tls else None)
                connection = await asyncio.wait_for(opened, CONNECT_TIMEOUT)
            except asyncio.TimeoutError:
                return "connect timeout", None
            except ConnectionRefusedError:
                return "refused", None
            except ssl.SSLError as error:
                return f"tls: {error.reason}", None
            except OSError as error:
                return f"not connected: {type(error).__name__}", None
        try:
            code, again = await asyncio.wait_for(self.exchange(*connection), self.plan["timeout"])
        except asyncio.TimeoutError:
            code, again = "timeout", False
        except (Cut, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError, IndexError):
            code, again = "cut", False
        if not again:
            connection[1].close()
        return code, connection if again else None

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


async def main():
    plan = json.loads(sys.stdin.readline())
    stop, records, loop = asyncio.Event(), [], asyncio.get_running_loop()
    loop.add_reader(sys.stdin, lambda: sys.stdin.buffer.raw.read(1) or stop.set())
    loop.call_later(plan["bound"], stop.set)
    await asyncio.gather(*(Stream(plan, stream, stop, records).run() for stream in plan["streams"]))
    json.dump(records, sys.stdout)


if __name__ == "__main__":
    asyncio.run(main())
