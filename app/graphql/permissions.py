"""Permission classes of Strawberry for the roles of viewers."""

from __future__ import annotations

from typing import Any

from strawberry.permission import BasePermission

from app.core.errors import Forbidden, Unauthenticated
from app.graphql.context import Info
from app.graphql.viewer import Role


class _HasRole(BasePermission):
    role: Role

    def has_permission(self, source: Any, info: Info, **kwargs: Any) -> bool:
        """Raise Unauthenticated if a token is missing, Forbidden if its role is too low."""
        viewer = info.context.viewer
        if viewer.role >= self.role:
            return True
        required = self.role.name.lower()
        if viewer.subject is None:
            raise Unauthenticated(f"This field requires the role {required}: send a bearer token.")
        raise Forbidden(f"This field requires the role {required}; your token has the role {viewer.role.name.lower()}.")


class IsOperator(_HasRole):
    """Permits operators and admins."""

    role = Role.OPERATOR


class IsAdmin(_HasRole):
    """Permits admins."""

    role = Role.ADMIN
