"""Documents that clients send with their requests, prepared once for all requests with the same text."""

from __future__ import annotations

from graphql import GraphQLSchema
from prometheus_client import Gauge

from app.core.size_limited_cache import SizeLimitedCache
from app.engine.document import Document, InvalidDocument, content_id, prepare_document

AD_HOC_MEMORY = Gauge(
    "dealmark_ad_hoc_documents_bytes", "Estimated memory of the ad hoc documents that a process keeps"
)

# Maximum memory of prepared documents: 0.2 MiB for a usual one, 3 MiB for one with many variants of its plan.
MAX_AD_HOC_BYTES = 64 * 2**20
# Maximum memory of remembered failures, and the estimated memory of one and of each of its errors.
MAX_FAILURE_BYTES = 4 * 2**20
FAILURE_BYTES = 1_000
ERROR_BYTES = 2_000


class AdHocDocuments:
    """Ad hoc documents by content id. Invalid texts are remembered, so that they are not parsed again."""

    def __init__(self, schema: GraphQLSchema, allow_introspection: bool) -> None:
        self.schema = schema
        self.allow_introspection = allow_introspection
        self._documents = SizeLimitedCache[Document](MAX_AD_HOC_BYTES)
        self._failures = SizeLimitedCache[InvalidDocument](MAX_FAILURE_BYTES)

    def find(self, document_id: str) -> Document | None:
        """Return a document that is prepared already."""
        return self._documents.get(document_id)

    def find_or_prepare(self, text: str) -> Document:
        """Return the document of a text. Raises InvalidDocument."""
        document_id = content_id(text)
        document = self.find(document_id)
        if document is not None:
            return document
        failure = self._failures.get(document_id)
        if failure is not None:
            raise InvalidDocument(failure.errors)
        try:
            document = prepare_document(
                self.schema, document_id, text, allow_introspection=self.allow_introspection, ad_hoc=True
            )
        except InvalidDocument as error:
            size = FAILURE_BYTES + ERROR_BYTES * len(error.errors)
            self._failures.put(document_id, InvalidDocument(error.errors), size)
            raise
        self._documents.put(document_id, document, document.memory_bytes)
        AD_HOC_MEMORY.set(self._documents.size)
        return document
