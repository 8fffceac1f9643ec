"""A server on the resources of a test, and cacheable requests."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import asyncpg
import httpx
import orjson
from sqlalchemy import text
from starlette.applications import Starlette

from app.db.tables import Domain
from app.main import RootApp
from app.resources import Resources
from app.server.graphql_app import GraphQLApp
from tests.support.api_server import ApiClient, run_api
from tests.support.schema_execution import GRAPHQL_SCHEMA
from tests.support.waiting import wait_until

CPUS_QUERY = "query Cpus($n: Int = 50) { cpus(first: $n) { totalCount nodes { name cpuMarkMulti } } }"
TIME_DEPENDENT_QUERY = "query Fresh { cpus { nodes { name priceTarget { fresh } } } }"
TOTAL_QUERY = "query Total { statistics { total listings } }"
GRAPHQL_JSON = "application/graphql-response+json"

BLOCKED_BACKENDS = """
    SELECT pid FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock' AND state = 'active'
"""


@asynccontextmanager
async def run_api_on(resources: Resources) -> AsyncIterator[tuple[ApiClient, GraphQLApp]]:
    """Run the API on the resources of the test."""
    async with GraphQLApp(resources, GRAPHQL_SCHEMA) as graphql_app:

        @asynccontextmanager
        async def lifespan(_app: Starlette) -> AsyncIterator[dict[str, Any]]:
            yield {"resources": resources, "graphql_app": graphql_app}

        async with run_api(resources.settings, RootApp(Starlette(lifespan=lifespan))) as api:
            await wait_until_connected(resources)
            yield api, graphql_app


async def wait_until_connected(resources: Resources, now: bool = True) -> None:
    """Wait until notifications arrive, or until they are lost if `now` is false."""
    await wait_until(lambda: asyncio.sleep(0, resources.notifications.connected is now))


def persisted_query_url(query: str, /, **variables: Any) -> str:
    """Return the URL of a query by its hash."""
    digest = hashlib.sha256(query.encode()).hexdigest()
    extensions = {"persistedQuery": {"version": 1, "sha256Hash": digest}}
    parameters = {"extensions": orjson.dumps(extensions).decode()}
    if variables:
        parameters["variables"] = orjson.dumps(variables).decode()
    return f"/graphql?{httpx.QueryParams(parameters)}"


async def get_persisted(
    api: ApiClient, query: str, headers: dict[str, str] | None = None, /, **variables: Any
) -> httpx.Response:
    """Send a persisted query by GET, after registering it if necessary."""
    url = persisted_query_url(query, **variables)
    response = await api.http.get(url, headers=headers)
    if "PERSISTED_QUERY_NOT_FOUND" not in response.text:
        return response
    await register_query(api, query)
    return await api.http.get(url, headers=headers)


async def register_query(api: ApiClient, query: str) -> None:
    """Register a query without executing it, by naming an operation that it does not have."""
    digest = hashlib.sha256(query.encode()).hexdigest()
    extensions = {"persistedQuery": {"version": 1, "sha256Hash": digest}}
    await api.http.post("/graphql", json={"query": query, "operationName": "None", "extensions": extensions})


async def cache_status(api: ApiClient, query: str, /, **variables: Any) -> str:
    """Return the cache status of the response to a query."""
    response = await get_persisted(api, query, **variables)
    assert response.status_code == 200, response.text
    return response.headers["x-cache"]


async def commit_change(resources: Resources, *domains: Domain, sql: str | None = None) -> None:
    """Commit a change of these domains, and wait until these resources are notified."""
    before = dict(resources.notifications.versions)
    async with resources.write() as tx:
        if sql is not None:
            await tx.execute(text(sql))
        tx.bump_version(*domains)
    await wait_until(
        lambda: asyncio.sleep(0, all(resources.notifications.versions.get(d, 0) > before.get(d, 0) for d in domains))
    )


@contextmanager
def record_redis_commands(resources: Resources) -> Iterator[list[str]]:
    """Record the names of the Redis commands that the block sends."""
    sent: list[str] = []
    pool = resources.broker.redis.connection_pool
    original = pool.get_connection

    async def counted(command: str | None = None, *keys: Any, **options: Any) -> Any:
        sent.append(str(command))
        return await original(command, *keys, **options)

    pool.get_connection = counted
    try:
        yield sent
    finally:
        pool.get_connection = original


@asynccontextmanager
async def lock_table(url: str, table: str = "cpu") -> AsyncIterator[asyncpg.Connection]:
    """Lock a table against reading. Yield a connection for observing the waiting statements."""
    holder, observer = await asyncpg.connect(url), await asyncpg.connect(url)
    try:
        await holder.execute(f"BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        yield observer
        await holder.execute("ROLLBACK")
    finally:
        await holder.close()
        await observer.close()


async def wait_for_blocked(observer: asyncpg.Connection, number: int) -> None:
    """Wait until this number of statements waits for a lock."""

    async def look() -> bool:
        return len(await observer.fetch(BLOCKED_BACKENDS)) == number

    await wait_until(look)
