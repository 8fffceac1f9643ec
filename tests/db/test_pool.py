"""ReadPool, its readers, and compiled statements."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest
from sqlalchemy import ARRAY, Integer, any_, bindparam, select, text

from app.core.errors import Unavailable
from app.db import pool as read_pool
from app.db.errors import is_unavailable
from app.db.pool import ReadPool
from app.db.session import Reader
from app.db.statements import EmbeddedRow, Row, compile_statement
from app.db.tables import cpu
from app.resources import Resources
from tests.support.catalog_rows import add_cpu
from tests.support.pool import SELECT_BACKEND_PID, SELECT_SLEEP, backend_pid, fetch_value
from tests.support.waiting import wait_until


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[ReadPool]:
    pool = ReadPool(lambda: asyncpg.connect(database_url), 2)
    yield pool
    await pool.close()


def test_compile_statement_is_cached_and_binds_values_separately() -> None:
    statement = select(cpu.c.id).where(cpu.c.cores == any_(bindparam("cores", type_=ARRAY(Integer))), cpu.c.tdp_w > 5)
    compiled = compile_statement(statement)
    assert compile_statement(statement) is compiled
    assert sorted(map(str, compiled.arguments({"cores": [4]}))) == ["5", "[4]"]
    with pytest.raises(KeyError):
        compiled.arguments({})


async def test_rows_are_read_by_name_and_by_position(resources: Resources) -> None:
    await add_cpu(resources, "AMD One", cores=4)
    async with resources.read() as session:
        (row,) = await session.rows(select(cpu.c.name, cpu.c.cores))
        with pytest.raises(AssertionError, match="more than one row"):
            await session.row(text("SELECT generate_series(1, 2)"))
    assert isinstance(row, Row)
    assert (row["name"], row.name, row[1], tuple(row)) == ("AMD One", "AMD One", 4, ("AMD One", 4))
    assert not hasattr(row, "socket")


async def test_pool_reuses_the_most_recently_used_connection(pool: ReadPool) -> None:
    first = await backend_pid(pool)
    assert [await backend_pid(pool) for _ in range(3)] == [first] * 3
    assert pool.in_use == 0


async def test_pool_acquire_waits_for_a_connection_up_to_the_timeout(
    pool: ReadPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_pool, "ACQUIRE_TIMEOUT_SECONDS", 0.1)
    readers = [Reader(pool), Reader(pool)]
    for reader in readers:
        await reader.scalar(SELECT_BACKEND_PID)
    with pytest.raises(Unavailable, match="in use"):
        await backend_pid(pool)
    monkeypatch.setattr(read_pool, "ACQUIRE_TIMEOUT_SECONDS", 60)
    waiting = asyncio.create_task(backend_pid(pool))
    await asyncio.sleep(0.01)
    for reader in readers:
        await reader.close()
    assert await waiting > 0
    assert pool.in_use == 0


async def test_reader_replaces_a_dead_idle_connection(pool: ReadPool, database_url: str) -> None:
    pids = await asyncio.gather(backend_pid(pool), backend_pid(pool))
    for pid in set(pids):
        await fetch_value(database_url, "SELECT pg_terminate_backend($1)", pid)
    assert await backend_pid(pool) not in pids


async def test_reader_raises_if_its_connection_dies_during_the_snapshot(pool: ReadPool, database_url: str) -> None:
    """Its snapshot is lost, so another connection cannot replace it."""
    reader = Reader(pool)
    pid = await reader.scalar(SELECT_BACKEND_PID)
    await fetch_value(database_url, "SELECT pg_terminate_backend($1)", pid)
    with pytest.raises(read_pool.CONNECTION_ERRORS) as caught:
        await wait_until(lambda: reader.scalar(text("SELECT NULL")))
    assert is_unavailable(caught.value)
    await reader.close()
    assert pool.in_use == 0
    assert await backend_pid(pool) != pid


async def test_pool_replaces_an_old_connection(pool: ReadPool, monkeypatch: pytest.MonkeyPatch) -> None:
    first = await backend_pid(pool)
    monkeypatch.setattr(read_pool, "MAX_CONNECTION_AGE_SECONDS", 0.0)
    assert await backend_pid(pool) != first


async def test_cancelled_reader_ends_its_statement_and_keeps_the_connection(pool: ReadPool, database_url: str) -> None:
    reader = Reader(pool)
    pid = await reader.scalar(SELECT_BACKEND_PID)
    sleeping = asyncio.create_task(reader.rows(SELECT_SLEEP))
    await asyncio.sleep(0.05)
    sleeping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sleeping
    await reader.close()
    assert await backend_pid(pool) == pid
    assert await fetch_value(database_url, "SELECT state FROM pg_stat_activity WHERE pid = $1", pid) == "idle"


async def test_connection_is_reused_after_an_error_of_a_statement(pool: ReadPool) -> None:
    reader = Reader(pool)
    pid = await reader.scalar(SELECT_BACKEND_PID)
    with pytest.raises(asyncpg.DivisionByZeroError) as caught:
        await reader.rows(text("SELECT 1 / 0"))
    assert not is_unavailable(caught.value)
    await reader.close()
    assert await backend_pid(pool) == pid


async def test_value_of_the_wrong_type_is_not_classified_as_unavailable(pool: ReadPool) -> None:
    reader = Reader(pool)
    with pytest.raises(asyncpg.DataError) as caught:
        await reader.rows(text("SELECT CAST(:n AS integer)"), {"n": "many"})
    assert not is_unavailable(caught.value)
    await reader.close()


async def test_closed_pool_ends_all_connections(database_url: str) -> None:
    pool = ReadPool(lambda: asyncpg.connect(database_url), 2)
    reader = Reader(pool)
    await reader.scalar(SELECT_BACKEND_PID)
    assert await backend_pid(pool) > 0
    await pool.close()
    await reader.close()
    used = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"

    async def gone() -> bool:
        return bool(await fetch_value(database_url, used) == 0)

    await wait_until(gone)
    assert pool.in_use == 0


async def test_pool_releases_the_permit_if_the_server_is_down() -> None:
    pool = ReadPool(lambda: asyncpg.connect("postgresql://127.0.0.1:1/x"), 1)
    for _ in range(3):
        with pytest.raises(OSError, match="Connect"):
            await backend_pid(pool)
    assert pool.in_use == 0


async def test_row_class_of_a_statement_knows_its_columns(resources: Resources) -> None:
    await add_cpu(resources, "One")
    async with resources.read() as session:
        one, again, other = [
            (await session.rows(statement))[0]
            for statement in (select(cpu.c.id, cpu.c.name), select(cpu.c.id, cpu.c.name), select(cpu.c.name, cpu.c.id))
        ]
    assert type(one) is type(again)
    assert (type(one).columns, type(other).columns) == (("id", "name"), ("name", "id"))
    assert Row.columns is None


def test_embedded_row_is_read_by_name_and_by_position() -> None:
    kind = EmbeddedRow.of("id", "name")
    assert kind is EmbeddedRow.of("id", "name")
    assert issubclass(kind, EmbeddedRow)
    row = kind((1, "One"))
    assert (row["id"], row["name"], tuple(row), kind.columns) == (1, "One", (1, "One"), ("id", "name"))
    with pytest.raises(KeyError):
        row["slug"]
