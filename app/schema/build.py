"""Composition of the GraphQL schema from the packages of its domains."""

from __future__ import annotations

import asyncio
from functools import cache
from typing import Annotated, Any

import strawberry
from graphql import (
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    Undefined,
)
from strawberry.schema.config import StrawberryConfig

from app.core.errors import BadInput
from app.core.global_ids import decode_global_id
from app.db.tables import Domain
from app.graphql.context import Info
from app.graphql.directives import ListSize, cache_hints
from app.graphql.input_limits import at_most, describe_limits
from app.graphql.relay import Node
from app.graphql.scalars import UPLOAD, Upload
from app.graphql.strawberry_bridge import graphql_schema
from app.schema.analytics.mutations import AnalyticsMutation
from app.schema.analytics.queries import AnalyticsQuery
from app.schema.cpus.queries import CpusQuery
from app.schema.cpus.types import CPU
from app.schema.data_changes import DataChangesSubscription
from app.schema.documents.queries import DocumentsQuery
from app.schema.imports.mutations import ImportsMutation
from app.schema.imports.queries import ImportsQuery, ImportsSubscription
from app.schema.imports.types import ImportRow, ImportSession
from app.schema.jobs.queries import JobsQuery, JobsSubscription
from app.schema.jobs.types import Job
from app.schema.listings.types import Listing
from app.schema.price_changes.queries import PriceChangesQuery, PriceChangesSubscription
from app.schema.price_changes.types import PriceChange
from app.schema.statistics.queries import StatisticsQuery
from app.schema.valuation.mutations import ValuationMutation
from app.schema.valuation.queries import ValuationQuery
from app.schema.valuation.rule_types import ValuationRule
from app.schema.viewer import ViewerQuery

NODE_TYPES: dict[str, type[Node]] = {
    "CPU": CPU,
    "Listing": Listing,
    "Job": Job,
    "PriceChange": PriceChange,
    "ValuationRule": ValuationRule,
    "ImportSession": ImportSession,
    "ImportRow": ImportRow,
}
MAX_NODES = 200
# Whether an id has an object depends on all domains with nodes, regardless of the selected fields.
NODE_CACHE_HINTS = cache_hints(Domain.CATALOG, Domain.ANALYTICS, Domain.MARKET, Domain.WORK, Domain.EVENTS, max_age=0)


@strawberry.type
class NodeQuery:
    @strawberry.field(
        description="The object with this global id; null if there is no such object.", metadata=NODE_CACHE_HINTS
    )
    async def node(
        self,
        info: Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="Global id of the object.")],  # noqa: A002
    ) -> Node | None:
        """Return the object."""
        return await _load_node(info, id)

    @strawberry.field(
        description="The objects with these global ids, in the order of the ids; null for an id without an object.",
        metadata=NODE_CACHE_HINTS,
        directives=[ListSize(assumed_size=MAX_NODES, slicing_arguments=["ids"])],
    )
    async def nodes(
        self,
        info: Info,
        ids: Annotated[
            list[strawberry.ID],
            strawberry.argument(description="Global ids of objects.", metadata=at_most(values=MAX_NODES)),
        ],
    ) -> list[Node | None]:
        """Return the objects; one statement per type."""
        return list(await asyncio.gather(*(_load_node(info, global_id) for global_id in ids)))


async def _load_node(info: Info, global_id: str) -> Node | None:
    decoded = decode_global_id(global_id)
    if decoded is None or decoded[0] not in NODE_TYPES:
        raise BadInput(f'"{global_id[:100]}" is not an id of this API.')
    type_name, key = decoded
    return await NODE_TYPES[type_name].load_node(info, key)


@strawberry.type(description="Fields that read data.")
class Query(
    CpusQuery,
    ValuationQuery,
    AnalyticsQuery,
    StatisticsQuery,
    PriceChangesQuery,
    JobsQuery,
    ImportsQuery,
    ViewerQuery,
    DocumentsQuery,
    NodeQuery,
):
    pass


@strawberry.type(description="Fields that change data or request work.")
class Mutation(AnalyticsMutation, ValuationMutation, ImportsMutation):
    pass


@strawberry.type(description="Fields that follow changes of data.")
class Subscription(JobsSubscription, ImportsSubscription, PriceChangesSubscription, DataChangesSubscription):
    pass


def build_schema() -> strawberry.Schema:
    """Build the schema of all domains."""
    schema = strawberry.Schema(
        query=Query,
        mutation=Mutation,
        subscription=Subscription,
        types=list(NODE_TYPES.values()),
        config=StrawberryConfig(auto_camel_case=True, scalar_map={Upload: UPLOAD}),
    )
    _drop_null_defaults(graphql_schema(schema))
    describe_limits(graphql_schema(schema))
    return schema


@cache
def build_graphql_schema() -> GraphQLSchema:
    """Return the schema as the graphql-core object that documents are validated and compiled against.

    It is built once per process: building it takes 50 ms, and a worker needs it after each recalculation.
    """
    return graphql_schema(build_schema())


def _drop_null_defaults(schema: GraphQLSchema) -> None:
    """Remove default values of null, which Strawberry adds for Python defaults of None: `first: Int` is the same."""
    for graphql_type in schema.type_map.values():
        if isinstance(graphql_type, (GraphQLObjectType, GraphQLInterfaceType)):
            inputs: list[Any] = [argument for field in graphql_type.fields.values() for argument in field.args.values()]
        else:
            inputs = list(graphql_type.fields.values()) if isinstance(graphql_type, GraphQLInputObjectType) else []
        for argument_or_field in inputs:
            if argument_or_field.default_value is None:
                argument_or_field.default_value = Undefined
