"""The matcher of titles over the catalogue, kept ready in the process."""

from __future__ import annotations

import asyncio

from app.catalog import sql
from app.db.tables import Domain
from app.resources import Reader, Resources, Session
from app.titles.matcher import Matcher

KEPT = "catalog.matcher"


async def matcher(resources: Resources, session: Reader) -> Matcher:
    """The matcher of the catalogue as this snapshot sees it; made anew only when the catalogue's version is another."""
    version = (await session.versions()).get(Domain.CATALOG, 0)
    return await resources.kept.at(KEPT, version, lambda: make_matcher(session))


async def make_matcher(session: Session) -> Matcher:
    """A matcher of the CPUs that this transaction sees; some 0.2 s for 6,000, in a thread."""
    rows = [tuple(row) for row in await session.rows(sql.NAMES)]
    return await asyncio.to_thread(Matcher, rows)
