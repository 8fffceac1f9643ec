"""Title matcher for the CPUs of the catalogue, cached per process and catalogue version."""

from __future__ import annotations

import asyncio

from app.catalog import sql
from app.db.tables import Domain
from app.resources import Reader, Resources, Session
from app.titles.matcher import TitleMatcher

CACHE_KEY = "catalog.matcher"


async def get_matcher(resources: Resources, session: Reader) -> TitleMatcher:
    """Return the matcher for the catalogue in the snapshot of `session`; it is rebuilt when the catalogue changes."""
    version = (await session.versions()).get(Domain.CATALOG, 0)
    return await resources.versioned_cache.get_or_create(CACHE_KEY, version, lambda: build_matcher(session))


async def build_matcher(session: Session) -> TitleMatcher:
    """Build a matcher from the CPUs that `session` sees, in a thread, because it takes about 0.2 s for 6,000 CPUs."""
    rows = [tuple(row) for row in await session.rows(sql.CPU_NAMES)]
    return await asyncio.to_thread(TitleMatcher, rows)
