"""Which documents a process serves: shipped, published, registered by clients (APQ), or given as text."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path

import structlog
from graphql import GraphQLError, GraphQLSchema
from prometheus_client import Counter

from app.cache.entries import Question
from app.core.circuit_breaker import Breaker
from app.core.errors import AppError, BadRequest, Unavailable
from app.db.tables import Domain
from app.documents import sql
from app.documents.usage import Uses
from app.engine.document import HASH_PREFIX, Document, InvalidDocument, content_id, read_document
from app.resources import Resources, Running

log = structlog.get_logger()

UNKNOWN = Counter("dealmark_documents_unknown_total", "Requests for a document id that is not known")

SHIPPED = Path(__file__).parent / "builtin"
# A server that starts while PostgreSQL is away begins without what is published.
FIRST_LOAD_SECONDS = 5.0

# What clients may register: texts of this size, so many of them, for so long after they were last asked for.
APQ_BYTES = 32 * 1024
APQ_ENTRIES = 5_000
APQ_SECONDS = 7 * 24 * 3600
APQ_PREFIX = "dealmark:apq:"
APQ_INDEX = "dealmark:apq"
# Given and registered texts that a process keeps ready to run. A text of the greatest size takes 350 KiB.
READY_TEXTS = 500


class HashMismatch(AppError):
    """An APQ registration whose hash is not that of its text."""

    code = "PERSISTED_QUERY_HASH_MISMATCH"


@cache
def shipped() -> Mapping[str, str]:
    """Name to text of the documents that come with the server. Their ids are the hashes of their contents."""
    return {path.stem: path.read_text(encoding="utf-8") for path in sorted(SHIPPED.glob("*.graphql"))}


class Registry:
    """The documents of one process. Published ones are read anew whenever a publication commits."""

    def __init__(self, resources: Resources, schema: GraphQLSchema, breaker: Breaker | None = None) -> None:
        self.resources = resources
        self.schema = schema
        self.introspection = resources.settings.development
        self.breaker = breaker or Breaker("redis", resources.queue.redis.ping)
        self.uses = Uses(resources, self.breaker)
        self._names = {name: content_id(text) for name, text in shipped().items()}
        self._shipped = {content_id(text): text for text in shipped().values()}
        self._texts: Mapping[str, str] = {}
        self._by_content: Mapping[str, str] = {}
        self._loaded = False
        # Of those that were asked for: parsed, or why that cannot be.
        self._ready: dict[str, Document | InvalidDocument] = {}
        self._given: OrderedDict[str, Document] = OrderedDict()
        self._task: asyncio.Task[None] | None = None
        self._serve({})

    async def start(self) -> None:
        """Reads what is published, and keeps doing so; writes down what is used."""
        # `_follow` tries again, and says why it did not work.
        with suppress(Exception):
            async with asyncio.timeout(FIRST_LOAD_SECONDS):
                await self.load()
        self._task = asyncio.create_task(self._follow(), name="documents")
        self.uses.start(lambda: self._texts)

    async def stop(self) -> None:
        """Ends the background work; what was counted so far is written down."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        await self.uses.stop(self._texts)

    async def load(self) -> None:
        """Reads what is published. Raises the errors of the drivers."""
        async with self.resources.read() as session:
            published = await sql.active(session)
        self._serve(published)
        self._loaded = True
        # What is answered by the bytes of a request alone is looked up anew: its document may be gone.
        self.resources.changes.epoch += 1

    def find(self, document_id: str) -> Document | None:
        """A published document, or a shipped one by id or name; None when there is no such.

        Raises InvalidDocument when it no longer fits the schema, Unavailable when nobody knows what is published.
        """
        document_id = self._names.get(document_id, document_id)
        found = self._ready.get(document_id)
        if found is None:
            text = self._texts.get(document_id)
            if text is None:
                if not self._loaded:
                    raise Unavailable("Which documents are published is not known yet; try again in a moment.")
                return None
            found = self._ready[document_id] = self._read(document_id, text)
        if isinstance(found, InvalidDocument):
            raise InvalidDocument(found.errors)
        return found

    def with_hash(self, digest: str) -> Document | None:
        """The document whose text has this SHA-256 (64 hex digits), whatever its id."""
        document_id = self._by_content.get(HASH_PREFIX + digest)
        return None if document_id is None else self.find(document_id)

    def with_text(self, text: str) -> Document | None:
        """The document that has this text, whatever its id."""
        return self.with_hash(content_id(text).removeprefix(HASH_PREFIX))

    @property
    def ours(self) -> Mapping[str, str]:
        """Id to name of those that ship with the server."""
        return {document_id: name for name, document_id in self._names.items()}

    async def running(self, document_id: str) -> Running | None:
        """How this document is run; None when it is not served. Others have their turn first: to compile takes time."""
        await asyncio.sleep(0)
        try:
            document = self.find(document_id)
        except InvalidDocument as error:
            return Running("outdated", error.message)
        if document is None:
            return None
        reasons = [each.not_compiled for each in document.operations.values() if each.not_compiled is not None]
        return Running("interpreted", reasons[0]) if reasons else Running("compiled")

    def from_text(self, text: str) -> Document:
        """The document of a text, parsed once for all requests that carry the same. Raises InvalidDocument."""
        document_id = content_id(text)
        found = self._given.get(document_id)
        if found is None:
            found = read_document(self.schema, document_id, text, introspection=self.introspection, given=True)
            self._given[document_id] = found
            if len(self._given) > READY_TEXTS:
                self._given.popitem(last=False)
        else:
            self._given.move_to_end(document_id)
        return found

    async def registered(self, digest: str) -> Document | None:
        """A text that a client registered under its SHA-256 (64 hex digits), here or at another process."""
        found = self._given.get(HASH_PREFIX + digest)
        if found is not None:
            self._given.move_to_end(found.id)
            return found
        text = await self.breaker.call(lambda: self._fetch(digest))
        return None if text is None else self.from_text(text.decode())

    async def register(self, digest: str, text: str) -> Document:
        """Keeps a text that a client sent with its SHA-256. Raises HashMismatch, BadRequest or InvalidDocument."""
        if content_id(text) != HASH_PREFIX + digest:
            raise HashMismatch("provided sha does not match query")
        if len(text.encode(errors="surrogatepass")) > APQ_BYTES:
            raise BadRequest(
                f"The document is larger than {APQ_BYTES // 1024} KiB: publish it instead of registering it."
            )
        document = self.from_text(text)
        await self.breaker.call(lambda: self._store(digest, text))
        return document

    def unknown(self, document_id: str) -> None:
        """Counts and logs a request for something that is not served."""
        UNKNOWN.inc()
        log.info("documents.unknown", document=document_id[:100])

    def hit(self, document: Document, times: int = 1) -> None:
        """Counts uses of a document."""
        self.uses.hit(document, times)

    def asked(self, question: Question, times: int = 1) -> None:
        """Counts uses of a document whose answers can be kept."""
        self.uses.asked(question, times)

    async def _fetch(self, digest: str) -> bytes | None:
        """Asking for a registration renews it."""
        async with self.resources.queue.redis.pipeline(transaction=True) as pipe:
            pipe.getex(APQ_PREFIX + digest, ex=APQ_SECONDS)
            pipe.zadd(APQ_INDEX, {digest: time.time()}, xx=True)
            text, _ = await pipe.execute()
        found: bytes | None = text
        return found

    async def _store(self, digest: str, text: str) -> None:
        """Beyond APQ_ENTRIES those go that were asked for longest ago."""
        redis = self.resources.queue.redis
        async with redis.pipeline(transaction=True) as pipe:
            pipe.set(APQ_PREFIX + digest, text.encode(), ex=APQ_SECONDS)
            pipe.zadd(APQ_INDEX, {digest: time.time()})
            pipe.expire(APQ_INDEX, APQ_SECONDS)
            pipe.zrange(APQ_INDEX, 0, -APQ_ENTRIES - 1)
            pipe.zremrangebyrank(APQ_INDEX, 0, -APQ_ENTRIES - 1)
            *_, surplus, _removed = await pipe.execute()
        if surplus:
            await redis.delete(*(APQ_PREFIX + old.decode() for old in surplus))

    async def _follow(self) -> None:
        """A publication reaches this process with the notification of its commit."""
        async with self.resources.changes.follow(Domain.DOCUMENTS) as changed:
            while True:
                changed.clear()
                try:
                    await self.load()
                except Exception as error:  # whatever it is, the next try may do better
                    log.warning("documents.unavailable", error=str(error))
                    await asyncio.sleep(1.0)
                    continue
                await changed.wait()

    def _serve(self, published: Mapping[str, str]) -> None:
        texts = {**published, **self._shipped}
        self._ready = {i: d for i, d in self._ready.items() if isinstance(d, Document) and texts.get(i) == d.text}
        self._by_content = {content_id(text): document_id for document_id, text in texts.items()}
        self._texts = texts

    def _read(self, document_id: str, text: str) -> Document | InvalidDocument:
        try:
            return read_document(self.schema, document_id, text, introspection=self.introspection)
        except InvalidDocument as error:
            log.warning("documents.outdated", document=document_id, error=error.message)
            message = f"The document {document_id} was published for another schema: {error.message}"
            return InvalidDocument([GraphQLError(message)])
