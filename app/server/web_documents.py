"""Publishes the documents of the built web page."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

from app.server.static_files import DOCUMENTS_MANIFEST, WEB_BUILD_DIR

CLIENT_NAME = "web"


def publish_web_documents(database_url: str, build_dir: Path = WEB_BUILD_DIR) -> None:
    """Publish the documents of the built page unless all are published. Raises BadInput if they are invalid."""
    manifest = build_dir / DOCUMENTS_MANIFEST
    if manifest.is_file():
        asyncio.run(_publish(database_url, manifest))


async def _publish(database_url: str, manifest: Path) -> None:
    from app.documents import publishing
    from app.documents.manifests import read_manifest
    from app.resources import Resources
    from app.settings import load_settings

    entries = read_manifest(manifest)
    version = hashlib.sha256("".join(sorted(entry.id for entry in entries)).encode()).hexdigest()[:12]
    settings = load_settings()
    # Resources need a Redis URL, but publishing does not use Redis.
    urls = {"database_url": database_url, "redis_url": settings.redis_url or "redis://127.0.0.1:6379/0"}
    async with Resources.open(settings.model_copy(update=urls), listen=False) as resources:
        if await publishing.are_published(resources, [entry.id for entry in entries]):
            return
        from app.schema.build import build_graphql_schema

        client = publishing.ClientVersion(CLIENT_NAME, version)
        await publishing.publish(resources, build_graphql_schema(), entries, client)
