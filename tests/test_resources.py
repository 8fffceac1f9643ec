"""Resources: snapshots, transactions, and their effects after the commit."""

from __future__ import annotations

import asyncio
import textwrap
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import orjson
import psutil
import pytest
from mypy import api as mypy
from sqlalchemy import insert, text
from sqlalchemy.exc import DBAPIError

from app.core import broker
from app.db.notifications import CHANNEL
from app.db.tables import Domain, cpu
from app.devserver.embedded import EmbeddedRedis
from app.job_queue import sql
from app.resources import Resources, Session
from app.settings import Settings
from tests.support.catalog_rows import add_cpu
from tests.support.jobs import KIND, all_jobs
from tests.support.waiting import wait_until

NAMES = {"name": "AMD One", "slug": "amd-one", "manufacturer": "AMD"}


class Listener:
    """A separate connection that records notifications."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self.connection = connection
        self.payloads: list[str] = []

    def on_notification(self, _connection: object, _pid: int, _channel: str, payload: str) -> None:
        self.payloads.append(payload)

    async def messages(self) -> list[dict[str, Any]]:
        """Return and clear the notifications so far; PostgreSQL sends them in the order of commits."""
        await self.connection.execute("SELECT pg_notify($1, 'now')", CHANNEL)
        await wait_until(lambda: asyncio.sleep(0, "now" in self.payloads))
        received, self.payloads = self.payloads[: self.payloads.index("now")], []
        return [orjson.loads(payload) for payload in received]


@pytest.fixture
async def listener(database_url: str) -> AsyncIterator[Listener]:
    connection = await asyncpg.connect(database_url)
    listener = Listener(connection)
    await connection.add_listener(CHANNEL, listener.on_notification)
    yield listener
    await connection.remove_listener(CHANNEL, listener.on_notification)
    await connection.close()


# Notification of the trigger on `cpu`.
LOGGED = {"topics": ["change_log"]}


async def versions(resources: Resources) -> dict[str, int]:
    async with resources.read() as session:
        return {row.domain: row.version for row in await session.rows(text("SELECT * FROM data_version"))}


async def names(session: Session) -> list[str]:
    return [row.name for row in await session.rows(text("SELECT name FROM cpu ORDER BY id"))]


async def test_write_commits_rows_versions_and_notification_together(resources: Resources, listener: Listener) -> None:
    async with resources.write() as tx:
        await tx.execute(insert(cpu), NAMES)
        tx.bump_version(Domain.CATALOG, Domain.ANALYTICS)
        tx.bump_version(Domain.CATALOG)
        tx.job_changed(7)
        async with resources.read() as session:
            assert await names(session) == []
        assert await versions(resources) == {}
        assert await listener.messages() == []
    async with resources.read() as session:
        assert await names(session) == ["AMD One"]
    assert await versions(resources) == {"analytics": 1, "catalog": 1}
    notification = {"versions": {"analytics": 1, "catalog": 1}, "jobs": [7], "topics": []}
    assert await listener.messages() == [LOGGED, notification]


async def test_write_without_version_bump_sends_only_trigger_notifications(
    resources: Resources, listener: Listener
) -> None:
    async with resources.write() as tx:
        await tx.execute(insert(cpu), NAMES)
    assert await versions(resources) == {}
    assert await listener.messages() == [LOGGED]
    async with resources.write() as tx:
        await tx.execute(text("UPDATE cpu SET cores = 4"))
    assert await listener.messages() == []


async def fail(resources: Resources, error: BaseException | None) -> None:
    async with resources.write() as tx:
        await tx.execute(insert(cpu), NAMES)
        await sql.create(tx, KIND, {}, "tester")
        tx.bump_version(Domain.CATALOG)
        if error is None:
            tx.changed_domains.add("no such domain")  # type: ignore[arg-type]  # the last statement before the commit fails
        else:
            raise error


@pytest.mark.parametrize("error", [ZeroDivisionError(), asyncio.CancelledError(), None])
async def test_write_that_fails_leaves_no_rows_jobs_or_notifications(
    resources: Resources, listener: Listener, error: BaseException | None
) -> None:
    with pytest.raises(DBAPIError if error is None else type(error)):
        await fail(resources, error)
    async with resources.read() as session:
        assert await names(session) == []
    assert await all_jobs(resources) == []
    assert await versions(resources) == {}
    assert await listener.messages() == []
    assert await resources.broker.redis.keys() == []


async def test_write_enqueues_jobs_after_the_commit(resources: Resources) -> None:
    async with resources.write() as tx:
        job_id = await sql.create(tx, KIND, {}, "tester")
        assert await resources.broker.redis.keys() == []
    assert await resources.broker.redis.zrange("dealmark:queue", 0, -1) == [f"job:{job_id}".encode()]
    await resources.broker.redis.flushall()


async def test_write_does_not_wait_for_a_hanging_redis(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broker, "ENQUEUE_TIMEOUT_SECONDS", 0.1)
    redis = EmbeddedRedis(tmp_path)
    try:
        async with Resources.open(settings.model_copy(update={"redis_url": redis.start()}), listen=False) as resources:
            process = psutil.Process(int((redis.home / "redis.pid").read_text()))
            process.suspend()
            async with resources.write() as tx:
                job_id = await sql.create(tx, KIND, {}, "tester")
            assert [job.id for job in await all_jobs(resources)] == [job_id]
            assert await resources.broker.enqueue(KIND, 1) is False
            process.resume()
            assert await resources.broker.enqueue(KIND, 1) is True
    finally:
        redis.stop()


async def test_concurrent_writes_increment_versions_by_one_each(resources: Resources, listener: Listener) -> None:
    """Twenty concurrent transactions bump the same domains in opposite orders, without deadlocks or lost updates."""
    domains = list(Domain)

    async def write(number: int) -> None:
        async with resources.write() as tx:
            for domain in domains if number % 2 else reversed(domains):
                tx.bump_version(domain)
                await asyncio.sleep(0)

    await asyncio.wait_for(asyncio.gather(*(write(number) for number in range(20))), 60)
    assert await versions(resources) == dict.fromkeys(domains, 20)
    received = [message["versions"] for message in await listener.messages()]
    assert received == [dict.fromkeys(domains, number) for number in range(1, 21)]


async def test_reader_cannot_write(resources: Resources) -> None:
    async with resources.read() as session:
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError, match="read-only transaction"):
            await session.rows(text("DELETE FROM cpu"))
    async with resources.read() as session:
        assert await names(session) == []


async def test_reader_sees_one_snapshot(resources: Resources) -> None:
    async with resources.read() as session:
        assert await names(session) == []
        await add_cpu(resources, "AMD One")
        assert await names(session) == []
    async with resources.read() as session:
        assert await names(session) == ["AMD One"]


async def test_connection_can_write_after_it_was_read(settings: Settings) -> None:
    narrow = settings.model_copy(update={"database_pool_size": 1})
    async with Resources.open(narrow) as resources:
        for number in range(3):
            async with resources.read() as session:
                assert len(await names(session)) == number
            await add_cpu(resources, f"AMD {number}")


async def test_session_returns_rows_one_row_or_one_value(resources: Resources) -> None:
    async with resources.read() as session:
        assert [tuple(row) for row in await session.rows(text("SELECT generate_series(1, 2)"))] == [(1,), (2,)]
        assert await session.row(text("SELECT 1 WHERE false")) is None
        assert await session.scalar(text("SELECT :n"), {"n": "3"}) == "3"
        assert await session.scalar(text("SELECT 1 WHERE false")) is None


async def test_resources_open_and_close_without_servers(settings: Settings) -> None:
    unreachable = {"database_url": "postgresql://127.0.0.1:1/x", "redis_url": "redis://127.0.0.1:1/0"}
    async with Resources.open(settings.model_copy(update=unreachable)) as resources:
        assert not resources.notifications.connected
        assert await resources.broker.enqueue(KIND, 1) is False
        with pytest.raises(OSError, match="Connect"):
            await versions(resources)


def test_reader_in_place_of_a_transaction_is_a_type_error(tmp_path: Path) -> None:
    snippet = tmp_path / "snippet.py"
    snippet.write_text(
        textwrap.dedent("""
            from app.job_queue import sql
            from app.resources import Reader, Transaction

            async def fine(reader: Reader, tx: Transaction) -> None:
                await sql.jobs_by_id(reader, [1])
                await sql.jobs_by_id(tx, [1])
                await sql.mark_failed(tx, 1, "reason")

            async def wrong(reader: Reader) -> None:
                await sql.mark_failed(reader, 1, "reason")
        """)
    )
    output, _, code = mypy.run([str(snippet)])
    assert code == 1
    (line,) = [line for line in output.splitlines() if "error:" in line]
    assert (
        'snippet.py:11: error: Argument 1 to "mark_failed" has incompatible type "Reader"; expected "Transaction"'
        in line
    )
