"""What a client is told of itself and of changes, as GraphQL types."""

from __future__ import annotations

from collections.abc import Mapping

import strawberry

from app.context import Role, Viewer
from app.directives import ListSize
from app.graphql_enums import graphql_enum
from app.tables import Domain

DOMAINS = ListSize(assumed_size=len(Domain))

graphql_enum(
    Domain,
    "A part of the data that answers are made of.",
    {
        "CATALOG": "CPUs: specifications and marks.",
        "MARKET": "Listings and prices.",
        "ANALYTICS": "Price targets, performance values, ratings.",
        "WORK": "Jobs.",
        "DOCUMENTS": "Published documents.",
    },
    name="DataDomain",
)
graphql_enum(
    Role,
    "What somebody may do; each role may do what the ones before it may.",
    {
        "VIEWER": "Read what is public; also who sends no token.",
        "OPERATOR": "Follow the work of the server, and bring in data.",
        "ADMIN": "Everything.",
    },
)


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


@strawberry.type(name="Viewer", description="Who asks, as the token of the request says.")
class ViewerFacts:
    subject: str | None = strawberry.field(description="Whom the token names; null without a token.")
    role: Role = strawberry.field(description="What the viewer may do.")

    @classmethod
    def of(cls, viewer: Viewer) -> ViewerFacts:
        """From the request's viewer."""
        return cls(subject=viewer.subject, role=viewer.role)
