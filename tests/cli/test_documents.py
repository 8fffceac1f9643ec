"""`dealmark documents`: output, exit codes, and that a command does everything or nothing."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from app.documents.registry import builtin_documents
from app.engine.document import content_id
from tests.support.command_line import UNREACHABLE_DATABASE_URL, CommandRunner, error_sentence, query_database
from tests.support.databases import temporary_database
from tests.support.documents_command import write_manifest
from tests.support.published_documents import NAMES, PRICES, PRICES_ID, TOTAL, TOTAL_ID
from tests.support.schema_execution import SCHEMA

INTROSPECTION = "GraphQL introspection has been disabled, but the requested query contained the field"


def published_documents(url: str) -> list[tuple[object, ...]]:
    return query_database(
        url,
        "SELECT d.id, d.name, c.client_name, c.client_version FROM document d LEFT JOIN document_client c "
        "ON c.document_id = d.id ORDER BY 1, 3, 4",
    )


def documents_version(url: str) -> list[tuple[object, ...]]:
    return query_database(url, "SELECT version FROM data_version WHERE domain = 'documents'")


def test_publish_reads_manifests_of_every_kind(documents: CommandRunner, database_url: str, tmp_path: Path) -> None:
    operation = {"id": "apollo", "name": "Total", "type": "query", "body": TOTAL}
    apollo = {
        "format": "apollo-persisted-query-manifest",
        "version": 1,
        "operations": [operation, {**operation, "id": "ios's", "clientName": "ios"}],
    }
    ran = documents("publish", write_manifest(tmp_path, apollo), "--client", "web@1.2.3")
    assert ran == (0, "2 published for web@1.2.3, 2 of them new.\n", "")
    ran = documents("publish", write_manifest(tmp_path, {"0" * 32: NAMES}), "--client", "@acme/relay@2")
    assert ran.output == "1 published for @acme/relay@2, 1 of them new.\n"
    folder = tmp_path / "operations"
    folder.mkdir()
    (folder / "Prices.graphql").write_text(PRICES)
    ran = documents("publish", folder, "--client", "web@1.2.3")
    assert ran.output == "1 published for web@1.2.3, 1 of them new.\n"
    assert published_documents(database_url) == [
        ("0" * 32, "Names", "@acme/relay", "2"),
        ("apollo", "Total", "web", "1.2.3"),
        ("ios's", "Total", "ios", "1.2.3"),
        (PRICES_ID, "Prices", "web", "1.2.3"),
    ]


def test_publish_of_known_documents_adds_only_the_client_version(
    documents: CommandRunner, database_url: str, tmp_path: Path
) -> None:
    path = write_manifest(tmp_path, {TOTAL_ID: TOTAL})
    documents("publish", path, "--client", "web@1")
    before = documents_version(database_url)
    for _ in range(2):
        assert documents("publish", path, "--client", "web@2").output == "1 published for web@2, 0 of them new.\n"
    assert published_documents(database_url) == [(TOTAL_ID, "Total", "web", "1"), (TOTAL_ID, "Total", "web", "2")]
    assert documents_version(database_url) == before, "running servers need not reload"


def test_publish_with_an_invalid_document_publishes_nothing(
    documents: CommandRunner, database_url: str, tmp_path: Path
) -> None:
    dear = "query Dear { cpus(first: 200) { nodes { listings(first: 200) { nodes { id } } } } }"
    bad = {
        TOTAL_ID: TOTAL,
        "a": "query A { cpus { nodes { nam } } }",
        "b": "query B(",
        "c": dear,
        "CpuList": TOTAL,
        "d": "query D { __schema { types { name } } }",
    }
    ran = documents("publish", write_manifest(tmp_path, bad), "--client", "web@1")
    assert (ran.code, ran.output) == (1, "")
    assert ran.errors.splitlines() == [
        "Nothing is published.",
        "a: A: CPU.nam: Cannot query field 'nam' on type 'CPU'. Did you mean 'name'?",
        "b: Syntax Error: Expected '$', found <EOF>.",
        "c: Dear: costs at least 40450; the limit is 25000.",
        "CpuList is the name of a document that ships with the server.",
        f"d: D: Query.__schema: {INTROSPECTION} '__schema'.",
        f"d: D: __Schema.types: {INTROSPECTION} 'types'.",
    ]
    assert published_documents(database_url) == []


def test_publish_rejects_another_text_for_a_known_id(
    documents: CommandRunner, database_url: str, tmp_path: Path
) -> None:
    documents("publish", write_manifest(tmp_path, {"one": TOTAL, "two": NAMES}), "--client", "web@1")
    documents("retire", "one")
    before = published_documents(database_url)
    other = write_manifest(tmp_path, {"one": NAMES, "two": PRICES, "three": TOTAL})
    ran = documents("publish", other, "--client", "web@2")
    assert (ran.code, ran.output) == (1, "")
    assert ran.errors.splitlines() == [
        "Nothing is published.",
        "one is published with another text: an id never changes its text.",
        "two is published with another text: an id never changes its text.",
    ]
    assert published_documents(database_url) == before
    assert query_database(database_url, "SELECT id FROM document WHERE retired_at IS NOT NULL") == [("one",)], (
        "it stays retired"
    )


@pytest.mark.parametrize("client", ["web", "@1", "web@", "we b@1", "", "web@1\n"])
def test_publish_rejects_a_client_without_name_or_version(
    documents: CommandRunner, tmp_path: Path, client: str
) -> None:
    ran = documents("publish", write_manifest(tmp_path, {TOTAL_ID: TOTAL}), "--client", client)
    assert (ran.code, ran.output) == (1, "")
    assert "is not a client; use name@version, such as web@1.2.3." in ran.errors


def test_retire_by_ids(documents: CommandRunner, database_url: str, tmp_path: Path) -> None:
    documents("publish", write_manifest(tmp_path, {"a": TOTAL, "b": NAMES}), "--client", "web@1")
    assert error_sentence(documents("retire", "a", "zzz")) == "Nothing is retired, because these are not served: zzz."
    assert documents("retire", "a", "b").output == "a\nb\n2 retired.\n"
    assert error_sentence(documents("retire", "a")) == "Nothing is retired, because these are not served: a."
    assert "ships with the server" in error_sentence(documents("retire", document_id("CpuList")))
    documents("publish", write_manifest(tmp_path, {"a": TOTAL}), "--client", "web@2")
    assert query_database(database_url, "SELECT id FROM document WHERE retired_at IS NULL") == [("a",)], (
        "published again"
    )
    assert error_sentence(documents("retire")) == "Pass either ids or --client."
    assert error_sentence(documents("retire", "a", "--client", "web@1")) == "Pass either ids or --client."


def test_retire_by_client_keeps_documents_of_other_clients(documents: CommandRunner, tmp_path: Path) -> None:
    documents("publish", write_manifest(tmp_path, {"a": TOTAL, "b": NAMES}), "--client", "web@1")
    documents("publish", write_manifest(tmp_path, {"b": NAMES, "c": PRICES}), "--client", "web@2")
    documents("publish", write_manifest(tmp_path, {"c": PRICES}), "--client", "ios@1")
    assert documents("retire", "--client", "web@1").output == "a\n1 retired.\n"
    assert error_sentence(documents("retire", "--client", "web@1")) == "No document is published for web@1."
    assert documents("retire", "--client", "web").output == "b\n1 retired.\n"
    assert documents("retire", "--client", "ios").output == "c\n1 retired.\n"


def document_id(name: str) -> str:
    return content_id(builtin_documents()[name])


def test_list_shows_clients_usage_and_analysis(documents: CommandRunner, database_url: str, tmp_path: Path) -> None:
    builtin = {document_id("CpuList"): builtin_documents()["CpuList"]}
    documents("publish", write_manifest(tmp_path, {TOTAL_ID: TOTAL, "old": NAMES, **builtin}), "--client", "web@1.9")
    documents("publish", write_manifest(tmp_path, {TOTAL_ID: TOTAL}), "--client", "web@1.10")
    documents("retire", "old")
    query_database(database_url, "UPDATE document SET text = 'query Names { gone }' WHERE id = 'old'")
    query_database(
        database_url,
        f"INSERT INTO document_use VALUES ('{TOTAL_ID}', '2026-01-01Z', '2026-01-02Z', 12345), "
        f"('{document_id('CpuList')}', '2026-01-01Z', '2026-01-02Z', 7)",
    )
    lines = [json.loads(line) for line in documents("list", "--json").output.splitlines()]
    by_name = {line["name"]: line for line in lines}
    assert set(by_name) == {*builtin_documents(), "Total", "Names"}
    total = by_name["Total"]
    moment = total.pop("published_at")
    assert moment.startswith("20")
    assert total == {
        "id": TOTAL_ID,
        "name": "Total",
        "clients": ["web@1.9", "web@1.10"],
        "retired_at": None,
        "hits": 12345,
        "first_used_at": "2026-01-01T00:00:00+00:00",
        "last_used_at": "2026-01-02T00:00:00+00:00",
        "valid": True,
        "public": True,
        "max_age": 30,
        "time_dependent": False,
        "domains": ["analytics", "catalog", "market"],
        "cost": {"Total": 20},
        "plans": {"Total": "compiled"},
    }
    assert by_name["Names"]["retired_at"] is not None
    assert (by_name["Names"]["valid"], by_name["Names"]["domains"], by_name["Names"]["hits"]) == (False, None, 0)
    assert (by_name["CpuList"]["hits"], by_name["CpuList"]["published_at"]) == (7, None)
    assert by_name["RecalculateMetrics"]["public"] is False

    output = documents("list").output
    assert f"Total  {TOTAL_ID}\n  web@1.9, web@1.10; published {moment}; 12,345 hits, first 2026-01-01T00" in output
    assert "public, max-age 30 s; reads analytics, catalog, market; costs 20\n" in output
    assert "never used\n  does not fit the schema: see `dealmark documents check`" in output
    assert f"CpuList  {document_id('CpuList')}\n  dealmark, web@1.9; built in; 7 hits" in output
    assert "depends on the viewer, max-age 0 s; reads no data; costs 2" in output


def test_show_finds_documents_by_id_and_by_name(documents: CommandRunner, tmp_path: Path) -> None:
    documents("publish", write_manifest(tmp_path, {"a": TOTAL, "b": TOTAL + "\n"}), "--client", "web@1")
    by_id = documents("show", "a").output
    assert by_id.startswith("Total  a\n  web@1; published ")
    assert by_id.endswith(f"\n\n{TOTAL}\n\n")
    assert documents("show", "Total").output.count(TOTAL) == 2
    assert builtin_documents()["CpuList"].strip() in documents("show", "CpuList").output
    assert error_sentence(documents("show", "none")) == 'There is no document with the id or name "none".'


def test_check_names_each_problem_and_client(documents: CommandRunner, database_url: str, tmp_path: Path) -> None:
    count = len(builtin_documents())
    ran = documents("check")
    assert ran == (0, f"All {count} documents fit the schema.\n", "")
    documents("publish", write_manifest(tmp_path, {"a": TOTAL, "b": NAMES}), "--client", "web@1")
    documents("publish", write_manifest(tmp_path, {"b": NAMES}), "--client", "web@2")
    assert documents("check").output == f"All {count + 2} documents fit the schema.\n"

    (tmp_path / "next.graphql").write_text(schema_without("  listingsCount: Int! @cost(weight: 1)", "    slug: String"))
    ran = documents("check", "--schema", tmp_path / "next.graphql")
    assert (ran.code, ran.errors) == (1, f"6 problems in {count + 2} documents.\n")
    message = "Cannot query field 'listingsCount' on type 'CPU'. Did you mean 'listings'?"
    assert sorted(ran.output.splitlines()) == [
        f"dealmark: CpuCompare: CPU.listingsCount: {message}",
        "dealmark: CpuDetail: Query.cpu(slug:): Unknown argument 'slug' on field 'Query.cpu'.",
        f"dealmark: CpuList: CPU.listingsCount: {message}",
        "dealmark: CpuPriceHistory: Query.cpu(slug:): Unknown argument 'slug' on field 'Query.cpu'.",
        f"web@1: Names: CPU.listingsCount: {message}",
        f"web@2: Names: CPU.listingsCount: {message}",
    ]
    documents("retire", "b")
    ran = documents("check", "--schema", tmp_path / "next.graphql")
    assert "web" not in ran.output, "a retired document is not checked"
    (tmp_path / "now.graphql").write_text(SCHEMA.as_str())
    assert documents("check", "--schema", tmp_path / "now.graphql").code == 0


def schema_without(*definitions: str) -> str:
    """Return the schema without these lines of fields and arguments, and without their descriptions."""
    schema = SCHEMA.as_str()
    for definition in definitions:
        schema, times = re.subn(r' *"""[^"]*"""\n' + re.escape(definition) + r"\n", "", schema, count=1)
        assert times == 1, definition
    return schema


def test_check_names_a_builtin_document_of_an_older_server(documents: CommandRunner, database_url: str) -> None:
    query_database(database_url, "INSERT INTO document (id, text, name) VALUES ('old', 'query Old { gone }', 'Old')")
    ran = documents("check")
    assert (ran.code, ran.output) == (
        1,
        "(no client): Old: Query.gone: Cannot query field 'gone' on type 'Query'. Did you mean 'node'?\n",
    )


def test_unusable_files_and_database_are_one_sentence(
    dealmark: CommandRunner, documents: CommandRunner, tmp_path: Path
) -> None:
    (tmp_path / "bad.graphql").write_text("type Query {")
    assert (
        "bad.graphql is not a schema: Syntax Error" in documents("check", "--schema", tmp_path / "bad.graphql").errors
    )
    assert "cannot be read" in error_sentence(documents("check", "--schema", tmp_path / "none.graphql"))
    assert "cannot be read" in error_sentence(documents("publish", tmp_path / "none.json", "--client", "web@1"))
    ran = dealmark("documents", "list", DATABASE_URL=UNREACHABLE_DATABASE_URL)
    assert error_sentence(ran).startswith("The database of DATABASE_URL cannot be used (")


def test_database_without_tables_is_one_sentence(dealmark: CommandRunner, cluster: str) -> None:
    with temporary_database(cluster) as url:
        ran = dealmark("documents", "list", DATABASE_URL=url)
        assert error_sentence(ran) == "The database has no tables yet: run `dealmark migrate`."
