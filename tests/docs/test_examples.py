"""GraphQL and names in the examples of the documentation."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from graphql import GraphQLSchema, build_schema, parse, validate

from tests.docs.pages import PAGES, ROOT, blocks, name_of

BODIES = [
    pytest.param(body, id=f"{name_of(page)}-{number}")
    for page in PAGES
    for number, body in enumerate(
        re.findall(r"(?:-d |operations=)'([^']*)'", "\n".join(block.text for block in blocks(page)))
    )
]
OPERATIONS = [
    pytest.param(block.text, id=f"{name_of(page)}-{number}")
    for page in PAGES
    for number, block in enumerate(blocks(page))
    if block.language == "graphql"
]


@pytest.fixture(scope="module")
def schema() -> GraphQLSchema:
    """Build the schema of the repository."""
    return build_schema((ROOT / "schema.graphql").read_text())


@pytest.mark.parametrize("body", BODIES)
def test_request_bodies_are_json_with_a_valid_document(body: str, schema: GraphQLSchema) -> None:
    content = json.loads(body)
    if "query" in content:
        assert validate(schema, parse(content["query"])) == []


@pytest.mark.parametrize("operation", OPERATIONS)
def test_graphql_examples_are_valid(operation: str, schema: GraphQLSchema) -> None:
    assert validate(schema, parse(operation)) == []


def test_examples_exist() -> None:
    assert len(BODIES) >= 6
    assert len(OPERATIONS) >= 2


def test_files_of_the_tutorial_name_cpus_of_the_sample() -> None:
    (sample,) = (ROOT / "app").rglob("sample_cpus.csv")
    (listings,) = (block.text for block in blocks(ROOT / "docs" / "tutorial.md") if block.language == "csv")
    for name in ("Intel Core i5-8500T", "AMD Ryzen 5 5600G"):
        assert f",{name}," in listings
        assert f"\n{name}" in sample.read_text()


def test_publishing_guide_names_every_shipped_document() -> None:
    guide = (ROOT / "docs" / "how-to" / "publish-documents.md").read_text()
    shipped = {path.stem for path in (ROOT / "app" / "documents").rglob("*.graphql")}
    assert shipped
    assert {name for name in shipped if f"`{name}`" not in guide} == set()


def test_navigation_lists_every_page() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text()
    pages = [path for path in PAGES if path.is_relative_to(ROOT / "docs")]
    assert [path for path in pages if path.relative_to(ROOT / "docs").as_posix() not in navigation] == []


def test_readme_is_short() -> None:
    assert len(Path(ROOT / "README.md").read_text().splitlines()) <= 170
