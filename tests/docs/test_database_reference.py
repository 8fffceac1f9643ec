"""The database page of the reference, compared with a migrated database and with the modules that it names."""

from __future__ import annotations

import re

import asyncpg

from tests.docs.pages import ROOT

PAGE = (ROOT / "docs" / "reference" / "database.md").read_text()


def rows(section: str) -> list[list[str]]:
    """Return the cells of the table of a section, without its heading."""
    text = PAGE.split(f"\n## {section}\n")[1].split("\n## ")[0]
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def names(cell: str) -> list[str]:
    """Return the code spans of a cell, without arguments of functions."""
    return [name.partition("(")[0] for name in re.findall(r"`([^`]+)`", cell)]


async def fetch(database_url: str, statement: str) -> list[tuple[object, ...]]:
    connection = await asyncpg.connect(database_url)
    try:
        return [tuple(row) for row in await connection.fetch(statement)]
    finally:
        await connection.close()


async def test_tables_are_those_of_a_migrated_database(database_url: str) -> None:
    statement = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
    tables = {name for (name,) in await fetch(database_url, statement)} - {"alembic_version"}
    assert {name for row in rows("Tables") for name in names(row[0])} == tables


async def test_triggers_are_those_of_a_migrated_database(database_url: str) -> None:
    statement = """
        SELECT tgrelid::regclass::text, tgname, tgfoid::regproc::text FROM pg_trigger
        WHERE NOT tgisinternal AND tgrelid::regclass::text NOT LIKE 'partitions.%'
        """
    documented = {
        (*names(table), *names(trigger), *names(function)) for table, trigger, _, function, _ in rows("Triggers")
    }
    assert documented == set(await fetch(database_url, statement))


async def test_functions_are_those_of_a_migrated_database(database_url: str) -> None:
    statement = "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
    documented = {name for row in rows("Functions") for name in names(row[0])}
    assert documented == {name for (name,) in await fetch(database_url, statement)}


def test_temporary_tables_are_those_of_the_code() -> None:
    sources = "".join(path.read_text() for path in (ROOT / "app").rglob("*.py"))
    created = set(re.findall(r"CREATE TEMP TABLE (\w+) ", sources))
    staged = set(re.findall(r'\bstage\(\s*tx\.connection,\s*[\w.]+,\s*\w+,\s*"(\w+)"', sources))
    documented = [name for table, *_ in rows("Temporary tables") for name in names(table)]
    assert sorted(documented) == sorted(created | staged)


def test_temporary_tables_are_created_by_the_documented_functions() -> None:
    for _, creator, _, _ in rows("Temporary tables"):
        match = re.fullmatch(r"(.+) in `([\w/.]+)`(?:, through `stage`)?", creator)
        assert match is not None, creator
        source = (ROOT / match[2]).read_text()
        assert [name for name in names(match[1]) if f"def {name}(" not in source] == []


def test_advisory_lock_keys_are_those_of_the_code() -> None:
    keys = (ROOT / "app" / "db" / "advisory_locks.py").read_text().replace("_", "")
    documented = [key for row in rows("Advisory locks") for key in re.findall(r"\b\d{7}\b", row[0])]
    assert documented
    assert [key for key in documented if key not in keys] == []
