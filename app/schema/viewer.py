"""Split off app.schema.documents.types."""

from __future__ import annotations

import strawberry

from app.graphql.viewer import Role, Viewer


@strawberry.type(name="Viewer", description="Who asks, as the token of the request says.")
class ViewerFacts:
    subject: str | None = strawberry.field(description="Whom the token names; null without a token.")
    role: Role = strawberry.field(description="What the viewer may do.")

    @classmethod
    def of(cls, viewer: Viewer) -> ViewerFacts:
        """From the request's viewer."""
        return cls(subject=viewer.subject, role=viewer.role)
