"""The GraphQL schema: the only list of domains."""

from __future__ import annotations

import asyncio
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
from app.graphql.relay import Node
from app.graphql.scalars import UPLOAD, Upload
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
# Whether an id is that of an object at all depends on every domain that has nodes, whatever is selected of it.
NODE_CACHE_HINTS = cache_hints(Domain.CATALOG, Domain.ANALYTICS, Domain.MARKET, Domain.WORK, Domain.EVENTS, max_age=0)


@strawberry.type
class NodeQuery:
    @strawberry.field(description="The object with this global id; null when there is none.", metadata=NODE_CACHE_HINTS)
    async def node(
        self,
        info: Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="Global id.")],  # noqa: A002
    ) -> Node | None:
        """Any type that implements Node."""
        return await _load_node(info, id)

    @strawberry.field(
        description="The objects with these global ids, in their order; null where there is none.",
        metadata=NODE_CACHE_HINTS,
        directives=[ListSize(assumed_size=MAX_NODES, slicing_arguments=["ids"])],
    )
    async def nodes(
        self,
        info: Info,
        ids: Annotated[list[strawberry.ID], strawberry.argument(description=f"Global ids, at most {MAX_NODES}.")],
    ) -> list[Node | None]:
        """Batched: one statement per type."""
        if len(ids) > MAX_NODES:
            raise BadInput(f"`ids` takes at most {MAX_NODES} ids.")
        return list(await asyncio.gather(*(_load_node(info, each) for each in ids)))


async def _load_node(info: Info, given: str) -> Node | None:
    parsed = decode_global_id(given)
    if parsed is None or parsed[0] not in NODE_TYPES:
        raise BadInput(f'"{given[:100]}" is not an id of this API.')
    return await NODE_TYPES[parsed[0]].load_node(info, parsed[1])


@strawberry.type(description="What can be read.")
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


@strawberry.type(description="What can be changed.")
class Mutation(AnalyticsMutation, ValuationMutation, ImportsMutation):
    pass


@strawberry.type(description="What can be followed live.")
class Subscription(JobsSubscription, ImportsSubscription, PriceChangesSubscription, DataChangesSubscription):
    pass


def build_schema() -> strawberry.Schema:
    """Every domain's part, merged. What runs documents against it is the gateway."""
    schema = strawberry.Schema(
        query=Query,
        mutation=Mutation,
        subscription=Subscription,
        types=list(NODE_TYPES.values()),
        config=StrawberryConfig(auto_camel_case=True, scalar_map={Upload: UPLOAD}),
    )
    _drop_null_defaults(schema._schema)
    return schema


def _drop_null_defaults(schema: GraphQLSchema) -> None:
    """`first: Int = null` says no more than `first: Int`; Python's default of None does the same."""
    for kind in schema.type_map.values():
        if isinstance(kind, (GraphQLObjectType, GraphQLInterfaceType)):
            inputs: list[Any] = [argument for field in kind.fields.values() for argument in field.args.values()]
        else:
            inputs = list(kind.fields.values()) if isinstance(kind, GraphQLInputObjectType) else []
        for each in inputs:
            if each.default_value is None:
                each.default_value = Undefined
