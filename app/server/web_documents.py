"""Publish the documents of the built page."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

from app.server.static_files import BUILT, DOCUMENTS

CLIENT = "web"


def publish(database_url: str, built: Path = BUILT) -> None:
    """Has the documents of the built page served, unless they are already. Raises BadInput when they do not fit."""
    manifest = built / DOCUMENTS
    if manifest.is_file():
        asyncio.run(_publish(database_url, manifest))


async def _publish(database_url: str, manifest: Path) -> None:
    from app.documents import publishing
    from app.documents.manifests import read_manifest
    from app.resources import Resources
    from app.settings import load_settings

    entries = read_manifest(manifest)
    version = hashlib.sha256("".join(sorted(each.id for each in entries)).encode()).hexdigest()[:12]
    settings = load_settings()
    # The queue is opened with the rest, but not told anything.
    urls = {"database_url": database_url, "redis_url": settings.redis_url or "redis://127.0.0.1:6379/0"}
    async with Resources.open(settings.model_copy(update=urls), listen=False) as resources:
        if await publishing.are_published(resources, [each.id for each in entries]):
            return
        from app.schema.build import build_schema

        client = publishing.Client(CLIENT, version)
        await publishing.publish(resources, build_schema()._schema, entries, client)
