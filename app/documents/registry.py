"""Registry of the documents that a process serves: built-in, published, registered by clients (APQ), and ad hoc."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path

import structlog
from graphql import GraphQLError, GraphQLSchema
from prometheus_client import Counter

from app.cache.entries import CacheQuery
from app.core.circuit_breaker import CircuitBreaker
from app.core.errors import AppError, BadRequest, Unavailable
from app.core.log_sampling import LogSampler
from app.db.tables import Domain
from app.documents import sql
from app.documents.ad_hoc import AdHocDocuments
from app.documents.apq_store import ApqStore
from app.documents.usage import UsageCounter
from app.engine.document import HASH_PREFIX, Document, InvalidDocument, content_id, prepare_document
from app.resources import ExecutionMode, Resources

log = structlog.get_logger()

UNKNOWN_DOCUMENTS = Counter("dealmark_documents_unknown_total", "Requests for a document id that is not known")

BUILTIN_DIR = Path(__file__).parent / "builtin"
# If PostgreSQL does not answer within this time, the server starts without the published documents.
FIRST_LOAD_TIMEOUT_SECONDS = 5.0
LOAD_RETRY_INTERVAL_SECONDS = 1.0

# Largest text that a client may register.
MAX_APQ_BYTES = 32 * 1024
MAX_LOGGED_ID_LENGTH = 80


class HashMismatch(AppError):
    """The hash of an automatic persisted query does not match its text."""

    code = "PERSISTED_QUERY_HASH_MISMATCH"


@cache
def builtin_documents() -> Mapping[str, str]:
    """Return the texts of the built-in documents by name. Their ids are the hashes of their texts."""
    return {path.stem: path.read_text(encoding="utf-8") for path in sorted(BUILTIN_DIR.glob("*.graphql"))}


class DocumentRegistry:
    """Documents of one process. Published documents are reloaded whenever a publication commits."""

    def __init__(self, resources: Resources, schema: GraphQLSchema, breaker: CircuitBreaker | None = None) -> None:
        redis = resources.broker.redis
        self.resources = resources
        self.schema = schema
        self.allow_introspection = resources.settings.development
        self.breaker = breaker or CircuitBreaker("redis", redis.ping)
        self.usage = UsageCounter(resources, self.breaker, self.is_published)
        self.apq_store = ApqStore(redis, self.breaker)
        self._builtin_ids = {name: content_id(text) for name, text in builtin_documents().items()}
        self._builtin_texts = {content_id(text): text for text in builtin_documents().values()}
        # Document id -> text, and content id -> document id, of all built-in and published documents.
        self._texts: Mapping[str, str] = {}
        self._ids_by_content: Mapping[str, str] = {}
        self._loaded = False
        self._not_loaded_reason = "Which documents are published is not known yet; try again in a moment."
        # Document id -> parsed document, or the error of an outdated one; filled when a document is first used.
        self._parsed: dict[str, Document | InvalidDocument] = {}
        self._ad_hoc = AdHocDocuments(schema, self.allow_introspection)
        self._unknown_log = LogSampler()
        self._reload_task: asyncio.Task[None] | None = None
        self._set_published({})

    async def start(self) -> None:
        """Load the published documents, and start to follow publications and to write usage."""
        # After a failure, `_follow_publications` tries again and logs the reason.
        with suppress(Exception):
            async with asyncio.timeout(FIRST_LOAD_TIMEOUT_SECONDS):
                await self.load()
        self._reload_task = asyncio.create_task(self._follow_publications(), name="documents")
        self.usage.start()

    async def stop(self) -> None:
        """Stop the background tasks and write the remaining usage."""
        if self._reload_task is not None:
            self._reload_task.cancel()
            with suppress(asyncio.CancelledError):
                await self._reload_task
        await self.usage.stop()

    async def load(self) -> None:
        """Load the published documents. Raises the errors of the database driver."""
        async with self.resources.read() as session:
            await session.versions()  # raises Unavailable if the database was never migrated
            published = await sql.active(session)
        self._set_published(published)
        self._loaded = True
        # Invalidates the fast path: its entries may belong to retired documents.
        self.resources.notifications.epoch += 1

    def find(self, document_id: str) -> Document | None:
        """Return a published document by id, or a built-in document by id or name; None if there is none.

        Raises InvalidDocument if it no longer fits the schema, and Unavailable if the published documents could not
        be loaded yet.
        """
        document_id = self._builtin_ids.get(document_id, document_id)
        document = self._parsed.get(document_id)
        if document is None:
            text = self._texts.get(document_id)
            if text is None:
                if not self._loaded:
                    raise Unavailable(self._not_loaded_reason)
                return None
            document = self._parsed[document_id] = self._parse(document_id, text)
        if isinstance(document, InvalidDocument):
            raise InvalidDocument(document.errors)
        return document

    def find_by_hash(self, digest: str) -> Document | None:
        """Return the document with a text that has this SHA-256 (64 hex digits), under any id."""
        document_id = self._ids_by_content.get(HASH_PREFIX + digest)
        return None if document_id is None else self.find(document_id)

    def is_published(self, document_id: str) -> bool:
        """Return whether a document is built-in or published."""
        return document_id in self._texts

    @property
    def builtin_names(self) -> Mapping[str, str]:
        """Names of the built-in documents by id."""
        return {document_id: name for name, document_id in self._builtin_ids.items()}

    async def execution_mode(self, document_id: str) -> ExecutionMode | None:
        """Return how this document is executed; None if it is not served."""
        await asyncio.sleep(0)  # compiling a document takes time: requests that wait run first
        try:
            document = self.find(document_id)
        except InvalidDocument as error:
            return ExecutionMode("outdated", error.message)
        if document is None:
            return None
        operations = document.operations.values()
        reasons = [
            operation.not_compiled_reason for operation in operations if operation.not_compiled_reason is not None
        ]
        return ExecutionMode("interpreted", reasons[0]) if reasons else ExecutionMode("compiled")

    def find_ad_hoc(self, digest: str) -> Document | None:
        """Return the ad hoc document with this SHA-256 (64 hex digits) if this process has prepared it."""
        return self._ad_hoc.find(HASH_PREFIX + digest)

    def ad_hoc(self, text: str) -> Document:
        """Return the document of a text. Raises InvalidDocument."""
        return self._ad_hoc.find_or_prepare(text)

    async def find_registered(self, digest: str) -> Document | None:
        """Return the document that a client registered under this SHA-256 (64 hex digits) at any process."""
        document = self.find_ad_hoc(digest)
        if document is not None:
            return document
        text = await self.registered_text(digest)
        return None if text is None else self.ad_hoc(text)

    async def registered_text(self, digest: str) -> str | None:
        """Return the text that a client registered under this SHA-256 (64 hex digits) at any process."""
        return await self.apq_store.get(digest)

    async def register(self, digest: str, text: str, client: str) -> Document:
        """Register a text of a client under its SHA-256. Raises HashMismatch, BadRequest or InvalidDocument."""
        if content_id(text) != HASH_PREFIX + digest:
            raise HashMismatch("provided sha does not match query")
        if len(text.encode(errors="surrogatepass")) > MAX_APQ_BYTES:
            raise BadRequest(
                f"The document is larger than {MAX_APQ_BYTES // 1024} KiB: publish it instead of registering it."
            )
        document = self.ad_hoc(text)
        await self.apq_store.put(digest, text, client)
        return document

    def count_unknown(self, document_id: str) -> None:
        """Count and log a request for a document that is not served."""
        UNKNOWN_DOCUMENTS.inc()
        if (skipped := self._unknown_log.sample()) is not None:
            log.info("documents.unknown", document=document_id[:MAX_LOGGED_ID_LENGTH], skipped=skipped)

    def count_use(self, document: Document) -> None:
        """Count a use of a document."""
        self.usage.count_use(document.id)

    def count_query(self, query: CacheQuery, times: int = 1) -> None:
        """Count uses of a document with a cacheable response."""
        self.usage.count_query(query, times)

    async def _follow_publications(self) -> None:
        """Load the published documents after each commit that changed them."""
        async with self.resources.notifications.subscribe(Domain.DOCUMENTS) as changed:
            failure = None
            while True:
                changed.clear()
                try:
                    await self.load()
                    failure = None
                except Exception as error:  # any error may be temporary
                    if str(error) != failure:  # not again in each attempt
                        log.warning("documents.unavailable", error=(failure := str(error)))
                    if isinstance(error, Unavailable):
                        self._not_loaded_reason = error.message
                    await asyncio.sleep(LOAD_RETRY_INTERVAL_SECONDS)
                    continue
                await changed.wait()

    def _set_published(self, published: Mapping[str, str]) -> None:
        """Replace the published documents; those with an unchanged text stay parsed."""
        texts = {**published, **self._builtin_texts}
        self._parsed = {
            document_id: document
            for document_id, document in self._parsed.items()
            if isinstance(document, Document) and texts.get(document_id) == document.text
        }
        self._ids_by_content = {content_id(text): document_id for document_id, text in texts.items()}
        self._texts = texts

    def _parse(self, document_id: str, text: str) -> Document | InvalidDocument:
        try:
            return prepare_document(self.schema, document_id, text, allow_introspection=self.allow_introspection)
        except InvalidDocument as error:
            log.warning("documents.outdated", document=document_id, error=error.message)
            message = f"The document {document_id} was published for another schema: {error.message}"
            return InvalidDocument([GraphQLError(message)])
