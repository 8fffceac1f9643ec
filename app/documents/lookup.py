"""From what a request names to the document it means, as the mode of the settings allows."""

from __future__ import annotations

import structlog

from app.core.errors import AppError, BadRequest
from app.documents.registry import HashMismatch, Registry
from app.engine.document import HASH_PREFIX, Document, content_id
from app.engine.request import SHA256, Ask
from app.settings import DocumentMode

log = structlog.get_logger()


class PersistedQueryNotFound(AppError):
    """An automatically persisted query that nobody registered yet: the client sends it again with its text."""

    code = "PERSISTED_QUERY_NOT_FOUND"


class PersistedQueryNotSupported(AppError):
    """An attempt to register where only published documents run."""

    code = "PERSISTED_QUERY_NOT_SUPPORTED"


class PersistedQueryNotInList(AppError):
    """An id that no published document has."""

    code = "PERSISTED_QUERY_NOT_IN_LIST"


class PersistedQueryIdRequired(BadRequest):
    """A text where only published documents run."""

    code = "PERSISTED_QUERY_ID_REQUIRED"


class Resolver:
    """Finds the document of a request."""

    def __init__(self, registry: Registry, mode: DocumentMode, report_only: bool) -> None:
        self.registry = registry
        self.mode = mode
        self.report_only = report_only

    async def resolve(self, ask: Ask) -> Document:
        """The document. Raises one of the errors above, HashMismatch, or InvalidDocument."""
        if ask.document_id is not None:
            found = self.registry.find(ask.document_id)
            if found is None:
                raise self._not_found(ask.document_id)
            return found
        if ask.apq_hash is not None:
            return await self._automatic(ask.apq_hash, ask.text)
        assert ask.text is not None
        return self.of_text(ask.text)

    def of_text(self, text: str) -> Document:
        """A text by itself; where only published documents run, only if it is that of one.

        In mode `apq` it is run although it was not registered: a client may register anything, and sends what it does
        not persist (urql: mutations) as it is.
        """
        published = self.registry.with_text(text)
        if published is not None:
            return published
        if self.mode != "required" or self._only_reported(text):
            return self.registry.from_text(text)
        raise PersistedQueryIdRequired("Only published documents are run here: send the id of one instead of a text.")

    async def _automatic(self, digest: str, text: str | None) -> Document:
        """A document by a hash: of a manifest, or of the text that the client has."""
        published = self.registry.find(digest) or self.registry.with_hash(digest)
        if published is not None:
            if text is not None and text != published.text and content_id(text) != HASH_PREFIX + digest:
                raise HashMismatch("provided sha does not match query")
            return published
        if self.mode == "required" and not self.report_only:
            if text is None:
                raise self._not_found(digest)
            raise PersistedQueryNotSupported("PersistedQueryNotSupported")
        if not SHA256.fullmatch(digest):
            raise BadRequest("`extensions.persistedQuery.sha256Hash` must be 64 lower-case hex digits.")
        if text is not None:
            self._only_reported(text)
            return await self.registry.register(digest, text)
        registered = await self.registry.registered(digest)
        if registered is None:
            self.registry.unknown(digest)
            raise PersistedQueryNotFound("PersistedQueryNotFound")
        self._only_reported(registered.text)
        return registered

    def _not_found(self, document_id: str) -> AppError:
        """Where clients register what they need, they may do so now."""
        self.registry.unknown(document_id)
        kind = PersistedQueryNotInList if self.mode == "required" else PersistedQueryNotFound
        return kind("PersistedQueryNotFound")

    def _only_reported(self, text: str) -> bool:
        """Whether a text that should be refused is run all the same; then the log says so."""
        if self.mode != "required" or not self.report_only:
            return False
        log.warning("documents.would_refuse", text=text[:2000])
        return True
