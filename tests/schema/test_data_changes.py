"""The subscription `dataChanged` over SSE and graphql-transport-ws, and the query `viewer`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from app.db.tables import Domain
from app.graphql.viewer import Role, Viewer
from app.resources import Resources
from app.schema import data_changes
from tests.support import schema_execution
from tests.support.api_server import ApiClient, run_api
from tests.support.catalog_rows import add_cpu
from tests.support.statements import record_statements
from tests.support.subscription_clients import EventStream, open_event_stream, open_socket
from tests.support.waiting import wait_until

NEWS = (
    "subscription ($domains: [DataDomain!]) { dataChanged(domains: $domains) { domains versions { domain version } } }"
)
VIEWER = "{ viewer { subject role } }"


@pytest.fixture
async def api(resources: Resources) -> AsyncIterator[ApiClient]:
    """Return an API with separate resources: commits of the test reach it by notification only."""
    async with run_api(resources.settings) as running:
        yield running


@pytest.fixture(autouse=True)
def pause(monkeypatch: pytest.MonkeyPatch) -> float:
    """Shorten the interval between events, in seconds."""
    monkeypatch.setattr(data_changes, "MIN_EVENT_INTERVAL_SECONDS", 0.3)
    return 0.3


async def bump_version(resources: Resources, *domains: Domain) -> None:
    async with resources.write() as tx:
        tx.bump_version(*domains)


async def next_event(events: EventStream) -> tuple[list[str], dict[str, int]]:
    """Return the changed domains and all versions of the next event."""
    name, result = await events.next()
    assert name == "next"
    assert "errors" not in result, result
    return read(result["data"])


def read(data: Any) -> tuple[list[str], dict[str, int]]:
    change = data["dataChanged"]
    return change["domains"], {version["domain"]: version["version"] for version in change["versions"]}


async def has_version(api: ApiClient, version: int) -> bool:
    """Return whether the API has been notified of this version of the market."""
    async with open_event_stream(api, NEWS, domains=["MARKET"]) as events:
        return await next_event(events) == ([], {"MARKET": version})


async def test_data_changed_sends_versions_first_then_changes(api: ApiClient, resources: Resources) -> None:
    await bump_version(resources, Domain.MARKET)
    await wait_until(lambda: has_version(api, 1))
    async with open_event_stream(api, NEWS) as events:
        before = {**{domain.name: 0 for domain in Domain}, "MARKET": 1}
        assert await next_event(events) == ([], before)
        await bump_version(resources, Domain.CATALOG, Domain.ANALYTICS)
        assert await next_event(events) == (["ANALYTICS", "CATALOG"], {**before, "CATALOG": 1, "ANALYTICS": 1})


async def test_data_changed_sends_first_change_immediately_then_groups(
    api: ApiClient, resources: Resources, pause: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Commits within the interval are one event, and there is no event without a change."""
    async with open_event_stream(api, NEWS, domains=["MARKET"]) as events:
        await next_event(events)
        await asyncio.sleep(2 * pause)
        pause = 2.0  # long enough for five commits on a slow machine
        monkeypatch.setattr(data_changes, "MIN_EVENT_INTERVAL_SECONDS", pause)
        loop = asyncio.get_running_loop()
        await bump_version(resources, Domain.MARKET)
        first, began = await next_event(events), loop.time()
        for _ in range(5):
            await bump_version(resources, Domain.MARKET)
        second, waited = await next_event(events), loop.time() - began
    assert (first, second) == ((["MARKET"], {"MARKET": 1}), (["MARKET"], {"MARKET": 6}))
    assert waited > pause / 2


async def test_data_changed_ignores_other_domains(api: ApiClient, resources: Resources) -> None:
    async with open_event_stream(api, NEWS, domains=["MARKET", "CATALOG", "MARKET"]) as events:
        assert await next_event(events) == ([], {"CATALOG": 0, "MARKET": 0})
        await bump_version(resources, Domain.WORK)
        await bump_version(resources, Domain.CATALOG)
        assert await next_event(events) == (["CATALOG"], {"CATALOG": 1, "MARKET": 0})


async def test_data_changed_event_precedes_readable_data(api: ApiClient, resources: Resources) -> None:
    count = "{ cpus { totalCount } }"
    async with open_event_stream(api, NEWS) as events:
        await next_event(events)
        for number in range(1, 6):
            await add_cpu(resources, f"CPU {number}")
            await bump_version(resources, Domain.CATALOG)
            assert (await next_event(events))[0] == ["CATALOG"]
            assert (await api.data(count))["cpus"]["totalCount"] == number


async def test_data_changed_runs_no_statement(resources: Resources) -> None:
    subscription = data_changes.DataChangesSubscription.data_changed
    info: Any = type("Info", (), {"context": type("Context", (), {"resources": resources})})
    await wait_until(lambda: asyncio.sleep(0, resources.notifications.connected))
    with record_statements(resources) as ran:
        source = subscription(None, info)
        assert (await anext(source)).domains == []
        await source.aclose()
    assert ran.count == 0
    assert not resources.notifications._subscribers


async def test_data_changed_waits_for_lost_connection(resources: Resources) -> None:
    """No event is sent while the connection is lost; missed changes are sent after reconnecting."""
    subscription = data_changes.DataChangesSubscription.data_changed
    info: Any = type("Info", (), {"context": type("Context", (), {"resources": resources})})
    changes = resources.notifications
    await wait_until(lambda: asyncio.sleep(0, changes.connected))
    source = subscription(None, info, domains=[Domain.MARKET])
    assert (await anext(source)).versions[0].version == 0
    with capture_logs():
        async with resources.write() as tx:
            tx.bump_version(Domain.MARKET)
            await tx.execute(
                text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = :n"),
                {"n": "dealmark notifications"},
            )
        change = await asyncio.wait_for(anext(source), 60)
    assert (change.domains, change.versions[0].version) == ([Domain.MARKET], 1)
    await source.aclose()


async def test_data_changed_over_websocket_sends_changes(api: ApiClient, resources: Resources) -> None:
    async with open_socket(api) as client:
        await client.receive()
        await client.start("a", NEWS, domains=["ANALYTICS"])
        assert read((await client.receive())["payload"]["data"]) == ([], {"ANALYTICS": 0})
        await bump_version(resources, Domain.ANALYTICS)
        assert read((await client.receive())["payload"]["data"]) == (["ANALYTICS"], {"ANALYTICS": 1})
        await client.send(type="complete", id="a")
        await client.start("b", NEWS, domains=[])
        message = await client.receive()
        assert [error["extensions"]["code"] for error in message["payload"]] == ["BAD_USER_INPUT"]


async def test_data_changed_with_empty_domains_is_rejected(api: ApiClient) -> None:
    async with open_event_stream(api, NEWS, domains=[]) as events:
        (_, result), _end = await events.rest()
    (error,) = result["errors"]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert error["message"] == "`domains` is empty: leave it out to follow everything."


async def test_viewer_is_subject_and_role_of_token(api: ApiClient) -> None:
    assert await api.data(VIEWER) == {"viewer": {"subject": None, "role": "VIEWER"}}
    for role in Role:
        assert await api.data(VIEWER, role) == {"viewer": {"subject": "tester", "role": role.name}}
    response = await api.http.post("/graphql", json={"query": VIEWER}, headers={"authorization": "Bearer junk"})
    assert response.status_code == 401
    assert [error["extensions"]["code"] for error in response.json()["errors"]] == ["UNAUTHENTICATED"]


async def test_viewer_response_is_not_cached(api: ApiClient) -> None:
    for role in (Role.ADMIN, None, Role.OPERATOR):
        headers = {} if role is None else api.token(role)
        response = await api.http.get("/graphql", params={"query": VIEWER}, headers=headers)
        assert response.headers["x-cache"] == "BYPASS"
        assert response.headers["cache-control"] == "private, no-store"
        assert response.json()["data"]["viewer"]["role"] == (role or Role.VIEWER).name


async def test_viewer_runs_no_statement(resources: Resources) -> None:
    with record_statements(resources) as ran:
        result = await schema_execution.execute_query(resources, VIEWER, Viewer("somebody", Role.ADMIN))
    assert result.data == {"viewer": {"subject": "somebody", "role": "ADMIN"}}
    assert ran.count == 0
