"""Databases of the test cluster: create, clone, address and drop."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import asyncpg
from sqlalchemy import make_url

DATABASE_NUMBERS = count(1)


@contextmanager
def temporary_database(cluster: str, template: str = "template0") -> Iterator[str]:
    """Create a database and drop it after the block."""
    name = f"test_{next(DATABASE_NUMBERS)}"
    asyncio.run(run_statement(cluster, f'CREATE DATABASE {name} TEMPLATE "{template}" STRATEGY FILE_COPY'))
    try:
        yield database_url_in(cluster, name)
    finally:
        asyncio.run(run_statement(cluster, f"DROP DATABASE {name} WITH (FORCE)"))


def database_url_in(cluster: str, name: str) -> str:
    """Return the URL of a database in the cluster."""
    return cluster.replace("/postgres?", f"/{name}?")


def database_name(database_url: str) -> str:
    """Return the name of the database in a URL."""
    name = make_url(database_url).database
    assert name is not None
    return name


async def run_statement(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def set_read_only(cluster: str, url: str, read_only: bool, *, disconnect: bool = True) -> None:
    """Make a database read-only for new connections, or writable again; end the open ones, as a failover does."""
    name = database_name(url)
    await run_statement(cluster, f"ALTER DATABASE {name} SET default_transaction_read_only = {read_only}")
    if disconnect:
        await run_statement(cluster, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
