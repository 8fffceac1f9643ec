"""GraphQL types of imports."""

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
# A page has up to 512 KiB, and all pages of a response are in memory at the same time.
PAYLOAD_COST = 250

graphql_enum(
    ImportStatus,
    "Status of an import session or of one of its rows.",
    {
        "QUEUED": "Waiting for a worker or for the time of the next attempt.",
        "RUNNING": "In progress, or to be resumed by another worker.",
        "COMPLETE": "All offers are stored with prices. Final.",
        "PARTIAL": "An offer has no price or, for a session, some rows are not complete. Final.",
        "FAILED": "Nothing is stored. Final.",
    },
)
graphql_enum(
    ImportSource,
    "Source of the URLs of an import.",
    {"URL": "A single URL.", "CSV": "A CSV file.", "JSON": "A JSON file."},
)
graphql_enum(
    Quality,
    "Completeness of the offer on a page.",
    {
        "FULL": "Price and at least four of condition, CPU, memory, storage and images.",
        "PARTIAL": "Less than FULL.",
    },
)


graphql_enum(
    ImportPriority,
    "Priority among pages that wait to be fetched.",
    {"LOW": "After all other pages.", "NORMAL": "In the order of requests.", "HIGH": "Before all other pages."},
)


def decompressed_content(self: Any) -> str:
    """Return the text of a stored page."""
    return zlib.decompress(self["content"]).decode()


@strawberry.type(description="A fetched page.")
class ImportedPage:
    is_type_of = is_row(PayloadRow)

    content: str = computed(decompressed_content, "content", description="Text of the page, at most its first 512 KiB.")
    bytes: int = column("bytes", description="Size of `content` in UTF-8, in bytes.")
    truncated: bool = column("truncated", description="Whether the page was longer than `content`.")
    content_type: str = column("content_type", description="Content type according to the server.")
    stored_at: datetime = column(
        "stored_at", description="Time when the page was stored; pages are deleted after 30 days by default."
    )


def node_error() -> BadInput:
    """Return the error of `node(id:)`: its responses are cached for all viewers, and imports are for operators only."""
    return BadInput("`node` does not return imports: use `importSession(id:)` as an operator.")


@strawberry.type(description="One URL of an import session.")
class ImportRow(Node):
    """Objects are instances of ImportedRow."""

    is_type_of = is_row(ImportedRow)

    id: strawberry.ID = id_field("ImportRow")
    position: int = column("position", description="Position in the file, from 1.")
    url: str = column("url", description="URL as requested.")
    status: ImportStatus = column("status", description="Status of the row.")
    attempts: int = column("attempts", description="Number of attempts, including the current one.")
    next_attempt_at: datetime | None = column(
        "next_attempt_at", description="Earliest time of the next attempt; null unless the status is QUEUED."
    )
    error_code: str | None = column("error_code", description="Code of the last error; null without an error.")
    error: str | None = column("error", description="Message of the last error; null without an error.")
    quality: Quality | None = column(
        "quality", description="Completeness of the offer; null before the page is processed."
    )
    remarks: list[str] = column(
        "remarks", description="Remarks about the offers, such as why an offer has no CPU or no price that counts."
    )
    adapter: str | None = column(
        "adapter",
        description="Extractor that found the offers: json-ld, microdata, rdfa, opengraph, html or ebay; null if there "
        "is none.",
    )
    final_url: str | None = column("final_url", description="URL of the page after redirects; null without a page.")
    fetched_at: datetime | None = column(
        "fetched_at", description="Time when the page was fetched; null without a page."
    )
    finished_at: datetime | None = column("finished_at", description="Time when the row ended; null before.")

    @strawberry.field(
        description="Listings of the page's offers, best first; they have ended if the page is gone.",
        metadata=requires(cache_hints(Domain.MARKET), "listing_ids"),
        directives=[ListSize(assumed_size=MAX_LISTINGS)],
    )
    async def listings(self: Any, info: Info) -> list[Listing]:
        """Return the listings; batched over all rows of the response."""
        rows: list[Any] = await info.context.loader(ListingById).load_many(self["listing_ids"])
        return [row for row in rows if row is not None]

    @strawberry.field(
        description="The fetched page; null without a page, and after its deletion.",
        metadata=requires(cache_hints(Domain.WORK), "fetch_id"),
        directives=[CostWeight(weight=PAYLOAD_COST)],
    )
    async def payload(self: Any, info: Info) -> ImportedPage | None:
        """Return the page; batched over all rows of the response."""
        key = self["fetch_id"]
        return cast("ImportedPage | None", None if key is None else await info.context.loader(PayloadByFetch).load(key))

    @classmethod
    async def load_node(cls, info: Info, key: int) -> ImportRow | None:
        """Raise BadInput, see `node_error`."""
        raise node_error()


def count_finished_rows(self: Any) -> int:
    """Return the number of rows that have ended."""
    return int(self["complete"] + self["partial"] + self["failed"])


@strawberry.type(description="A request to import the offers of one or more URLs.")
class ImportSession(Node):
    """Objects are instances of SessionRow."""

    is_type_of = is_row(SessionRow)

    id: strawberry.ID = id_field("ImportSession")
    status: ImportStatus = column("status", description="Status of all rows together.")
    source: ImportSource = column("source", description="Source of the URLs.")
    name: str = column("name", description="URL or name of the file.")
    priority: ImportPriority = column("priority", description="Priority of its pages.")
    total: int = column("total", description="Number of rows.")
    done: int = computed(
        count_finished_rows, "complete", "partial", "failed", description="Number of rows that have ended."
    )
    complete: int = column("complete", description="Number of rows with status COMPLETE.")
    partial: int = column("partial", description="Number of rows with status PARTIAL.")
    failed: int = column("failed", description="Number of rows with status FAILED.")
    requested_by: str = column("requested_by", description="Subject of the token of the request.")
    requested_at: datetime = column("requested_at", description="Time of the request.")
    started_at: datetime | None = column("started_at", description="Time when the first row started; null before.")
    finished_at: datetime | None = column("finished_at", description="Time when the last row ended; null before.")

    @strawberry.field(
        description="Rows of the session, in the order of the file.",
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
        """Return a page of rows; batched over all sessions of the response."""
        request = parse_page_arguments(first, after, last, before)
        page = await info.context.loader(RowPages).load(RowPageKey.of(self["id"], request))

        async def count() -> int:
            return int(self["total"])

        return Connection(page=page, count=count)

    @classmethod
    async def load_node(cls, info: Info, key: int) -> ImportSession | None:
        """Raise BadInput, see `node_error`."""
        raise node_error()

    @classmethod
    async def load_by_key(cls, info: Info, key: int) -> ImportSession | None:
        """Return the session with this key, or None."""
        return cast("ImportSession | None", await info.context.loader(SessionById).load(key))
