"""The query `documents`, for operators: published documents and those that are part of the server."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import func, select

from app.documents import publishing, sql, usage
from app.documents.manifests import ManifestEntry
from app.documents.registry import DocumentRegistry, builtin_documents
from app.engine.document import content_id
from app.graphql.viewer import Role, Viewer
from app.resources import Resources
from app.settings import Settings
from tests.support import schema_execution
from tests.support.api_server import ApiClient, run_api
from tests.support.statements import record_statements
from tests.support.waiting import wait_until

LIST = """
query ($first: Int, $after: String, $last: Int, $before: String) {
  documents(first: $first, after: $after, last: $last, before: $before) {
    nodes {
      documentId name ships clients publishedAt retiredAt hits firstUsedAt lastUsedAt running { state reason }
    }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor } totalCount
  }
}
"""
OPERATOR = Viewer("operator", Role.OPERATOR)
TEXT = "query Aardvark { statistics { total } }"
BUILTIN_NAMES_BY_ID = {content_id(text): name for name, text in builtin_documents().items()}
COMPILED = {"state": "COMPILED", "reason": None}


@pytest.fixture
async def registry(resources: Resources) -> DocumentRegistry:
    """Return resources like those of a process that serves documents."""
    registry = DocumentRegistry(resources, schema_execution.GRAPHQL_SCHEMA)
    resources.documents = registry
    await registry.load()
    return registry


async def publish(resources: Resources, *texts: str, client: str = "web@1") -> None:
    entries = [ManifestEntry(content_id(text), text, None) for text in texts]
    await publishing.publish(
        resources, schema_execution.GRAPHQL_SCHEMA, entries, publishing.ClientVersion.parse(client, versioned=True)
    )


async def fetch_documents(resources: Resources, **variables: Any) -> dict[str, Any]:
    """Return the page that an operator gets."""
    result = await schema_execution.execute_query(resources, LIST, OPERATOR, **variables)
    assert not result.errors, result.errors
    assert result.data is not None
    page: dict[str, Any] = result.data["documents"]
    return page


async def test_documents_builtin_are_listed_by_name(resources: Resources, registry: DocumentRegistry) -> None:
    page = await fetch_documents(resources)
    assert [(document["documentId"], document["name"]) for document in page["nodes"]] == sorted(
        BUILTIN_NAMES_BY_ID.items(), key=lambda document: document[1]
    )
    assert page["totalCount"] == len(BUILTIN_NAMES_BY_ID)
    for document in page["nodes"]:
        assert (document["ships"], document["clients"], document["hits"], document["publishedAt"]) == (
            True,
            [],
            0,
            None,
        )
        assert document["running"] == {"state": "COMPILED", "reason": None}


async def test_documents_published_have_clients_and_can_be_retired(
    resources: Resources, registry: DocumentRegistry
) -> None:
    await publish(resources, TEXT)
    await publish(resources, TEXT, client="@acme/web@2")
    await registry.load()
    first, *rest = (await fetch_documents(resources))["nodes"]
    assert len(rest) == len(BUILTIN_NAMES_BY_ID)
    assert (first["documentId"], first["name"], first["ships"]) == (content_id(TEXT), "Aardvark", False)
    assert sorted(first["clients"]) == ["@acme/web@2", "web@1"]
    assert (first["publishedAt"] is None, first["retiredAt"], first["running"]) == (False, None, COMPILED)
    await publishing.retire(resources, [content_id(TEXT)])
    await registry.load()
    first, *_ = (await fetch_documents(resources))["nodes"]
    assert (first["retiredAt"] is None, first["running"]) == (False, None), "no process serves it"


async def test_documents_builtin_and_published_are_one_entry(resources: Resources, registry: DocumentRegistry) -> None:
    """A client publishes the text of a built-in document and retires it: it is still served."""
    text = builtin_documents()["Statistics"]
    await publish(resources, text)
    async with resources.write() as tx:
        await sql.retire(tx, [content_id(text)])
    page = await fetch_documents(resources)
    (only,) = [document for document in page["nodes"] if document["documentId"] == content_id(text)]
    assert (only["ships"], only["clients"], only["retiredAt"], only["running"]) == (True, ["web@1"], None, COMPILED)
    assert page["totalCount"] == len(BUILTIN_NAMES_BY_ID)


async def test_documents_of_other_schema_are_outdated(resources: Resources, registry: DocumentRegistry) -> None:
    async with resources.write() as tx:
        await sql.publish(tx, [sql.Publication("x-a:1", "{ nothing }", "", "web")], "1")
    await registry.load()
    first, *_ = (await fetch_documents(resources))["nodes"]
    assert (first["documentId"], first["name"], first["running"]["state"]) == ("x-a:1", "", "OUTDATED")
    assert "nothing" in first["running"]["reason"]


async def test_documents_pages_both_ways(resources: Resources, registry: DocumentRegistry) -> None:
    """Also among documents with the same name."""
    await publish(resources, *(f"query Same {{ a{n}: __typename }}" for n in range(5)), TEXT)
    whole = [document["documentId"] for document in (await fetch_documents(resources, first=200))["nodes"]]
    assert len(whole) == len(BUILTIN_NAMES_BY_ID) + 6
    for limit, cursor, end_cursor, has_more in (
        ("first", "after", "endCursor", "hasNextPage"),
        ("last", "before", "startCursor", "hasPreviousPage"),
    ):
        seen: list[str] = []
        position, more = None, True
        while more:
            page = await fetch_documents(resources, **{limit: 4, cursor: position})
            ids = [document["documentId"] for document in page["nodes"]]
            seen = seen + ids if limit == "first" else ids + seen
            assert (page["totalCount"], len(seen) <= len(whole)) == (len(whole), True)
            position, more = page["pageInfo"][end_cursor], page["pageInfo"][has_more]
        assert seen == whole


async def test_documents_report_usage(
    settings: Settings, resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usage, "FLUSH_INTERVAL_SECONDS", 0.1)
    async with run_api(settings) as api:
        for _ in range(3):
            await api.http.get("/graphql/Statistics")

        async def used() -> Any:
            nodes = (await api.data(LIST, Role.OPERATOR))["documents"]["nodes"]
            (one,) = [document for document in nodes if document["name"] == "Statistics"]
            assert one["running"] == COMPILED
            return one["hits"] == 3 and one

        document = await wait_until(used)
    assert document["firstUsedAt"] <= document["lastUsedAt"]


async def test_documents_hits_are_capped_at_int_maximum(resources: Resources, registry: DocumentRegistry) -> None:
    statistics = content_id(builtin_documents()["Statistics"])
    async with resources.write() as tx:
        moment = await tx.scalar(select(func.now()))
        await sql.record_usage(tx, {statistics: sql.DocumentUsage(2**40, moment, moment)})
    (one,) = [
        document for document in (await fetch_documents(resources))["nodes"] if document["documentId"] == statistics
    ]
    assert one["hits"] == 2**31 - 1


async def test_documents_page_is_one_statement(resources: Resources, registry: DocumentRegistry) -> None:
    with record_statements(resources) as ran:
        await fetch_documents(resources)
    assert ran.count == 1
    with record_statements(resources) as ran:
        await schema_execution.execute_query(resources, "{ documents { nodes { name } } }", OPERATOR)
    assert ran.count == 1
    assert "client_version" not in ran.texts[0], "only requested columns"


async def test_documents_without_registry_lists_published_ones(resources: Resources) -> None:
    assert await fetch_documents(resources) == {
        "nodes": [],
        "pageInfo": {"hasNextPage": False, "hasPreviousPage": False, "startCursor": None, "endCursor": None},
        "totalCount": 0,
    }
    await publish(resources, TEXT)
    (only,) = (await fetch_documents(resources))["nodes"]
    assert (only["name"], only["running"]) == ("Aardvark", None)


async def test_documents_invalid_pages_are_rejected(api: ApiClient) -> None:
    for variables, code in (
        ({"first": 0}, "BAD_USER_INPUT"),
        ({"first": 1, "last": 1}, "BAD_USER_INPUT"),
        ({"after": "junk"}, "BAD_CURSOR"),
    ):
        assert (await api.error(LIST, Role.OPERATOR, **variables))[0] == code


async def test_documents_require_operator(api: ApiClient) -> None:
    for role, code in ((None, "UNAUTHENTICATED"), (Role.VIEWER, "FORBIDDEN")):
        actual, message = await api.error(LIST, role)
        assert (actual, message.startswith("This field requires the role operator")) == (code, True)
    assert (await api.data(LIST, Role.ADMIN))["documents"]["totalCount"] == len(BUILTIN_NAMES_BY_ID)
