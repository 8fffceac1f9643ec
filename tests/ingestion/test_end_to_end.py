"""Imports through the API and the command line, with a real worker, until the price target of the CPU changes."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from app.graphql.viewer import Role
from app.ingestion.fetch.url_policy import AllowList
from app.resources import Resources
from app.settings import Settings
from tests.support.api_server import ApiClient, run_api
from tests.support.catalog_rows import add_cpu
from tests.support.sites import http_response, run_site
from tests.support.subscription_clients import ACCEPT_SSE, EventStream
from tests.support.url_imports import QUICK_SETTINGS, assert_session_counts, product_page, quick_settings
from tests.support.waiting import wait_until
from tests.support.worker_process import run_worker

INGEST = """
    mutation ($url: String!, $priority: ImportPriority! = NORMAL) {
      ingestUrl(url: $url, priority: $priority) { session { id status total rows { nodes { status url } } } }
    }
"""
PROGRESS = """
    subscription ($id: ID!) {
      importProgress(id: $id) { id status done total rows { nodes { status error listings { price cpu { name } } } } }
    }
"""
SESSION = """
    query ($id: ID!) {
      importSession(id: $id) {
        status requestedBy complete
        rows(first: 1) {
          nodes {
            id position url status attempts nextAttemptAt error quality remarks adapter finalUrl fetchedAt finishedAt
            listings { id title price images cpu { slug } }
            payload { content bytes truncated contentType }
          }
        }
      }
    }
"""
CPU = '{ cpu(slug: "intel-core-i5-8500t") { listingsCount priceTarget { good sampleSize } } }'


@pytest.fixture
async def api(settings: Settings) -> AsyncIterator[ApiClient]:
    async with run_api(quick_settings(settings)) as running:
        yield running


async def test_url_import_changes_price_target(
    api: ApiClient, resources: Resources, settings: Settings, tmp_path: Path
) -> None:
    await add_cpu(resources, "Intel Core i5-8500T", [50, 60], cpu_mark_multi=1000)
    with run_worker(settings, tmp_path / "output"):

        async def target(samples: int) -> float | None:
            price_target: dict[str, Any] = (await api.data(CPU))["cpu"]["priceTarget"]
            return price_target["good"] if price_target["sampleSize"] == samples else None

        assert await wait_until(lambda: target(2)) == 55
        page = product_page("Intel Core i5-8500T processor, tested", "40.00")
        async with run_site({"/offer": http_response(page)}) as shop:
            session = (await api.data(INGEST, Role.OPERATOR, url=shop.url("/offer#top")))["ingestUrl"]["session"]
            assert (session["total"], session["rows"]["nodes"][0]["url"]) == (1, shop.url("/offer#top"))
            last = None
            body = {"query": PROGRESS, "variables": {"id": session["id"]}}
            headers = {**ACCEPT_SSE, **api.token(Role.OPERATOR)}
            async with api.http.stream("POST", "/graphql", headers=headers, json=body) as response:
                events = EventStream(response.aiter_lines())
                while (event := await events.next())[0] == "next":
                    last = event[1]["data"]["importProgress"]
            assert last is not None
            assert (last["status"], last["done"]) == ("COMPLETE", 1)
            assert last["rows"]["nodes"] == [
                {
                    "status": "COMPLETE",
                    "error": None,
                    "listings": [{"price": 40.0, "cpu": {"name": "Intel Core i5-8500T"}}],
                }
            ]
            assert await wait_until(lambda: target(3)) == 50
            assert len(shop.requests) == 1
        row = (await api.data(SESSION, Role.OPERATOR, id=session["id"]))["importSession"]["rows"]["nodes"][0]
        assert (row["adapter"], row["quality"], row["attempts"]) == ("json-ld", "PARTIAL", 1)
        assert (row["finalUrl"], row["nextAttemptAt"]) == (shop.url("/offer"), None)
        assert row["payload"] == {
            "content": page.decode(),
            "bytes": len(page),
            "truncated": False,
            "contentType": "text/html; charset=utf-8",
        }
        # The same page with another price updates the same listing and the price target.
        async with run_site(
            {"/offer": http_response(product_page("Intel Core i5-8500T processor, tested", "70.00"))}
        ) as shop:
            await api.data(INGEST, Role.OPERATOR, url=shop.url("/offer"), priority="HIGH")

            async def has_new_target() -> bool:
                return await target(3) == 60

            await wait_until(has_new_target)
        assert (await api.data(CPU))["cpu"]["listingsCount"] == 3
    await assert_session_counts(resources)
    await resources.broker.redis.flushall()


async def test_import_operations_check_roles(api: ApiClient, resources: Resources) -> None:
    for role, code in ((None, "UNAUTHENTICATED"), (Role.VIEWER, "FORBIDDEN")):
        for query in (INGEST, "{ importSessions { totalCount } }"):
            variables = {"url": "http://127.0.0.1:1/"} if query == INGEST else {}
            assert (await api.error(query, role, **variables))[0] == code
    for url in ("nothing", "ftp://a.example/", "http://10.0.0.1/", "http://user@a.example/", "x" * 5000):
        assert (await api.error(INGEST, Role.OPERATOR, url=url))[0] == "BAD_USER_INPUT"
    ids = [
        (await api.data(INGEST, Role.OPERATOR, url=f"http://127.0.0.1:1/{n}"))["ingestUrl"]["session"]["id"]
        for n in range(3)
    ]
    first_page = (
        "{ importSessions(first: 2) { totalCount nodes { id requestedBy name } pageInfo { hasNextPage endCursor } } }"
    )
    page = (await api.data(first_page, Role.OPERATOR))["importSessions"]
    assert (page["totalCount"], page["pageInfo"]["hasNextPage"]) == (3, True)
    assert [node["id"] for node in page["nodes"]] == ids[:0:-1]
    next_page = "query ($after: String) { importSessions(after: $after) { nodes { id name requestedBy } } }"
    rest = await api.data(next_page, Role.ADMIN, after=page["pageInfo"]["endCursor"])
    assert rest["importSessions"]["nodes"] == [{"id": ids[0], "name": "http://127.0.0.1:1/0", "requestedBy": "tester"}]
    by_id = "query ($id: ID!) { importSession(id: $id) { status rows { nodes { id url status } } } }"
    for role, code in ((None, "UNAUTHENTICATED"), (Role.VIEWER, "FORBIDDEN")):
        assert (await api.error(by_id, role, id=ids[0]))[0] == code
        headers = ACCEPT_SSE if role is None else {**ACCEPT_SSE, **api.token(role)}
        body = {"query": PROGRESS, "variables": {"id": ids[0]}}
        assert f'"{code}"' in (await api.http.post("/graphql", headers=headers, json=body)).text
    session = (await api.data(by_id, Role.OPERATOR, id=ids[1]))["importSession"]
    assert session["status"] == "QUEUED"
    nodes = "query ($id: ID!) { node(id: $id) { __typename id ... on ImportSession { total } } }"
    # Responses of `node` are cached for all clients, so `node` does not return imports.
    for global_id in (ids[1], session["rows"]["nodes"][0]["id"]):
        assert (await api.error(nodes, Role.ADMIN, id=global_id))[0] == "BAD_USER_INPUT"
    assert (await api.error(by_id, Role.OPERATOR, id="x"))[0] == "BAD_USER_INPUT"


def command(settings: Settings, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `dealmark ingest`."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DEALMARK_")}
    return subprocess.run(
        [sys.executable, "-m", "app.cli", "ingest", *arguments],
        env={
            **environment,
            "DATABASE_URL": settings.required_database_url,
            "REDIS_URL": settings.required_redis_url,
            "DEALMARK_FETCH_ALLOW": '["127.0.0.1"]',
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


async def test_ingest_command_imports_url_and_file(resources: Resources, settings: Settings, tmp_path: Path) -> None:
    await add_cpu(resources, "Intel Core i5-8500T")
    async with run_site(
        {"/a": http_response(product_page("Intel Core i5-8500T", "10")), "/b": http_response(status=403)}
    ) as shop:
        file = tmp_path / "urls.csv"
        file.write_text(f"url\n{shop.url('/a')}\n{shop.url('/b')}\nnothing\n")
        with run_worker(settings, tmp_path / "output"):
            single = await asyncio.to_thread(command, settings, shop.url("/a"), "--wait", "--priority", "high")
            assert (single.returncode, single.stderr) == (0, "")
            assert {**json.loads(single.stdout), "session": ""} == {
                "session": "",
                "status": "complete",
                "total": 1,
                "complete": 1,
                "partial": 0,
                "failed": 0,
            }
            bulk = await asyncio.to_thread(command, settings, str(file), "--wait")
    assert bulk.returncode == 1
    assert {**json.loads(bulk.stdout), "session": ""} == {
        "session": "",
        "status": "partial",
        "total": 3,
        "complete": 1,
        "partial": 0,
        "failed": 2,
    }
    assert bulk.stderr.splitlines() == [
        f"2: {shop.url('/b')}: 127.0.0.1 answered with status 403.",
        "3: nothing: Only URLs that begin with http:// or https:// can be fetched.",
    ]
    queued = await asyncio.to_thread(command, settings, "http://127.0.0.1:1/x")
    assert (queued.returncode, json.loads(queued.stdout)["status"]) == (0, "queued")
    for argument, message in (
        (str(tmp_path / "missing.csv"), "cannot be read as a file: No such file"),
        ("ftp://127.0.0.1/", "Only URLs that begin with http"),
        (str(tmp_path), "Is a directory"),
    ):
        failed = await asyncio.to_thread(command, settings, argument)
        assert (failed.returncode, message in failed.stderr, failed.stdout) == (1, True, "")
    await resources.broker.redis.flushall()


def test_fetch_allow_of_tests_is_valid() -> None:
    assert AllowList.from_entries(QUICK_SETTINGS["fetch_allow"]).networks
