"""Sample data for `dealmark up`: real CPUs, generated listings marked as sample, and their calculated figures."""

from __future__ import annotations

import asyncio
import csv
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import text

from app.analytics.recalculation import recalculate
from app.bulk_import.staging import ImportOptions
from app.catalog.cpu_import import import_cpus, open_cpus
from app.db.advisory_locks import CPU_WRITERS_LOCK
from app.db.transaction import Transaction
from app.devserver.sample_listings import SampleListings
from app.market.imports.importer import import_listings
from app.resources import Resources
from app.settings import Settings, load_settings

SAMPLE_CPUS_FILE = Path(__file__).parent / "sample_cpus.csv"
BATCH_SIZE = 1000
# A row that is rejected is an error in this repository, so it aborts the import.
STRICT = ImportOptions(Path("sample.rejected.csv"), strict=True)

ACQUIRE_LOCK = text("SELECT pg_advisory_xact_lock(:key)")
HAS_NO_CPUS = text("SELECT NOT EXISTS (SELECT FROM cpu)")


def load_if_empty(database_url: str) -> int:
    """Load the sample data into a migrated database. Return the number of listings, 0 if there were CPUs already."""
    settings = load_settings()
    # Resources require a Redis URL. No job is enqueued, so none has to answer there.
    redis_url = settings.redis_url or "redis://127.0.0.1:6379/0"
    return asyncio.run(_load(settings.model_copy(update={"database_url": database_url, "redis_url": redis_url})))


async def _load(settings: Settings) -> int:
    async with Resources.open(settings, listen=False) as resources:
        return await load_into(resources)


async def load_into(resources: Resources) -> int:
    """Load the sample data unless there are CPUs. Return the number of listings."""
    async with resources.write() as tx:
        # Processes that start at the same time take turns; the second one finds the data.
        await tx.execute(ACQUIRE_LOCK, {"key": CPU_WRITERS_LOCK})
        return await load(tx, datetime.now(UTC)) if await tx.scalar(HAS_NO_CPUS) else 0


async def load(tx: Transaction, now: datetime) -> int:
    """Load CPUs, and listings of the month before `now`, and calculate the figures. Return the number of listings."""
    await import_cpus(tx, open_cpus(SAMPLE_CPUS_FILE), STRICT)
    with SAMPLE_CPUS_FILE.open(newline="", encoding="utf-8") as file:
        listings = SampleListings(csv.DictReader(file), now)
    summary = await import_listings(tx, listings, STRICT, is_sample=True)
    await recalculate(tx, None, None, BATCH_SIZE, _no_progress)
    return summary.created


async def _no_progress(_done: int, _total: int) -> None:
    """Ignore progress."""
