"""Access to `/metrics`, and what many requests to `/metrics` and `/ready` cost."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from pydantic import SecretStr

from app.resources import Resources
from app.server import health
from app.settings import Settings
from tests.support.api_server import ApiClient, run_api
from tests.support.statements import record_statements

TOKEN = "a-token-for-the-metrics"


def changed(settings: Settings, **values: object) -> Settings:
    return settings.model_copy(update=values)


async def test_metrics_in_production_without_a_token_are_closed(settings: Settings) -> None:
    async with run_api(changed(settings, development=False)) as api:
        for headers in ({}, {"authorization": "Bearer"}, {"authorization": "Bearer None"}):
            response = await api.http.get("/metrics", headers=headers)
            assert response.status_code == 403
            assert response.text == ("Metrics are closed: set DEALMARK_METRICS_TOKEN, and send it as a bearer token.\n")


@pytest.mark.parametrize("development", [True, False])
async def test_metrics_with_a_configured_token_require_it(settings: Settings, development: bool) -> None:
    protected = changed(settings, development=development, metrics_token=SecretStr(TOKEN))
    async with run_api(protected) as api:
        for authorization in (None, TOKEN, "Bearer", f"Basic {TOKEN}", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}"):
            headers = {} if authorization is None else {"authorization": authorization}
            response = await api.http.get("/metrics", headers=headers)
            assert (response.status_code, response.headers["www-authenticate"]) == (401, "Bearer")
            assert "dealmark_" not in response.text
        response = await api.http.get("/metrics", headers={b"authorization": "Bearer é".encode("latin-1")})
        assert response.status_code == 401
        response = await api.http.get("/metrics", headers={"authorization": f"bearer {TOKEN}"})
        assert response.status_code == 200
        assert "dealmark_requests_total" in response.text


@pytest.mark.parametrize("path", ["/metrics", "/ready"])
async def test_flood_of_probes_runs_the_statements_of_one(
    settings: Settings, resources: Resources, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(health, "METRICS_TTL_SECONDS", 3600.0)
    monkeypatch.setattr(health, "READINESS_TTL_SECONDS", 3600.0)
    async with run_api(settings) as api:
        with record_statements(resources) as log:
            await api.http.get(path)
            statements = Counter(text for text in log.texts if "FROM document" not in text)  # of the registry
            assert statements
            responses = await asyncio.gather(*(api.http.get(path) for _ in range(50)))
        assert {response.status_code for response in responses} == {200}
        assert {text: log.texts.count(text) for text in statements} == statements


async def test_metrics_have_no_samples_that_clients_name(api: ApiClient) -> None:
    """Otherwise a client could add any number of time series."""

    async def samples() -> set[str]:
        page = (await api.http.get("/metrics")).text
        return {line.rpartition(" ")[0] for line in page.splitlines() if not line.startswith("#")}

    await send_unusual_requests(api, "before")
    before = await samples()
    await send_unusual_requests(api, "after")
    assert await samples() == before


async def send_unusual_requests(api: ApiClient, name: str) -> None:
    """Send requests in which everything that a client can name is new."""
    headers = {"x-request-id": name, "user-agent": name, "apollographql-client-name": name, "accept": f"text/{name}"}
    await api.http.get(f"/{name}", headers=headers)
    await api.http.request(name.upper(), "/graphql", headers=headers)
    await api.http.get(f"/graphql/{name}", headers={"x-request-id": name})
    await api.http.post("/graphql", json={"query": f"query {name} {{ {name} }}", "operationName": name})
    await api.http.post("/graphql", json={"query": f"query {name} {{ {name}: __typename }}"})
    await api.http.post("/graphql", json={"documentId": f"x-{name}:{name}"})
    await api.http.post("/graphql", json={"query": "{ __typename }"}, headers={"authorization": f"Bearer {name}"})
