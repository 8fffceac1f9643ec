"""Turn exceptions into errors that may be sent to clients."""

from __future__ import annotations

from collections.abc import Sequence

import structlog
from graphql import GraphQLError

from app.core.errors import AppError, Unavailable
from app.db.errors import is_unavailable

log = structlog.get_logger()


def mask_errors(errors: Sequence[GraphQLError] | None) -> list[GraphQLError] | None:
    """Replace each error by one for clients: AppErrors keep their message and code, others are logged and masked."""
    return None if errors is None else [_mask_error(error) for error in errors]


def _mask_error(error: GraphQLError) -> GraphQLError:
    original = error.original_error
    while isinstance(original, GraphQLError):  # graphql-core wraps its own error if the value of a variable is wrong
        original = original.original_error
    if original is None:
        # An error of syntax, validation or coercion: graphql-core's message describes the client's document.
        error.extensions = {"code": "GRAPHQL_VALIDATION_FAILED", **(error.extensions or {})}
        return error
    masked = to_client_error(original)
    return GraphQLError(
        masked.message, error.nodes, error.source, error.positions, error.path, extensions={"code": masked.code}
    )


def to_client_error(error: BaseException) -> AppError:
    """Return the error for the client: an AppError itself; any other is logged, and only the request id is sent."""
    if isinstance(error, AppError):
        return error
    if is_unavailable(error):
        log.warning("request.unavailable", error=str(error))
        return Unavailable("The database is unavailable; retry in a moment.")
    log.error("request.failed", exc_info=error)
    request_id = structlog.contextvars.get_contextvars().get("request_id", "unknown")
    return AppError(f"Internal server error. Quote request ID {request_id} when reporting this.")
