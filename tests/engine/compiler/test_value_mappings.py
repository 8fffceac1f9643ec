"""Columns whose values stand for something: what a plan sends of them is what graphql-core would."""

from __future__ import annotations

import enum
from datetime import UTC, datetime
from typing import Any

import pytest
import strawberry
from graphql import OperationDefinitionNode, execute_sync, parse

from app.engine.compiler.compiler import compile_plan
from app.graphql.fields import ValueMapping, column

QUERY = "{ rows { words maybeWords size maybeSize key maybeKey share at number } }"


@strawberry.enum
class Size(enum.Enum):
    SMALL = "small"
    LARGE = "large"


def meant(of: dict[Any, Any], name: str) -> Any:
    return column(name, description="Of the column.", mapping=ValueMapping(of.__getitem__))


@strawberry.type
class Row:
    words: list[str] = meant({1: ["a", "b"], 2: [], 3: ["c", 4]}, "a")
    maybe_words: list[str | None] | None = meant({1: ["a", None], 2: None, 3: "abc"}, "a")
    size: Size = meant({1: Size.SMALL, 2: Size.LARGE, 3: "huge"}, "a")
    maybe_size: Size | None = meant({1: Size.SMALL, 2: None, 3: 7}, "a")
    key: strawberry.ID = meant({1: "k1", 2: 2, 3: None}, "a")
    maybe_key: strawberry.ID | None = meant({1: "k1", 2: None, 3: []}, "a")
    share: float | None = meant({1: 0.5, 2: 1, 3: float("nan")}, "a")
    at: datetime | None = meant({1: datetime(2026, 3, 1, tzinfo=UTC), 2: None, 3: "yesterday"}, "a")
    number: int = meant({1: 1, 2: 2.0, 3: 2**40}, "a")


ROWS: list[Any] = []


@strawberry.type
class Query:
    @strawberry.field
    def rows(self) -> list[Row | None]:
        """Whatever the test has put there."""
        return list(ROWS)


SCHEMA = strawberry.Schema(query=Query)._schema


@pytest.mark.parametrize("values", [[1], [2], [1, 2, 1], [3], [1, 3, 2], [None], [1, None, 2]])
async def test_a_plan_sends_what_graphql_core_sends(values: list[int | None]) -> None:
    ROWS[:] = [{"a": value} for value in values]
    document = parse(QUERY)
    operation = document.definitions[0]
    assert isinstance(operation, OperationDefinitionNode)
    plan = compile_plan(SCHEMA, document, operation)
    for _ in range(2):  # the second time what they mean is known
        made, expected = await plan.execute(None, {}), execute_sync(SCHEMA, document)
        assert made.data == expected.data
        assert [each.formatted for each in made.errors or ()] == [each.formatted for each in expected.errors or ()]
    assert (made.errors is None) == (3 not in values and None not in values)
