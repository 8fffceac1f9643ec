"""Turn exceptions into errors that a client may see."""

from __future__ import annotations

from collections.abc import Sequence

import structlog
from graphql import GraphQLError

from app.core.errors import AppError, Unavailable
from app.db.errors import is_unavailable

log = structlog.get_logger()


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
