"""The SQL statements of `bench` fit the current tables. The benchmarks themselves are not part of the tests."""

from __future__ import annotations

import ast

import asyncpg
from sqlalchemy import text
from sqlalchemy.dialects import registry

from tests.support.paths import ROOT


def bench_statements() -> dict[str, str]:
    """Return the literal arguments of `text(...)` in all modules, by file and line."""
    statements: dict[str, str] = {}
    for path in sorted((ROOT / "bench").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "text":
                argument = node.args[0]
                if isinstance(argument, ast.Constant):
                    statements[f"{path.name}:{node.lineno}"] = str(argument.value)
    return statements


async def test_bench_statements_can_be_prepared(database_url: str) -> None:
    statements = bench_statements()
    assert len(statements) > 10
    dialect = registry.load("postgresql.asyncpg")()
    errors: dict[str, str] = {}
    connection = await asyncpg.connect(database_url)
    try:
        for place, statement in statements.items():
            try:
                await connection.prepare(str(text(statement).compile(dialect=dialect)))
            except asyncpg.PostgresError as error:
                errors[place] = str(error)
    finally:
        await connection.close()
    assert errors == {}
