"""The pool of connections for reading, and statements as it sends them."""

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


def test_a_statement_is_compiled_once_and_gets_its_values_apart() -> None:
    statement = select(cpu.c.id).where(cpu.c.cores == any_(bindparam("cores", type_=ARRAY(Integer))), cpu.c.tdp_w > 5)
    made = compile_statement(statement)
    assert compile_statement(statement) is made
    assert sorted(map(str, made.arguments({"cores": [4]}))) == ["5", "[4]"]
    with pytest.raises(KeyError):
        made.arguments({})


async def test_rows_are_read_by_name_and_place(resources: Resources) -> None:
    await add_cpu(resources, "AMD One", cores=4)
    async with resources.read() as session:
        (row,) = await session.rows(select(cpu.c.name, cpu.c.cores))
        with pytest.raises(AssertionError, match="more than one row"):
            await session.row(text("SELECT generate_series(1, 2)"))
    assert isinstance(row, Row)
    assert (row["name"], row.name, row[1], tuple(row)) == ("AMD One", "AMD One", 4, ("AMD One", 4))
    assert not hasattr(row, "socket")


async def test_the_connection_used_last_is_used_next(pool: ReadPool) -> None:
    first = await backend_pid(pool)
    assert [await backend_pid(pool) for _ in range(3)] == [first] * 3
    assert pool.in_use == 0


async def test_readers_wait_for_each_other_and_not_for_ever(pool: ReadPool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_pool, "ACQUIRE_TIMEOUT_SECONDS", 0.1)
    readers = [Reader(pool), Reader(pool)]
    for reader in readers:
        await reader.scalar(SELECT_BACKEND_PID)
    with pytest.raises(Unavailable, match="busy"):
        await backend_pid(pool)
    monkeypatch.setattr(read_pool, "ACQUIRE_TIMEOUT_SECONDS", 60)
    waiting = asyncio.create_task(backend_pid(pool))
    await asyncio.sleep(0.01)
    for reader in readers:
        await reader.close()
    assert await waiting > 0
    assert pool.in_use == 0


async def test_a_connection_that_has_died_is_replaced_unnoticed(pool: ReadPool, database_url: str) -> None:
    pids = await asyncio.gather(backend_pid(pool), backend_pid(pool))
    for pid in set(pids):
        await fetch_value(database_url, "SELECT pg_terminate_backend($1)", pid)
    assert await backend_pid(pool) not in pids


async def test_a_connection_that_dies_in_the_middle_is_an_error(pool: ReadPool, database_url: str) -> None:
    """The snapshot has gone with it."""
    reader = Reader(pool)
    pid = await reader.scalar(SELECT_BACKEND_PID)
    await fetch_value(database_url, "SELECT pg_terminate_backend($1)", pid)
    with pytest.raises(read_pool.CONNECTION_ERRORS) as caught:
        await wait_until(lambda: reader.scalar(text("SELECT NULL")))
    assert is_unavailable(caught.value)
    await reader.close()
    assert pool.in_use == 0
    assert await backend_pid(pool) != pid


async def test_an_old_connection_is_replaced(pool: ReadPool, monkeypatch: pytest.MonkeyPatch) -> None:
    first = await backend_pid(pool)
    monkeypatch.setattr(read_pool, "MAX_CONNECTION_AGE_SECONDS", 0.0)
    assert await backend_pid(pool) != first


async def test_a_statement_of_a_reader_that_is_cancelled_ends_and_the_connection_is_sound(
    pool: ReadPool, database_url: str
) -> None:
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


async def test_after_an_error_of_a_statement_the_connection_goes_on(pool: ReadPool) -> None:
    reader = Reader(pool)
    pid = await reader.scalar(SELECT_BACKEND_PID)
    with pytest.raises(asyncpg.DivisionByZeroError) as caught:
        await reader.rows(text("SELECT 1 / 0"))
    assert not is_unavailable(caught.value)
    await reader.close()
    assert await backend_pid(pool) == pid


async def test_a_value_of_the_wrong_type_does_not_mean_that_the_database_is_away(pool: ReadPool) -> None:
    reader = Reader(pool)
    with pytest.raises(asyncpg.DataError) as caught:
        await reader.rows(text("SELECT CAST(:n AS integer)"), {"n": "many"})
    assert not is_unavailable(caught.value)
    await reader.close()


async def test_closed_pools_keep_no_connection(database_url: str) -> None:
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


async def test_a_server_that_is_away_leaves_the_pool_as_it_was() -> None:
    pool = ReadPool(lambda: asyncpg.connect("postgresql://127.0.0.1:1/x"), 1)
    for _ in range(3):
        with pytest.raises(OSError, match="Connect"):
            await backend_pid(pool)
    assert pool.in_use == 0


async def test_rows_of_a_class_have_the_same_columns_in_the_same_order(resources: Resources) -> None:
    await add_cpu(resources, "One")
    async with resources.read() as session:
        one, again, other = [
            (await session.rows(statement))[0]
            for statement in (select(cpu.c.id, cpu.c.name), select(cpu.c.id, cpu.c.name), select(cpu.c.name, cpu.c.id))
        ]
    assert type(one) is type(again)
    assert (type(one).columns, type(other).columns) == (("id", "name"), ("name", "id"))
    assert Row.columns is None


def test_a_row_within_a_row_is_read_by_name_and_place() -> None:
    kind = EmbeddedRow.of("id", "name")
    assert kind is EmbeddedRow.of("id", "name")
    assert issubclass(kind, EmbeddedRow)
    row = kind((1, "One"))
    assert (row["id"], row["name"], tuple(row), kind.columns) == (1, "One", (1, "One"), ("id", "name"))
    with pytest.raises(KeyError):
        row["slug"]
