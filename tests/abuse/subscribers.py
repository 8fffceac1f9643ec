"""Subscribers of price changes, and the price changes."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import orjson
import websockets
from sqlalchemy import text

from app.resources import Resources
from app.settings import Settings
from tests.abuse.attackers import Streams, attacker_address, connect, get_request, open_websocket, subscribe_message
from tests.abuse.harness import ServerProcess, Target
from tests.support.price_changes import sequence_all_events
from tests.support.waiting import wait_until

SUBSCRIPTION = get_request("/graphql/PriceChanged", "accept: text/event-stream")
EVENT = b"event: next"
# The server shares at most 8 MiB of results among subscribers, each of them counted with 1,500 bytes and its body.
SHARED_RESULTS = 6_000
# Prices move up and down by more than the smallest change that is an event.
REPRICE = text(
    """
    UPDATE listing SET price = price * factor, adjusted_price = adjusted_price * factor
    FROM (SELECT CASE WHEN CAST(:up AS boolean) THEN 2 ELSE 0.5 END AS factor) AS change
    WHERE id = ANY (CAST(:ids AS bigint[]))
    """
)
SELECT_LISTINGS = text(
    "SELECT id FROM listing WHERE status = 'active' AND cpu_id IS NOT NULL AND currency = 'USD' ORDER BY id LIMIT :n"
)


class PriceChanger:
    """Changes prices as an import does, so that subscribers receive events."""

    def __init__(self, resources: Resources, listings: Sequence[int]) -> None:
        self._resources, self._listings = resources, listings
        self._ups = 0
        self.changes = 0

    @property
    def listings(self) -> int:
        """Number of prices that each call of `change_prices` changes."""
        return len(self._listings)

    async def change_prices(self) -> None:
        """Change the price of each listing in one commit, and publish the events."""
        self._ups += 1
        async with self._resources.write() as tx:
            await tx.execute(REPRICE, {"ids": list(self._listings), "up": self._ups % 2 == 1})
        await sequence_all_events(self._resources)
        self.changes += len(self._listings)


@asynccontextmanager
async def price_changer(settings: Settings, listings: int) -> AsyncIterator[PriceChanger]:
    """Open a connection to the database for changing the prices of this number of listings."""
    async with Resources.open(settings, listen=False) as resources:
        async with resources.read() as session:
            ids = [row.id for row in await session.rows(SELECT_LISTINGS, {"n": listings})]
        assert len(ids) == listings
        yield PriceChanger(resources, ids)


class Subscriber:
    """A subscriber that counts its events."""

    def __init__(self) -> None:
        self.events = 0
        self.task: asyncio.Task[None] | None = None
        self.status = "closed"

    async def read_sse(self, streams: Streams) -> None:
        """Read server-sent events until the stream ends."""
        reader, tail = streams[0], b""
        with suppress(OSError):
            self.status = (await reader.readline()).split()[1].decode()
            while data := await reader.read(2**20):
                # The name of an event may be cut in two by the end of a chunk.
                self.events += (tail + data).count(EVENT) - tail.count(EVENT)
                tail = data[-len(EVENT) :]

    async def read_websocket(self, connection: websockets.ClientConnection) -> None:
        """Read messages until the connection is closed."""
        with suppress(websockets.ConnectionClosed):
            async for message in connection:
                self.events += orjson.loads(message)["type"] == "next"


@asynccontextmanager
async def sse_subscribers(target: Target, number: int) -> AsyncIterator[list[Subscriber]]:
    """Subscribe over server-sent events, 50 times per address, and wait until all are subscribed."""
    subscribers, writers, tasks = [Subscriber() for _ in range(number)], [], []
    try:
        for position, subscriber in enumerate(subscribers):
            streams = await connect(target, attacker_address(position // 50))
            streams[1].write(SUBSCRIPTION)
            writers.append(streams[1])
            tasks.append(asyncio.create_task(subscriber.read_sse(streams)))
        yield subscribers
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for writer in writers:
            writer.close()


@asynccontextmanager
async def websocket_subscribers(target: Target, number: int) -> AsyncIterator[list[Subscriber]]:
    """Subscribe over WebSocket, once per connection."""
    subscribers: list[Subscriber] = []
    connections, tasks = [], []
    try:
        for position in range(number):
            connection = open_websocket(target, attacker_address(100 + position // 50))
            opened = await connection.__aenter__()
            connections.append(connection)
            await opened.send(subscribe_message("changes", documentId="PriceChanged"))
            subscribers.append(Subscriber())
            tasks.append(asyncio.create_task(subscribers[-1].read_websocket(opened)))
        yield subscribers
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for connection in connections:
            await connection.__aexit__(None, None, None)


async def wait_for_first_event(changer: PriceChanger, subscribers: Sequence[Subscriber]) -> None:
    """Change prices until every subscriber has received an event; only then has its subscription begun."""

    async def all_received() -> bool:
        await changer.change_prices()
        return all(subscriber.events for subscriber in subscribers)

    await wait_until(all_received)


async def fill_shared_results(changer: PriceChanger, subscribers: Sequence[Subscriber]) -> None:
    """Change more prices than the server keeps results of, so that later events only replace earlier ones."""
    await wait_for_first_event(changer, subscribers)
    while changer.changes < SHARED_RESULTS:
        await receive_changes(changer, subscribers)


async def receive_changes(changer: PriceChanger, subscribers: Sequence[Subscriber]) -> None:
    """Change the prices once, and wait until every subscriber has received the events."""
    expected = {subscriber: subscriber.events + changer.listings for subscriber in subscribers}
    await changer.change_prices()

    async def all_received() -> bool:
        return all(subscriber.events >= number for subscriber, number in expected.items())

    await wait_until(all_received, 600)


async def wait_for_events(subscribers: Sequence[Subscriber], number: int, seconds: float = 600) -> None:
    """Wait until every subscriber has received this number of events."""

    async def all_received() -> bool:
        return all(subscriber.events >= number for subscriber in subscribers)

    await wait_until(all_received, seconds)


async def count_objects(server: ServerProcess, file: Path) -> int:
    """Return the number of objects of a server that `tests/abuse/counted_server.py` runs."""
    await asyncio.to_thread(file.unlink, missing_ok=True)
    server.process.send_signal(signal.SIGUSR1)

    async def number() -> str | None:
        return await asyncio.to_thread(file.read_text) if await asyncio.to_thread(file.exists) else None

    return int(await wait_until(number))
