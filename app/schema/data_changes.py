"""Subscription to changes of data, by domain. Clients use it to refetch what they show."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Annotated

import strawberry

from app.core.errors import BadInput
from app.db.tables import Domain
from app.graphql.context import Info
from app.graphql.directives import ListSize
from app.graphql.enums import graphql_enum

graphql_enum(
    Domain,
    "A part of the data with a version of its own.",
    {
        "CATALOG": "CPUs: specifications and benchmark marks.",
        "MARKET": "Listings, prices and valuation rules.",
        "EVENTS": "Price changes.",
        "ANALYTICS": "Price targets, performance values and ratings.",
        "WORK": "Jobs and imports.",
        "DOCUMENTS": "Persisted documents.",
    },
    name="DataDomain",
)

DOMAINS = ListSize(assumed_size=len(Domain))


@strawberry.type(description="Version of a part of the data.")
class DataVersion:
    domain: Domain = strawberry.field(description="Part of the data.")
    version: int = strawberry.field(
        description="Number that grows with each commit that changes the part; 0 before the first."
    )


@strawberry.type(description="A change of data that can be read now.")
class DataChange:
    domains: list[Domain] = strawberry.field(
        description="Parts that changed since the previous event, sorted by name; empty in the first event.",
        directives=[DOMAINS],
    )
    versions: list[DataVersion] = strawberry.field(
        description="Versions of all requested parts, sorted by name. A client that reconnects compares them with the "
        "last versions that it received.",
        directives=[DOMAINS],
    )

    def __hash__(self) -> int:  # equal changes share their result, see app/engine/streams.py
        return hash((*self.domains, *((version.domain, version.version) for version in self.versions)))

    @classmethod
    def between(cls, before: Mapping[Domain, int], now: Mapping[Domain, int]) -> DataChange:
        """Return the change from the versions sent last (empty if there are none) to the current ones."""
        return cls(
            domains=[domain for domain, version in now.items() if before.get(domain, version) != version],
            versions=[DataVersion(domain=domain, version=version) for domain, version in now.items()],
        )


# Least time between two events; all commits in between are one event.
MIN_EVENT_INTERVAL_SECONDS = 1.0


@strawberry.type
class DataChangesSubscription:
    @strawberry.subscription(
        description="Changes of data, so that clients can refetch what they show. The first event is sent immediately "
        f"and has the current versions; the next ones follow commits, with at least {MIN_EVENT_INTERVAL_SECONDS:g} s "
        "between two events."
    )
    async def data_changed(
        self,
        info: Info,
        domains: Annotated[
            list[Domain] | None, strawberry.argument(description="Parts to follow, at least one; null stands for all.")
        ] = None,
    ) -> AsyncGenerator[DataChange, None]:
        """Yield changes without database queries, from the versions in the notifications of commits."""
        followed = _parse_domains(domains)
        listener = info.context.resources.notifications
        sent: Mapping[Domain, int] | None = None
        async with listener.subscribe(*followed) as changed:
            while True:
                changed.clear()
                versions = listener.current_versions()
                if versions is not None:  # None while disconnected; subscribers are notified after reconnecting
                    now = {domain: versions.get(domain, 0) for domain in followed}
                    if now != sent:
                        yield DataChange.between(sent or {}, now)
                        sent = now
                        await asyncio.sleep(MIN_EVENT_INTERVAL_SECONDS)
                        continue
                await changed.wait()


def _parse_domains(domains: Sequence[Domain] | None) -> list[Domain]:
    """Return the domains (None: all) without repetitions, sorted by name. Raises BadInput for an empty list."""
    if domains is not None and not domains:
        raise BadInput("`domains` is empty: leave it out to follow everything.")
    return sorted(set(Domain if domains is None else domains), key=lambda domain: domain.name)
