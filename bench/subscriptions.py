"""Latency of readers while 200 subscribers receive price changes, and CPU time per delivered event.

The server runs on one core, readers and subscribers on another. All subscribers follow all price changes.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import shutil
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from statistics import quantiles
from urllib.parse import urlencode

import httpx
from sqlalchemy import text

from app.db.tables import JobKind
from app.documents.registry import builtin_documents
from app.engine.document import content_id
from app.events.outbox import sequence_outbox
from app.job_handlers import dispatch
from app.resources import Resources
from app.settings import Settings
from bench.database import ROOT, filled_database
from bench.serving import CORES, Server, running_server

LISTINGS = 20_000
SUBSCRIBERS = 200
CHANGES = 3_718
READERS = 4
READ_PAUSE_SECONDS = 0.005
QUIET_SECONDS = 5.0
# A fan-out that takes longer is measured up to here.
MAX_FAN_OUT_SECONDS = 30.0
TRANSPORTS = {"events": b"event: next", "websocket": b'"next"'}
REPRICE = text("UPDATE listing SET price = price * 1.5 WHERE id <= :changes")
END_CURSOR = "{ priceChanges(last: 1) { pageInfo { endCursor } } }"


def main() -> None:
    """Print latencies and CPU times. With `--quick`, use fewer subscribers and changes."""
    if shutil.which("taskset") is None or len(CORES) < 2:
        print("needs two cores and taskset (on Debian: apt-get install util-linux)")
        return
    subscribers, changes = (50, 500) if "--quick" in sys.argv else (SUBSCRIBERS, CHANGES)
    environment = {"DEALMARK_CLIENT_LIMITS": "off", "DEALMARK_DOCUMENTS": "open"}
    command = [sys.executable, "-m", "app.cli", "serve"]
    with filled_database(LISTINGS) as settings, running_server(command, settings, environment) as server:
        for transport in TRANSPORTS:
            asyncio.run(measure(settings, server, transport, subscribers, changes))


async def measure(settings: Settings, server: Server, transport: str, subscribers: int, changes: int) -> None:
    """Measure readers without and with a fan-out, then a fan-out without readers."""
    print(f"\n  {subscribers} subscribers, {changes:,} price changes, {transport}")
    async with Resources.open(settings, listen=False) as resources:
        await dispatch.run_in_foreground(resources, JobKind.RECALCULATE_METRICS, {})
        async with following(server, transport, subscribers):
            quiet = await measure_readers(server, asyncio.sleep(QUIET_SECONDS))
        async with following(server, transport, subscribers) as client:
            fan_out = await measure_readers(server, deliver(resources, client, subscribers, changes))
        for kind in quiet.seconds:
            before, during = quiet.percentiles(kind), fan_out.percentiles(kind)
            ratios = " and ".join(f"{now / then:.1f}" for then, now in zip(before, during, strict=True))
            print(
                f"    {kind} reads: p50 {before[0] * 1000:.1f} ms and p95 {before[1] * 1000:.1f} ms while quiet, "
                f"{during[0] * 1000:.1f} ms and {during[1] * 1000:.1f} ms during the fan-out: {ratios} times as long",
                flush=True,
            )
        async with following(server, transport, subscribers) as client:
            cpu_before, started_at = server.cpu_seconds, time.perf_counter()
            delivered = await deliver(resources, client, subscribers, changes)
            cpu_seconds, seconds = server.cpu_seconds - cpu_before, time.perf_counter() - started_at
        print(
            f"    {delivered:,} deliveries without readers: {cpu_seconds / delivered * 1e6:.1f} us CPU time each, "
            f"{seconds:.1f} s; peak memory of the server {server.peak_memory:.0f} MiB",
            flush=True,
        )


@asynccontextmanager
async def following(server: Server, transport: str, subscribers: int) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a process with subscribers that have received everything so far. It prints how many events they receive."""
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}", timeout=60) as http:
        page = (await http.post("/graphql", json={"query": END_CURSOR})).json()["data"]["priceChanges"]["pageInfo"]
    command = ["taskset", "-c", str(CORES[1]), sys.executable, "-m", "bench.subscriptions"]
    arguments = [str(server.port), transport, str(subscribers), page["endCursor"] or ""]
    client = await asyncio.create_subprocess_exec(*command, *arguments, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    assert client.stdout is not None
    try:
        await client.stdout.readline()
        yield client
    finally:
        client.terminate()
        await client.wait()
        server.settle()


async def deliver(resources: Resources, client: asyncio.subprocess.Process, subscribers: int, changes: int) -> int:
    """Change prices and wait until all subscribers have received them. Return the number of deliveries."""
    async with resources.write() as tx:
        await tx.execute(REPRICE, {"changes": changes})
    while await sequence_outbox(resources) is not False:
        pass
    deadline, delivered = time.perf_counter() + MAX_FAN_OUT_SECONDS, 0
    assert client.stdout is not None
    while delivered < subscribers * changes and time.perf_counter() < deadline:
        delivered = int(await client.stdout.readline())
    return delivered


@dataclass
class ReaderLatencies:
    """Latencies of reads, in seconds, by kind."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: {"cached": [], "executed": []})

    def percentiles(self, kind: str) -> tuple[float, float]:
        """Return p50 and p95."""
        points = quantiles(self.seconds[kind], n=20)
        return points[9], points[18]


async def measure_readers(server: Server, work: object) -> ReaderLatencies:
    """Read as fast as a few clients do, until the work is done."""
    latencies = ReaderLatencies()
    readers = [asyncio.create_task(read(server, latencies)) for _ in range(READERS)]
    await work  # type: ignore[misc]
    for reader in readers:
        reader.cancel()
    await asyncio.wait(readers)
    return latencies


async def read(server: Server, latencies: ReaderLatencies) -> None:
    """Alternate between a cached list and a list that is executed each time."""
    path = f"/graphql/{content_id(builtin_documents()['CpuList'])}"
    cached = f"GET {path}?{urlencode({'variables': json.dumps({'first': 20})})} HTTP/1.1\r\nHost: bench\r\n\r\n"
    body = json.dumps({"variables": {"first": 20}, "extensions": {"cost": True}})
    executed = (
        f"POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        f"{body}"
    )
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        while True:
            for kind, request in (("cached", cached), ("executed", executed)):
                started_at = time.perf_counter()
                writer.write(request.encode())
                head = await reader.readuntil(b"\r\n\r\n")
                assert head.startswith(b"HTTP/1.1 200"), head
                length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
                await reader.readexactly(int(length.partition(b":")[2]))
                latencies.seconds[kind].append(time.perf_counter() - started_at)
                await asyncio.sleep(READ_PAUSE_SECONDS)
    finally:
        writer.close()


class Subscriber(asyncio.Protocol):
    """Counts the events of one subscription, without parsing them. `started` is set when the first bytes arrive."""

    total = 0

    def __init__(self, request: bytes, messages: bytes, pattern: bytes) -> None:
        self.request, self.messages, self.pattern = request, messages, pattern
        self.rest = b""
        self.started = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the subscription."""
        self.transport = transport
        transport.write(self.request)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        """Count events; one may begin in the data received before."""
        if self.messages:
            self.transport.write(self.messages)  # type: ignore[attr-defined]
            self.messages = b""
        self.started.set()
        data = self.rest + data
        Subscriber.total += data.count(self.pattern)
        self.rest = data[-len(self.pattern) + 1 :]


def frame(message: object) -> bytes:
    """Return a WebSocket text frame, masked with zeros."""
    payload = json.dumps(message).encode()
    return b"\x81\xfe" + len(payload).to_bytes(2, "big") + bytes(4) + payload


async def follow(port: int, transport: str, subscribers: int, since: str) -> None:
    """Run the subscribers, print a line when all have started, then the number of events received so far."""
    document = {"documentId": content_id(builtin_documents()["PriceChanged"]), "variables": {"since": since}}
    if transport == "events":
        body = json.dumps(document)
        request = (
            "POST /graphql HTTP/1.1\r\nHost: bench\r\nAccept: text/event-stream\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}"
        ).encode()
        messages = b""
    else:
        key = base64.b64encode(os.urandom(16)).decode()
        request = (
            "GET /graphql HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n"
        ).encode()
        subscribe = {"type": "subscribe", "id": "1", "payload": {**document, "extensions": {"padding": "x" * 126}}}
        messages = frame({"type": "connection_init", "payload": {"padding": "x" * 126}}) + frame(subscribe)
    loop = asyncio.get_running_loop()
    for _ in range(subscribers):
        _, subscriber = await loop.create_connection(
            lambda: Subscriber(request, messages, TRANSPORTS[transport]), "127.0.0.1", port
        )
        await subscriber.started.wait()
    await asyncio.sleep(1)
    print("started", flush=True)
    while True:
        await asyncio.sleep(0.1)
        print(Subscriber.total, flush=True)


if __name__ == "__main__":
    asyncio.run(follow(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]))
