"""Errors with messages for clients.

Every other exception is logged together with the request id, and the client receives only that id.
"""

from __future__ import annotations


class AppError(Exception):
    """Base of the errors meant for clients: `message` describes the problem, `code` is for programs."""

    code = "INTERNAL"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class BadInput(AppError):
    """An argument has the right type but an invalid value."""

    code = "BAD_USER_INPUT"


class BadCursor(AppError):
    """A pagination cursor was not issued by this server, or belongs to another ordering."""

    code = "BAD_CURSOR"


class ExpiredCursor(AppError):
    """A cursor points to rows that were deleted, so reading on from it would silently skip data."""

    code = "CURSOR_EXPIRED"


class NotFound(AppError):
    """The requested object does not exist."""

    code = "NOT_FOUND"


class Unauthenticated(AppError):
    """The request has no token, or its token is invalid or expired."""

    code = "UNAUTHENTICATED"


class Forbidden(AppError):
    """The token is valid, but its role does not permit the operation."""

    code = "FORBIDDEN"


class BadRequest(AppError):
    """The HTTP request is not a valid GraphQL request."""

    code = "BAD_REQUEST"


class Unavailable(AppError):
    """A service that this server depends on is down; the client may retry later."""

    code = "SERVICE_UNAVAILABLE"


class OutcomeUnknown(AppError):
    """A mutation failed, but its change may have been saved: the commit was not confirmed, or its result was lost."""

    code = "OUTCOME_UNKNOWN"

    def __init__(self) -> None:
        super().__init__("The change may or may not have been saved: check before you repeat it.")


class DeadlineExceeded(Unavailable):
    """The operation took longer than the request timeout."""

    code = "DEADLINE_EXCEEDED"


class StartupError(AppError):
    """The configuration prevents the program from starting: the command line prints the message and exits with 1."""

    code = "STARTUP"
