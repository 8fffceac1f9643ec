"""Cache warm-up: after a change of figures, caches the responses to the most popular queries."""

from __future__ import annotations

import asyncio
import time
from collections import Counter as Tally

import orjson
import structlog
from graphql import GraphQLSchema
from prometheus_client import Counter

from app.cache.entries import CacheQuery
from app.cache.response_cache import ResponseCache
from app.core.errors import AppError
from app.documents.registry import DocumentRegistry
from app.documents.usage import PopularQuery, decay, most_popular
from app.engine.document import HASH_PREFIX, Document
from app.engine.executor import ExecutionOutcome, Executor
from app.graphql.viewer import ANONYMOUS
from app.resources import Resources

log = structlog.get_logger()

WARMUPS = Counter(
    "dealmark_cache_warmups_total",
    "Popular queries that were executed or found in the cache after a change of figures, by cache status",
    ["cache"],
)

MAX_QUERIES = 50
WARMUP_TIMEOUT_SECONDS = 5.0
NOTIFICATION_POLL_INTERVAL_SECONDS = 0.01


async def warm_cache(resources: Resources, schema: GraphQLSchema) -> None:
    """Execute the most popular queries, so that Redis has their new responses. Never raises.

    Queries are executed one after another, because requests have priority. Queries that are left after
    WARMUP_TIMEOUT_SECONDS are executed when a client requests them.
    """
    if resources.settings.response_cache == "off":
        return
    started_at, statuses = time.monotonic(), Tally[str]()
    try:
        async with asyncio.timeout(WARMUP_TIMEOUT_SECONDS):
            queries = await most_popular(resources, MAX_QUERIES)
            warmer = CacheWarmer(resources, schema)
            if queries:
                await warmer.registry.load()
                await _wait_for_notifications(resources)
            for query in queries:
                statuses[await warmer.warm(query)] += 1
            await decay(resources)
    except TimeoutError:
        log.warning("cache.warmup_unfinished", limit=WARMUP_TIMEOUT_SECONDS)
    except Exception as error:
        log.warning("cache.warmup_failed", error=str(error) or type(error).__name__)
    for status, times in statuses.items():
        WARMUPS.labels(status).inc(times)
    log.info("cache.warmed_up", seconds=round(time.monotonic() - started_at, 3), **statuses)


async def _wait_for_notifications(resources: Resources) -> None:
    """Wait until this process knows the committed versions: it would find outdated responses under older ones."""
    async with resources.read() as session:
        committed = await session.versions()
    while True:
        known = resources.notifications.current_versions()
        if known is not None and all(known.get(domain, -1) >= version for domain, version in committed.items()):
            return
        await asyncio.sleep(NOTIFICATION_POLL_INTERVAL_SECONDS)


class CacheWarmer:
    """Executes popular queries as an API process does."""

    def __init__(self, resources: Resources, schema: GraphQLSchema) -> None:
        self.resources = resources
        self.registry = DocumentRegistry(resources, schema)
        self.executor = Executor(resources, schema)
        self.response_cache = ResponseCache(resources, self.registry.breaker)

    async def warm(self, popular: PopularQuery) -> str:
        """Cache the response to a query.

        Return its cache status: `MISS` if the query was executed here, `unknown` if the document or its operation is
        no longer served, `failed` if the query cannot be executed.
        """
        try:
            document = await self._find_document(popular.document_id)
            operation = None if document is None else document.operations.get(popular.operation)
            if document is None or operation is None:
                return "unknown"
            variables = orjson.loads(popular.variables)

            async def execute() -> ExecutionOutcome:
                return await self.executor.run(document, operation, variables, ANONYMOUS)

            query = CacheQuery(document.summary, popular.operation, popular.variables)
            _, status = await self.response_cache.get_or_execute(query, execute)
            return status
        except AppError as error:
            log.info("cache.query_not_warmed_up", document=popular.document_id, error=error.message)
            return "failed"

    async def _find_document(self, document_id: str) -> Document | None:
        """Return a document that is published, built-in, or registered by a client."""
        document = self.registry.find(document_id)
        return document or await self.registry.find_registered(document_id.removeprefix(HASH_PREFIX))
