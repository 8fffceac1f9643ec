"""Turn exceptions into errors that may be sent to clients."""

from __future__ import annotations

from collections.abc import Sequence

import structlog
from graphql import GraphQLError

from app.core.errors import AppError, DeadlineExceeded, Unavailable
from app.core.log_sampling import LogSampler
from app.db.errors import QUERY_CANCELED, READ_ONLY, READ_ONLY_TRANSACTION, get_sqlstate, is_unavailable

log = structlog.get_logger()

# Characters. graphql-core quotes names and values of a client at any length, perhaps once per error.
MAX_MESSAGE_LENGTH = 1_000

_unavailable_log, _failed_log = LogSampler(), LogSampler()


def mask_errors(errors: Sequence[GraphQLError] | None) -> list[GraphQLError] | None:
    """Replace each error by one for clients: AppErrors keep their message and code, others are logged and masked."""
    return None if errors is None else [_mask_error(error) for error in errors]


def _mask_error(error: GraphQLError) -> GraphQLError:
    cause: BaseException = error
    while isinstance(cause, GraphQLError) and cause.original_error is not None:
        cause = cause.original_error
    if isinstance(cause, GraphQLError) and _describes_request(error):
        if len(error.message) > MAX_MESSAGE_LENGTH:
            error.message = f"{error.message[:MAX_MESSAGE_LENGTH]}..."
        error.extensions = {"code": "GRAPHQL_VALIDATION_FAILED", **(error.extensions or {})}
        return error
    masked = to_client_error(cause)
    return GraphQLError(
        masked.message, error.nodes, error.source, error.positions, error.path, extensions={"code": masked.code}
    )


def _describes_request(error: GraphQLError) -> bool:
    """Return whether an error of graphql-core is about the client's document, variables or arguments.

    Errors of syntax, validation and variables have no response path. Errors with a path arise during execution: those
    of arguments quote the client's values, all others quote a value that a resolver returned.
    """
    return error.path is None or error.message.startswith("Argument '")


def to_client_error(error: BaseException) -> AppError:
    """Return the error for the client: an AppError itself; any other is logged, and only the request id is sent."""
    if isinstance(error, AppError):
        return error
    if is_unavailable(error):
        if (skipped := _unavailable_log.sample()) is not None:
            log.warning("request.unavailable", error=str(error), skipped=skipped)
        if get_sqlstate(error) == QUERY_CANCELED:
            return DeadlineExceeded("PostgreSQL cancelled the operation, which took too long; request less data.")
        if get_sqlstate(error) == READ_ONLY_TRANSACTION:
            return Unavailable(READ_ONLY)
        return Unavailable("The database is unavailable; retry in a moment.")
    # Each request id that a client may quote is logged. The traceback, which is long, is left out in a flood.
    with_traceback = _failed_log.sample() is not None
    log.error("request.failed", error=type(error).__name__, exc_info=error if with_traceback else None)
    request_id = structlog.contextvars.get_contextvars().get("request_id", "unknown")
    return AppError(f"Internal server error. Quote request ID {request_id} when reporting this.")
