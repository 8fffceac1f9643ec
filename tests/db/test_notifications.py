"""News of commits: who follows is woken, and a lost connection is noticed and made up for."""

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
async def changes(resources: Resources) -> NotificationListener:
    """Those of the resources, listening."""
    await connected(resources.notifications)
    return resources.notifications


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """While it is not set, nobody connects again."""
    return gate_reconnects(monkeypatch)


@pytest.fixture
async def other(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection of the test's own."""
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


async def connected(changes: NotificationListener, now: bool = True) -> None:
    await wait_until(lambda: asyncio.sleep(0, changes.connected is now))


async def touch(resources: Resources, *domains: Domain, job: int | None = None) -> None:
    async with resources.write() as tx:
        tx.bump_version(*domains)
        if job is not None:
            tx.job_changed(job)


async def test_a_commit_is_known_to_all_that_listen(resources: Resources, changes: NotificationListener) -> None:
    assert changes.versions == {}
    await touch(resources, Domain.MARKET, Domain.CATALOG)
    await touch(resources, Domain.MARKET)
    await wait_until(lambda: asyncio.sleep(0, changes.versions == {"market": 2, "catalog": 1}))


async def test_what_was_committed_before_is_known_at_the_start(resources: Resources, database_url: str) -> None:
    await touch(resources, Domain.MARKET)
    later = NotificationListener(database_url)
    await later.start()
    await connected(later)
    assert later.versions == {"market": 1}
    await later.stop()
    assert not later.connected


async def test_who_follows_is_woken_by_that_alone(resources: Resources, changes: NotificationListener) -> None:
    async with (
        changes.subscribe("job:12") as job,
        changes.subscribe("market") as market,
        changes.subscribe("job:1") as other,
    ):
        await touch(resources, Domain.WORK, job=12)
        await asyncio.wait_for(job.wait(), 30)
        assert not market.is_set()
        await touch(resources, Domain.MARKET)
        await asyncio.wait_for(market.wait(), 30)
        assert not other.is_set()


async def test_many_may_follow_one_and_leave(resources: Resources, changes: NotificationListener) -> None:
    async with changes.subscribe("market") as one:
        async with changes.subscribe("market") as two:
            assert one is not two
        await touch(resources, Domain.MARKET)
        await asyncio.wait_for(one.wait(), 30)
        assert not two.is_set()
    assert changes._subscribers == {}


async def test_a_cut_connection_is_noticed_and_made_up_for(
    gate: asyncio.Event, resources: Resources, changes: NotificationListener, other: asyncpg.Connection
) -> None:
    await touch(resources, Domain.MARKET)
    await wait_until(lambda: asyncio.sleep(0, changes.versions == {"market": 1}))
    async with changes.subscribe("job:12") as followed:
        with capture_logs() as logged:
            gate.clear()
            await terminate_listener(other)
            await connected(changes, now=False)
            await touch(resources, Domain.MARKET, Domain.ANALYTICS, job=12)
            assert not followed.is_set()
            assert changes.versions == {"market": 1}
            assert changes.current_versions() is None
            gate.set()
            await connected(changes)
        assert changes.versions == {"market": 2, "analytics": 1}
        assert followed.is_set()
    assert lost(logged) == 1
    await touch(resources, Domain.ANALYTICS)
    await wait_until(lambda: asyncio.sleep(0, changes.versions["analytics"] == 2))


async def test_a_connection_that_has_gone_silent_is_given_up(
    resources: Resources, database_url: str, other: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the machine or the network is gone: nothing arrives any more, not even the end of the connection."""
    monkeypatch.setattr(module, "PING_INTERVAL_SECONDS", 0.2)
    changes = NotificationListener(database_url)
    await resources.notifications.stop()
    await changes.start()
    await connected(changes)
    (listener,) = await other.fetch(LISTENING_BACKENDS)
    os.kill(listener["pid"], signal.SIGSTOP)
    try:
        with capture_logs() as logged:
            await connected(changes, now=False)
            assert lost(logged) == 1
            await touch(resources, Domain.MARKET)
            await connected(changes)
        assert changes.versions == {"market": 1}
    finally:
        os.kill(listener["pid"], signal.SIGCONT)
        await changes.stop()


async def test_after_a_connection_that_lasted_the_first_try_is_at_once(
    changes: NotificationListener, other: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = 1000.0  # so the first connection seems to have lasted for longer than the interval
    monkeypatch.setattr(module, "RECONNECT_INTERVAL_SECONDS", 500.0)
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: time.monotonic() + moved))
    for connects in (True, False):
        epoch = changes.epoch
        await terminate_listener(other)
        await wait_until(lambda: asyncio.sleep(0, changes.epoch > epoch))  # noqa: B023, waited for here
        if connects:
            await connected(changes)
    await asyncio.sleep(0.3)
    assert not changes.connected, "this one had just been made"


async def test_what_this_process_committed_is_known_before_the_notification(
    resources: Resources, changes: NotificationListener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "_on_notification", lambda *_: None)
    before = changes.epoch
    await touch(resources, Domain.MARKET)
    assert changes.current_versions() == {"market": 1}
    assert changes.epoch == before + 1
    changes.apply_local_commit({"market": 1})
    assert changes.epoch == before + 1, "no news"


async def test_a_notification_that_was_lost_is_made_up_for(
    resources: Resources, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As behind a pooler that gives each statement another connection."""
    monkeypatch.setattr(module, "PING_INTERVAL_SECONDS", 0.05)
    monkeypatch.setattr(NotificationListener, "_on_notification", lambda *_: None)
    changes = NotificationListener(database_url)
    await changes.start()
    await connected(changes)
    async with changes.subscribe("market") as followed:
        await touch(resources, Domain.MARKET)
        await asyncio.wait_for(followed.wait(), 30)
        assert changes.versions == {"market": 1}
    await changes.stop()


async def test_a_database_that_is_away_at_the_start_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RECONNECT_INTERVAL_SECONDS", 0.01)
    changes = NotificationListener("postgresql://127.0.0.1:1/x")
    with capture_logs() as logged:
        await changes.start()
        await wait_until(lambda: asyncio.sleep(0, lost(logged) > 2))
        assert not changes.connected
        await changes.stop()


async def test_stop_without_a_start_does_nothing() -> None:
    await NotificationListener("postgresql://127.0.0.1:1/x").stop()


def lost(logged: list[EventDict]) -> int:
    return len([event for event in logged if event["event"] == "notifications.connection_lost"])
