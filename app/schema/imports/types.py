"""Imports as GraphQL types."""

from __future__ import annotations

import zlib
from datetime import datetime
from typing import Any, cast

import strawberry

from app.core.errors import BadInput
from app.db.pagination import DEFAULT_PAGE_SIZE, parse_page_arguments
from app.db.tables import Domain, ImportPriority, ImportSource, ImportStatus
from app.graphql.context import Info
from app.graphql.directives import CostWeight, ListSize, cache_hints, connection_size
from app.graphql.enums import graphql_enum
from app.graphql.fields import column, computed, is_row, requires
from app.graphql.relay import After, Before, Connection, First, Last, Node, id_field
from app.ingestion.extract.offer import Quality
from app.schema.imports.loaders import (
    ImportedRow,
    PayloadByFetch,
    PayloadRow,
    RowPageKey,
    RowPages,
    SessionById,
    SessionRow,
)
from app.schema.listings.loaders import ListingById
from app.schema.listings.types import Listing

MAX_LISTINGS = 5
# A page may have 512 KiB, and all of an answer are in memory at the same time.
PAYLOAD_COST = 250

graphql_enum(
    ImportStatus,
    "State of an import, or of one of its rows.",
    {
        "QUEUED": "Waits for a worker, or for the time of its next attempt.",
        "RUNNING": "A worker is at it, or the next one will take it up again.",
        "COMPLETE": "Every offer is stored, with its price. Final.",
        "PARTIAL": "Something is missing: an offer has no price, or of a session some rows are not complete. Final.",
        "FAILED": "Nothing came of it. Final.",
    },
)
graphql_enum(
    ImportSource,
    "What an import was asked for by.",
    {"URL": "A URL.", "CSV": "A CSV file.", "JSON": "A JSON file."},
)
graphql_enum(
    Quality,
    "How much a page told of its offer.",
    {
        "FULL": "Its price, and at least four of: condition, CPU, memory, storage, images.",
        "PARTIAL": "Less than that.",
    },
)


graphql_enum(
    ImportPriority,
    "What comes first when several pages could be fetched.",
    {"LOW": "After all others.", "NORMAL": "In the order of asking.", "HIGH": "Before all others."},
)


def decompressed_content(self: Any) -> str:
    """What was compressed."""
    return zlib.decompress(self["content"]).decode()


@strawberry.type(description="A page as it was fetched.")
class ImportedPage:
    is_type_of = is_row(PayloadRow)

    content: str = computed(
        decompressed_content, "content", description="As text; what follows the first 512 KiB is left out."
    )
    bytes: int = column("bytes", description="Bytes of `content` in UTF-8.")
    truncated: bool = column("truncated", description="Whether there was more.")
    content_type: str = column("content_type", description="As the server called it.")
    stored_at: datetime = column("stored_at", description="When it was stored; it is kept for 30 days.")


def node_error() -> BadInput:
    """What `node(id:)` tells everybody: its answers are the same for all who ask, and imports are for operators."""
    return BadInput("Imports are not given by `node`: ask `importSession(id:)`, as an operator.")


@strawberry.type(description="One URL of an import.")
class ImportRow(Node):
    """Its objects are rows of a session joined with their fetches."""

    is_type_of = is_row(ImportedRow)

    id: strawberry.ID = id_field("ImportRow")
    position: int = column("position", description="From 1, in the order of the file.")
    url: str = column("url", description="As given.")
    status: ImportStatus = column("status", description="What has become of it.")
    attempts: int = column("attempts", description="How often it was tried, the attempt under way included.")
    next_attempt_at: datetime | None = column(
        "next_attempt_at", description="When it may be tried (again); null unless it is QUEUED."
    )
    error_code: str | None = column("error_code", description="Why it failed, or is tried again: for programs.")
    error: str | None = column("error", description="The same as a sentence; null when nothing is wrong.")
    quality: Quality | None = column("quality", description="How much the page told; null before it is understood.")
    remarks: list[str] = column(
        "remarks", description="What was left open, in sentences: that an offer has no CPU and why, or does not count."
    )
    adapter: str | None = column(
        "adapter",
        description="What read the page: json-ld, microdata, rdfa, opengraph, html, ebay; null if nothing did.",
    )
    final_url: str | None = column("final_url", description="Where the page was, after redirects; null without a page.")
    fetched_at: datetime | None = column("fetched_at", description="When the page was fetched; null without a page.")
    finished_at: datetime | None = column("finished_at", description="When it ended; null before.")

    @strawberry.field(
        description="The listings that its offers became, the best first; those of a page that is gone have ended.",
        metadata=requires(cache_hints(Domain.MARKET), "listing_ids"),
        directives=[ListSize(assumed_size=MAX_LISTINGS)],
    )
    async def listings(self: Any, info: Info) -> list[Listing]:
        """Batched over all rows of the answer."""
        found: list[Any] = await info.context.loader(ListingById).load_many(self["listing_ids"])
        return [row for row in found if row is not None]

    @strawberry.field(
        description="The page as it was fetched; null when there was none, and after 30 days.",
        metadata=requires(cache_hints(Domain.WORK), "fetch_id"),
        directives=[CostWeight(weight=PAYLOAD_COST)],
    )
    async def payload(self: Any, info: Info) -> ImportedPage | None:
        """Batched over all rows of the answer."""
        key = self["fetch_id"]
        return cast("ImportedPage | None", None if key is None else await info.context.loader(PayloadByFetch).load(key))

    @classmethod
    async def load_node(cls, info: Info, key: int) -> ImportRow | None:
        """For `node(id:)`: raises BadInput."""
        raise node_error()


def count_finished_rows(self: Any) -> int:
    """Rows that have ended."""
    return int(self["complete"] + self["partial"] + self["failed"])


@strawberry.type(description="One request for URLs to be imported, and what has become of each.")
class ImportSession(Node):
    """Its objects are rows of `import_session`."""

    is_type_of = is_row(SessionRow)

    id: strawberry.ID = id_field("ImportSession")
    status: ImportStatus = column("status", description="What has become of all rows together.")
    source: ImportSource = column("source", description="What it was asked for by.")
    name: str = column("name", description="The URL, or the name of the file.")
    priority: ImportPriority = column("priority", description="What comes first.")
    total: int = column("total", description="Number of rows.")
    done: int = computed(count_finished_rows, "complete", "partial", "failed", description="Rows that have ended.")
    complete: int = column("complete", description="Rows that are COMPLETE.")
    partial: int = column("partial", description="Rows that are PARTIAL.")
    failed: int = column("failed", description="Rows that FAILED.")
    requested_by: str = column("requested_by", description="Subject of the token that it was asked for with.")
    requested_at: datetime = column("requested_at", description="When it was asked for.")
    started_at: datetime | None = column("started_at", description="When the first row was taken up; null before.")
    finished_at: datetime | None = column("finished_at", description="When the last row ended; null before.")

    @strawberry.field(
        description="Its rows, in the order of the file.",
        metadata=requires(cache_hints(Domain.WORK), "id", "total"),
        directives=[connection_size(DEFAULT_PAGE_SIZE)],
    )
    async def rows(
        self: Any,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[ImportRow]:
        """Batched over all sessions of the answer."""
        request = parse_page_arguments(first, after, last, before)
        page = await info.context.loader(RowPages).load(RowPageKey.of(self["id"], request))

        async def count() -> int:
            return int(self["total"])

        return Connection(page=page, count=count)

    @classmethod
    async def load_node(cls, info: Info, key: int) -> ImportSession | None:
        """For `node(id:)`: raises BadInput."""
        raise node_error()

    @classmethod
    async def with_key(cls, info: Info, key: int) -> ImportSession | None:
        """The session with this key; None when there is none."""
        return cast("ImportSession | None", await info.context.loader(SessionById).load(key))
