"""`dealmark documents plan`: shows the document, its generated code and its SQL."""

from __future__ import annotations

import ast
import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from app.core.global_ids import encode_global_id
from app.documents.registry import builtin_documents
from app.resources import Resources
from tests.support.builtin_documents import BUILTIN_QUERIES
from tests.support.command_line import CommandRunner, error_sentence, query_database
from tests.support.documents_command import write_manifest
from tests.support.settings import make_settings
from tests.support.uniform_catalog import add_uniform_cpus

# By query: variables, and tables that its statements read.
EXAMPLES: dict[str, tuple[dict[str, Any], set[str]]] = {
    "CpuList": ({}, {"cpu", "listing"}),
    "CpuDetail": ({"slug": "cpu-1"}, {"cpu", "listing"}),
    "CpuPriceHistory": ({"slug": "cpu-1"}, {"cpu", "listing", "price_observation"}),
    "CpuCompare": ({"ids": [encode_global_id("CPU", 1)]}, {"cpu", "listing"}),
    "Statistics": ({}, {"cpu_statistics", "listing_statistics"}),
    "NameSearch": ({"search": "cpu"}, {"cpu"}),
    "PriceChanges": ({}, {"price_change"}),
    "JobStatus": ({"id": encode_global_id("Job", 1)}, {"job"}),
    "ImportSession": ({"id": encode_global_id("ImportSession", 1)}, {"import_session"}),
}


def add_cpus(url: str) -> None:
    async def work() -> None:
        async with Resources.open(make_settings(database_url=url, redis_url="redis://127.0.0.1:1")) as resources:
            await add_uniform_cpus(resources, 3, 4)

    asyncio.run(work())


def test_every_builtin_query_has_an_example() -> None:
    assert set(EXAMPLES) == set(BUILTIN_QUERIES)


@pytest.mark.parametrize("name", EXAMPLES)
def test_plan_of_a_query_shows_text_code_and_sql(documents: CommandRunner, database_url: str, name: str) -> None:
    add_cpus(database_url)
    variables, tables = EXAMPLES[name]
    ran = documents("plan", name, "--variables", json.dumps(variables))
    assert (ran.code, ran.errors) == (0, "")
    text, rest = ran.output.split("\n\n# query ", 1)
    assert text == builtin_documents()[name].strip()
    code, statements = rest.split("\n\n-- SQL, with variables ", 1)
    tree = ast.parse(f"# query {code}")
    functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert {"build_query", "resolve_query"} <= functions
    given, statement = statements.strip().split("\n\n", 1)
    assert json.loads(given) == variables
    assert statement.endswith(";")
    assert 1 <= statement.count(";") <= BUILTIN_QUERIES[name][1], "statements run only for rows that exist"
    assert all(f"FROM {table}" in " ".join(statement.split()) for table in tables)
    assert max(map(len, statement.splitlines())) <= 120


def test_plan_without_required_variables_asks_for_them(documents: CommandRunner) -> None:
    output = documents("plan", "CpuDetail").output
    assert "def build_cpu(sources):" in output
    assert output.endswith("-- SQL: pass --variables '{\"slug\": ...}' to see the statements\n")


def test_plan_with_rejected_variables_shows_the_error(documents: CommandRunner) -> None:
    output = documents("plan", "CpuList", "--variables", '{"first": 1000}').output
    assert output.endswith("-- SQL: with these variables the query fails: `first` must be from 1 to 200, not 1000.\n")


@pytest.mark.parametrize("given", ["{", "[]", "1", "null", "slug"])
def test_plan_rejects_variables_that_are_not_an_object(documents: CommandRunner, given: str) -> None:
    sentence = error_sentence(documents("plan", "CpuDetail", "--variables", given))
    assert sentence == f"--variables must be a JSON object, not {given}."


def test_plan_of_a_mutation_does_not_execute_it(documents: CommandRunner, database_url: str) -> None:
    output = documents("plan", "RecalculateMetrics").output
    assert "def resolve_mutation(execution, sources, results):" in output
    assert output.endswith("-- SQL: the statements of a mutation are not shown, because it would be executed\n")
    assert query_database(database_url, "SELECT count(*) FROM job") == [(0,)]


def test_plan_of_a_subscription_is_that_of_its_events(documents: CommandRunner) -> None:
    output = documents("plan", "JobProgress").output
    assert "def resolve_subscription(execution, sources, results):" in output
    assert "-- SQL: the statements of a subscription are not shown" in output


def test_plan_shows_each_operation_of_a_published_document(
    documents: CommandRunner, database_url: str, tmp_path: Path
) -> None:
    two = "query A { statistics { total } } query B { cpus(first: 1) { nodes { listings { nodes { id } } } } }"
    documents("publish", write_manifest(tmp_path, {"two": two}), "--client", "web@1")
    add_cpus(database_url)
    output = documents("plan", "two").output
    assert [output.count(each) for each in (two, "# query A\n", "# query B\n", "-- SQL", ";\n")] == [1, 1, 1, 2, 3]
    query_database(database_url, "UPDATE document SET text = '{ gone }' WHERE id = 'two'")
    assert error_sentence(documents("plan", "two")) == "two does not fit the schema: see `dealmark documents check`."
    assert error_sentence(documents("plan", "none")) == 'There is no document with the id or name "none".'
