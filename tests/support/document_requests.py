"""Requests that name a document, and their errors."""

from __future__ import annotations

from typing import Any

import httpx
import orjson

from app.settings import DocumentMode, Settings
from tests.support.api_server import ApiClient

ACCEPT_GRAPHQL = {"accept": "application/graphql-response+json"}


def production_settings(settings: Settings, documents: DocumentMode, **others: object) -> Settings:
    """Return production settings with this document mode."""
    return settings.model_copy(update={"development": False, "documents": documents, **others})


def apq_extension(digest: str, **others: Any) -> dict[str, Any]:
    return {"persistedQuery": {"version": 1, "sha256Hash": digest}, **others}


async def post_document(api: ApiClient, **body: Any) -> httpx.Response:
    return await api.http.post("/graphql", json=body, headers=ACCEPT_GRAPHQL)


async def get_document(api: ApiClient, path: str = "/graphql", **params: Any) -> httpx.Response:
    texts = {name: value if isinstance(value, str) else orjson.dumps(value).decode() for name, value in params.items()}
    return await api.http.get(path, params=texts, headers=ACCEPT_GRAPHQL)


def uncached_error(response: httpx.Response) -> tuple[int, str, str]:
    """Return status, code and message of a response with one error, which must not be cacheable."""
    answer = response.json()
    assert list(answer) == ["errors"]
    (error,) = answer["errors"]
    assert "no-store" in response.headers["cache-control"]
    assert response.headers["content-type"].startswith(ACCEPT_GRAPHQL["accept"])
    return response.status_code, error["extensions"]["code"], error["message"]


NOT_IN_LIST = (404, "PERSISTED_QUERY_NOT_IN_LIST", "PersistedQueryNotFound")
