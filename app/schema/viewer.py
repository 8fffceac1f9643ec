"""The caller of a request, as a GraphQL type."""

from __future__ import annotations

import strawberry

from app.graphql.context import Info
from app.graphql.directives import cache_hints
from app.graphql.enums import graphql_enum
from app.graphql.viewer import Role, Viewer

graphql_enum(
    Role,
    "What somebody may do; each role may do what the ones before it may.",
    {
        "VIEWER": "Read what is public; also who sends no token.",
        "OPERATOR": "Follow the work of the server, and bring in data.",
        "ADMIN": "Everything.",
    },
)


@strawberry.type(name="Viewer", description="Who asks, as the token of the request says.")
class ViewerFacts:
    subject: str | None = strawberry.field(description="Whom the token names; null without a token.")
    role: Role = strawberry.field(description="What the viewer may do.")

    @classmethod
    def of(cls, viewer: Viewer) -> ViewerFacts:
        """From the request's viewer."""
        return cls(subject=viewer.subject, role=viewer.role)


@strawberry.type
class ViewerQuery:
    @strawberry.field(
        description="Who asks: a token that is not valid is an error, so this tells whether one is.",
        metadata=cache_hints(max_age=0, per_viewer=True),
    )
    def viewer(self, info: Info) -> ViewerFacts:
        """Of the request itself."""
        return ViewerFacts.of(info.context.viewer)
