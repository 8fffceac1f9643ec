"""Lookup of the document that a request names, as the document mode of the settings allows."""

from __future__ import annotations

import structlog

from app.core.errors import AppError, BadRequest
from app.documents.registry import DocumentRegistry, HashMismatch
from app.engine.document import HASH_PREFIX, Document, content_id
from app.engine.request import SHA256_HEX, GraphQLRequest
from app.settings import DocumentMode

log = structlog.get_logger()


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


class DocumentLookup:
    """Finds the document of a request.

    With `report_only`, mode `required` logs the requests that it would reject, and serves them.
    """

    def __init__(self, registry: DocumentRegistry, mode: DocumentMode, report_only: bool) -> None:
        self.registry = registry
        self.mode = mode
        self.report_only = report_only

    async def find(self, request: GraphQLRequest) -> Document:
        """Return the document. Raises one of the errors above, HashMismatch, or InvalidDocument."""
        if request.document_id is not None:
            document = self.registry.find(request.document_id)
            if document is None:
                raise self._not_found(request.document_id)
            return document
        if request.apq_hash is not None:
            return await self._find_automatic(request.apq_hash, request.text)
        assert request.text is not None
        return self._find_by_text(request.text)

    def _find_by_text(self, text: str) -> Document:
        """Return the published document with this text, or an ad hoc document if the mode allows it.

        Mode `apq` allows it without a registration. A client may register any text, and some clients send a part of
        their operations as text (urql: mutations).
        """
        published = self.registry.find_by_text(text)
        if published is not None:
            return published
        if self.mode != "required" or self._log_if_report_only(text):
            return self.registry.ad_hoc(text)
        raise PersistedQueryIdRequired("Only published documents are run here: send the id of one instead of a text.")

    async def _find_automatic(self, digest: str, text: str | None) -> Document:
        """Return the document of an automatic persisted query, registering `text` if it is new."""
        published = self.registry.find(digest) or self.registry.find_by_hash(digest)
        if published is not None:
            if text is not None and text != published.text and content_id(text) != HASH_PREFIX + digest:
                # The text of Apollo's protocol.
                raise HashMismatch("provided sha does not match query")
            return published
        if self.mode == "required" and not self.report_only:
            if text is None:
                raise self._not_found(digest)
            raise PersistedQueryNotSupported("PersistedQueryNotSupported")
        if not SHA256_HEX.fullmatch(digest):
            raise BadRequest("`extensions.persistedQuery.sha256Hash` must be 64 lower-case hex digits.")
        if text is not None:
            self._log_if_report_only(text)
            return await self.registry.register(digest, text)
        registered = await self.registry.find_registered(digest)
        if registered is None:
            self.registry.count_unknown(digest)
            raise PersistedQueryNotFound("PersistedQueryNotFound")
        self._log_if_report_only(registered.text)
        return registered

    def _not_found(self, document_id: str) -> AppError:
        """Return the error for an unknown id; outside mode `required` it makes APQ clients register the document."""
        self.registry.count_unknown(document_id)
        error_class = PersistedQueryNotInList if self.mode == "required" else PersistedQueryNotFound
        # The text of Apollo's protocol, also for `PersistedQueryNotInList`.
        return error_class("PersistedQueryNotFound")

    def _log_if_report_only(self, text: str) -> bool:
        """Log a text that mode `required` would reject if report-only is set. Return whether it is served for that."""
        if self.mode != "required" or not self.report_only:
            return False
        log.warning("documents.rejected_report_only", text=text[:2000])
        return True
