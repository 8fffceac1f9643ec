"""PostgreSQL notifications about commits: new data versions, changed jobs, and work for the daemons.

A writer notifies inside its transaction, so a notification arrives if and only if the transaction commits.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import asyncpg
import orjson
import structlog

from app.core.waiting import wait_for_event

log = structlog.get_logger()

CHANNEL = "dealmark"
# Topic of rows added to `data_change_log`; triggers notify it.
CHANGE_LOG_TOPIC = "change_log"
# Topic of events added to `outbox`; a trigger notifies it.
OUTBOX_TOPIC = "outbox"
APPLICATION_NAME = "dealmark notifications"
SELECT_VERSIONS = "SELECT domain, version FROM data_version"
# Measured from the start of one connection attempt to the next, so a long-lived connection is replaced immediately.
RECONNECT_INTERVAL_SECONDS = 1.0
# Interval and timeout of a query that detects a dead host or network. It reads the data versions, so that a lost
# notification is noticed, too.
PING_INTERVAL_SECONDS = 5.0
# Number of subscribers that go on in one iteration of the event loop.
WAKEUPS_PER_ITERATION = 10


class NotificationListener:
    """The listening connection of a process.

    While the connection is lost, `connected` is False and `versions` may be outdated. `epoch` is incremented each time
    that the versions change or the connection is lost or restored; a conclusion drawn from the versions is valid only
    as long as the epoch stays the same.
    """

    def __init__(self, database_url: str) -> None:
        self.versions: dict[str, int] = {}
        self.connected = False
        self.epoch = 0
        self._disconnected_at = time.monotonic()
        self._logged_reason: str | None = None
        self._dsn = database_url
        self._subscribers: dict[str, set[asyncio.Event]] = defaultdict(set)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start listening in a background task, which reconnects after errors."""
        self._task = asyncio.create_task(self._listen(), name="notifications")

    async def stop(self) -> None:
        """Stop listening."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def current_versions(self) -> Mapping[str, int] | None:
        """Return the data versions, or None while the connection is lost."""
        return self.versions if self.connected else None

    def seconds_disconnected(self) -> float:
        """Return how long the connection has been lost; 0 while connected."""
        return 0.0 if self.connected else time.monotonic() - self._disconnected_at

    def apply_versions(self, versions: Mapping[str, int]) -> None:
        """Apply versions that this process has committed or read itself, before their notification arrives.

        From then on it must not respond with data from before them.
        """
        if self.connected:
            self._notify_subscribers(self._adopt(versions))

    @asynccontextmanager
    async def subscribe(self, *topics: str) -> AsyncIterator[asyncio.Event]:
        """Yield an event that is set when one of the topics changes, and when a lost connection is restored.

        A topic is a data domain, a job ("job:12"), or one of the constants of this module.
        """
        event = asyncio.Event()
        for topic in topics:
            self._subscribers[topic].add(event)
        try:
            yield event
        finally:
            for topic in topics:
                self._subscribers[topic].discard(event)
                if not self._subscribers[topic]:
                    del self._subscribers[topic]

    async def _listen(self) -> None:
        while True:
            started_at = time.monotonic()
            try:
                await self._listen_once()
            except Exception as error:  # any error: the next attempt may succeed
                reason = str(error) or type(error).__name__
                is_unmigrated = isinstance(error, asyncpg.UndefinedTableError)
                if not is_unmigrated or reason != self._logged_reason:  # once, as it lasts until someone migrates
                    log.warning("notifications.connection_lost", error=reason)
                self._logged_reason = reason
            await asyncio.sleep(max(0.0, started_at + RECONNECT_INTERVAL_SECONDS - time.monotonic()))

    async def _listen_once(self) -> None:
        settings = {"application_name": APPLICATION_NAME}
        connection = await asyncpg.connect(self._dsn, timeout=5, server_settings=settings)
        terminated = asyncio.Event()

        def on_termination(_connection: object) -> None:
            # Not left to the `finally` below: no response may rely on outdated versions until that runs.
            self._mark_disconnected()
            terminated.set()

        connection.add_termination_listener(on_termination)
        try:
            await connection.add_listener(CHANNEL, self._on_notification)
            # Read the versions after LISTEN: a commit in between is seen twice instead of never.
            self._adopt(dict(await connection.fetch(SELECT_VERSIONS, timeout=PING_INTERVAL_SECONDS)))
            self.connected, self._logged_reason = True, None
            self.epoch += 1
            self._notify_subscribers(list(self._subscribers))
            while True:
                if await wait_for_event(terminated, PING_INTERVAL_SECONDS):
                    break
                versions = dict(await connection.fetch(SELECT_VERSIONS, timeout=PING_INTERVAL_SECONDS))
                self._notify_subscribers(self._adopt(versions))
            raise ConnectionResetError("PostgreSQL ended the connection")
        finally:
            self._mark_disconnected()
            connection.terminate()

    def _mark_disconnected(self) -> None:
        if self.connected:
            self.connected = False
            self._disconnected_at = time.monotonic()
        self.epoch += 1

    def _on_notification(self, _connection: Any, _pid: int, _channel: str, payload: object) -> None:
        message: dict[str, Any] = orjson.loads(str(payload))
        newer = self._adopt(message.get("versions", {}))
        jobs = (f"job:{job}" for job in message.get("jobs", []))
        self._notify_subscribers([*newer, *jobs, *message.get("topics", [])])

    def _adopt(self, versions: Mapping[str, int]) -> list[str]:
        """Adopt versions that are higher than the known ones. Return their data domains."""
        newer = {domain: version for domain, version in versions.items() if version > self.versions.get(domain, 0)}
        if newer:
            self.versions.update(newer)
            self.epoch += 1
        return list(newer)

    def _notify_subscribers(self, topics: list[str]) -> None:
        _set_events(deque(event for topic in topics for event in self._subscribers.get(topic, ())))


def _set_events(events: deque[asyncio.Event]) -> None:
    """Set the events, a few in each iteration of the event loop: thousands of subscribers may wait for them."""
    for _ in range(min(WAKEUPS_PER_ITERATION, len(events))):
        events.popleft().set()
    if events:
        asyncio.get_running_loop().call_soon(_set_events, events)
