"""The audit suite for GraphQL over HTTP of the npm package graphql-http."""

from __future__ import annotations

import orjson

from tests.clients.node import needs_node, run
from tests.support.api_server import ApiClient

AUDITS = 61


@needs_node
async def test_every_audit_of_graphql_http_passes(api: ApiClient) -> None:
    results = orjson.loads(await run("audit.mjs", f"{api.url}/graphql"))
    assert len({result["id"] for result in results}) == len(results) == AUDITS
    assert [result for result in results if result["status"] != "ok"] == []
