"""SQL statements for published documents and their usage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text

from app.db.tables import Domain
from app.db.transaction import Transaction
from app.resources import Session

SELECT_CONFLICTS = text(
    """
    SELECT d.id FROM document AS d
    JOIN unnest(CAST(:ids AS text[]), CAST(:texts AS text[])) AS given (id, text) ON given.id = d.id
    WHERE d.text <> given.text ORDER BY d.id
    """
)
# Ordered by id, so that concurrent publications wait for each other instead of running into a deadlock.
INSERT_DOCUMENTS = text(
    """
    INSERT INTO document (id, text, name)
    SELECT id, text, name FROM unnest(CAST(:ids AS text[]), CAST(:texts AS text[]), CAST(:names AS text[]))
        AS given (id, text, name) ORDER BY id
    ON CONFLICT (id) DO UPDATE SET retired_at = NULL WHERE document.retired_at IS NOT NULL
    RETURNING id
    """
)
INSERT_CLIENTS = text(
    """
    INSERT INTO document_client (document_id, client_name, client_version)
    SELECT id, client, :version FROM unnest(CAST(:ids AS text[]), CAST(:clients AS text[])) AS given (id, client)
    ORDER BY id, client
    ON CONFLICT DO NOTHING
    """
)
SELECT_ACTIVE = text("SELECT id, text FROM document WHERE retired_at IS NULL ORDER BY id")
SELECT_ALL = text(
    """
    SELECT d.id, d.name, d.text, d.published_at, d.retired_at,
        array(
            SELECT c.client_name || '@' || c.client_version FROM document_client AS c WHERE c.document_id = d.id
            ORDER BY c.client_name, c.published_at, c.client_version
        ) AS clients
    FROM document AS d ORDER BY d.name, d.id
    """
)
SELECT_USAGE = text("SELECT document_id, first_used_at, last_used_at, hits FROM document_use")
RETIRE = text(
    "UPDATE document SET retired_at = now() WHERE retired_at IS NULL AND id = ANY(CAST(:ids AS text[])) RETURNING id"
)
DELETE_CLIENT = text(
    """
    DELETE FROM document_client
    WHERE client_name = :client AND (CAST(:version AS text) IS NULL OR client_version = :version)
    RETURNING document_id
    """
)
# Documents that another client or version still uses are not retired.
RETIRE_UNUSED = text(
    """
    UPDATE document AS d SET retired_at = now()
    WHERE retired_at IS NULL AND id = ANY(CAST(:ids AS text[]))
        AND NOT EXISTS (SELECT FROM document_client AS c WHERE c.document_id = d.id)
    RETURNING id
    """
)
# Ordered by id against deadlocks: several processes write at the same time.
INSERT_USAGE = text(
    """
    INSERT INTO document_use AS u (document_id, hits, first_used_at, last_used_at)
    SELECT id, hits, first_at, last_at FROM unnest(
        CAST(:ids AS text[]), CAST(:hits AS bigint[]), CAST(:firsts AS timestamptz[]), CAST(:lasts AS timestamptz[])
    ) AS used (id, hits, first_at, last_at) ORDER BY id
    ON CONFLICT (document_id) DO UPDATE SET
        hits = u.hits + excluded.hits,
        first_used_at = least(u.first_used_at, excluded.first_used_at),
        last_used_at = greatest(u.last_used_at, excluded.last_used_at)
    """
)


@dataclass(frozen=True)
class Publication:
    """A document to publish; `name` lists its operations, `client` is the client that uses it."""

    id: str
    text: str
    name: str
    client: str


@dataclass(frozen=True)
class DocumentUsage:
    """Number of uses of a document, and the times of the first and the last."""

    hits: int
    first: datetime
    last: datetime


async def conflicts(session: Session, publications: Sequence[Publication]) -> list[str]:
    """Return the ids that are, or were, published with another text."""
    values = {
        "ids": [publication.id for publication in publications],
        "texts": [publication.text for publication in publications],
    }
    return [row.id for row in await session.rows(SELECT_CONFLICTS, values)]


async def publish(tx: Transaction, publications: Sequence[Publication], version: str) -> int:
    """Publish documents for a version of their clients. Return how many of them were not served before."""
    documents = {publication.id: publication for publication in publications}
    values = {
        "ids": list(documents),
        "texts": [document.text for document in documents.values()],
        "names": [document.name for document in documents.values()],
    }
    added = await tx.rows(INSERT_DOCUMENTS, values)
    clients = {
        "ids": [publication.id for publication in publications],
        "clients": [publication.client for publication in publications],
    }
    await tx.execute(INSERT_CLIENTS, {**clients, "version": version})
    if added:
        tx.bump_version(Domain.DOCUMENTS)
    return len(added)


async def active(session: Session) -> dict[str, str]:
    """Return the texts of all served documents by id."""
    return {row.id: row.text for row in await session.rows(SELECT_ACTIVE)}


async def list_all(session: Session) -> Sequence[Row[Any]]:
    """Return all documents, including retired ones, with their clients, ordered by name."""
    return await session.rows(SELECT_ALL)


async def usage(session: Session) -> dict[str, DocumentUsage]:
    """Return the usage of documents by id."""
    rows = await session.rows(SELECT_USAGE)
    return {row.document_id: DocumentUsage(row.hits, row.first_used_at, row.last_used_at) for row in rows}


async def retire(tx: Transaction, ids: Sequence[str]) -> list[str]:
    """Retire documents. Return the ids of those that were served until now."""
    return _retired(tx, [row.id for row in await tx.rows(RETIRE, {"ids": list(ids)})])


async def retire_client(tx: Transaction, client: str, version: str | None) -> list[str] | None:
    """Remove a client, in one version or in all (None), and retire the documents that no other client uses.

    Return the ids of the retired documents, or None if there is no such client.
    """
    used = [row.document_id for row in await tx.rows(DELETE_CLIENT, {"client": client, "version": version})]
    if not used:
        return None
    return _retired(tx, [row.id for row in await tx.rows(RETIRE_UNUSED, {"ids": used})])


def _retired(tx: Transaction, ids: list[str]) -> list[str]:
    if ids:
        tx.bump_version(Domain.DOCUMENTS)
    return sorted(ids)


async def record_usage(tx: Transaction, usage_by_id: Mapping[str, DocumentUsage]) -> None:
    """Add what a process counted. This bumps no data version, because no cached response contains usage."""
    counted = list(usage_by_id.values())
    values = {
        "ids": list(usage_by_id),
        "hits": [usage.hits for usage in counted],
        "firsts": [usage.first for usage in counted],
        "lasts": [usage.last for usage in counted],
    }
    await tx.execute(INSERT_USAGE, values)
