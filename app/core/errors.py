"""The errors whose text may reach a client.

Everything else that is raised is logged with the request id, and the client is told that id alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import structlog
from graphql import GraphQLError

from app.db.errors import is_unavailable

log = structlog.get_logger()


class AppError(Exception):
    """An error that was meant for whoever asked: `message` says what to do, `code` is for programs."""

    code = "INTERNAL"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class BadInput(AppError):
    """An argument has the right type but not a usable value."""

    code = "BAD_USER_INPUT"


class BadCursor(AppError):
    """A pagination cursor that this server did not make, or made for another ordering."""

    code = "BAD_CURSOR"


class ExpiredCursor(AppError):
    """A cursor after which something was deleted: to go on from it would miss that without a word."""

    code = "CURSOR_EXPIRED"


class NotFound(AppError):
    """A thing that was named does not exist."""

    code = "NOT_FOUND"


class Unauthenticated(AppError):
    """No token, or one that does not hold."""

    code = "UNAUTHENTICATED"


class Forbidden(AppError):
    """The token holds, but its role is not enough."""

    code = "FORBIDDEN"


class BadRequest(AppError):
    """The HTTP request is not a GraphQL request."""

    code = "BAD_REQUEST"


class Unavailable(AppError):
    """A server that this one needs does not answer; asking again later helps."""

    code = "SERVICE_UNAVAILABLE"


class StartupError(AppError):
    """The program cannot start as configured; the command line prints the sentence and exits with 1."""

    code = "STARTUP"


def presentable(errors: Sequence[GraphQLError] | None) -> list[GraphQLError] | None:
    """Errors as a client may see them: those meant for it with their code, all others logged and reduced to an id."""
    return None if errors is None else [_presentable(error) for error in errors]


def _presentable(error: GraphQLError) -> GraphQLError:
    original = error.original_error
    while isinstance(original, GraphQLError):  # graphql-core wraps its own when the value of a variable is wrong
        original = original.original_error
    if original is None:
        # Syntax, validation and coercion: graphql-core's own sentence about the document.
        error.extensions = {"code": "GRAPHQL_VALIDATION_FAILED", **(error.extensions or {})}
        return error
    known = presentable_cause(original)
    return GraphQLError(
        known.message, error.nodes, error.source, error.positions, error.path, extensions={"code": known.code}
    )


def presentable_cause(error: BaseException) -> AppError:
    """An exception as a client may see it: itself if it was meant for it, else it is logged and reduced to an id."""
    if isinstance(error, AppError):
        return error
    if is_unavailable(error):
        log.warning("request.unavailable", error=str(error))
        return Unavailable("The database does not answer now; try again in a moment.")
    log.error("request.failed", exc_info=error)
    request_id = structlog.contextvars.get_contextvars().get("request_id", "unknown")
    return AppError(f"Something went wrong here. The log knows more under the request id {request_id}.")
