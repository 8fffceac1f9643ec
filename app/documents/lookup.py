"""Lookup of the document that a request names, as the document mode of the settings allows."""

from __future__ import annotations

from typing import Protocol

import structlog

from app.core.errors import AppError, BadRequest
from app.core.log_sampling import LogSampler
from app.documents.registry import DocumentRegistry, HashMismatch
from app.engine.document import HASH_PREFIX, Document, content_id
from app.engine.request import SHA256_HEX, GraphQLRequest
from app.settings import DocumentMode

log = structlog.get_logger()

MAX_LOGGED_TEXT_LENGTH = 2_000


class PersistedQueryNotFound(AppError):
    """No document has this hash yet: the client sends the request again with the text of the document."""

    code = "PERSISTED_QUERY_NOT_FOUND"


class PersistedQueryNotSupported(AppError):
    """The client tried to register a document, but the server only runs published ones."""

    code = "PERSISTED_QUERY_NOT_SUPPORTED"


class PersistedQueryNotInList(AppError):
    """No published document has this id."""

    code = "PERSISTED_QUERY_NOT_IN_LIST"


class PersistedQueryIdRequired(BadRequest):
    """The client sent the text of a document, but the server only runs published ones."""

    code = "PERSISTED_QUERY_ID_REQUIRED"


class LookupQuota(Protocol):
    """The client of a request, whose lookups are counted."""

    @property
    def client(self) -> str:
        """The address or network that identifies the client."""

    async def count_lookup(self, request: GraphQLRequest) -> None:
        """Count a lookup that causes work. Raises an error if the client has made too many."""

    async def count_new_document(self) -> None:
        """Count a document that is parsed. Raises an error if the client has sent too many."""


class DocumentLookup:
    """Finds the document of a request.

    With `report_only`, mode `required` logs the requests that it would reject, and serves them.
    """

    def __init__(self, registry: DocumentRegistry, mode: DocumentMode, report_only: bool) -> None:
        self.registry = registry
        self.mode = mode
        self.allows_ad_hoc = mode != "required" or report_only
        self._report_only_log = LogSampler()

    async def find(self, request: GraphQLRequest, quota: LookupQuota) -> Document:
        """Return the document. Raises one of the errors above, HashMismatch, or InvalidDocument.

        A lookup that needs more than the memory of this process is counted before anything is done for it.
        """
        document = self._find_in_memory(request)
        if document is None:
            await quota.count_lookup(request)
            document = await self._find_elsewhere(request, quota)
        if self.mode == "required" and not self.registry.is_published(document.id):
            self._log_report_only(document)
        return document

    def _find_in_memory(self, request: GraphQLRequest) -> Document | None:
        """Return a document that is known already; None if the lookup needs more."""
        if request.document_id is not None:
            return self.registry.find(request.document_id)
        if request.apq_hash is not None:
            published = self.registry.find(request.apq_hash) or self.registry.find_by_hash(request.apq_hash)
            if published is not None:
                return _check_text(published, request.apq_hash, request.text)
            return self.registry.find_ad_hoc(request.apq_hash) if self.allows_ad_hoc and request.text is None else None
        assert request.text is not None
        digest = content_id(request.text).removeprefix(HASH_PREFIX)
        published = self.registry.find_by_hash(digest)
        return published or (self.registry.find_ad_hoc(digest) if self.allows_ad_hoc else None)

    async def _find_elsewhere(self, request: GraphQLRequest, quota: LookupQuota) -> Document:
        """Return a document that must be parsed, registered, or requested from Redis.

        Mode `apq` accepts texts without a registration. A client may register any text, and some clients send a part
        of their operations as text (urql: mutations).
        """
        if request.document_id is not None:
            raise self._not_found(request.document_id)
        if request.apq_hash is not None:
            return await self._find_automatic(request.apq_hash, request.text, quota)
        assert request.text is not None
        if self.allows_ad_hoc:
            await quota.count_new_document()
            return self.registry.ad_hoc(request.text)
        raise PersistedQueryIdRequired("Only published documents are run here: send the id of one instead of a text.")

    async def _find_automatic(self, digest: str, text: str | None, quota: LookupQuota) -> Document:
        """Return the document of an automatic persisted query, registering `text` if it is given."""
        if not self.allows_ad_hoc:
            if text is None:
                raise self._not_found(digest)
            raise PersistedQueryNotSupported("PersistedQueryNotSupported")
        if not SHA256_HEX.fullmatch(digest):
            raise BadRequest("`extensions.persistedQuery.sha256Hash` must be 64 lower-case hex digits.")
        if text is not None:
            if self.registry.find_ad_hoc(digest) is None:
                await quota.count_new_document()
            return await self.registry.register(digest, text, quota.client)
        registered_text = await self.registry.registered_text(digest)
        if registered_text is None:
            self.registry.count_unknown(digest)
            raise PersistedQueryNotFound("PersistedQueryNotFound")
        await quota.count_new_document()
        return self.registry.ad_hoc(registered_text)

    def _not_found(self, document_id: str) -> AppError:
        """Return the error for an unknown id; outside mode `required` it makes APQ clients register the document."""
        self.registry.count_unknown(document_id)
        error_class = PersistedQueryNotInList if self.mode == "required" else PersistedQueryNotFound
        # The text of Apollo's protocol, also for `PersistedQueryNotInList`.
        return error_class("PersistedQueryNotFound")

    def _log_report_only(self, document: Document) -> None:
        """Log a document that mode `required` would reject without report-only."""
        if (skipped := self._report_only_log.sample()) is not None:
            log.warning("documents.rejected_report_only", text=document.text[:MAX_LOGGED_TEXT_LENGTH], skipped=skipped)


def _check_text(published: Document, digest: str, text: str | None) -> Document:
    """Return the published document of an automatic persisted query. Raises HashMismatch if the text is another."""
    if text is not None and text != published.text and content_id(text) != HASH_PREFIX + digest:
        # The text of Apollo's protocol.
        raise HashMismatch("provided sha does not match query")
    return published
