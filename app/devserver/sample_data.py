"""The sample catalogue of `dealmark up`: real CPUs, invented listings marked as sample, and their figures."""

from __future__ import annotations

import asyncio
import csv
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import text

from app.analytics.recalculation import recalculate
from app.bulk_import.staging import Options
from app.catalog.cpu_import import import_cpus, open_cpus
from app.db.advisory_locks import CPU_WRITERS_LOCK
from app.db.transaction import Tx
from app.devserver.sample_listings import SampleListings
from app.market.imports.importer import import_listings
from app.resources import Resources
from app.settings import Settings, load_settings

CPUS = Path(__file__).parent / "sample_cpus.csv"
BATCH_SIZE = 1000
# A row that could not be loaded would be a mistake in this repository, so it stops everything.
OPTIONS = Options(Path("sample.rejected.csv"), strict=True)

LOCK = text("SELECT pg_advisory_xact_lock(:key)")
IS_EMPTY = text("SELECT NOT EXISTS (SELECT FROM cpu)")


def load_if_empty(database_url: str) -> int:
    """Loads the sample into a migrated database without CPUs; returns the number of listings, 0 when it had any."""
    settings = load_settings()
    # The queue is opened with the rest, but not told anything.
    redis_url = settings.redis_url or "redis://127.0.0.1:6379/0"
    return asyncio.run(_load(settings.model_copy(update={"database_url": database_url, "redis_url": redis_url})))


async def _load(settings: Settings) -> int:
    async with Resources.open(settings, listen=False) as resources:
        return await load_into(resources)


async def load_into(resources: Resources) -> int:
    """Loads the sample unless there are CPUs; the number of listings."""
    async with resources.write() as tx:
        # Two that start at once take turns, and the second finds it done.
        await tx.execute(LOCK, {"key": CPU_WRITERS_LOCK})
        return await load(tx, datetime.now(UTC)) if await tx.scalar(IS_EMPTY) else 0


async def load(tx: Tx, now: datetime) -> int:
    """Loads CPUs and listings seen in the month before `now`, and computes the figures."""
    await import_cpus(tx, open_cpus(CPUS), OPTIONS)
    with CPUS.open(newline="", encoding="utf-8") as file:
        listings = SampleListings(csv.DictReader(file), now)
    summary = await import_listings(tx, listings, OPTIONS, is_sample=True)
    await recalculate(tx, None, None, BATCH_SIZE, _no_progress)
    return summary.created


async def _no_progress(_done: int, _total: int) -> None:
    """Nobody watches."""
