"""Publishing documents without a manifest."""

from __future__ import annotations

from app.documents import publishing
from app.documents.manifests import ManifestEntry
from app.engine.document import content_id
from app.resources import Resources
from tests.support.schema_execution import GRAPHQL_SCHEMA

TOTAL = "query Total { statistics { total } }"
NAMES = "query Names($first: Int) { cpus(first: $first) { nodes { name listingsCount } } }"
PRICES = "query Prices { cpus { nodes { name priceTarget { good } } } }"
TOTAL_ID, NAMES_ID, PRICES_ID = content_id(TOTAL), content_id(NAMES), content_id(PRICES)
TOTAL_HASH = TOTAL_ID.removeprefix("sha256:")


async def publish_documents(
    resources: Resources, *given: str | tuple[str, str], client: str = "web@1.0.0"
) -> list[str]:
    """Publish texts or pairs of id and text. Return the ids."""
    entries = [
        ManifestEntry(content_id(each), each) if isinstance(each, str) else ManifestEntry(*each) for each in given
    ]
    await publishing.publish(resources, GRAPHQL_SCHEMA, entries, publishing.ClientVersion.parse(client, versioned=True))
    return [entry.id for entry in entries]
