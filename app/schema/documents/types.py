"""GraphQL types of persisted documents."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, cast

import strawberry

from app.db.tables import Domain
from app.graphql.context import Info
from app.graphql.directives import cache_hints
from app.graphql.enums import graphql_enum
from app.graphql.fields import column, computed, is_row, requires
from app.resources import ExecutionMode
from app.schema.documents.loaders import DocumentRow


class DocumentState(StrEnum):
    """How a document is executed."""

    COMPILED = "compiled"
    INTERPRETED = "interpreted"
    OUTDATED = "outdated"


graphql_enum(
    DocumentState,
    "How a document is executed.",
    {
        "COMPILED": "As a compiled operation, like nearly all documents.",
        "INTERPRETED": "By graphql-core field by field, because it cannot be compiled.",
        "OUTDATED": "Not executed, because it is not valid for the current schema.",
    },
)


@strawberry.type(description="How a document is executed.")
class DocumentRunning:
    state: DocumentState = strawberry.field(description="How the document is executed, if at all.")
    reason: str | None = strawberry.field(description="Why the document is not compiled; null if it is.")

    @classmethod
    def of(cls, running: ExecutionMode) -> DocumentRunning:
        """Return the object for the execution mode of a document."""
        return cls(state=DocumentState(running.mode), reason=running.reason)


def _clients(self: Any) -> list[str]:
    return cast("list[str]", self["clients"])


@strawberry.type(description="A persisted document that is or was served.")
class PersistedDocument:
    """Objects are instances of DocumentRow."""

    is_type_of = is_row(DocumentRow)

    document_id: str = column("id", description="Id that clients send as `documentId` instead of the text.")
    name: str = column("name", description="Names of its operations.")
    ships: bool = column("ships", description="Whether the document is part of the server and always served.")
    clients: list[str] = computed(
        _clients, "clients", description="Client versions that published the document, such as web@1.2.3."
    )
    published_at: datetime | None = column(
        "published_at", description="Time of the first publication; null if the document is only part of the server."
    )
    retired_at: datetime | None = column(
        "retired_at", description="Time since which the document is not served; null while it is served."
    )
    hits: int = column("hits", description="Number of uses; processes add their counts every few seconds.")
    first_used_at: datetime | None = column("first_used_at", description="Time of the first use; null if never used.")
    last_used_at: datetime | None = column("last_used_at", description="Time of the last use; null if never used.")

    @strawberry.field(
        description="How the document is executed; null if it is not served.",
        metadata=requires(cache_hints(Domain.DOCUMENTS), "id"),
    )
    async def running(self: Any, info: Info) -> DocumentRunning | None:
        """Return how this process executes the document."""
        documents = info.context.resources.documents
        mode = None if documents is None else await documents.execution_mode(self["id"])
        return None if mode is None else DocumentRunning.of(mode)
