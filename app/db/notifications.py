"""What PostgreSQL tells about commits: the data versions, the jobs that moved, and that figures were left behind.

A writer notifies inside its transaction, so a notification arrives exactly when, and only if, the commit happened.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import asyncpg
import orjson
import structlog

log = structlog.get_logger()

CHANNEL = "dealmark"
# What followers of the change log follow; triggers notify it in the commit that logs something.
CHANGE_LOG = "change_log"
# What the sequencer of events follows; a trigger notifies it in the commit that leaves events.
OUTBOX = "outbox"
APPLICATION = "dealmark changes"
VERSIONS = "SELECT domain, version FROM data_version"
# From one try to connect to the next; after a connection that lasted longer, the first try is at once.
RETRY_SECONDS = 1.0
# A machine or a network that went away says nothing; so the connection is asked this often, and has as long to answer.
# It is asked for the versions: should a notification ever get lost, its news come so late, and not never.
PING_SECONDS = 5.0


class Changes:
    """One listening connection of a process. `connected` is False while it is lost; then nothing may be trusted."""

    def __init__(self, database_url: str) -> None:
        self.versions: dict[str, int] = {}
        self.connected = False
        # Counts news: whatever was concluded from the versions is void once this moved.
        self.epoch = 0
        self._lost_at = time.monotonic()
        self._dsn = database_url
        self._followers: dict[str, set[asyncio.Event]] = defaultdict(set)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begins to listen in the background; reconnects by itself."""
        self._task = asyncio.create_task(self._listen(), name="changes")

    async def stop(self) -> None:
        """Ends the listening."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def current(self) -> Mapping[str, int] | None:
        """The data versions; None while the connection that brings news is lost."""
        return self.versions if self.connected else None

    def seconds_lost(self) -> float:
        """For how long there has been no news; 0 while connected."""
        return 0.0 if self.connected else time.monotonic() - self._lost_at

    def told(self, versions: Mapping[str, int]) -> None:
        """Takes note of what this process itself has committed, before the notification arrives."""
        if self.connected:
            self._advance(versions)

    @asynccontextmanager
    async def follow(self, *topics: str) -> AsyncIterator[asyncio.Event]:
        """An event, set when one of the topics (a domain, "job:12", or as above) changed and when a lost connection is
        back."""
        event = asyncio.Event()
        for topic in topics:
            self._followers[topic].add(event)
        try:
            yield event
        finally:
            for topic in topics:
                self._followers[topic].discard(event)
                if not self._followers[topic]:
                    del self._followers[topic]

    async def _listen(self) -> None:
        while True:
            began = time.monotonic()
            try:
                await self._listen_once()
            except Exception as error:  # whatever it is, the next try may do better
                log.warning("changes.lost", error=str(error) or type(error).__name__)
            await asyncio.sleep(max(0.0, began + RETRY_SECONDS - time.monotonic()))

    async def _listen_once(self) -> None:
        settings = {"application_name": APPLICATION}
        connection = await asyncpg.connect(self._dsn, timeout=5, server_settings=settings)
        ended = asyncio.Event()

        def end(_connection: object) -> None:
            self._lose()  # at once: not one answer more is given on the strength of old news
            ended.set()

        connection.add_termination_listener(end)
        try:
            await connection.add_listener(CHANNEL, self._notified)
            # Listening first and reading second: a commit between the two is seen twice rather than never.
            self._advance(dict(await connection.fetch(VERSIONS, timeout=PING_SECONDS)))
            self.connected = True
            self.epoch += 1
            self._wake(list(self._followers))
            while True:
                with suppress(TimeoutError):
                    await asyncio.wait_for(ended.wait(), PING_SECONDS)
                    break
                self._wake(self._advance(dict(await connection.fetch(VERSIONS, timeout=PING_SECONDS))))
            raise ConnectionResetError("PostgreSQL ended the connection")
        finally:
            self._lose()
            connection.terminate()

    def _lose(self) -> None:
        if self.connected:
            self.connected = False
            self._lost_at = time.monotonic()
        self.epoch += 1

    def _notified(self, _connection: Any, _pid: int, _channel: str, payload: object) -> None:
        message: dict[str, Any] = orjson.loads(str(payload))
        self._advance(message.get("versions", {}))
        jobs = (f"job:{job}" for job in message.get("jobs", []))
        self._wake([*message.get("versions", {}), *jobs, *message.get("topics", [])])

    def _advance(self, versions: Mapping[str, int]) -> list[str]:
        """The domains of which this is news."""
        news = {domain: version for domain, version in versions.items() if version > self.versions.get(domain, 0)}
        if news:
            self.versions.update(news)
            self.epoch += 1
        return list(news)

    def _wake(self, topics: list[str]) -> None:
        for topic in topics:
            for event in self._followers.get(topic, ()):
                event.set()
