"""Query fields for CPUs: single CPUs, lists with filters and orderings, facets, the price map and title matches."""

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
from app.graphql.input_limits import MAX_NAME_LENGTH, at_most
from app.graphql.relay import TOTAL_COUNT, After, Before, Connection, First, Last, requests_total_count
from app.schema.cpus.facets import CPUFacets
from app.schema.cpus.inputs import MAX_SORT_KEYS, CPUFilter, CPUOrder, check_text, to_cpu_filter, to_sort_order
from app.schema.cpus.loaders import CpuById, CpuBySlug, CpuRow, PointRow, requested_columns
from app.schema.cpus.title_match import TitleMatch
from app.schema.cpus.types import CPU, PricePoint
from app.titles.components import parse_components
from app.titles.matcher import MAX_TITLE_LENGTH

# Seconds for which browsers and proxies may reuse a response without revalidation.
MAX_AGE = 5
MAX_SLUGS = 50
# Costs of fields by their CPU time, about 25 points per millisecond (`python -m bench costs`): a statement that can
# read the whole catalogue, and the match of a title of the greatest length.
SCAN_COST = 50
MATCH_COST = 25

FilterArgument = Annotated[
    CPUFilter | None, strawberry.argument(description="Conditions on the CPUs; null selects all CPUs.")
]


@strawberry.type
class CpusQuery:
    @strawberry.field(
        description="A CPU by its id or its slug, exactly one of them; null if there is no such CPU.",
        metadata=cache_hints(Domain.CATALOG, Domain.ANALYTICS, max_age=MAX_AGE),
    )
    async def cpu(
        self,
        info: Info,
        id: Annotated[strawberry.ID | None, strawberry.argument(description="Global id of the CPU.")] = None,  # noqa: A002
        slug: Annotated[
            str | None, strawberry.argument(description="Slug of the CPU.", metadata=at_most(length=MAX_NAME_LENGTH))
        ] = None,
    ) -> CPU | None:
        """Return the CPU. Raises BadInput unless exactly one argument is given."""
        if (id is None) == (slug is None):
            raise BadInput("Give exactly one of `id` and `slug`.")
        if id is not None:
            return await CPU.load_node(info, key_from_global_id(id, "CPU"))
        assert slug is not None
        return cast("CPU | None", await info.context.loader(CpuBySlug).load(check_text(slug, "slug")))

    @strawberry.field(
        description="The CPUs with these slugs, in the order of the slugs; null for a slug without a CPU.",
        metadata=cache_hints(Domain.CATALOG, Domain.ANALYTICS, max_age=MAX_AGE),
        directives=[ListSize(assumed_size=MAX_SLUGS, slicing_arguments=["slugs"])],
    )
    async def cpus_by_slugs(
        self,
        info: Info,
        slugs: Annotated[
            list[str],
            strawberry.argument(
                description="Slugs of CPUs.", metadata=at_most(values=MAX_SLUGS, length=MAX_NAME_LENGTH)
            ),
        ],
    ) -> list[CPU | None]:
        """Return the CPUs with one statement; for a few CPUs it also prefetches their listings and distributions."""
        for slug in slugs:
            check_text(slug, "slugs")
        return cast("list[CPU | None]", await info.context.loader(CpuBySlug).load_many(slugs))

    @strawberry.field(
        description="CPUs that satisfy the filter, ordered by name unless `orderBy` is given.",
        # MARKET because of the filter `withListings`.
        metadata=cache_hints(Domain.CATALOG, Domain.ANALYTICS, Domain.MARKET, max_age=MAX_AGE),
        directives=[connection_size(DEFAULT_PAGE_SIZE), CostWeight(weight=SCAN_COST)],
    )
    async def cpus(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        filter: FilterArgument = None,  # noqa: A002
        order_by: Annotated[
            list[CPUOrder] | None,
            strawberry.argument(
                description="Sort keys in descending priority; default by name.",
                metadata=at_most(values=MAX_SORT_KEYS),
            ),
        ] = None,
    ) -> Connection[CPU]:
        """Return a page; without `first` and `last`, the first 50 CPUs."""
        request = parse_page_arguments(first, after, last, before)
        conditions, keyset = to_cpu_filter(filter), sql.keyset_for(to_sort_order(order_by))
        context = info.context
        counted = requests_total_count(info, "CPUConnection")
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
        description="CPUs with a good price that satisfy the filter, cheapest first, at most "
        f"{sql.MAX_PRICE_MAP_POINTS:,}.",
        metadata=cache_hints(Domain.CATALOG, Domain.ANALYTICS, Domain.MARKET, max_age=MAX_AGE),
        directives=[ListSize(assumed_size=sql.MAX_PRICE_MAP_POINTS)],
    )
    async def price_map(
        self,
        info: Info,
        filter: FilterArgument = None,  # noqa: A002
    ) -> list[PricePoint]:
        """Return all points with one statement."""
        context = info.context
        statement = sql.select_price_map(to_cpu_filter(filter), context.requested_columns("PricePoint"))
        async with context.read() as session:
            return cast("list[PricePoint]", await session.rows(*statement, PointRow))

    @strawberry.field(
        description="Numbers of CPUs per attribute value among the CPUs that satisfy the filter. For the options of a "
        "filter control, pass the filter without the condition of that control.",
        metadata=cache_hints(Domain.CATALOG, Domain.ANALYTICS, Domain.MARKET, max_age=MAX_AGE),
        directives=[CostWeight(weight=SCAN_COST)],
    )
    async def cpu_facets(
        self,
        info: Info,
        filter: FilterArgument = None,  # noqa: A002
    ) -> CPUFacets:
        """Count all requested facets with one statement."""
        context = info.context
        async with context.read() as session:
            return CPUFacets(
                counts=await count_facets(session, to_cpu_filter(filter), context.requested_columns("CPUFacets"))
            )

    @strawberry.field(
        description="The CPU that a seller's title names, if it is certain, with the reasons.",
        metadata=cache_hints(Domain.CATALOG, Domain.ANALYTICS, max_age=MAX_AGE),
        directives=[CostWeight(weight=MATCH_COST)],
    )
    async def match_title(
        self,
        info: Info,
        title: Annotated[
            str,
            strawberry.argument(description="Title of an offer.", metadata=at_most(length=MAX_TITLE_LENGTH)),
        ],
    ) -> TitleMatch:
        """Match the title with the catalogue in the snapshot of the request."""
        check_text(title, "title")
        async with info.context.read() as session:
            match = (await get_matcher(info.context.resources, session)).match(title)
        return TitleMatch.of(match, parse_components(title))
