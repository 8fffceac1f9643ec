"""Columns with value mappings: plans return the output values of graphql-core."""

from __future__ import annotations

import enum
from datetime import UTC, datetime
from typing import Any

import pytest
import strawberry
from graphql import OperationDefinitionNode, execute_sync, parse

from app.engine.compiler.compiler import compile_plan
from app.graphql.fields import ValueMapping, column
from app.graphql.strawberry_bridge import graphql_schema

QUERY = "{ rows { words maybeWords size maybeSize key maybeKey share at number } }"


@strawberry.enum
class Size(enum.Enum):
    SMALL = "small"
    LARGE = "large"


def mapped_column(of: dict[Any, Any], name: str) -> Any:
    return column(name, description="Of the column.", mapping=ValueMapping(of.__getitem__))


@strawberry.type
class Row:
    words: list[str] = mapped_column({1: ["a", "b"], 2: [], 3: ["c", 4]}, "a")
    maybe_words: list[str | None] | None = mapped_column({1: ["a", None], 2: None, 3: "abc"}, "a")
    size: Size = mapped_column({1: Size.SMALL, 2: Size.LARGE, 3: "huge"}, "a")
    maybe_size: Size | None = mapped_column({1: Size.SMALL, 2: None, 3: 7}, "a")
    key: strawberry.ID = mapped_column({1: "k1", 2: 2, 3: None}, "a")
    maybe_key: strawberry.ID | None = mapped_column({1: "k1", 2: None, 3: []}, "a")
    share: float | None = mapped_column({1: 0.5, 2: 1, 3: float("nan")}, "a")
    at: datetime | None = mapped_column({1: datetime(2026, 3, 1, tzinfo=UTC), 2: None, 3: "yesterday"}, "a")
    number: int = mapped_column({1: 1, 2: 2.0, 3: 2**40}, "a")


ROWS: list[Any] = []


@strawberry.type
class Query:
    @strawberry.field
    def rows(self) -> list[Row | None]:
        """Return the rows that the test has set."""
        return list(ROWS)


SCHEMA = graphql_schema(strawberry.Schema(query=Query))


@pytest.mark.parametrize("values", [[1], [2], [1, 2, 1], [3], [1, 3, 2], [None], [1, None, 2]])
async def test_plan_returns_mapped_values_like_graphql_core(values: list[int | None]) -> None:
    ROWS[:] = [{"a": value} for value in values]
    document = parse(QUERY)
    operation = document.definitions[0]
    assert isinstance(operation, OperationDefinitionNode)
    plan = compile_plan(SCHEMA, document, operation)
    for _ in range(2):  # the second time the mapped values are cached
        made, expected = await plan.execute(None, {}), execute_sync(SCHEMA, document)
        assert made.data == expected.data
        assert [each.formatted for each in made.errors or ()] == [each.formatted for each in expected.errors or ()]
    assert (made.errors is None) == (3 not in values and None not in values)
