"""A well-behaved client, in a process of its own so that the attackers do not delay it.

`python -m tests.abuse.bystander PORT` sends two kinds of requests at fixed times until its standard input is closed:
GET requests that the fast path answers, on connections that stay open, and queries of a published document that are
never cached, each on a new connection. It prints one line per request: the kind, the time at which it was due
(monotonic clock), the seconds from then to the end of the response, and the status. Waiting for an earlier response
counts, so a server that stands still for a second is seen by all the requests that were due in this second. A request
on a connection that the server closes at the same moment is sent once more.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from itertools import count
from urllib.parse import urlencode

FAST_INTERVAL_SECONDS = 0.025
UNCACHED_INTERVAL_SECONDS = 0.05
CONNECTIONS = 8  # of each kind; their requests take turns
REQUEST_TIMEOUT_SECONDS = 30.0
# A response with the cost of the operation is executed each time, and leaves nothing in a cache.
UNCACHED = {
    "variables": json.dumps({"first": 10, "filter": {"price": {"min": 0, "max": 1000}}}),
    "extensions": json.dumps({"cost": True}),
}
TARGETS = {"fast": "/graphql/Statistics", "uncached": f"/graphql/CpuList?{urlencode(UNCACHED)}"}


class Connection:
    """A connection that is opened when it is needed, and again after an error."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def get(self, target: str) -> str:
        """Send a GET request. Return the status, or the name of the error."""
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT_SECONDS):
                return await self._get(target)
        except (OSError, EOFError) as error:
            self.close()
            return type(error).__name__

    async def _get(self, target: str) -> str:
        reused = self._streams is not None
        try:
            reader, head = await self._send(target)
        except (ConnectionError, asyncio.IncompleteReadError) as error:
            # A server may close an idle connection at any time. As other clients do, send the GET again if no part of
            # the response has arrived (RFC 9112, section 9.3.1).
            if not reused or (isinstance(error, asyncio.IncompleteReadError) and error.partial):
                raise
            self.close()
            reader, head = await self._send(target)
        headers = dict(line.split(": ", 1) for line in head[1:] if line)
        body = await reader.readexactly(int(headers["content-length"]))
        if headers.get("connection") == "close":
            self.close()
        status = head[0].split()[1]
        return "errors" if status == "200" and b'"errors"' in body[:20] else status

    async def _send(self, target: str) -> tuple[asyncio.StreamReader, list[str]]:
        """Send a request. Return the stream, and the lines of the header of the response."""
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self.port)
        reader, writer = self._streams
        writer.write(f"GET {target} HTTP/1.1\r\nhost: localhost\r\naccept: application/json\r\n\r\n".encode())
        return reader, (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower().split("\r\n")

    def close(self) -> None:
        """Close the connection; the next request opens another one."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


async def send_steadily(port: int, kind: str, interval: float, first: int) -> None:
    """Send every CONNECTIONS-th request of one kind at its time, and print a line for each."""
    connection = Connection(port)
    start = time.monotonic()
    for number in count(first, CONNECTIONS):
        due = start + number * interval
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        status = await connection.get(TARGETS[kind])
        if kind == "uncached":
            connection.close()
        sys.stdout.write(f"{kind} {due} {time.monotonic() - due} {status}\n")
        sys.stdout.flush()


async def main(port: int) -> None:
    """Send requests until standard input is closed."""
    intervals = {"fast": FAST_INTERVAL_SECONDS, "uncached": UNCACHED_INTERVAL_SECONDS}
    clients = [
        asyncio.create_task(send_steadily(port, kind, interval, first))
        for kind, interval in intervals.items()
        for first in range(CONNECTIONS)
    ]
    closed = asyncio.create_task(asyncio.to_thread(sys.stdin.buffer.read))
    done, _ = await asyncio.wait([*clients, closed], return_when=asyncio.FIRST_COMPLETED)
    for task in [*clients, closed]:
        task.cancel()
    for task in done - {closed}:
        task.result()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
