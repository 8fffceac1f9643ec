"""Security headers of every kind of response."""

from __future__ import annotations

import httpx

from app.settings import Settings
from tests.support.api_server import ApiClient, run_api, wait_for_notifications

SUBSCRIPTION = "subscription { priceChanged { cursor } }"


async def responses_with_a_body(api: ApiClient) -> dict[str, httpx.Response]:
    """Return one response of each kind."""
    http, page = api.http, {"accept": "text/html"}
    return {
        "data": await http.post("/graphql", json={"query": "{ __typename }"}),
        "field error": await http.post("/graphql", json={"query": '{ node(id: "x") { id } }'}),
        "validation error": await http.post("/graphql", json={"query": "{ nothing }"}),
        "body that is not JSON": await http.post("/graphql", content=b"<script>"),
        "wrong method": await http.put("/graphql"),
        "unknown document": await http.get("/graphql/nothing"),
        "wrong token": await http.get("/graphql/Statistics", headers={"authorization": "Bearer x"}),
        "GraphiQL": await http.get("/graphql", headers=page),
        "health": await http.get("/health"),
        "ready": await http.get("/ready"),
        "metrics": await http.get("/metrics"),
        "wrong method of a probe": await http.post("/health"),
        "page": await http.get("/", headers=page),
        "unknown file": await http.get("/nothing.js"),
        "wrong method of a page": await http.post("/"),
    }


async def test_every_response_with_a_body_forbids_guessing_its_type(api: ApiClient) -> None:
    for name, response in (await responses_with_a_body(api)).items():
        assert response.headers.get_list("x-content-type-options") == ["nosniff"], name
    headers = {"accept": "text/event-stream"}
    async with api.http.stream("POST", "/graphql", json={"query": SUBSCRIPTION}, headers=headers) as events:
        assert events.status_code == 200
        assert events.headers.get_list("x-content-type-options") == ["nosniff"]


async def test_fast_path_forbids_guessing_the_type_of_a_body(api: ApiClient) -> None:
    await wait_for_notifications(api)
    for _ in range(3):
        response = await api.http.get("/graphql/Statistics")
        assert response.headers.get_list("x-content-type-options") == ["nosniff"]
    assert response.headers["x-cache"] == "HIT-L1"
    assert "x-request-id" not in response.headers, "served by the fast path"
    for _ in range(3):
        response = await api.http.get("/graphql/Statistics", headers={"if-none-match": response.headers["etag"]})
        assert response.status_code == 304
        assert "x-content-type-options" not in response.headers, "there is no body"


async def test_closed_metrics_forbid_guessing_their_type(settings: Settings) -> None:
    async with run_api(settings.model_copy(update={"development": False})) as api:
        response = await api.http.get("/metrics")
        assert (response.status_code, response.headers["x-content-type-options"]) == (403, "nosniff")


async def test_pages_cannot_be_framed_and_send_no_referrer(api: ApiClient) -> None:
    for path in ("/", "/graphql", "/nothing.js"):
        headers = (await api.http.get(path, headers={"accept": "text/html"})).headers
        assert "frame-ancestors 'none'" in headers["content-security-policy"], path
        assert "base-uri 'none'" in headers["content-security-policy"], path
        assert headers["referrer-policy"] == "no-referrer", path
