"""A migrated database on embedded servers, filled with CPUs and generated listings."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import text

from app.bulk_import.staging import ImportOptions
from app.catalog.cpu_import import import_cpus, open_cpus
from app.db import schema_version
from app.devserver.embedded import EmbeddedPostgres, EmbeddedRedis
from app.devserver.sample_data import SAMPLE_CPUS_FILE
from app.resources import Resources
from app.settings import Settings

ROOT = Path(__file__).parents[1]
# A PassMark export in the folder that DEALMARK_TEST_DATA names, else the sample catalogue.
DATA_DIR = os.environ.get("DEALMARK_TEST_DATA")
CPUS_FILE = SAMPLE_CPUS_FILE if DATA_DIR is None else Path(DATA_DIR) / "passmark_cpus.json"

# Listings are inserted in random order of CPUs, so those of a CPU are spread over the whole table.
INSERT_LISTINGS = text(
    """
    INSERT INTO listing (cpu_id, title, marketplace, condition, status, price, adjusted_price, offer_key, seen_at)
    SELECT ids[1 + floor(random() * cardinality(ids))::int], 'A listing with a title of usual length, number ' || i,
        'ebay', 'used', CASE WHEN random() < 0.95 THEN 'active' ELSE 'ended' END, price, price, int8send(i), now()
    FROM (
        SELECT i, round((20 + random() * 500)::numeric, 2) AS price
        FROM generate_series(1, CAST(:listings AS bigint)) AS i
    ) AS offer, (SELECT array_agg(id ORDER BY id) AS ids FROM cpu) AS cpus
    """
)


@contextmanager
def filled_database(listings: int) -> Iterator[Settings]:
    """Create a database with all CPUs and this number of listings, vacuumed and analyzed. Yield its settings."""
    with tempfile.TemporaryDirectory(prefix="dealmark-bench-") as folder:
        home = Path(folder)
        postgres, redis = EmbeddedPostgres(home / "postgres"), EmbeddedRedis(home / "redis")
        try:
            settings = Settings(database_url=postgres.start(), redis_url=redis.start(), data_dir=home)
            schema_version.upgrade(settings.required_database_url)
            asyncio.run(_fill(settings, listings))
            yield settings
        finally:
            postgres.stop()
            redis.stop()


async def _fill(settings: Settings, listings: int) -> None:
    async with Resources.open(settings) as resources:
        async with resources.write() as tx:
            summary = await import_cpus(
                tx, open_cpus(CPUS_FILE), ImportOptions(rejects_path=settings.data_dir / "rejects.csv")
            )
            await tx.execute(text("SELECT setseed(0.5)"))
            await tx.execute(INSERT_LISTINGS, {"listings": listings})
        await vacuum(resources)
    note = " (the sample catalogue: DEALMARK_TEST_DATA is not set)" if DATA_DIR is None else ""
    print(f"\n{summary.created:,} CPUs{note}, {listings:,} listings", flush=True)


async def vacuum(resources: Resources) -> None:
    """Do what autovacuum would do later, and a checkpoint, so that neither disturbs the measurement."""
    async with resources.engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        await connection.execute(text("VACUUM ANALYZE"))
        await connection.execute(text("CHECKPOINT"))
