"""GraphQL types of persisted documents."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

import strawberry

from app.db.tables import Domain
from app.graphql.context import Info
from app.graphql.directives import cache_hints
from app.graphql.enums import graphql_enum
from app.graphql.fields import column, computed, is_row, requires
from app.resources import ExecutionMode
from app.schema.documents.loaders import DocumentRow


class DocumentState(StrEnum):
    """How a document is run."""

    COMPILED = "compiled"
    INTERPRETED = "interpreted"
    OUTDATED = "outdated"


graphql_enum(
    DocumentState,
    "How a document is run.",
    {
        "COMPILED": "By a plan, as nearly all are.",
        "INTERPRETED": "By graphql-core, field by field: it has no plan.",
        "OUTDATED": "Not at all: it was published for another schema.",
    },
)


@strawberry.type(description="How a document is run.")
class DocumentRunning:
    state: DocumentState = strawberry.field(description="By what it is run, if it is.")
    reason: str | None = strawberry.field(description="Why it is not run by a plan; null where it is.")

    @classmethod
    def of(cls, running: ExecutionMode) -> DocumentRunning:
        """From what the server says."""
        return cls(state=DocumentState(running.mode), reason=running.reason)


def _clients(self: Any) -> list[str]:
    found: list[str] = self["clients"]
    return found


@strawberry.type(description="A document that is, or was, served under an id.")
class PersistedDocument:
    """Its objects are rows of `sql.COLUMNS`."""

    is_type_of = is_row(DocumentRow)

    document_id: str = column("id", description="What clients send in place of its text: `documentId`.")
    name: str = column("name", description="The names of its operations.")
    ships: bool = column("ships", description="Whether it comes with the server, and is always served.")
    clients: list[str] = computed(
        _clients, "clients", description="Which versions of which clients published it, like web@1.2.3."
    )
    published_at: datetime | None = column(
        "published_at", description="When it was published first; null where it only comes with the server."
    )
    retired_at: datetime | None = column("retired_at", description="Since when it is not served; null while it is.")
    hits: int = column("hits", description="How often it was used; processes add what they count every few seconds.")
    first_used_at: datetime | None = column("first_used_at", description="When it was used first; null for never.")
    last_used_at: datetime | None = column("last_used_at", description="When it was used last; null for never.")

    @strawberry.field(
        description="How it is run; null when it is not served.",
        metadata=requires(cache_hints(Domain.DOCUMENTS), "id"),
    )
    async def running(self: Any, info: Info) -> DocumentRunning | None:
        """As the process that answers runs it."""
        documents = info.context.resources.documents
        found = None if documents is None else await documents.execution_mode(self["id"])
        return None if found is None else DocumentRunning.of(found)
