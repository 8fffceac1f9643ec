"""Statements about published documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text

from app.db.tables import Domain
from app.db.transaction import Tx
from app.resources import Session

CONFLICTS = text(
    """
    SELECT d.id FROM document AS d
    JOIN unnest(CAST(:ids AS text[]), CAST(:texts AS text[])) AS given (id, text) ON given.id = d.id
    WHERE d.text <> given.text ORDER BY d.id
    """
)
# In the order of ids, so that two publications at a time wait for each other instead of locking each other out.
INSERT = text(
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
ACTIVE = text("SELECT id, text FROM document WHERE retired_at IS NULL ORDER BY id")
LISTED = text(
    """
    SELECT d.id, d.name, d.text, d.published_at, d.retired_at,
        array(
            SELECT c.client_name || '@' || c.client_version FROM document_client AS c WHERE c.document_id = d.id
            ORDER BY c.client_name, c.published_at, c.client_version
        ) AS clients
    FROM document AS d ORDER BY d.name, d.id
    """
)
USES = text("SELECT document_id, first_used_at, last_used_at, hits FROM document_use")
RETIRE = text(
    "UPDATE document SET retired_at = now() WHERE retired_at IS NULL AND id = ANY(CAST(:ids AS text[])) RETURNING id"
)
FORGET_CLIENT = text(
    """
    DELETE FROM document_client
    WHERE client_name = :client AND (CAST(:version AS text) IS NULL OR client_version = :version)
    RETURNING document_id
    """
)
# A document that another client or version still uses stays.
RETIRE_UNWANTED = text(
    """
    UPDATE document AS d SET retired_at = now()
    WHERE retired_at IS NULL AND id = ANY(CAST(:ids AS text[]))
        AND NOT EXISTS (SELECT FROM document_client AS c WHERE c.document_id = d.id)
    RETURNING id
    """
)
# In the order of ids: several processes do this at a time.
RECORD_USES = text(
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
    """A document to publish: its id, text, the names of its operations, and the client that asks for it."""

    id: str
    text: str
    name: str
    client: str


@dataclass(frozen=True)
class Use:
    """How often a document was used, from when to when."""

    hits: int
    first: datetime
    last: datetime


async def conflicts(session: Session, given: Sequence[Publication]) -> list[str]:
    """Ids that are published already (or were), with another text."""
    values = {"ids": [each.id for each in given], "texts": [each.text for each in given]}
    return [row.id for row in await session.rows(CONFLICTS, values)]


async def publish(tx: Tx, given: Sequence[Publication], version: str) -> int:
    """Publishes documents for a version of their clients; the number of those that were not served before."""
    documents = {each.id: each for each in given}
    values = {
        "ids": list(documents),
        "texts": [each.text for each in documents.values()],
        "names": [each.name for each in documents.values()],
    }
    added = await tx.rows(INSERT, values)
    clients = {"ids": [each.id for each in given], "clients": [each.client for each in given]}
    await tx.execute(INSERT_CLIENTS, {**clients, "version": version})
    if added:
        tx.touch(Domain.DOCUMENTS)
    return len(added)


async def active(session: Session) -> dict[str, str]:
    """Id to text of every document that is served."""
    return {row.id: row.text for row in await session.rows(ACTIVE)}


async def listed(session: Session) -> Sequence[Row[Any]]:
    """All documents with their clients, by name."""
    return await session.rows(LISTED)


async def uses(session: Session) -> dict[str, Use]:
    """How documents are used, by id."""
    return {row.document_id: Use(row.hits, row.first_used_at, row.last_used_at) for row in await session.rows(USES)}


async def retire(tx: Tx, ids: Sequence[str]) -> list[str]:
    """Stops serving these; the ids that were served until now."""
    return _touched(tx, [row.id for row in await tx.rows(RETIRE, {"ids": list(ids)})])


async def retire_client(tx: Tx, client: str, version: str | None) -> list[str] | None:
    """Stops serving what no client but this one (in this version, or in any) asks for; None when there is no such."""
    gone = [row.document_id for row in await tx.rows(FORGET_CLIENT, {"client": client, "version": version})]
    if not gone:
        return None
    return _touched(tx, [row.id for row in await tx.rows(RETIRE_UNWANTED, {"ids": gone})])


def _touched(tx: Tx, retired: list[str]) -> list[str]:
    if retired:
        tx.touch(Domain.DOCUMENTS)
    return sorted(retired)


async def record_uses(tx: Tx, counted: Mapping[str, Use]) -> None:
    """Adds what a process counted. Bumps no version: nobody's answer is made of it."""
    used = list(counted.values())
    values = {
        "ids": list(counted),
        "hits": [use.hits for use in used],
        "firsts": [use.first for use in used],
        "lasts": [use.last for use in used],
    }
    await tx.execute(RECORD_USES, values)
