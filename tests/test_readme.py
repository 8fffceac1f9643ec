"""The README's commands can be copied and run."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from graphql import parse, validate

from tests.support.schema_execution import SCHEMA

README = (Path(__file__).parents[1] / "README.md").read_text()
BODIES = re.findall(r"-d '([^']*)'", README)


def test_there_are_some() -> None:
    assert len(BODIES) >= 3


@pytest.mark.parametrize("body", BODIES)
def test_bodies_are_json_with_a_valid_document(body: str) -> None:
    given = json.loads(body)
    if "documentId" not in given:
        assert validate(SCHEMA._schema, parse(given["query"])) == []


def test_the_tours_files_name_cpus_of_the_sample() -> None:
    sample = (Path(__file__).parents[1] / "app" / "catalog" / "sample_cpus.csv").read_text()
    for name in ("Intel Core i5-8500T", "AMD Ryzen 5 5600G"):
        assert f",{name}," in README
        assert f"\n{name}" in sample


def test_all_documents_that_ship_are_named() -> None:
    section = README.split("\n## Documents\n")[1].split("\n## ")[0]
    builtin_documents = {path.stem for path in (Path(__file__).parents[1] / "app" / "documents").glob("*.graphql")}
    assert builtin_documents
    assert {name for name in builtin_documents if f"`{name}`" not in section} == set()
