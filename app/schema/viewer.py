"""GraphQL type and query field of the viewer: who sent the request."""

from __future__ import annotations

import strawberry

from app.graphql.context import Info
from app.graphql.directives import cache_hints
from app.graphql.enums import graphql_enum
from app.graphql.viewer import Role, Viewer

graphql_enum(
    Role,
    "Permissions of a viewer; each role includes the permissions of the previous ones.",
    {
        "VIEWER": "Read public data; the role of requests without a token.",
        "OPERATOR": "Also follow jobs and request imports.",
        "ADMIN": "Also change valuation rules and request recalculations.",
    },
)


@strawberry.type(name="Viewer", description="Sender of the request according to its token.")
class ViewerFacts:
    subject: str | None = strawberry.field(description="Subject of the token; null without a token.")
    role: Role = strawberry.field(description="Role of the viewer.")

    @classmethod
    def of(cls, viewer: Viewer) -> ViewerFacts:
        """Return the object for the viewer of the request."""
        return cls(subject=viewer.subject, role=viewer.role)


@strawberry.type
class ViewerQuery:
    @strawberry.field(
        description="The sender of the request. A request with an invalid token is rejected, so this also checks "
        "a token.",
        metadata=cache_hints(max_age=0, per_viewer=True),
    )
    def viewer(self, info: Info) -> ViewerFacts:
        """Return the viewer of this request."""
        return ViewerFacts.of(info.context.viewer)
