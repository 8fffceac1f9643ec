"""Requests to `/graphql`, and checks of error responses."""

from __future__ import annotations

from typing import Any

import httpx
import orjson

from tests.support.api_server import ApiClient

GRAPHQL_JSON = "application/graphql-response+json"
UTF8 = "; charset=utf-8"


async def post_graphql(
    api: ApiClient, body: object, content_type: str = "application/json", accept: str = "*/*"
) -> httpx.Response:
    """Send bytes unchanged, and anything else as JSON."""
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    return await api.http.post("/graphql", content=content, headers={"content-type": content_type, "accept": accept})


def only_error(response: httpx.Response, status: int) -> dict[str, Any]:
    """Return the only error of a response, which must be well-formed and reveal no internals."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] in {f"application/json{UTF8}", GRAPHQL_JSON + UTF8}
    assert response.headers["cache-control"] == "no-store"
    answer = response.json()
    assert set(answer) == {"errors"}
    (error,) = answer["errors"]
    assert error["extensions"]["code"]
    assert "Traceback" not in response.text
    assert len(error["message"]) < 300
    found: dict[str, Any] = error
    return found
