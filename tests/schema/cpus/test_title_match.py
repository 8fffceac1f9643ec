"""The query `matchTitle`: the CPU of a title, from the catalogue in the request's snapshot."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from app.catalog import title_matcher
from app.db.tables import Domain, cpu
from app.graphql.context import Context
from app.resources import Resources
from app.titles.matcher import TitleMatcher
from tests.support.api_server import ApiClient
from tests.support.catalog_rows import add_cpu
from tests.support.schema_execution import execute_in_context, query_data, query_error
from tests.support.statements import record_statements

MATCH = """
query ($title: String!) {
  matchTitle(title: $title) {
    cpu { name slug priceTarget { sampleSize } }
    decision reason
    steps { text verdict name reason }
    parts { memoryGb memoryKind storage { sizeGb kind } graphics operatingSystem quantity }
  }
}
"""
NAME = "query ($title: String!) { matchTitle(title: $title) { cpu { name } decision } }"


async def import_cpu(resources: Resources, name: str) -> None:
    """Add a CPU like an import does, with a new version of the catalogue."""
    async with resources.write() as tx:
        slug = name.lower().replace(" ", "-")
        await tx.execute(cpu.insert().values(name=name, slug=slug, manufacturer="Intel"))
        tx.bump_version(Domain.CATALOG)


async def test_match_title_returns_all_fields(resources: Resources) -> None:
    await add_cpu(resources, "Intel Core i5-8500T @ 2.10GHz", [10, 20])
    await add_cpu(resources, "Intel Core i5-8500")
    title = "HP 800 G4 i5-8500T 16GB DDR4 256GB SSD GTX 1650 Win11"
    match = (await query_data(resources, MATCH, title=title))["matchTitle"]
    assert match["cpu"] == {
        "name": "Intel Core i5-8500T @ 2.10GHz",
        "slug": "intel-core-i5-8500t-@-2.10ghz",
        "priceTarget": {"sampleSize": 0},
    }
    assert match["decision"] == "MATCHED"
    assert match["reason"] == "The title names Intel Core i5-8500T @ 2.10GHz and no other CPU."
    assert match["steps"] == [
        {
            "text": "8500t",
            "verdict": "KEPT",
            "name": "Intel Core i5-8500T @ 2.10GHz",
            "reason": "model 8500t; nothing in the title contradicts it",
        }
    ]
    assert match["parts"] == {
        "memoryGb": 16,
        "memoryKind": "DDR4",
        "storage": [{"sizeGb": 256, "kind": "SSD"}],
        "graphics": "GTX 1650",
        "operatingSystem": "Windows 11",
        "quantity": 1,
    }


async def test_match_title_without_cpu_has_reason(resources: Resources) -> None:
    await add_cpu(resources, "Intel Core i5-8500T")
    match = (await query_data(resources, MATCH, title="2x i5-8500Q"))["matchTitle"]
    assert (match["cpu"], match["decision"]) == (None, "NO_MODEL")
    assert match["reason"] == '"8500q": the catalogue has no such model, only 8500t.'
    assert [step["verdict"] for step in match["steps"]] == ["UNKNOWN"]
    assert match["parts"]["quantity"] == 2


@pytest.mark.parametrize(
    ("title", "message"),
    [
        ("x" * 1001, "takes at most 1,000 characters"),
        ("i5\0", "contains a NUL character"),
        ("\ud800", "contains a NUL character"),
    ],
)
async def test_match_title_invalid_titles_are_rejected(resources: Resources, title: str, message: str) -> None:
    code, text = await query_error(resources, NAME, title=title)
    assert code == "BAD_USER_INPUT"
    assert message in text


async def test_match_title_builds_matcher_once_per_catalogue_version(
    resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    matchers: list[Any] = []

    class Counted(TitleMatcher):
        def __init__(self, rows: Any) -> None:
            super().__init__(rows)
            matchers.append(self)

    monkeypatch.setattr(title_matcher, "TitleMatcher", Counted)
    await import_cpu(resources, "Intel Core i5-8500")
    answers = await asyncio.gather(*(query_data(resources, NAME, title="i5-8500") for _ in range(4)))
    assert {answer["matchTitle"]["cpu"]["name"] for answer in answers} == {"Intel Core i5-8500"}
    assert len(matchers) == 1
    async with resources.write() as tx:
        tx.bump_version(Domain.MARKET)
    with record_statements(resources) as statements:
        assert (await query_data(resources, NAME, title="i5-8600"))["matchTitle"]["cpu"] is None
    assert (len(matchers), statements.count) == (1, 1), "only the versions are read"
    await import_cpu(resources, "Intel Core i5-8600")
    assert (await query_data(resources, NAME, title="i5-8600"))["matchTitle"]["cpu"] == {"name": "Intel Core i5-8600"}
    assert len(matchers) == 2


async def test_match_title_uses_catalogue_of_snapshot(resources: Resources) -> None:
    await import_cpu(resources, "Intel Core i5-8500")
    async with Context(resources) as before:
        assert (await execute_in_context(before, NAME, title="i5-8600")).data == {
            "matchTitle": {"cpu": None, "decision": "NO_MODEL"}
        }
        await import_cpu(resources, "Intel Core i5-8600")
        assert (await query_data(resources, NAME, title="i5-8600"))["matchTitle"]["decision"] == "MATCHED"
        again = await execute_in_context(before, NAME, title="i5-8600")
        assert again.data == {"matchTitle": {"cpu": None, "decision": "NO_MODEL"}}
    assert (await query_data(resources, NAME, title="i5-8600"))["matchTitle"]["decision"] == "MATCHED"


async def test_match_title_over_http_sees_imported_cpus(api: ApiClient, resources: Resources) -> None:
    await import_cpu(resources, "Intel Core i5-8500")
    assert (await api.data(NAME, title="i5-8600"))["matchTitle"]["cpu"] is None
    await import_cpu(resources, "Intel Core i5-8600")
    cpu = None
    for _ in range(500):
        cpu = cpu or (await api.data(NAME, title="i5-8600"))["matchTitle"]["cpu"]
    assert cpu == {"name": "Intel Core i5-8600"}
