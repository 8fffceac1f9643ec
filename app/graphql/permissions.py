"""Who may use a field. Each is a strawberry permission class, so that it shows in the code beside the field."""

from __future__ import annotations

from typing import Any

import strawberry
from strawberry.permission import BasePermission

from app.core.errors import Forbidden, Unauthenticated
from app.graphql.context import Context
from app.graphql.viewer import Role


class _AtLeast(BasePermission):
    role: Role

    def has_permission(self, source: Any, info: strawberry.Info[Context, None], **kwargs: Any) -> bool:
        """Raises the error that tells the two cases apart: who asks is not known, or is not enough."""
        viewer = info.context.viewer
        if viewer.role >= self.role:
            return True
        if viewer.subject is None:
            raise Unauthenticated(f"This needs the role {self.role.name.lower()}: send a bearer token.")
        raise Forbidden(f"This needs the role {self.role.name.lower()}; your token has {viewer.role.name.lower()}.")


class IsOperator(_AtLeast):
    """Operators and admins."""

    role = Role.OPERATOR


class IsAdmin(_AtLeast):
    """Admins."""

    role = Role.ADMIN
