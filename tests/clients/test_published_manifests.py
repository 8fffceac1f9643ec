"""Published manifests of every build tool, used by clients of a server that runs nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from app.graphql.viewer import Role
from app.settings import Settings
from tests.clients import manifests
from tests.clients.node import ClientRequest, client, has_page, needs_node, publish
from tests.support.api_server import ApiClient, run_api

pytestmark = needs_node

CLIENTS = [(script, method) for script in ("apollo.mjs", "urql.mjs") for method in ("GET", "POST")]
LIST = ClientRequest("CpuList", {"first": 10})
RECALCULATE = ClientRequest("Recalculate", {})


@pytest.fixture
async def required(settings: Settings) -> AsyncIterator[ApiClient]:
    """Run an API for published documents only."""
    async with run_api(settings.model_copy(update={"development": False})) as api:
        yield api


@pytest.fixture(scope="module")
def by_apollo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The manifest of Apollo's tool."""
    return asyncio.run(manifests.by_apollo(tmp_path_factory.mktemp("apollo")))


def without(manifest: Path, name: str, folder: Path) -> Path:
    """Copy an Apollo manifest without one operation."""
    content = orjson.loads(manifest.read_bytes())
    content["operations"] = [operation for operation in content["operations"] if operation["name"] != name]
    copy = folder / "without.json"
    copy.write_bytes(orjson.dumps(content))
    return copy


@pytest.mark.parametrize(("script", "method"), CLIENTS)
async def test_client_uses_its_persisted_query_list(
    script: str, method: str, required: ApiClient, page: ClientRequest, by_apollo: Path
) -> None:
    await publish(required, by_apollo, "web")
    options: dict[str, Any] = {"ids": "manifest", "manifest": str(by_apollo), "method": method}
    first, listed, again = await client(script, required, [page, LIST, page], **options)
    assert has_page(first, page)
    assert has_page(again, page)
    assert listed.data is not None
    assert listed.data["cpus"]["totalCount"] == 1
    assert first.summary == listed.summary == [(method, False, 200, "MISS")]
    assert again.summary == [(method, False, 200, "HIT-L1")]


@pytest.mark.parametrize("script", ["apollo.mjs", "urql.mjs"])
async def test_persisted_mutation_is_sent_by_post(script: str, required: ApiClient, by_apollo: Path) -> None:
    await publish(required, by_apollo, "web")
    options: dict[str, Any] = {"ids": "manifest", "manifest": str(by_apollo), "method": "GET"}
    (anonymous,) = await client(script, required, [RECALCULATE], **options)
    (viewer,) = await client(script, required, [RECALCULATE], headers=required.token(Role.VIEWER), **options)
    assert anonymous.code == "UNAUTHENTICATED"
    assert viewer.code == "FORBIDDEN"
    assert [(sent.method, sent.control) for sent in (*anonymous.requests, *viewer.requests)] == [
        ("POST", "private, no-store")
    ] * 2


@pytest.mark.parametrize(("script", "method"), CLIENTS)
async def test_operation_outside_the_list_is_rejected(
    script: str, method: str, required: ApiClient, page: ClientRequest, by_apollo: Path, tmp_path: Path
) -> None:
    """The client urql is configured to enforce its list; Apollo Client tries to register and fails."""
    await publish(required, without(by_apollo, "CpuList", tmp_path), "web")
    options: dict[str, Any] = {"ids": "manifest", "manifest": str(by_apollo), "method": method}
    refused, answered = await client(script, required, [LIST, page], **options)
    if script == "urql.mjs":
        assert refused.errors == [("PERSISTED_QUERY_NOT_IN_LIST", "PersistedQueryNotFound")]
        assert refused.summary == [(method, False, 404, None)]
    else:
        assert refused.errors == [("PERSISTED_QUERY_NOT_SUPPORTED", "PersistedQueryNotSupported")]
        assert refused.summary == [(method, False, 404, None), ("POST", True, 200, None)]
    assert {sent.control for sent in refused.requests} == {"no-store"}
    assert has_page(answered, page)


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_apollo_client_cannot_register(method: str, required: ApiClient, page: ClientRequest) -> None:
    refused = await client("apollo.mjs", required, [page, page], ids="hash", method=method)
    for seen in refused:
        assert seen.code == "PERSISTED_QUERY_NOT_SUPPORTED"
        assert seen.summary == [(method, False, 404, None), ("POST", True, 200, None)]


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_urql_cannot_register(method: str, required: ApiClient, page: ClientRequest) -> None:
    """It then sends the text, which is rejected, and sends texts only afterwards."""
    first, then = await client("urql.mjs", required, [page, page], ids="hash", method=method)
    assert first.code == then.code == "PERSISTED_QUERY_ID_REQUIRED"
    text = (method, True, 400, None)
    assert first.summary == [(method, False, 404, None), (method, True, 200, None), text]
    assert [sent.status for sent in then.requests] == [400]


@pytest.mark.parametrize("script", ["apollo.mjs", "urql.mjs"])
async def test_text_is_rejected(script: str, required: ApiClient, page: ClientRequest) -> None:
    (seen,) = await client(script, required, [page], ids="none", method="POST")
    assert seen.code == "PERSISTED_QUERY_ID_REQUIRED"
    assert [(sent.status, sent.control) for sent in seen.requests] == [(400, "no-store")]


@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
async def test_graphql_codegen_manifest_is_published_and_used(
    algorithm: str, required: ApiClient, page: ClientRequest, tmp_path: Path
) -> None:
    manifest = await manifests.by_codegen(tmp_path, algorithm)
    options: dict[str, Any] = {"folder": str(tmp_path)}
    (unknown,) = await client("graphql_codegen_client.mjs", required, [page], **options)
    assert unknown.code == "PERSISTED_QUERY_NOT_IN_LIST"
    await publish(required, manifest, "codegen")
    first, again, listed, recalculated = await client(
        "graphql_codegen_client.mjs", required, [page, page, LIST, RECALCULATE], **options
    )
    assert has_page(first, page)
    assert has_page(again, page)
    assert listed.data is not None
    assert listed.data["cpus"]["totalCount"] == 1
    assert [seen.requests[0].cache for seen in (first, again, listed)] == ["MISS", "HIT-L1", "MISS"]
    assert recalculated.code == "UNAUTHENTICATED"


@pytest.mark.parametrize("algorithm", ["MD5", "SHA256"])
async def test_relay_manifest_is_published_and_used(
    algorithm: str, required: ApiClient, page: ClientRequest, tmp_path: Path
) -> None:
    manifest = await manifests.by_relay(tmp_path, algorithm)
    asks = [ClientRequest("CpuPageQuery", page.variables), ClientRequest("CpuPageListQuery", LIST.variables)]
    options: dict[str, Any] = {"folder": str(tmp_path)}
    for seen in await client("relay.mjs", required, asks, **options):
        assert seen.code == "PERSISTED_QUERY_NOT_IN_LIST"
        assert seen.summary == [("POST", False, 404, None)]
    await publish(required, manifest, "relay")
    first, listed, again, recalculated = await client(
        "relay.mjs", required, [*asks, asks[0], ClientRequest("CpuPageRecalculateMutation", {})], **options
    )
    cpu = {"name": "Intel Core i5-8500", "priceTarget": {"good": 150, "sampleSize": 2}}
    assert first.data == again.data == {"cpu": cpu}
    assert listed.data == {"cpus": {"totalCount": 1, "nodes": [cpu]}}
    assert [seen.requests[0].cache for seen in (first, listed, again)] == ["MISS", "MISS", "HIT-L1"]
    assert recalculated.code == "UNAUTHENTICATED"
