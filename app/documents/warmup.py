"""After a change of figures: the questions that are asked most are answered before anybody asks them again."""

from __future__ import annotations

import asyncio
import time
from collections import Counter as Tally

import orjson
import structlog
from graphql import GraphQLSchema
from prometheus_client import Counter

from app.cache.entries import Question
from app.cache.response_cache import Responses
from app.core.errors import AppError
from app.documents.registry import Registry
from app.documents.usage import Asked, fade, most_asked
from app.engine.document import HASH_PREFIX, Document
from app.engine.executor import Executor, Ran
from app.graphql.viewer import NOBODY
from app.resources import Resources

log = structlog.get_logger()

WARMED = Counter(
    "dealmark_warmed_total", "Questions answered ahead of their readers, by where the answer was", ["source"]
)

MAX_QUESTIONS = 50
MAX_SECONDS = 5.0
NEWS_SECONDS = 0.01


async def warm(resources: Resources, schema: GraphQLSchema) -> None:
    """Has Redis hold the newest answers to what was asked most; never raises, because nothing depends on it.

    One question at a time: readers come first. What takes longer than MAX_SECONDS is left to them.
    """
    if resources.settings.response_cache == "off":
        return
    began, sources = time.monotonic(), Tally[str]()
    try:
        async with asyncio.timeout(MAX_SECONDS):
            asked = await most_asked(resources, MAX_QUESTIONS)
            warmer = Warmer(resources, schema)
            if asked:
                await warmer.registry.load()
                await _news(resources)
            for each in asked:
                sources[await warmer.answer(each)] += 1
            await fade(resources)
    except TimeoutError:
        log.warning("responses.warming_unfinished", limit=MAX_SECONDS)
    except Exception as error:
        log.warning("responses.warming_failed", error=str(error) or type(error).__name__)
    for source, times in sources.items():
        WARMED.labels(source).inc(times)
    log.info("responses.warmed", seconds=round(time.monotonic() - began, 3), **sources)


async def _news(resources: Resources) -> None:
    """Waits until this process has heard of what is committed: old answers would be found under the old versions."""
    async with resources.read() as session:
        committed = await session.versions()
    while True:
        heard = resources.changes.current()
        if heard is not None and all(heard.get(domain, -1) >= version for domain, version in committed.items()):
            return
        await asyncio.sleep(NEWS_SECONDS)


class Warmer:
    """Answers questions by their names, as an API process would."""

    def __init__(self, resources: Resources, schema: GraphQLSchema) -> None:
        self.resources = resources
        self.registry = Registry(resources, schema)
        self.executor = Executor(resources, schema)
        self.responses = Responses(resources, self.registry.breaker)

    async def answer(self, asked: Asked) -> str:
        """Where the answer was: `MISS`, when it was made here; `gone`, when the question makes no sense any more."""
        try:
            document = await self._document(asked.document_id)
            operation = None if document is None else document.operation(asked.operation)
            if document is None or operation is None:
                return "gone"
            variables = orjson.loads(asked.variables)

            async def run() -> Ran:
                return await self.executor.run(document, operation, variables, NOBODY)

            _, source = await self.responses.answer(Question(document, asked.operation, asked.variables), run)
            return source
        except AppError as error:
            log.info("responses.not_warmed", document=asked.document_id, error=error.message)
            return "failed"

    async def _document(self, document_id: str) -> Document | None:
        """Published, shipped, or registered by a client."""
        found = self.registry.find(document_id)
        return found or await self.registry.registered(document_id.removeprefix(HASH_PREFIX))
