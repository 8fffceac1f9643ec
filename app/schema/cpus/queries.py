"""Queries for CPUs: one, and lists with filters and orderings."""

from __future__ import annotations

from typing import Annotated, cast

import strawberry

from app.catalog import sql
from app.catalog.facet_sql import count_facets
from app.catalog.title_matcher import get_matcher
from app.core.errors import BadInput
from app.core.global_ids import key_from_global_id
from app.db.pagination import DEFAULT_PAGE_SIZE, parse_page_arguments
from app.db.tables import Domain
from app.graphql.context import Info
from app.graphql.directives import CostWeight, ListSize, cache_hints, connection_size
from app.graphql.relay import TOTAL_COUNT, After, Before, Connection, First, Last
from app.schema.cpus.facets import CPUFacets
from app.schema.cpus.inputs import MAX_SORT_KEYS, CPUFilter, CPUOrder, check_text, to_cpu_filter, to_sort_order
from app.schema.cpus.loaders import CpuById, CpuBySlug, CpuRow, PointRow, requested_columns
from app.schema.cpus.title_match import TitleMatch
from app.schema.cpus.types import CPU, PricePoint
from app.titles.components import parse_components
from app.titles.matcher import MAX_TITLE_LENGTH

# Seconds for which browsers and proxies may keep an answer without asking again.
MAX_AGE = 5
MAX_SLUGS = 50


@strawberry.type
class CpusQuery:
    @strawberry.field(
        description="A CPU by its id or its slug; null when there is none.",
        metadata=cache_hints(Domain.CATALOG, Domain.ANALYTICS, max_age=MAX_AGE),
    )
    async def cpu(
        self,
        info: Info,
        id: Annotated[strawberry.ID | None, strawberry.argument(description="Global id.")] = None,  # noqa: A002
        slug: Annotated[str | None, strawberry.argument(description="Slug, as in URLs.")] = None,
    ) -> CPU | None:
        """Exactly one argument."""
        if (id is None) == (slug is None):
            raise BadInput("Give exactly one of `id` and `slug`.")
        if id is not None:
            return await CPU.load_node(info, key_from_global_id(id, "CPU"))
        assert slug is not None
        return cast("CPU | None", await info.context.loader(CpuBySlug).load(check_text(slug, "slug")))

    @strawberry.field(
        description="The CPUs with these slugs, in their order; null where there is none.",
        metadata=cache_hints(Domain.CATALOG, Domain.ANALYTICS, max_age=MAX_AGE),
        directives=[ListSize(assumed_size=MAX_SLUGS, slicing_arguments=["slugs"])],
    )
    async def cpus_by_slugs(
        self,
        info: Info,
        slugs: Annotated[list[str], strawberry.argument(description=f"Slugs, as in URLs; at most {MAX_SLUGS}.")],
    ) -> list[CPU | None]:
        """One statement for all; of a few it brings along what is asked of each."""
        if len(slugs) > MAX_SLUGS:
            raise BadInput(f"`slugs` takes at most {MAX_SLUGS} slugs.")
        for each in slugs:
            check_text(each, "slugs")
        return cast("list[CPU | None]", await info.context.loader(CpuBySlug).load_many(slugs))

    @strawberry.field(
        description="CPUs, by name unless ordered otherwise.",
        # Of the market: a filter may ask whether there are listings.
        metadata=cache_hints(Domain.CATALOG, Domain.ANALYTICS, Domain.MARKET, max_age=MAX_AGE),
        directives=[connection_size(DEFAULT_PAGE_SIZE)],
    )
    async def cpus(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        filter: Annotated[CPUFilter | None, strawberry.argument(description="Which CPUs.")] = None,  # noqa: A002
        order_by: Annotated[
            list[CPUOrder] | None,
            strawberry.argument(description=f"Up to {MAX_SORT_KEYS} keys, the first weighs most."),
        ] = None,
    ) -> Connection[CPU]:
        """A page; without `first` and `last` the first 50."""
        request = parse_page_arguments(first, after, last, before)
        conditions, keyset = to_cpu_filter(filter), sql.keyset_for(to_sort_order(order_by))
        context = info.context
        of_page = context.requested_columns("CPUConnection")
        counted = of_page is None or TOTAL_COUNT in of_page
        statement = sql.select_page(conditions, keyset, request, requested_columns(context), counted)
        async with context.read() as session:
            rows = await session.rows(*statement, CpuRow)
        context.prime(CpuById, rows)

        async def count() -> int:
            if counted and rows:
                return int(rows[0][TOTAL_COUNT])
            async with context.read() as session:
                return int(await session.scalar(*sql.select_count(conditions)))

        return Connection(page=keyset.build_page(rows, request), count=count)

    @strawberry.field(
        description="Every CPU that has a price, as a point of price and mark, cheapest first; "
        f"the cheapest {sql.MAX_PRICE_MAP_POINTS:,} at most.",
        metadata=cache_hints(Domain.CATALOG, Domain.ANALYTICS, Domain.MARKET, max_age=MAX_AGE),
        directives=[ListSize(assumed_size=sql.MAX_PRICE_MAP_POINTS)],
    )
    async def price_map(
        self,
        info: Info,
        filter: Annotated[CPUFilter | None, strawberry.argument(description="Which CPUs.")] = None,  # noqa: A002
    ) -> list[PricePoint]:
        """One statement."""
        context = info.context
        statement = sql.select_price_map(to_cpu_filter(filter), context.requested_columns("PricePoint"))
        async with context.read() as session:
            return cast("list[PricePoint]", await session.rows(*statement, PointRow))

    @strawberry.field(
        description="How many CPUs have which value, for the controls of a filter. What a control would bring is told "
        "by the filter without its own condition.",
        metadata=cache_hints(Domain.CATALOG, Domain.ANALYTICS, Domain.MARKET, max_age=MAX_AGE),
        directives=[CostWeight(weight=20)],
    )
    async def cpu_facets(
        self,
        info: Info,
        filter: Annotated[CPUFilter | None, strawberry.argument(description="Which CPUs.")] = None,  # noqa: A002
    ) -> CPUFacets:
        """One statement for all facets that are asked for."""
        context = info.context
        async with context.read() as session:
            return CPUFacets(
                counts=await count_facets(session, to_cpu_filter(filter), context.requested_columns("CPUFacets"))
            )

    @strawberry.field(
        description="The CPU that a seller's title names, or none when that is not certain; with the reasons.",
        metadata=cache_hints(Domain.CATALOG, Domain.ANALYTICS, max_age=MAX_AGE),
    )
    async def match_title(
        self,
        info: Info,
        title: Annotated[
            str, strawberry.argument(description=f"As the seller wrote it; at most {MAX_TITLE_LENGTH} characters.")
        ],
    ) -> TitleMatch:
        """With the matcher of the request's own snapshot."""
        check_text(title, "title", MAX_TITLE_LENGTH)
        async with info.context.read() as session:
            found = (await get_matcher(info.context.resources, session)).match(title)
        return TitleMatch.of(found, parse_components(title))
