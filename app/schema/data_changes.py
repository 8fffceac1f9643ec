"""Subscription to changes of data, by domain."""

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
    "A part of the data that answers are made of.",
    {
        "CATALOG": "CPUs: specifications and marks.",
        "MARKET": "Listings and prices.",
        "EVENTS": "Changes of prices, as they are told.",
        "ANALYTICS": "Price targets, performance values, ratings.",
        "WORK": "Jobs.",
        "DOCUMENTS": "Published documents.",
    },
    name="DataDomain",
)

DOMAINS = ListSize(assumed_size=len(Domain))


@strawberry.type(description="Which state of a part of the data there is.")
class DataVersion:
    domain: Domain = strawberry.field(description="Which part.")
    version: int = strawberry.field(
        description="Grows with each commit that changes the part; 0 when nothing ever did."
    )


@strawberry.type(description="News of data that changed, and is there to be read.")
class DataChange:
    domains: list[Domain] = strawberry.field(
        description="What changed since the event before, sorted by name; empty in the first event.",
        directives=[DOMAINS],
    )
    versions: list[DataVersion] = strawberry.field(
        description="The state of everything that is followed, sorted by name. "
        "A client that was away compares it with what it was told last.",
        directives=[DOMAINS],
    )

    @classmethod
    def between(cls, before: Mapping[Domain, int], now: Mapping[Domain, int]) -> DataChange:
        """From the versions told last, empty when there are none, to those of now."""
        return cls(
            domains=[domain for domain, version in now.items() if before.get(domain, version) != version],
            versions=[DataVersion(domain=domain, version=version) for domain, version in now.items()],
        )


# From one event to the next at least: whatever commits meanwhile is one event.
MIN_EVENT_INTERVAL_SECONDS = 1.0


@strawberry.type
class DataChangesSubscription:
    @strawberry.subscription(
        description="News of data that changed, so that what is shown can be asked for anew. The first event, at once, "
        f"tells the state; each next one comes as soon as a commit changed something, at most one every "
        f"{MIN_EVENT_INTERVAL_SECONDS:g} s."
    )
    async def data_changed(
        self,
        info: Info,
        domains: Annotated[
            list[Domain] | None, strawberry.argument(description="What to follow, at least one; null: everything.")
        ] = None,
    ) -> AsyncGenerator[DataChange, None]:
        """Asks the database nothing: what a process hears of commits is enough."""
        followed = _parse_domains(domains)
        changes = info.context.resources.notifications
        told: Mapping[Domain, int] | None = None
        async with changes.subscribe(*followed) as changed:
            while True:
                changed.clear()
                versions = changes.current_versions()
                if versions is not None:  # else nothing is known for certain; once it is, followers are woken
                    now = {domain: versions.get(domain, 0) for domain in followed}
                    if now != told:
                        yield DataChange.between(told or {}, now)
                        told = now
                        await asyncio.sleep(MIN_EVENT_INTERVAL_SECONDS)
                        continue
                await changed.wait()


def _parse_domains(given: Sequence[Domain] | None) -> list[Domain]:
    """Once each, sorted by name. Raises BadInput when there is none."""
    if given is not None and not given:
        raise BadInput("`domains` is empty: leave it out to follow everything.")
    return sorted(set(Domain if given is None else given), key=lambda domain: domain.name)
