"""Memory of the fast path."""

from __future__ import annotations

import pytest

from app.resources import Resources
from app.server import fast_path
from app.server.content_negotiation import MediaType
from tests.support.response_cache import TOTAL_QUERY, persisted_query_url, register_query, run_api_on


async def test_accept_headers_of_one_media_type_share_a_representation(resources: Resources) -> None:
    async with run_api_on(resources) as (api, app):
        await register_query(api, TOTAL_QUERY)
        url = persisted_query_url(TOTAL_QUERY)
        headers = [
            {"accept": f"{media};q=0.{digit}"}
            for digit in range(1, 3)
            for media in ("application/json", "application/graphql-response+json")
        ]
        types = [(await api.http.get(url, headers=each)).headers["content-type"] for each in [headers[0], *headers]]
        assert types[1:] == ["application/json; charset=utf-8", f"{MediaType.GRAPHQL}; charset=utf-8"] * 2
        (entry,) = app.fast_path._entries.values()
        assert len(entry.representations) == 4
        assert len({id(representation) for representation in entry.representations.values()}) == 2


async def test_table_is_cleared_when_its_memory_is_used_up(
    resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parameters that the server ignores make as many URLs of one response as a client likes."""
    monkeypatch.setattr(fast_path, "MAX_TABLE_BYTES", 5 * (fast_path.ENTRY_BYTES + 2 * 3_500))
    async with run_api_on(resources) as (api, app):
        await register_query(api, TOTAL_QUERY)
        sizes = []
        for number in range(13):
            response = await api.http.get(f"{persisted_query_url(TOTAL_QUERY)}&padding={number:0>3000}")
            assert response.status_code == 200
            sizes.append(len(app.fast_path._entries))
        assert sizes == [1, 2, 3, 4, 5, 1, 2, 3, 4, 5, 1, 2, 3]
