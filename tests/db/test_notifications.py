"""NotificationListener: subscribers are notified of commits, and a lost connection is detected and restored."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from types import SimpleNamespace

import asyncpg
import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict

from app.db import notifications as module
from app.db.notifications import NotificationListener
from app.db.tables import Domain
from app.resources import Resources
from tests.support.notifications import LISTENING_BACKENDS, gate_reconnects, terminate_listener
from tests.support.waiting import wait_until


@pytest.fixture
async def listener(resources: Resources) -> NotificationListener:
    """The connected listener of the resources."""
    await wait_until_connected(resources.notifications)
    return resources.notifications


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Event that must be set for a listener to reconnect."""
    return gate_reconnects(monkeypatch)


@pytest.fixture
async def other(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A separate connection of the test."""
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


async def wait_until_connected(listener: NotificationListener, expected: bool = True) -> None:
    await wait_until(lambda: asyncio.sleep(0, listener.connected is expected))


async def bump(resources: Resources, *domains: Domain, job: int | None = None) -> None:
    async with resources.write() as tx:
        tx.bump_version(*domains)
        if job is not None:
            tx.job_changed(job)


async def test_listener_receives_versions_of_commits(resources: Resources, listener: NotificationListener) -> None:
    assert listener.versions == {}
    await bump(resources, Domain.MARKET, Domain.CATALOG)
    await bump(resources, Domain.MARKET)
    await wait_until(lambda: asyncio.sleep(0, listener.versions == {"market": 2, "catalog": 1}))


async def test_listener_reads_earlier_versions_at_start(resources: Resources, database_url: str) -> None:
    await bump(resources, Domain.MARKET)
    second = NotificationListener(database_url)
    await second.start()
    await wait_until_connected(second)
    assert second.versions == {"market": 1}
    await second.stop()
    assert not second.connected


async def test_subscriber_is_notified_of_its_topic_only(resources: Resources, listener: NotificationListener) -> None:
    async with (
        listener.subscribe("job:12") as job,
        listener.subscribe("market") as market,
        listener.subscribe("job:1") as other,
    ):
        await bump(resources, Domain.WORK, job=12)
        await asyncio.wait_for(job.wait(), 30)
        assert not market.is_set()
        await bump(resources, Domain.MARKET)
        await asyncio.wait_for(market.wait(), 30)
        assert not other.is_set()


async def test_subscribers_of_one_topic_are_independent(resources: Resources, listener: NotificationListener) -> None:
    async with listener.subscribe("market") as one:
        async with listener.subscribe("market") as two:
            assert one is not two
        await bump(resources, Domain.MARKET)
        await asyncio.wait_for(one.wait(), 30)
        assert not two.is_set()
    assert listener._subscribers == {}


async def test_lost_connection_is_detected_and_restored(
    gate: asyncio.Event, resources: Resources, listener: NotificationListener, other: asyncpg.Connection
) -> None:
    await bump(resources, Domain.MARKET)
    await wait_until(lambda: asyncio.sleep(0, listener.versions == {"market": 1}))
    async with listener.subscribe("job:12") as subscription:
        with capture_logs() as log_entries:
            gate.clear()
            await terminate_listener(other)
            await wait_until_connected(listener, expected=False)
            await bump(resources, Domain.MARKET, Domain.ANALYTICS, job=12)
            assert not subscription.is_set()
            assert listener.versions == {"market": 1}
            assert listener.current_versions() is None
            gate.set()
            await wait_until_connected(listener)
        assert listener.versions == {"market": 2, "analytics": 1}
        assert subscription.is_set()
    assert count_lost_connections(log_entries) == 1
    await bump(resources, Domain.ANALYTICS)
    await wait_until(lambda: asyncio.sleep(0, listener.versions["analytics"] == 2))


async def test_silent_connection_is_replaced(
    resources: Resources, database_url: str, other: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a failure of the host or network: nothing arrives any more, not even the end of the connection."""
    monkeypatch.setattr(module, "PING_INTERVAL_SECONDS", 0.2)
    listener = NotificationListener(database_url)
    await resources.notifications.stop()
    await listener.start()
    await wait_until_connected(listener)
    (backend,) = await other.fetch(LISTENING_BACKENDS)
    os.kill(backend["pid"], signal.SIGSTOP)
    try:
        with capture_logs() as log_entries:
            await wait_until_connected(listener, expected=False)
            assert count_lost_connections(log_entries) == 1
            await bump(resources, Domain.MARKET)
            await wait_until_connected(listener)
        assert listener.versions == {"market": 1}
    finally:
        os.kill(backend["pid"], signal.SIGCONT)
        await listener.stop()


async def test_long_lived_connection_is_replaced_immediately(
    listener: NotificationListener, other: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = 1000.0  # so the first connection seems to have lasted for longer than the interval
    monkeypatch.setattr(module, "RECONNECT_INTERVAL_SECONDS", 500.0)
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: time.monotonic() + moved))
    for connects in (True, False):
        epoch = listener.epoch
        await terminate_listener(other)
        await wait_until(lambda: asyncio.sleep(0, listener.epoch > epoch))  # noqa: B023, waited for here
        if connects:
            await wait_until_connected(listener)
    await asyncio.sleep(0.3)
    assert not listener.connected, "the new connection was short-lived"


async def test_local_commit_is_applied_before_its_notification(
    resources: Resources, listener: NotificationListener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "_on_notification", lambda *_: None)
    before = listener.epoch
    await bump(resources, Domain.MARKET)
    assert listener.current_versions() == {"market": 1}
    assert listener.epoch == before + 1
    listener.apply_versions({"market": 1})
    assert listener.epoch == before + 1, "already known"


async def test_lost_notification_is_recovered_by_the_ping(
    resources: Resources, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As behind a connection pooler, which does not support LISTEN."""
    monkeypatch.setattr(module, "PING_INTERVAL_SECONDS", 0.05)
    monkeypatch.setattr(NotificationListener, "_on_notification", lambda *_: None)
    listener = NotificationListener(database_url)
    await listener.start()
    await wait_until_connected(listener)
    async with listener.subscribe("market") as subscription:
        await bump(resources, Domain.MARKET)
        await asyncio.wait_for(subscription.wait(), 30)
        assert listener.versions == {"market": 1}
    await listener.stop()


async def test_listener_retries_until_the_database_is_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RECONNECT_INTERVAL_SECONDS", 0.01)
    listener = NotificationListener("postgresql://127.0.0.1:1/x")
    with capture_logs() as log_entries:
        await listener.start()
        await wait_until(lambda: asyncio.sleep(0, count_lost_connections(log_entries) > 2))
        assert not listener.connected
        await listener.stop()


async def test_stop_without_start_does_nothing() -> None:
    await NotificationListener("postgresql://127.0.0.1:1/x").stop()


def count_lost_connections(log_entries: list[EventDict]) -> int:
    return len([event for event in log_entries if event["event"] == "notifications.connection_lost"])
