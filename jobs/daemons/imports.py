"""Imports pages when a commit requests them.

This is a daemon instead of a queued job, because PostgreSQL already holds the queue of pages, their due times, and the
limits that all workers share. Messages in Redis would duplicate that, and could be lost.
"""

from __future__ import annotations

from app.ingestion.extract.pipeline import create_page_sources
from app.ingestion.fetch.fetcher import Fetcher
from app.ingestion.worker.import_worker import ImportWorker
from app.resources import Resources


async def follow_imports(resources: Resources, fetcher: Fetcher) -> None:
    """Import pages until cancelled."""
    await ImportWorker(resources, fetcher, create_page_sources(resources.settings, fetcher)).run()
