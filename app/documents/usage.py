"""Document usage: hits for operators, and the most popular queries for the cache warm-up."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import NamedTuple

import orjson
import structlog

from app.cache.entries import CacheQuery
from app.core.circuit_breaker import CircuitBreaker
from app.core.redis_values import seal, unseal
from app.documents import sql
from app.resources import Resources

log = structlog.get_logger()

FLUSH_INTERVAL_SECONDS = 5.0

# Sorted set: packed query -> number of uses, halved by each warm-up (see `decay`).
POPULAR_KEY = "dealmark:popular-queries"
POPULAR_TTL_SECONDS = 7 * 24 * 3600
# Maximum number of queries in Redis, and in a process between two flushes.
MAX_POPULAR_QUERIES = 1_000
# Queries with longer variables are not counted: the first page of a list has short ones.
MAX_VARIABLES_BYTES = 1_024


class PopularQuery(NamedTuple):
    """A cacheable query as it is stored in Redis; `variables` is canonical JSON."""

    document_id: str
    operation: str | None
    variables: bytes

    def pack(self) -> bytes:
        """Serialize the query."""
        return seal(POPULAR_KEY.encode(), orjson.dumps([self.document_id, self.operation, self.variables.decode()]))

    @classmethod
    def unpack(cls, stored: bytes) -> PopularQuery | None:
        """Return the query that `pack` serialized, or None if it is damaged."""
        packed = unseal("popular query", POPULAR_KEY.encode(), stored)
        if packed is None:
            return None
        document_id, operation, variables = orjson.loads(packed)
        return cls(document_id, operation, variables.encode())


class UsageCounter:
    """Counts usage in memory, and writes it periodically and when it stops.

    Before each write it calls the `reporters`, which count uses of their own and pass them on by `count_query`.
    `is_listed` returns whether a document is in the list of documents. Others, which clients choose, are not counted.
    """

    def __init__(self, resources: Resources, breaker: CircuitBreaker, is_listed: Callable[[str], bool]) -> None:
        self.resources = resources
        self.breaker = breaker
        self._is_listed = is_listed
        self.reporters: list[Callable[[], None]] = []
        self._usage: dict[str, sql.DocumentUsage] = {}
        self._queries: Counter[PopularQuery] = Counter()
        self._flush_task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start the periodic writes."""
        self._flush_task = asyncio.create_task(self._flush_periodically(), name="document usage")

    async def stop(self) -> None:
        """Stop the periodic writes and write the remaining usage."""
        if self._flush_task is not None:
            self._flush_task.cancel()
            with suppress(asyncio.CancelledError):
                await self._flush_task
        await self.flush()

    def count_use(self, document_id: str, times: int = 1) -> None:
        """Count uses of a document."""
        if times and self._is_listed(document_id):
            now = datetime.now(UTC)
            usage = self._usage.get(document_id)
            self._usage[document_id] = (
                sql.DocumentUsage(times, now, now)
                if usage is None
                else sql.DocumentUsage(usage.hits + times, usage.first, now)
            )

    def count_query(self, query: CacheQuery, times: int = 1) -> None:
        """Count uses of a cacheable query and of its document."""
        self.count_use(query.document.id, times)
        if times and len(query.variables) <= MAX_VARIABLES_BYTES:
            popular = PopularQuery(query.document.id, query.operation, query.variables)
            if popular in self._queries or len(self._queries) < MAX_POPULAR_QUERIES:
                self._queries[popular] += times

    async def flush(self) -> None:
        """Write the counts. If that fails, hits are kept for the next flush; counts of popular queries are dropped."""
        for report in self.reporters:
            report()
        usage, self._usage = self._usage, {}
        queries, self._queries = self._queries, Counter()
        # Meanwhile a document may have been retired.
        usage = {document_id: counted for document_id, counted in usage.items() if self._is_listed(document_id)}
        if queries:
            await self.breaker.call(lambda: self._add_queries(queries))
        if usage:
            try:
                async with self.resources.write() as tx:
                    await sql.record_usage(tx, usage)
            except Exception as error:  # after any error the counts must not be lost
                log.warning("documents.usage_not_written", error=str(error))
                self._restore(usage)

    async def _flush_periodically(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_INTERVAL_SECONDS)
            await self.flush()

    def _restore(self, usage: Mapping[str, sql.DocumentUsage]) -> None:
        """Add counts that could not be written to those that were made meanwhile."""
        for document_id, old in usage.items():
            new = self._usage.get(document_id)
            self._usage[document_id] = (
                old if new is None else sql.DocumentUsage(old.hits + new.hits, old.first, new.last)
            )

    async def _add_queries(self, queries: Mapping[PopularQuery, int]) -> None:
        async with self.resources.broker.redis.pipeline(transaction=True) as pipe:
            for query, times in queries.items():
                pipe.zincrby(POPULAR_KEY, times, query.pack())
            pipe.zremrangebyrank(POPULAR_KEY, 0, -MAX_POPULAR_QUERIES - 1)
            pipe.expire(POPULAR_KEY, POPULAR_TTL_SECONDS)
            await pipe.execute()


async def most_popular(resources: Resources, number: int) -> Sequence[PopularQuery]:
    """Return the queries that all processes together used most, the most popular first. Raises RedisError.

    Damaged ones are deleted.
    """
    members = await resources.broker.redis.zrevrange(POPULAR_KEY, 0, number - 1)
    queries = {member: PopularQuery.unpack(member) for member in members}
    if damaged := [member for member, query in queries.items() if query is None]:
        await resources.broker.redis.zrem(POPULAR_KEY, *damaged)
    return [query for query in queries.values() if query is not None]


async def decay(resources: Resources) -> None:
    """Halve all counts and remove those below one, so that new queries replace old ones."""
    async with resources.broker.redis.pipeline(transaction=True) as pipe:
        pipe.zunionstore(POPULAR_KEY, {POPULAR_KEY: 0.5})
        pipe.zremrangebyscore(POPULAR_KEY, "-inf", "(1")
        pipe.expire(POPULAR_KEY, POPULAR_TTL_SECONDS)
        await pipe.execute()
