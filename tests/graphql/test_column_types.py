"""Column fields: the SQL type of each column guarantees the Python type on which compiled operations rely."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from graphql import (
    GraphQLField,
    GraphQLObjectType,
    get_named_type,
    get_nullable_type,
    is_list_type,
    is_non_null_type,
)
from sqlalchemy import ARRAY, BigInteger, Double, Integer, column

from app.catalog import sql as catalog
from app.db.tables import import_payload, job
from app.documents import list_sql as clients
from app.events import sql as events
from app.graphql.fields import ColumnField
from app.graphql.strawberry_bridge import field_definition
from app.ingestion import session_sql as ingestion
from app.market import listing_sql as market
from app.market import price_history_sql as history
from app.schema.build import build_graphql_schema
from app.valuation import rules_sql as rules

SCHEMA = build_graphql_schema()
# GraphQL type -> columns of its rows.
ROWS: Mapping[str, Mapping[str, Any]] = {
    "CPU": catalog.COLUMNS,
    "PriceTarget": catalog.COLUMNS,
    "PerformanceValue": catalog.COLUMNS,
    "PricePoint": catalog.PRICE_MAP_COLUMNS,
    "PersistedDocument": clients.COLUMNS,
    "Listing": market.COLUMNS,
    "PriceChange": events.COLUMNS,
    "ValuationRule": rules.COLUMNS,
    "ImportSession": ingestion.SESSION_COLUMNS,
    "ImportRow": ingestion.ROW_COLUMNS,
    "ImportedPage": {column.name: column for column in import_payload.c},
    "Job": {column.name: column for column in job.c},
    "ListingPrice": {column.name: column for column in history.POINT},
    "ListingEvent": {},
    # Columns of statements that are text: `price_history_sql.HISTORY`, `LOWS` and `listing_sql.DISTRIBUTION`.
    "CPUPricePoint": {
        name: column(name, kind) for name, kind in (("listings", Integer), ("lowest", Double), ("average", Double))
    },
    "CPUPriceLows": {"current": column("current", Double)},
    "PriceBin": {"prices": column("prices", BigInteger), "lo": column("lo", Double), "hi": column("hi", Double)},
}
PYTHON = {"String": str, "Int": int, "Float": float, "Boolean": bool}
# Expressions that are never null and fit into a GraphQL Int, although their SQL types do not guarantee it: counts, and
# facts about documents.
NEVER_NULL = {
    "listings_count",
    "listings",
    "prices",
    "PersistedDocument",
    "attempts",
    "remarks",
}


def fields() -> Iterator[tuple[str, str, GraphQLField, ColumnField]]:
    """Yield type, name, definition and declaration of all column fields with scalar values."""
    for type_ in SCHEMA.type_map.values():
        if isinstance(type_, GraphQLObjectType):
            for name, definition in type_.fields.items():
                declared: Any = field_definition(definition)
                plain = isinstance(declared, ColumnField) and declared.column is not None and declared.mapping is None
                if plain and get_named_type(definition.type).name in PYTHON:
                    yield type_.name, name, definition, declared


@pytest.mark.parametrize(
    ("type_name", "name", "definition", "declared"),
    [pytest.param(*case, id=f"{case[0]}.{case[1]}") for case in fields()],
)
def test_column_type_matches_the_field_type(
    type_name: str, name: str, definition: GraphQLField, declared: ColumnField
) -> None:
    column_definition = ROWS[type_name][str(declared.column)]
    items = column_definition.type.item_type if isinstance(column_definition.type, ARRAY) else column_definition.type
    assert is_list_type(get_nullable_type(definition.type)) == isinstance(column_definition.type, ARRAY)
    assert items.python_type is PYTHON[get_named_type(definition.type).name]
    if items.python_type is float:
        return  # plans find nulls themselves, as they find NaN
    if declared.column in NEVER_NULL or type_name in NEVER_NULL:
        return
    if column_definition.type.python_type is int:
        assert type(column_definition.type) is Integer, "a bigint can be more than GraphQL's Int"
    if is_non_null_type(definition.type):
        assert not column_definition.nullable
