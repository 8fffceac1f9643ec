"""Imports what was asked for, as soon as a commit tells of it.

No arq function: what is due, and when, is in PostgreSQL, as are the limits that all workers share, and so is the news.
A message per fetch would only say again what the rows say, and get lost with Redis.
"""

from __future__ import annotations

from app.ingestion.extract.pipeline import sources
from app.ingestion.fetch.fetcher import Fetcher
from app.ingestion.worker.import_worker import Importer
from app.resources import Resources


async def follow_imports(resources: Resources, fetcher: Fetcher) -> None:
    """Runs until it is cancelled."""
    await Importer(resources, fetcher, sources(resources.settings, fetcher)).run()
