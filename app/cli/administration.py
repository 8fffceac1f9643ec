"""`dealmark schema` and `dealmark token`."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Annotated

import typer

from app.cli.connect import connected_settings

MAX_TOKEN_HOURS = 24 * 365


class RoleName(StrEnum):
    """Names of the roles, as options of the command."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"


def schema() -> None:
    """Print the GraphQL schema (SDL)."""
    from app.schema.build import build_schema

    typer.echo(build_schema().as_str())


def token(
    role: Annotated[RoleName, typer.Option(help="Role of the token.")] = RoleName.VIEWER,
    subject: Annotated[str, typer.Option(help="Name of its holder, the claim `sub`.")] = "developer",
    hours: Annotated[float, typer.Option(min=0.01, max=MAX_TOKEN_HOURS, help="Hours until the token expires.")] = 24,
) -> None:
    """Issue a bearer token for development."""
    from app.graphql.viewer import Role
    from app.server.authentication import issue_token

    typer.echo(issue_token(connected_settings(), Role[role.name], subject, timedelta(hours=hours)))
